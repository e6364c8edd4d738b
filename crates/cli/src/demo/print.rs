//! How the story looks on a terminal, and in a file.

use std::fmt::Write as _;

use serde_json::Value;

use super::plan::Shown;
use super::transcript::{Party, Step};
use crate::exit::Failure;
use crate::output::style::{BOLD, DIM, GREEN, PLAIN, RED, YELLOW};
use crate::output::{colours, print};

/// The width where nobody says one, and the widest that is easy to read.
const WIDTHS: (usize, usize) = (80, 110);
/// Where requests and answers begin, and where their next lines do.
const MARGIN: usize = 5;
const HANG: usize = 7;
/// Lines of one request or answer; `--json` shows all of it.
const MOST_LINES: usize = 3;

/// Prints the steps of the story as they happen, or nothing where a program reads.
pub(super) struct Printer {
    silent: bool,
    coloured: bool,
    width: usize,
    step: usize,
}

impl Printer {
    pub(super) fn new(silent: bool) -> Self {
        Self { silent, coloured: colours(), width: width(), step: 0 }
    }

    /// What this is.
    pub(super) fn heading(&self) -> Result<(), Failure> {
        let text = "The service, a shop and an agent run as programs of their own on this machine \
                    and talk over real HTTP. Every answer is shown as it came, its secrets cut.";
        self.line(&self.painted(BOLD, "AgentAdmit: a user lets her agent in, and takes it back"))?;
        for part in wrapped(text, self.width, usize::MAX) {
            self.line(&self.painted(DIM, &part))?;
        }
        Ok(())
    }

    /// Who runs where.
    pub(super) fn party(&self, party: &Party) -> Result<(), Failure> {
        let Party { name, address, process } = party;
        let address = address.as_deref().unwrap_or("calls, and is called by nobody");
        let text = format!("{:MARGIN$}{name:<8} {address}  (process {process})", "");
        self.line(&self.painted(DIM, &text))
    }

    /// One step: its title, what was sent, what came.
    pub(super) fn step(&mut self, step: &Step) -> Result<(), Failure> {
        self.step = self.step.saturating_add(1);
        let mark = if step.ok { self.painted(GREEN, "✓") } else { self.painted(RED, "✗") };
        let title = self.painted(BOLD, step.title);
        self.line(&format!("\n{:>2} {mark} {title}", self.step))?;
        let to = step.request.get("to").and_then(Value::as_str).unwrap_or_default();
        let who = match to {
            "" => step.who.to_owned(),
            to => format!("{} → {to}", step.who),
        };
        self.hanging(DIM, &who, &request(&step.request))?;
        let (outcome, rest) = answer(&step.answer, step.shown);
        // a space that no line breaks at
        let took = format!("({:.1}\u{a0}ms)", step.elapsed_ms);
        self.hanging(colour(step), &format!("← {outcome}"), &format!("{rest}  {took}"))?;
        if let Some(remark) = &step.remark {
            self.hanging(DIM, "", remark)?;
        }
        if !step.ok {
            let text = format!("NOT as documented: expected {}", step.expectation);
            self.line(&self.painted(RED, &format!("{:MARGIN$}{text}", "")))?;
        }
        Ok(())
    }

    /// The end of the story.
    pub(super) fn end(&self, ok: bool) -> Result<(), Failure> {
        let steps = self.step;
        if ok {
            let text = format!("all {steps} steps behaved as documented");
            return self.line(&format!("\n{}", self.painted(GREEN, &text)));
        }
        self.line(&format!("\n{}", self.painted(RED, "the story ends here")))
    }

    /// A line as it is.
    pub(super) fn line(&self, text: &str) -> Result<(), Failure> {
        if self.silent { Ok(()) } else { print(format!("{text}\n").as_bytes()) }
    }

    /// A numbered step for a person: an address or a command, and what to do there.
    pub(super) fn numbered(&self, number: usize, place: &str, what: &str) -> Result<(), Failure> {
        let number = self.painted(DIM, &format!("{number:>3}"));
        let place = self.painted(BOLD, &format!("{place:<34}"));
        self.line(format!("{number}  {place}  {what}").trim_end())
    }

    /// A line in bold.
    pub(super) fn strong(&self, text: &str) -> Result<(), Failure> {
        self.line(&self.painted(BOLD, text))
    }

    /// A painted word and a text, whose further lines hang below it.
    fn hanging(&self, colour: &str, word: &str, text: &str) -> Result<(), Failure> {
        let whole = format!("{word}  {}", text.trim());
        let room = self.width.saturating_sub(HANG);
        for (at, part) in wrapped(whole.trim(), room, MOST_LINES).iter().enumerate() {
            match part.strip_prefix(word).filter(|_| at == 0) {
                Some(rest) => {
                    let word = self.painted(colour, word);
                    self.line(&format!("{:MARGIN$}{word}{rest}", ""))?;
                }
                None => self.line(&format!("{:HANG$}{part}", ""))?,
            }
        }
        Ok(())
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.coloured { format!("{colour}{text}{PLAIN}") } else { text.to_owned() }
    }
}

