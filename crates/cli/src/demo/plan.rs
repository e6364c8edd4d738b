//! A step before it is taken: who does what, and what must come of it.

use serde_json::Value;

use super::print::member;

/// Whether an answer is what the story needs.
pub(super) type Check = fn(&Value) -> bool;

/// A step before it is taken.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) who: &'static str,
    /// Whom they ask; empty where it is a command.
    pub(super) to: &'static str,
    pub(super) title: &'static str,
    pub(super) expected: Expected,
    /// What else must hold of the answer, in words and as a check.
    pub(super) also: Option<(&'static str, Check)>,
    /// The members of the answer that a terminal shows.
    pub(super) shown: Shown,
}

/// What of an answer's body a terminal shows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shown {
    /// These members.
    Members(&'static [&'static str]),
    /// All of it.
    Whole,
}

impl Plan {
    pub(super) const fn of(
        who: &'static str,
        to: &'static str,
        title: &'static str,
        expected: Expected,
    ) -> Self {
        Self { who, to, title, expected, also: None, shown: Shown::Members(&[]) }
    }

    /// With something else that must hold of the answer.
    pub(super) const fn also(self, words: &'static str, holds: Check) -> Self {
        Self { also: Some((words, holds)), ..self }
    }

    /// With the members of the answer that a terminal shows.
    pub(super) const fn showing(self, shown: &'static [&'static str]) -> Self {
        Self { shown: Shown::Members(shown), ..self }
    }

    /// With all of the answer's body.
    pub(super) const fn showing_all(self) -> Self {
        Self { shown: Shown::Whole, ..self }
    }

    /// Whether the answer is the documented one.
    pub(super) fn is_met_by(&self, answer: &Value) -> bool {
        self.expected.is(answer) && self.also.is_none_or(|(_, holds)| holds(answer))
    }

    /// What must come, in words.
    pub(super) fn expectation(&self) -> String {
        match self.also {
            Some((words, _)) => format!("{}: {words}", self.expected.words()),
            None => self.expected.words(),
        }
    }
}

/// What must come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expected {
    /// This status, and no error.
    Yes(u16),
    /// This status, and this error code.
    No(u16, &'static str),
    /// A message on the WebSocket.
    Message,
    /// The end of the WebSocket, with this code (RFC 6455 section 7.4).
    Close(u16),
    /// The end of a command.
    ExitCode(i32),
}

impl Expected {
    fn is(self, answer: &Value) -> bool {
        let number = |member: &str| answer.get(member).and_then(Value::as_i64);
        let error = || member(answer.get("body").unwrap_or(&Value::Null), "error");
        match self {
            Self::Yes(status) => number("status") == Some(status.into()) && error().is_empty(),
            Self::No(status, code) => number("status") == Some(status.into()) && error() == code,
            Self::Message => answer.get("message").is_some(),
            Self::Close(code) => number("close") == Some(code.into()),
            Self::ExitCode(code) => number("exit_code") == Some(code.into()),
        }
    }

    fn words(self) -> String {
        match self {
            Self::Yes(status) => status.to_string(),
            Self::No(status, code) => format!("{status} {code}"),
            Self::Message => "message".to_owned(),
            Self::Close(code) => format!("close {code}"),
            Self::ExitCode(code) => format!("exit code {code}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_documented_answer_meets_a_plan() {
        let met = |expected, answer: Value| Plan::of("", "", "", expected).is_met_by(&answer);
        assert!(met(Expected::Yes(200), json!({"status": 200, "body": {}})));
        assert!(!met(Expected::Yes(200), json!({"status": 200, "body": {"error": "x"}})));
        assert!(!met(Expected::Yes(200), json!({"status": 201})));
        assert!(met(Expected::No(403, "x"), json!({"status": 403, "body": {"error": "x"}})));
        assert!(!met(Expected::No(403, "x"), json!({"status": 403, "body": {"error": "y"}})));
        assert!(!met(Expected::No(403, "x"), json!({"status": 403, "body": null})));
        assert!(met(Expected::Close(1008), json!({"close": 1008})));
        assert!(!met(Expected::Close(1008), json!({"message": "still open"})));
        assert!(!met(Expected::ExitCode(1), json!({"exit_code": 0})));
        let plan = Plan::of("", "", "", Expected::Yes(200))
            .also("a body", |answer| answer.get("body").is_some());
        assert!(!plan.is_met_by(&json!({"status": 200})));
        assert_eq!(plan.expectation(), "200: a body");
    }
}
