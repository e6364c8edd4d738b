//! Results on stdout, everything else on stderr; JSON where it was asked for, else tables.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};

use serde_json::Value;

use crate::exit::Failure;

/// How a terminal is told to write: bold, dim, in a colour, plain again.
pub(crate) mod style {
    pub(crate) const BOLD: &str = "\u{1b}[1m";
    pub(crate) const DIM: &str = "\u{1b}[2m";
    pub(crate) const RED: &str = "\u{1b}[31m";
    pub(crate) const GREEN: &str = "\u{1b}[32m";
    pub(crate) const YELLOW: &str = "\u{1b}[33m";
    pub(crate) const PLAIN: &str = "\u{1b}[0m";
}

/// Where a command's results go, and in which form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a program reads the results.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Prints a result: the JSON as it came, or what `words` makes of it.
    pub(crate) fn result(
        self,
        answer: &Value,
        words: impl FnOnce(&Value) -> String,
    ) -> Result<(), Failure> {
        let text = if self.json { pretty(answer) } else { words(answer) };
        print(text.trim_end_matches('\n').as_bytes())?;
        print(b"\n")
    }

    /// A line for people beside a result; says nothing where a program reads.
    pub(crate) fn hint(self, text: &str) {
        if !self.json {
            note(text);
        }
    }

    /// Prints what went wrong: the wire's error object on stdout, or a sentence on stderr.
    pub(crate) fn failure(self, failure: &Failure) {
        if self.json {
            let value = serde_json::to_value(&failure.body).unwrap_or_default();
            // there is nobody left to tell that stdout is closed
            let _closed = print(format!("{}\n", pretty(&value)).as_bytes());
        } else {
            note(&format!("error: {}", failure.words()));
        }
    }
}

/// Writes bytes to stdout.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::could_not(format!("stdout cannot be written: {error}")))
}

/// A line of progress on stderr.
pub(crate) fn note(text: &str) {
    // whoever closed stderr does not want to know
    let _closed = writeln!(io::stderr().lock(), "{text}");
}

/// Whether colours may be used on stdout (`NO_COLOR` says no to them).
pub(crate) fn colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && io::stdout().is_terminal()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// A member of an answer as people read it: `-` where there is none.
pub(crate) fn cell(value: &Value, member: &str) -> String {
    match value.get(member) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            items.join(" ")
        }
        Some(other) => plain(other),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A list as a table: one row per item, one column per `(heading, member)`.
pub(crate) fn table(items: &Value, columns: &[(&str, &str)]) -> String {
    let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        return "(none)".to_owned();
    }
    let heading = columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
    let rows = items
        .iter()
        .map(|item| columns.iter().map(|(_, member)| escaped(&cell(item, member))).collect());
    layout(&std::iter::once(heading).chain(rows).collect::<Vec<Vec<String>>>())
}

/// One object as lines of `name  value`.
pub(crate) fn card(value: &Value, members: &[(&str, &str)]) -> String {
    let rows: Vec<Vec<String>> = members
        .iter()
        .map(|(heading, member)| vec![(*heading).to_owned(), escaped(&cell(value, member))])
        .collect();
    layout(&rows)
}

/// Texts come from apps and agents: what would move a terminal's cursor is shown escaped.
pub(crate) fn escaped(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            clean.extend(character.escape_default());
        } else {
            clean.push(character);
        }
    }
    clean
}

fn layout(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // writing into a String cannot fail
            let _never = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_are_aligned_and_escape_what_moves_the_cursor() {
        let items = json!([
            {"id": "a", "name": "Shop\u{1b}[2J", "scopes": ["x:y", "z:w"], "at": null},
            {"id": "longer", "name": "B", "scopes": [], "at": 3},
        ]);
        let columns = [("ID", "id"), ("NAME", "name"), ("SCOPES", "scopes"), ("AT", "at")];
        insta::assert_snapshot!(table(&items, &columns), @r"
        ID      NAME           SCOPES   AT
        a       Shop\u{1b}[2J  x:y z:w  -
        longer  B                       3
        ");
        assert_eq!(table(&json!([]), &columns), "(none)");
    }

    #[test]
    fn cards_show_one_member_a_line() {
        let value = json!({"app_id": "app_1", "deleted_at": null});
        let text = card(&value, &[("app", "app_id"), ("deleted", "deleted_at")]);
        insta::assert_snapshot!(text, @r"
        app      app_1
        deleted  -
        ");
    }
}
