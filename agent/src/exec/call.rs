//! The arguments of `dbm-agent exec`.

use jiff::Timestamp;

use dbm_protocol::ExecRequest;

/// A call of `dbm-agent exec`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The hash that the image's inventory has to have.
    pub expect: Option<String>,
    /// The time after which nothing is started.
    pub not_after: Option<Timestamp>,
    /// What to do.
    pub request: ExecRequest,
    /// The command; empty for Prisma's own.
    pub command: Vec<String>,
}

impl Call {
    /// Reads the arguments after `exec`.
    ///
    /// # Errors
    /// With what is not understood.
    pub fn parse(arguments: &[&str]) -> Result<Call, String> {
        let mut call = Call::default();
        let mut request = None;
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match *argument {
                "--" => {
                    call.command = rest.map(|word| (*word).to_owned()).collect();
                    break;
                }
                "--expect" => {
                    let hash = rest.next().ok_or("--expect needs a hash")?;
                    call.expect = Some((*hash).to_owned());
                }
                "--not-after" => {
                    let time = rest.next().ok_or("--not-after needs a time")?;
                    call.not_after = Some(
                        time.parse()
                            .map_err(|error| format!("--not-after {time}: {error}"))?,
                    );
                }
                json if request.is_none() && !json.starts_with("--") => {
                    request = Some(
                        serde_json::from_str(json)
                            .map_err(|error| format!("the request is not understood: {error}"))?,
                    );
                }
                other => return Err(format!("{other:?} is not understood")),
            }
        }
        call.request = request.ok_or("there is no request")?;
        Ok(call)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn calls() {
        let request = r#"{"project":{"database":"d","schema":"s"},"envVar":"DATABASE_URL","applicationName":"a"}"#;
        let call = Call::parse(&[
            "--not-after",
            "2026-01-01T00:00:00Z",
            "--expect",
            "h",
            request,
            "--",
            "sh",
            "--",
            "x",
        ])
        .unwrap();
        assert_eq!(call.expect.as_deref(), Some("h"));
        assert_eq!(call.command, ["sh", "--", "x"]);
        assert_eq!(call.request.env_var, "DATABASE_URL");
        assert!(Call::parse(&[request, "--"]).unwrap().command.is_empty());
        for wrong in [
            &[][..],
            &["--expect"],
            &["--not-after", "soon", request],
            &["{}"],
            &[request, request],
            &["--other", request],
        ] {
            assert!(Call::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
