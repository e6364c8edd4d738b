//! What came of a fault.

use std::fmt::Write as _;

use crate::load::Heard;

/// What came of a fault.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// What the fault was made with.
    pub(crate) used: String,
    /// Answers that clients got.
    pub(crate) calls: u64,
    /// Calls of a dead connection that were let through, or of any while none should be.
    pub(crate) wrong_allows: u64,
    /// Records whose ids clients were told and that are not in the log, and whatever else was
    /// promised and is not there.
    pub(crate) lost: Vec<String>,
    /// What the service said.
    pub(crate) message: String,
    /// What is not as it should be beside that.
    pub(crate) wrong: Vec<String>,
    skipped: Option<String>,
}

impl Outcome {
    /// Nothing has happened yet.
    pub(crate) fn of(used: impl Into<String>) -> Self {
        Self { used: used.into(), ..Self::default() }
    }

    /// The fault cannot be made here.
    pub(crate) fn skipped(why: impl Into<String>) -> Self {
        Self { skipped: Some(why.into()), ..Self::default() }
    }

    /// The fault could not be carried out.
    pub(crate) fn failed(error: &anyhow::Error) -> Self {
        Self { wrong: vec![format!("{error:#}")], ..Self::default() }
    }

    pub(crate) fn is_failure(&self) -> bool {
        self.wrong_allows > 0 || !self.lost.is_empty() || !self.wrong.is_empty()
    }

    /// Adds what clients heard.
    pub(crate) fn heard(&mut self, heard: &Heard) {
        self.calls += heard.calls;
        self.wrong_allows += heard.wrong_allows;
        self.wrong.extend(heard.strange.iter().take(3).cloned());
    }

    /// Notes what is wrong unless it is so.
    pub(crate) fn expect(&mut self, is_so: bool, otherwise: impl FnOnce() -> String) {
        if !is_so {
            self.wrong.push(otherwise());
        }
    }

    /// Takes over what the service said, which must contain these words.
    pub(crate) fn said(&mut self, text: &str, words: &[&str]) {
        for word in words {
            self.expect(text.contains(word), || format!("it does not say `{word}`: {text}"));
        }
        text.trim().clone_into(&mut self.message);
    }
}

/// A line of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) outcome: Outcome,
}

/// The longest message that the table shows.
const MESSAGE: usize = 160;

/// The table, and below it what is wrong.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| fault | made with | calls | wrong allows | lost | what it said | result |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let mut findings = String::new();
    let mut counts = [0; 3];
    for Row { name, outcome } in rows {
        let Outcome { used, calls, wrong_allows, lost, message, .. } = outcome;
        let (index, result) = match (&outcome.skipped, outcome.is_failure()) {
            (_, true) => (1, "FAILED".to_owned()),
            (Some(why), false) => (2, format!("skipped: {why}")),
            (None, false) => (0, "passed".to_owned()),
        };
        if let Some(count) = counts.get_mut(index) {
            *count += 1;
        }
        let message = shortened(message);
        // writing to a String cannot fail
        let _ = writeln!(
            text,
            "| {name} | {used} | {calls} | {wrong_allows} | {} | {message} | {result} |",
            lost.len()
        );
        for finding in lost.iter().take(5).chain(&outcome.wrong) {
            let _ = writeln!(findings, "{name}: {finding}");
        }
    }
    let [passed, failed, skipped] = counts;
    let _ = write!(text, "\n{findings}{passed} passed, {failed} failed, {skipped} skipped");
    text
}

fn shortened(message: &str) -> String {
    let line = message.replace(['\n', '|'], " ");
    match line.char_indices().nth(MESSAGE) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
