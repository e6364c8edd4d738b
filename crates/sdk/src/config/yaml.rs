//! `agentadmit.yaml` as a tree of values that know where they stand.
//!
//! Only the part of YAML that a configuration needs: no aliases, no merge keys, no tags, one
//! document. Nothing is ever expanded, so a small file stays small.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};
use serde_json::{Value, json};

use super::finding::{
    DUPLICATE_KEY, Finding, Fix, Rule, WRONG_TYPE, YAML_ALIAS, YAML_DOCUMENTS, YAML_MERGE_KEY,
    YAML_SYNTAX, YAML_TAB, YAML_TAG, YAML_TOO_DEEP,
};
use super::source::Source;

/// Levels of nesting: a list of scopes needs three.
const MAX_DEPTH: usize = 16;
/// After so many findings, and in a fix so long, nobody reads on: a small file that repeats a large
/// part of itself by aliases stays cheap.
const MAX_FINDINGS: usize = 500;
const MAX_FIX: usize = 2000;
/// How far above the place where the parser gave up the reason is looked for.
const SEARCHED_LINES: u32 = 12;

/// A place in a text: line and column in characters, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) line: u32,
    pub(super) column: u32,
}

impl Mark {
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// How many characters of the line stand before it.
    pub(super) fn before(self) -> usize {
        usize::try_from(self.column).unwrap_or(usize::MAX).saturating_sub(1)
    }

    pub(super) const fn pair(self) -> (u32, u32) {
        (self.line, self.column)
    }
}

impl From<&Marker> for Mark {
    fn from(at: &Marker) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { line: number(at.line()).max(1), column: number(at.col()).saturating_add(1) }
    }
}

/// A value and where it stands, from its first character to behind its last.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) start: Mark,
    pub(super) end: Mark,
    pub(super) value: Yaml,
}

/// What a value is.
#[derive(Clone)]
pub(super) enum Yaml {
    /// A scalar; plain ones may be numbers, `true` or `null`.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// A mapping, without its merge keys and repeated keys.
    Map(Vec<Entry>),
    /// Something that a finding has already been made about.
    Unread,
}

/// One key of a mapping and its value.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) key: Node,
    pub(super) value: Node,
}

impl Node {
    pub(super) fn scalar(text: &str, plain: bool, end: Mark) -> Self {
        let value = Yaml::Scalar { text: text.to_owned(), plain };
        Self { start: Mark::START, end, value }
    }

    /// Whether it says nothing: `key:`, `~` or `null`.
    pub(super) fn is_null(&self) -> bool {
        let words = ["", "~", "null", "Null", "NULL"];
        matches!(&self.value, Yaml::Scalar { text, plain: true } if words.contains(&text.as_str()))
    }

    /// The value as flow YAML, which JSON is.
    pub(super) fn to_json(&self) -> Value {
        match &self.value {
            Yaml::Scalar { text, plain: true } => {
                serde_json::from_str(text).unwrap_or_else(|_| json!(text))
            }
            Yaml::Scalar { text, .. } => json!(text),
            Yaml::List(items) => items.iter().map(Self::to_json).collect(),
            Yaml::Map(entries) => {
                entries.iter().map(|entry| (entry.name.clone(), entry.value.to_json())).collect()
            }
            Yaml::Unread => Value::Null,
        }
    }
}

/// Reads a text; `None` where it is no YAML at all. An empty text is an empty mapping.
pub(super) fn parse(text: &str, source: &Source, findings: &mut Vec<Finding>) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reading =
        Reading { parser: Parser::new_from_str(text), source, findings, anchors: HashMap::new() };
    match reading.document() {
        Ok(node) => Some(node),
        Err(Stop::Told) => None,
        Err(Stop::NotYaml(error)) => {
            not_yaml(text, source, &error, findings);
            None
        }
    }
}

/// Why reading ended early.
enum Stop {
    /// The text is no YAML.
    NotYaml(ScanError),
    /// A finding says it.
    Told,
}

impl From<ScanError> for Stop {
    fn from(error: ScanError) -> Self {
        Self::NotYaml(error)
    }
}

