//! One text that values come from, with its lines, so that a fix can name and change them.

use super::finding::Fix;
use super::values::written;
use super::yaml::{Mark, Node};

/// Where values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum From {
    /// `agentadmit.yaml`.
    File,
    /// An environment variable.
    Variable,
    /// A flag of the command line.
    Argument,
    /// `.agentadmit/dev.env`.
    DevEnv,
}

/// A text and its name.
pub(super) struct Source {
    pub(super) from: From,
    /// The file's path as it was given, the variable, or the flag.
    pub(super) name: String,
    /// Whether a text stands there as it is, without YAML around it.
    pub(super) is_raw: bool,
    lines: Vec<String>,
    /// The place behind the last character.
    pub(super) end: Mark,
}

impl Source {
    pub(super) fn new(from: From, name: impl Into<String>, text: &str) -> Self {
        // YAML ends a line with LF, CR LF or CR
        let lines = text.replace("\r\n", "\n").replace('\r', "\n");
        let lines: Vec<String> = lines.split('\n').map(str::to_owned).collect();
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let width = lines.last().map_or(0, |line| line.chars().count());
        let end = Mark { line: number(lines.len()), column: number(width).saturating_add(1) };
        let is_raw = from != From::File;
        Self { from, name: name.into(), is_raw, lines, end }
    }

    /// A text as it is written here.
    pub(super) fn written(&self, text: &str) -> String {
        if self.is_raw { text.to_owned() } else { written(text) }
    }

    pub(super) fn is_file(&self) -> bool {
        self.from == From::File
    }

    /// A line, counted from 1.
    pub(super) fn line(&self, number: u32) -> &str {
        let index = usize::try_from(number).unwrap_or(usize::MAX).wrapping_sub(1);
        self.lines.get(index).map_or("", String::as_str)
    }

    pub(super) fn last_line(&self) -> u32 {
        u32::try_from(self.lines.len()).unwrap_or(u32::MAX)
    }

    /// The value becomes another one.
    pub(super) fn replace(&self, node: &Node, text: &str) -> Fix {
        self.splice(node.start, node.end, text)
    }

    /// What stands from one mark up to another becomes a text.
    pub(super) fn splice(&self, start: Mark, end: Mark, text: &str) -> Fix {
        let head: String = self.line(start.line).chars().take(start.before()).collect();
        let tail: String = self.line(end.line).chars().skip(end.before()).collect();
        // `key:` alone, whose value begins on a later line, or nowhere
        let gap = if head.ends_with(':') && !text.is_empty() { " " } else { "" };
        let lines = format!("{head}{gap}{text}{tail}");
        self.lines_become(start.line, end.line, lines.trim_end())
    }

    /// The entry of a mapping goes away, or becomes other lines.
    pub(super) fn entry_becomes(&self, key: &Node, value: &Node, text: &str) -> Fix {
        let last = value.end.line.max(key.end.line);
        let head: String = self.line(key.start.line).chars().take(key.start.before()).collect();
        if head.trim().is_empty() {
            let text = if text.is_empty() { String::new() } else { format!("{head}{text}") };
            return self.lines_become(key.start.line, last, &text);
        }
        let tail: String = self.line(last).chars().skip(value.end.before()).collect();
        let next = self.line(last.saturating_add(1));
        let is_next = |line: &str| {
            let indent = line.chars().take_while(|c| *c == ' ').count();
            indent == key.start.before() && !line.trim().is_empty()
        };
        // the first entry behind `- `: the one below moves up
        if head.trim() == "-" && text.is_empty() && tail.trim().is_empty() && is_next(next) {
            let lines = format!("{head}{}", next.trim_start());
            return self.lines_become(key.start.line, last.saturating_add(1), &lines);
        }
        if head.trim() == "-" && text.is_empty() && tail.trim().is_empty() {
            return self.lines_become(key.start.line, last, "");
        }
        let tail = if text.is_empty() { after_comma(&tail) } else { &tail };
        let head = if text.is_empty() && tail.trim_start().starts_with(['}', ']']) {
            head.trim_end().trim_end_matches(',')
        } else {
            head.as_str()
        };
        self.lines_become(key.start.line, last, &format!("{head}{text}{tail}"))
    }

    /// An item of a list goes away.
    pub(super) fn without_item(&self, item: &Node) -> Fix {
        let head: String = self.line(item.start.line).chars().take(item.start.before()).collect();
        if head.trim() == "-" {
            return self.lines_become(item.start.line, item.end.line, "");
        }
        let tail: String = self.line(item.end.line).chars().skip(item.end.before()).collect();
        let kept = after_comma(&tail);
        let head = if kept.trim_start().starts_with(']') {
            head.trim_end().trim_end_matches(',')
        } else {
            head.as_str()
        };
        self.lines_become(item.start.line, item.end.line, &format!("{head}{kept}"))
    }

    /// One more member in a mapping that stands in a list or below a key.
    pub(super) fn add_member(&self, map: &Node, text: &str) -> Fix {
        let end = self.line(map.end.line);
        let before: String = end.chars().take(map.end.before()).collect();
        let after: String = end.chars().skip(map.end.before()).collect();
        let lines = match before.strip_suffix('}') {
            Some(inner) => format!("{}, {text}}}{after}", inner.trim_end().trim_end_matches(',')),
            None => format!("{end}\n{}{text}", " ".repeat(map.start.before())),
        };
        self.lines_become(map.end.line, map.end.line, &lines)
    }

    /// Some lines become a text; of a variable or a flag, its whole value is given.
    pub(super) fn lines_become(&self, first: u32, last: u32, text: &str) -> Fix {
        if matches!(self.from, From::File | From::DevEnv) {
            return Fix::Replace { first_line: first, last_line: last, text: text.to_owned() };
        }
        let mut lines: Vec<&str> = Vec::new();
        for number in 1..=self.last_line() {
            if number == first && !text.is_empty() {
                lines.push(text);
            }
            if !(first..=last).contains(&number) {
                lines.push(self.line(number));
            }
        }
        let value = lines.join("\n");
        let value = Some(value).filter(|value| !value.trim().is_empty());
        Fix::Set { name: self.name.clone(), value }
    }
}

/// A flow collection without the entry that stood before this text.
fn after_comma(tail: &str) -> &str {
    match tail.trim_start().strip_prefix(',') {
        Some(rest) => rest.trim_start(),
        None => tail,
    }
}
