//! What an examination found, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::output::style::{BOLD, DIM, GREEN, PLAIN, RED, YELLOW};
use crate::output::{Output, colours, escaped, print};

/// What one check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All is well: what was seen.
    Well(String),
    /// Something is wrong.
    Finding {
        /// What is wrong, in one line.
        message: String,
        /// What to do about it.
        fix: String,
    },
    /// Not looked at: nobody asked for it, or something else must be mended first.
    Skipped(String),
    /// It could not be found out.
    Unknown(String),
}

impl Outcome {
    pub(super) fn well(seen: impl Into<String>) -> Self {
        Self::Well(seen.into())
    }

    pub(super) fn finding(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Finding { message: message.into(), fix: fix.into() }
    }

    pub(super) fn skipped(why: impl Into<String>) -> Self {
        Self::Skipped(why.into())
    }

    pub(super) fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown(why.into())
    }

    pub(super) const fn is_finding(&self) -> bool {
        matches!(self, Self::Finding { .. })
    }

    /// The outcome in a word, as JSON has it.
    const fn word(&self) -> &'static str {
        match self {
            Self::Well(_) => "ok",
            Self::Finding { .. } => "finding",
            Self::Skipped(_) => "skipped",
            Self::Unknown(_) => "unknown",
        }
    }

    const fn mark(&self) -> (&'static str, &'static str) {
        match self {
            Self::Well(_) => ("ok", GREEN),
            Self::Finding { .. } => ("!!", RED),
            Self::Skipped(_) => ("--", DIM),
            Self::Unknown(_) => ("??", YELLOW),
        }
    }

    fn message(&self) -> &str {
        match self {
            Self::Well(text) | Self::Skipped(text) | Self::Unknown(text) => text,
            Self::Finding { message, .. } => message,
        }
    }
}

/// Prints lines as they come, or all of them as JSON at the end.
pub(super) struct Report {
    output: Output,
    coloured: bool,
    width: usize,
    done: Vec<(&'static str, Outcome)>,
}

impl Report {
    /// `width` is that of the longest id.
    pub(super) fn new(output: Output, width: usize) -> Self {
        Self { output, coloured: colours(), width, done: Vec::new() }
    }

    /// One check is done.
    pub(super) fn add(&mut self, id: &'static str, outcome: Outcome) -> Result<(), Failure> {
        if !self.output.is_json() {
            print(self.lines(id, &outcome).as_bytes())?;
        }
        self.done.push((id, outcome));
        Ok(())
    }

    fn lines(&self, id: &str, outcome: &Outcome) -> String {
        let (mark, colour) = outcome.mark();
        let width = self.width;
        let said = escaped(outcome.message());
        let (mark, said) = match outcome {
            Outcome::Finding { .. } => (self.painted(colour, mark), self.painted(BOLD, &said)),
            Outcome::Skipped(_) => (self.painted(colour, mark), self.painted(DIM, &said)),
            _ => (self.painted(colour, mark), said),
        };
        let mut text = format!("{mark}  {id:<width$}  {said}\n");
        if let Outcome::Finding { fix, .. } = outcome {
            // writing into a String cannot fail
            let _never = writeln!(text, "    {:<width$}  {}", "", escaped(fix));
        }
        text
    }

    /// The sum, and how the command ends.
    pub(super) fn finish(self) -> Result<Exit, Failure> {
        let count = |word| self.done.iter().filter(|(_, outcome)| outcome.word() == word).count();
        let (well, findings) = (count("ok"), count("finding"));
        let (skipped, unknown) = (count("skipped"), count("unknown"));
        let exit = match (findings, unknown) {
            (0, 0) => Exit::Done,
            (0, _) => Exit::CouldNot,
            _ => Exit::No,
        };
        if self.output.is_json() {
            let sum = json!({"ok": exit == Exit::Done, "checks": self.json()});
            self.output.result(&sum, |_| String::new())?;
            return Ok(exit);
        }
        let mut sum = format!("{well} ok, {findings} to mend, {skipped} not looked at");
        if unknown > 0 {
            let _never = write!(sum, ", {unknown} not found out");
        }
        let colour = if exit == Exit::Done { GREEN } else { RED };
        print(format!("\n{}\n", self.painted(colour, &sum)).as_bytes())?;
        Ok(exit)
    }

    fn json(&self) -> Vec<Value> {
        let value = |(id, outcome): &(&str, Outcome)| {
            let mut value =
                json!({"id": id, "outcome": outcome.word(), "message": outcome.message()});
            if let (Outcome::Finding { fix, .. }, Some(members)) = (outcome, value.as_object_mut())
            {
                members.insert("fix".to_owned(), fix.as_str().into());
            }
            value
        };
        self.done.iter().map(value).collect()
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.coloured { format!("{colour}{text}{PLAIN}") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_shows_what_to_do_and_moves_no_cursor() {
        let report =
            Report { output: Output::new(false), coloured: false, width: 5, done: Vec::new() };
        let lines = report.lines("a_b", &Outcome::finding("bad \u{1b}[2J", "mend it"));
        insta::assert_snapshot!(lines, @r"
        !!  a_b    bad \u{1b}[2J
                   mend it
        ");
        let coloured = Report { coloured: true, ..report };
        assert!(coloured.lines("a_b", &Outcome::well("x")).starts_with("\u{1b}[32mok\u{1b}[0m"));
    }
}