struct Reading<'a, 'b> {
    parser: Parser<'a, StrInput<'a>>,
    source: &'b Source,
    findings: &'b mut Vec<Finding>,
    anchors: HashMap<usize, Node>,
}

impl<'a> Reading<'a, '_> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.parser.next_event() {
            Some(event) => Ok(event?),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// A place that exists: the parser ends a text with a line of its own.
    fn mark(&self, at: Marker) -> Mark {
        Mark::from(&at).min(self.source.end)
    }

    /// Behind the closing bracket of a flow collection; a block ends where its last value does.
    fn closing(&self, end: Mark, span: &Span) -> Mark {
        if span.is_empty() { end } else { end.max(self.mark(span.end)) }
    }

    fn document(&mut self) -> Result<Node, Stop> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if root.is_some() => {
                    let first = self.mark(span.start).line;
                    let fix = self.source.lines_become(first, self.source.last_line(), "");
                    self.tell(YAML_DOCUMENTS, &span, "only the first document is read", fix);
                    return Err(Stop::Told);
                }
                Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd
                | Event::Nothing => {}
                event => root = Some(self.node(event, span, 0)?),
            }
        }
        let empty = || Node { start: Mark::START, end: Mark::START, value: Yaml::Map(Vec::new()) };
        Ok(root.filter(|root| !root.is_null()).unwrap_or_else(empty))
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Stop> {
        let start = self.mark(span.start);
        if self.findings.len() > MAX_FINDINGS {
            return Err(Stop::Told);
        }
        if depth > MAX_DEPTH {
            let fix = self.source.lines_become(start.line, start.line, "");
            self.tell(YAML_TOO_DEEP, &span, "no key is nested as deep as this", fix);
            return Err(Stop::Told);
        }
        let tag = match &event {
            Event::Scalar(_, _, _, tag)
            | Event::SequenceStart(_, tag)
            | Event::MappingStart(_, tag) => tag.as_ref().map(ToString::to_string),
            _ => None,
        };
        let (anchor, node) = match event {
            Event::Alias(anchor) => return Ok(self.alias(anchor, &span)),
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let start = match style {
                    ScalarStyle::Literal | ScalarStyle::Folded => self.block_start(start),
                    _ => start,
                };
                let value = Yaml::Scalar { text: text.into_owned(), plain };
                (anchor, Node { start, end: self.end_of(&span), value })
            }
            Event::SequenceStart(anchor, _) => (anchor, self.list(&span, depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.map(&span, depth)?),
            _ => (0, Node { start, end: start, value: Yaml::Unread }),
        };
        if let Some(tag) = tag {
            self.tagged(&tag, &node);
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, span: &Span, depth: usize) -> Result<Node, Stop> {
        let start = self.mark(span.start);
        let mut end = self.mark(span.end);
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, at) => {
                    let end = self.closing(end, &at);
                    return Ok(Node { start, end, value: Yaml::List(items) });
                }
                (event, at) => {
                    let item = self.node(event, at, depth.saturating_add(1))?;
                    end = end.max(item.end);
                    items.push(item);
                }
            }
        }
    }

    fn map(&mut self, span: &Span, depth: usize) -> Result<Node, Stop> {
        let mut start = self.mark(span.start);
        let mut end = self.mark(span.end);
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                let end = self.closing(end, &at);
                return Ok(Node { start, end, value: Yaml::Map(entries) });
            }
            let key = self.node(event, at, depth.saturating_add(1))?;
            let (event, at) = self.next()?;
            let merged = match event {
                Event::Alias(anchor) => self.anchors.get(&anchor).cloned(),
                _ => None,
            };
            let is_merge = matches!(&key.value, Yaml::Scalar { text, plain: true } if text == "<<");
            let mut value = match (is_merge, &event) {
                (true, Event::Alias(_)) => {
                    Node { start: self.mark(at.start), end: self.end_of(&at), value: Yaml::Unread }
                }
                _ => self.node(event, at, depth.saturating_add(1))?,
            };
            if value.is_null() {
                // a missing value has no place of its own
                (value.start, value.end) = self.missing_value(&key, &value);
            }
            if entries.is_empty() && start.line == key.start.line {
                start = start.min(key.start);
            }
            end = end.max(value.end);
            let taken = if is_merge { merged.or_else(|| Some(value.clone())) } else { None };
            self.keep(&mut entries, key, value, taken.as_ref());
        }
    }

    /// Keeps an entry, unless its key is a merge key, no text, or there already.
    fn keep(&mut self, entries: &mut Vec<Entry>, key: Node, value: Node, merged: Option<&Node>) {
        let at = key.start;
        if let Some(merged) = merged {
            let fix = self.source.entry_becomes(&key, &value, &written_out(merged, at));
            self.say(YAML_MERGE_KEY, at, "write the keys out; `<<` takes nothing over here", fix);
            return;
        }
        let Yaml::Scalar { text: name, .. } = &key.value else {
            let fix = self.source.entry_becomes(&key, &value, "");
            self.say(WRONG_TYPE, at, "a key must be a word", fix);
            return;
        };
        let name = name.clone();
        if let Some(first) = entries.iter().find(|entry| entry.name == name) {
            let line = first.key.start.line;
            let fix = self.source.entry_becomes(&key, &value, "");
            self.say(DUPLICATE_KEY, at, &format!("`{name}` stands in line {line} already"), fix);
            return;
        }
        entries.push(Entry { name, key, value });
    }

    fn alias(&mut self, anchor: usize, span: &Span) -> Node {
        let (start, end) = (self.mark(span.start), self.end_of(span));
        let node = Node { start, end, value: Yaml::Unread };
        let meant = self.anchors.get(&anchor).map_or_else(String::new, |node| match &node.value {
            Yaml::Scalar { text, plain: true } => text.clone(),
            _ => node.to_json().to_string(),
        });
        let meant = if meant.len() > MAX_FIX { String::new() } else { meant };
        let fix = self.source.replace(&node, &meant);
        self.say(YAML_ALIAS, start, "write the value out; aliases are not read here", fix);
        node
    }

    fn tagged(&mut self, tag: &str, node: &Node) {
        let line = self.source.line(node.start.line);
        let before: String = line.chars().take(node.start.before()).collect();
        let from = before.rfind('!').map_or(node.start, |byte| {
            let head = before.get(..byte).unwrap_or_default().trim_end_matches('!');
            let column = u32::try_from(head.chars().count()).unwrap_or(0).saturating_add(1);
            Mark { column, ..node.start }
        });
        let behind: String = line.chars().skip(from.before()).collect();
        let word = behind.split([' ', ',']).next().unwrap_or_default().chars().count();
        let after = behind.chars().skip(word).take_while(|c| *c == ' ').count();
        let width = u32::try_from(word.saturating_add(after)).unwrap_or(0);
        let until = Mark { column: from.column.saturating_add(width), ..from };
        let fix = self.source.splice(from, until, "");
        self.say(YAML_TAG, from, &format!("leave `{tag}` away"), fix);
    }

    /// Where the `|` or `>` of a block scalar stands: the parser names its first line.
    fn block_start(&self, content: Mark) -> Mark {
        for line in (1..content.line).rev() {
            let text = self.source.line(line);
            let Some(byte) = text.rfind(['|', '>']) else { continue };
            let before = text.get(..byte).unwrap_or_default().chars().count();
            return Mark { line, column: u32::try_from(before).unwrap_or(0).saturating_add(1) };
        }
        content
    }

    /// Behind the last character of a scalar; block scalars end with a line.
    fn end_of(&self, span: &Span) -> Mark {
        let end = self.mark(span.end);
        if end.column == 1 && end.line > self.mark(span.start).line {
            let line = end.line.saturating_sub(1);
            let width = self.source.line(line).chars().count();
            let column = u32::try_from(width).unwrap_or(u32::MAX).saturating_add(1);
            return Mark { line, column };
        }
        end
    }

    /// Where the value of `key:` would stand.
    fn missing_value(&self, key: &Node, value: &Node) -> (Mark, Mark) {
        if value.start.line == key.end.line && value.end > value.start {
            return (value.start, value.end);
        }
        let line: String = self.source.line(key.end.line).chars().skip(key.end.before()).collect();
        let colon = line.find(':').map_or(0, |byte| byte.saturating_add(1));
        let column = key.end.column.saturating_add(u32::try_from(colon).unwrap_or(0));
        let at = Mark { line: key.end.line, column };
        (at, at)
    }

    fn tell(&mut self, rule: Rule, span: &Span, message: &str, fix: Fix) {
        self.say(rule, self.mark(span.start), message, fix);
    }

    fn say(&mut self, rule: Rule, at: Mark, message: &str, fix: Fix) {
        self.findings.push(Finding::new(rule, &self.source.name, Some(at.pair()), message, fix));
    }
}

