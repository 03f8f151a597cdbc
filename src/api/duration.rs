//! Durations as people write them: `90s`, `30m`, `1h30m`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A length of time in hours, minutes and seconds; kept as it was written, so that nothing rewrites a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration(pub String);

impl Duration {
    /// From its text.
    pub fn new(text: &str) -> Self {
        Duration(text.to_owned())
    }

    /// It says nothing.
    pub fn is_unset(&self) -> bool {
        self.0.is_empty()
    }

    /// Its length in seconds; `None` where it is empty (unset) or no duration at all, which the schema refuses.
    pub fn seconds(&self) -> Option<i64> {
        let mut rest = self.0.as_str();
        if rest.is_empty() {
            return None;
        }
        let mut total: i64 = 0;
        for (unit, factor) in [('h', 3600), ('m', 60), ('s', 1)] {
            if let Some((number, tail)) = rest.split_once(unit) {
                total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(factor)?)?;
                rest = tail;
            }
        }
        rest.is_empty().then_some(total)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 16,
            "x-kubernetes-validations": [{
                "rule": "self == '' || self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$')",
                "message": "must be a duration like 90s, 30m or 1h30m",
            }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Duration;

    #[rstest::rstest]
    #[case("90s", Some(90))]
    #[case("30m", Some(1800))]
    #[case("1h30m", Some(5400))]
    #[case("1h0m5s", Some(3605))]
    #[case("0s", Some(0))]
    #[case("", None)]
    #[case("5", None)]
    #[case("5s3m", None)]
    #[case("-5s", Some(-5))]
    #[case("x", None)]
    #[case("99999999999999999999h", None)]
    fn reads(#[case] text: &str, #[case] seconds: Option<i64>) {
        assert_eq!(Duration::new(text).seconds(), seconds);
    }
}
