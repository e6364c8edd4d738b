//! The chores of this repository, each a command: `cargo xtask test`, `gen`, `layers`, `bench`, `soak`,
//! `screenshots`.
//!
//! A new chore is a file with a `clap::Args` struct that implements [`Chore`], and one line in
//! `chores!` below.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its caller")]

mod bench;
mod faults;
mod features;
mod generate;
mod layers;
mod postgres;
mod process;
mod python;
mod report;
mod screenshots;
mod soak;
mod steps;
mod tidy;
mod tools;
mod upgrade;
mod web;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// The answer of a chore that could be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Everything is as it should be.
    Clean,
    /// The chore ran and found something wrong, which it has printed.
    Findings,
}

/// One command of `cargo xtask`. Its arguments are the fields of the type; its help, the type's
/// doc comment.
trait Chore {
    /// Carries the chore out. An error means that it could not be carried out at all.
    fn run(self, workspace: &Workspace) -> anyhow::Result<Verdict>;
}

/// Declares the commands: each line is `Name(module::Args)`.
macro_rules! chores {
    ($($name:ident($args:ty)),* $(,)?) => {
        #[derive(Subcommand)]
        enum Command {
            $($name($args),)*
        }

        impl Chore for Command {
            fn run(self, workspace: &Workspace) -> anyhow::Result<Verdict> {
                match self {
                    $(Self::$name(chore) => chore.run(workspace),)*
                }
            }
        }
    };
}

chores! {
    Test(steps::Test),
    Gen(generate::Gen),
    Layers(layers::Layers),
    Bench(bench::Bench),
    Soak(soak::Soak),
    Screenshots(screenshots::Screenshots),
    Faults(faults::Faults),
    Python(python::Python),
    Upgrade(upgrade::Upgrade),
}

/// The chores of the AgentAdmit repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match Workspace::load().and_then(|workspace| arguments.command.run(&workspace)) {
        Ok(Verdict::Clean) => ExitCode::SUCCESS,
        Ok(Verdict::Findings) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(3)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_explains_itself() {
        for command in Arguments::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{} has no help", command.get_name());
        }
    }
}