/// A mapping as lines that can stand where its merge key stood.
fn written_out(node: &Node, at: Mark) -> String {
    let Yaml::Map(entries) = &node.value else { return String::new() };
    let entry = |entry: &Entry| format!("{}: {}", entry.name, entry.value.to_json());
    let lines: Vec<String> = entries.iter().map(entry).collect();
    let text = lines.join(&format!("\n{}", " ".repeat(at.before())));
    if text.len() > MAX_FIX { String::new() } else { text }
}

/// Says where a text stops being YAML, and what would make it YAML.
fn not_yaml(text: &str, source: &Source, error: &ScanError, findings: &mut Vec<Finding>) {
    let is_tabbed = |line: &str| {
        line.chars().take_while(|c| c.is_whitespace()).any(|c| c == '\t') && !line.trim().is_empty()
    };
    let numbers = || 1..=source.last_line();
    let tabbed = numbers().filter(|line| is_tabbed(source.line(*line)));
    let tabbed: Vec<u32> = tabbed.take(MAX_FINDINGS).collect();
    for line in &tabbed {
        let found = source.line(*line);
        let body = found.trim_start();
        let indent = found.get(..found.len().saturating_sub(body.len())).unwrap_or_default();
        let before = indent.chars().take_while(|c| *c != '\t').count();
        let column = u32::try_from(before).unwrap_or(0).saturating_add(1);
        let fix =
            source.lines_become(*line, *line, &format!("{}{body}", indent.replace('\t', "  ")));
        let message = "indent with spaces: YAML allows no tab here";
        findings.push(Finding::new(YAML_TAB, &source.name, Some((*line, column)), message, fix));
    }
    if tabbed.is_empty() {
        let at = Mark::from(error.marker()).min(source.end);
        let fix = repair(text, source, at.line);
        let message = format!("this is no YAML: {}", error.info());
        findings.push(Finding::new(YAML_SYNTAX, &source.name, Some(at.pair()), message, fix));
    }
}

