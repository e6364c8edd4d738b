//! How the story looks on a terminal, and in a file.

use serde_json::Value;

use crate::exit::Failure;
use crate::output::{colours, print};

const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const PLAIN: &str = "\u{1b}[0m";

/// Prints the steps of the story.
pub(super) struct Printer {
    coloured: bool,
    step: u32,
}

impl Printer {
    pub(super) fn new() -> Self {
        Self { coloured: colours(), step: 0 }
    }

    /// What comes next.
    pub(super) fn step(&mut self, title: &str) -> Result<(), Failure> {
        self.step = self.step.saturating_add(1);
        let title = self.painted(BOLD, &format!("{:>2}  {title}", self.step));
        line(&format!("\n{title}"))
    }

    /// An answer that was received and is the documented one.
    pub(super) fn answer(
        &self,
        who: &str,
        request: &str,
        status: u16,
        said: &str,
    ) -> Result<(), Failure> {
        let colour = if status < 400 { GREEN } else { YELLOW };
        let status = self.painted(colour, &status.to_string());
        line(&format!("    {who:<8} {request:<46} {status}  {said}"))
    }

    /// Something to know.
    pub(super) fn remark(&self, text: &str) -> Result<(), Failure> {
        line(&self.painted(DIM, &format!("    {text}")))
    }

    /// The end of a story that went as it should.
    pub(super) fn all_good(&self) -> Result<(), Failure> {
        let text = format!("all {} steps behaved as documented", self.step);
        line(&format!("\n{}", self.painted(GREEN, &text)))
    }

    /// Something is not as documented.
    pub(super) fn wrong(&self, text: &str) -> Result<(), Failure> {
        line(&self.painted(RED, &format!("    NOT as documented: {text}")))
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.coloured { format!("{colour}{text}{PLAIN}") } else { text.to_owned() }
    }
}

/// The beginning of a secret: enough to recognise it, of no use to anybody.
pub(super) fn masked(secret: &str) -> String {
    format!("{}…", secret.get(..10).unwrap_or_default())
}

/// A member of an answer as a text.
pub(super) fn member<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Prints a line as it is.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    print(format!("{text}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals() {
        let printer = |coloured| Printer { coloured, step: 0 };
        assert_eq!(printer(false).painted(RED, "x"), "x");
        assert_eq!(printer(true).painted(RED, "x"), "\u{1b}[31mx\u{1b}[0m");
    }

    #[test]
    fn a_masked_secret_is_no_secret() {
        assert_eq!(masked("ag_ct_0123456789"), "ag_ct_0123…");
        assert_eq!(masked("short"), "…");
    }
}
