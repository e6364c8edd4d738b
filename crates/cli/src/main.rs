//! The binary `agentadmit`. Everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    agentadmit_cli::main()
}