/// The smallest change of one line that makes the text YAML, or moves the fault furthest down.
fn repair(text: &str, source: &Source, at: u32) -> Fix {
    let mut best = (fault(text).unwrap_or(0), at, format!("# {}", source.line(at)));
    for line in (at.saturating_sub(SEARCHED_LINES).max(1)..=at.min(source.last_line())).rev() {
        for candidate in candidates(source.line(line)) {
            let Some(fault) = fault(&with_line(source, line, &candidate)) else {
                return source.lines_become(line, line, &candidate);
            };
            if fault > best.0 {
                best = (fault, line, candidate);
            }
        }
    }
    source.lines_become(best.1, best.1, &best.2)
}

/// A line with its value in quotes, with its quote closed, or as a comment.
fn candidates(line: &str) -> Vec<String> {
    let mut all = Vec::new();
    if line.trim().is_empty() || line.trim_start().starts_with('#') {
        return all;
    }
    if let Some((key, value)) = line.split_once(": ") {
        let bare = value.trim().trim_matches(['"', '\'']);
        all.push(format!("{key}: {}", json!(bare)));
    }
    all.push(format!("{line}]"));
    all.push(format!("{line}}}"));
    all.push(format!("# {line}"));
    all
}

fn with_line(source: &Source, changed: u32, text: &str) -> String {
    let line = |number: u32| if number == changed { text } else { source.line(number) };
    (1..=source.last_line()).map(line).collect::<Vec<&str>>().join("\n")
}

/// The line where a text stops being YAML.
fn fault(text: &str) -> Option<usize> {
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        if let Err(error) = event {
            return Some(error.marker().line());
        }
    }
    None
}