/// Yes is green; a no that was to come is yellow; anything that was not to come is red.
fn colour(step: &Step) -> &'static str {
    let status = step.answer.get("status").and_then(Value::as_u64).unwrap_or_default();
    let is_no = status >= 400 || step.expectation.starts_with("close") || {
        step.answer.get("exit_code").is_some_and(|code| code != 0)
    };
    match (step.ok, is_no) {
        (false, _) => RED,
        (true, true) => YELLOW,
        (true, false) => GREEN,
    }
}

/// What was sent, in a line.
fn request(request: &Value) -> String {
    if let Some(command) = request.get("command").and_then(Value::as_str) {
        return format!("$ {command}");
    }
    if let Some(message) = request.get("message") {
        return format!("message {message}");
    }
    let text = |member: &str| request.get(member).and_then(Value::as_str).unwrap_or_default();
    let upgrade = request.get("upgrade").and_then(Value::as_str);
    let mut line = format!("{} {}", text("method"), text("path"));
    if let Some(protocol) = upgrade {
        // writing into a String cannot fail
        let _never = write!(line, "  (upgrade to {protocol})");
    }
    if let Some(body) = request.get("body").filter(|body| !body.is_null()) {
        let _never = match body.as_str() {
            Some(form) => write!(line, "  {form}"),
            None => write!(line, "  {body}"),
        };
    }
    line
}

/// What came: the word that decides, and the members that a reader should see.
fn answer(answer: &Value, shown: Shown) -> (String, String) {
    if let Some(code) = answer.get("exit_code") {
        let lines = answer.get("output").and_then(Value::as_array);
        let lines: Vec<&str> = lines.into_iter().flatten().filter_map(Value::as_str).collect();
        return (format!("exit code {code}"), lines.join("; "));
    }
    if let Some(code) = answer.get("close") {
        let reason = answer.get("reason").and_then(Value::as_str).unwrap_or_default();
        return (format!("close {code}"), reason.to_owned());
    }
    if let Some(message) = answer.get("message") {
        return ("message".to_owned(), message.to_string());
    }
    let status = answer.get("status").map(Value::to_string).unwrap_or_default();
    if let Some(headers) = answer.get("headers") {
        return (status, headers.to_string());
    }
    let body = answer.get("body").unwrap_or(&Value::Null);
    let shown = match shown {
        Shown::Members(names) => names,
        Shown::Whole => return (status, body.to_string()),
    };
    // in the order in which they matter
    let members: Vec<String> =
        shown.iter().filter_map(|name| Some(format!("\"{name}\":{}", body.get(name)?))).collect();
    let rest =
        if members.is_empty() { String::new() } else { format!("{{{}}}", members.join(",")) };
    (status, rest)
}

/// A text in lines of at most `width` characters, broken behind spaces, commas and slashes where
/// there are any; what is left over after `most` lines is an ellipsis.
fn wrapped(text: &str, width: usize, most: usize) -> Vec<String> {
    let width = width.max(20);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut length = 0_usize;
    for word in text.split_inclusive([' ', ',', '/']) {
        for piece in pieces(word, width) {
            let size = piece.trim_end().chars().count();
            if length.saturating_add(size) > width {
                lines.push(line.trim_end().to_owned());
                line.clear();
                length = 0;
            }
            line.push_str(&piece);
            length = length.saturating_add(piece.chars().count());
        }
    }
    lines.push(line.trim_end().to_owned());
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            *last = last.chars().take(width.saturating_sub(2)).collect::<String>() + " …";
        }
    }
    lines
}

fn pieces(word: &str, width: usize) -> Vec<String> {
    let characters: Vec<char> = word.chars().collect();
    characters.chunks(width).map(|piece| piece.iter().collect()).collect()
}

/// How wide the terminal is; `COLUMNS` says it where there is none.
fn width() -> usize {
    let (usual, most) = WIDTHS;
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let seen = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    said.or_else(seen).unwrap_or(usual).min(most)
}

/// A member of an answer as a text.
pub(super) fn member<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals() {
        let printer = |coloured| Printer { silent: false, coloured, width: 80, step: 0 };
        assert_eq!(printer(false).painted(RED, "x"), "x");
        assert_eq!(printer(true).painted(RED, "x"), "\u{1b}[31mx\u{1b}[0m");
    }

    #[test]
    fn long_lines_are_broken_and_cut() {
        let text = "one two three four five six seven eight nine";
        assert_eq!(wrapped(text, 24, 9), ["one two three four five", "six seven eight nine"]);
        assert_eq!(wrapped(text, 24, 1), ["one two three four fiv …"]);
        assert_eq!(wrapped(&"x".repeat(45), 20, 9).len(), 3);
        assert_eq!(wrapped("", 20, 9), [""]);
    }

    #[test]
    fn only_what_matters_of_an_answer_is_shown() {
        let (word, rest) = answer(
            &serde_json::json!({"status": 200, "body": {"b": 1, "a": 2, "c": 3}}),
            Shown::Members(&["b", "missing", "a"]),
        );
        assert_eq!((word.as_str(), rest.as_str()), ("200", r#"{"b":1,"a":2}"#));
        let whole = answer(&serde_json::json!({"status": 200, "body": [1, 2]}), Shown::Whole);
        assert_eq!(whole, ("200".to_owned(), "[1,2]".to_owned()));
    }
}
