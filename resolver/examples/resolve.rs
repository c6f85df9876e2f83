//! Resolves a name from a database: `cargo run --example resolve -- FILE SERVICE NAME`.

use atname_resolver::{Database, Options};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, service, name] = arguments.as_slice() else {
        eprintln!("usage: resolve FILE SERVICE NAME");
        return ExitCode::from(2);
    };
    let answer = Database::open(file)
        .and_then(|database| database.resolve(service, name, &Options::default()));
    match answer {
        Ok(answer) => println!("{}", answer.key_hex()),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
