//! The command line of `dbm-agent`.

use std::process::ExitCode;

use dbm_agent::{exec, install, inventory, seed};

const USAGE: &str = "usage: dbm-agent install DIR
       dbm-agent installed DIR
       dbm-agent place DIR
       dbm-agent seed FROM TO [FROM TO...]
       dbm-agent inventory '<InventoryRequest as JSON>'
       dbm-agent exec [--expect HASH] [--not-after RFC3339] '<ExecRequest as JSON>' [-- COMMAND...]
       dbm-agent --version";

/// The exit code of a wrong call.
const USAGE_ERROR: u8 = 2;

fn main() -> ExitCode {
    let mut arguments = Vec::new();
    for argument in std::env::args_os().skip(1) {
        match argument.into_string() {
            Ok(text) => arguments.push(text),
            Err(_) => return fail(USAGE_ERROR, "an argument is not UTF-8"),
        }
    }
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["install", directory] => report(install::install(directory.as_ref())),
        ["installed", directory] => report(install::installed(directory.as_ref())),
        ["place", directory] => report(install::place(directory.as_ref())),
        ["seed", pairs @ ..] if !pairs.is_empty() && pairs.len() % 2 == 0 => {
            report(seed::seed(pairs))
        }
        ["inventory", request] => report(inventory::print(request)),
        ["exec", rest @ ..] => ExitCode::from(exec::main(rest)),
        ["--version"] => {
            println!("dbm-agent {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        _ => fail(USAGE_ERROR, USAGE),
    }
}

fn report(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => fail(1, &message),
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("dbm-agent: {message}");
    ExitCode::from(code)
}
