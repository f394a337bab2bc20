//! `sunbid`: parses, dispatches, and ends with a code.

use std::process::ExitCode;

use sunbid_cli::{commands, exit};

fn main() -> ExitCode {
    let (arguments, words) = commands::Arguments::typed();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("sunbid: the runtime cannot start: {error}");
            return ExitCode::from(exit::FAILED);
        }
    };
    let json = arguments.json();
    match runtime.block_on(commands::run_traced(arguments, &words)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if json {
                let fields = serde_json::json!({
                    "error": exit::describe(&error), "exit_code": exit::code(&error),
                });
                eprintln!("{fields}");
            } else {
                eprintln!("sunbid: {}", exit::describe(&error));
            }
            ExitCode::from(exit::code(&error))
        }
    }
}
