//! What a reading costs, counted: for tests and measurements. Counts are of one thread, and only while
//! [`counted`] runs on it; anybody else pays a look at a flag for each statement.

use std::cell::Cell;

use rusqlite::{Statement, StatementStatus};

/// What was done for a reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Steps {
    /// Statements that were run.
    pub statements: u64,
    /// Steps of SQLite's machine, each a row found, compared, or a column read.
    pub machine: u64,
    /// Rows that were stepped over in a table that was read from end to end.
    pub scanned: u64,
    /// Rows that the log's walks looked at.
    pub records: u64,
    /// Segments of the log that were opened.
    pub segments: u64,
}

thread_local! {
    static STEPS: Cell<Option<Steps>> = const { Cell::new(None) };
}

/// Counts what `reading` does on this thread.
pub fn counted<T>(reading: impl FnOnce() -> T) -> (T, Steps) {
    STEPS.set(Some(Steps::default()));
    let answer = reading();
    (answer, STEPS.take().unwrap_or_default())
}

/// Adds to the counts, while there are any.
pub(crate) fn note(add: impl FnOnce(&mut Steps)) {
    if let Some(mut steps) = STEPS.get() {
        add(&mut steps);
        STEPS.set(Some(steps));
    }
}

/// A statement is about to run: what it did before, for others, does not count.
pub(crate) fn begins(statement: &Statement<'_>) {
    note(|_| {
        statement.reset_status(StatementStatus::VmStep);
        statement.reset_status(StatementStatus::FullscanStep);
    });
}

/// A statement has run.
pub(crate) fn ran(statement: &Statement<'_>) {
    note(|steps| {
        let status = |status| u64::try_from(statement.reset_status(status)).unwrap_or(0);
        steps.statements += 1;
        steps.machine += status(StatementStatus::VmStep);
        steps.scanned += status(StatementStatus::FullscanStep);
    });
}
