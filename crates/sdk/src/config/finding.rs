//! What can be wrong with a configuration: every finding has a stable id, a place, and a fix that
//! can be pasted.

use std::fmt;

use serde::Serialize;

use super::mask::masked;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The app does not start.
    Error,
    /// The app starts; `check` says no.
    Warning,
    /// What `dev` or an operator fills in; a finding only of `check --live`.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// One kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Stable: scripts may name it.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong, in a sentence.
    pub about: &'static str,
}

/// What to do about a finding, ready to be pasted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Fix {
    /// These lines of the file become this text; an empty text deletes them.
    Replace {
        /// The first line, from 1.
        first_line: u32,
        /// The last line, itself included.
        last_line: u32,
        /// What stands there instead, without a line end at its end.
        text: String,
    },
    /// This text goes to the end of the file.
    Append {
        /// Whole lines, without a line end at their end.
        text: String,
    },
    /// An environment variable (or a flag) gets this value; `None` takes it away.
    Set {
        /// Its name.
        name: String,
        /// Its value.
        value: Option<String>,
    },
    /// A command to run in the file's folder.
    Run {
        /// One line for a shell.
        command: String,
    },
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replace { first_line, last_line, text } => {
                let lines = match first_line == last_line {
                    true => format!("line {first_line}"),
                    false => format!("lines {first_line} to {last_line}"),
                };
                if text.is_empty() {
                    return write!(f, "delete {lines}");
                }
                write!(f, "write instead of {lines}:\n{text}")
            }
            Self::Append { text } => write!(f, "add:\n{text}"),
            Self::Set { name, value: None } => write!(f, "run:\nunset {name}"),
            Self::Set { name, value: Some(value) } if name.starts_with('-') => {
                write!(f, "say:\n{name} {}", quoted(value))
            }
            Self::Set { name, value: Some(value) } => {
                write!(f, "run:\nexport {name}={}", quoted(value))
            }
            Self::Run { command } => write!(f, "run:\n{command}"),
        }
    }
}

/// A word as a POSIX shell reads it back.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@,+%".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// One thing that is wrong, or that is still to be filled in. Shows no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule's id: stable, in kebab-case.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// The file, or the variable or flag, that it is about.
    pub file: String,
    /// The line, from 1; absent where the whole file is meant.
    pub line: Option<u32>,
    /// The column in characters, from 1.
    pub column: Option<u32>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: Fix,
}

impl Finding {
    pub(super) fn new(
        rule: Rule,
        file: &str,
        at: Option<(u32, u32)>,
        message: impl AsRef<str>,
        fix: Fix,
    ) -> Self {
        Self {
            id: rule.id,
            severity: rule.severity,
            file: file.to_owned(),
            line: at.map(|(line, _)| line),
            column: at.map(|(_, column)| column),
            message: masked(message.as_ref()),
            fix: masked_fix(fix),
        }
    }

    /// Where it is: `file:line:column`.
    pub fn place(&self) -> String {
        match (self.line, self.column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", self.file),
            _ => self.file.clone(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {} [{}]", self.place(), self.severity, self.message, self.id)
    }
}

/// A fix is printed; what it takes over from the file may hold a secret.
fn masked_fix(fix: Fix) -> Fix {
    match fix {
        Fix::Replace { first_line, last_line, text } => {
            Fix::Replace { first_line, last_line, text: masked(&text) }
        }
        Fix::Append { text } => Fix::Append { text: masked(&text) },
        Fix::Set { name, value } => Fix::Set { name, value: value.map(|value| masked(&value)) },
        Fix::Run { command } => Fix::Run { command: masked(&command) },
    }
}

macro_rules! rules {
    ($($name:ident = $id:literal, $severity:ident, $about:literal;)+) => {
        $(pub(super) const $name: Rule =
            Rule { id: $id, severity: Severity::$severity, about: $about };)+

        /// Every kind of finding, in the order of the documentation.
        pub const RULES: &[Rule] = &[$($name),+];
    };
}

rules! {
    FILE_UNREADABLE = "file-unreadable", Error, "The file is missing, cannot be read, is longer than 256 KiB, or is not UTF-8.";
    YAML_SYNTAX = "yaml-syntax", Error, "The file is no YAML.";
    YAML_TAB = "yaml-tab", Error, "A line is indented with a tab; YAML wants spaces.";
    YAML_ALIAS = "yaml-alias", Error, "An alias (`*name`) stands for a value; here every value is written out.";
    YAML_MERGE_KEY = "yaml-merge-key", Error, "A merge key (`<<`) takes over another mapping; here every key is written out.";
    YAML_TAG = "yaml-tag", Error, "A value has a tag (`!name`); none means anything here.";
    YAML_TOO_DEEP = "yaml-too-deep", Error, "Values are nested deeper than any key needs.";
    YAML_DOCUMENTS = "yaml-documents", Error, "The file holds a second document (`---`).";
    DUPLICATE_KEY = "duplicate-key", Error, "A key stands twice in one mapping.";
    UNKNOWN_KEY = "unknown-key", Error, "No such key exists; the nearest known one is named.";
    WRONG_TYPE = "wrong-type", Error, "The value is of another type than the key wants.";
    MISSING_MEMBER = "missing-member", Error, "An entry lacks a member that it must have.";
    EMPTY_VALUE = "empty-value", Warning, "The key has no value, and so says nothing.";
    EMPTY_LIST = "empty-list", Warning, "The list is empty, and so says nothing.";
    TOO_MANY = "too-many", Error, "The list is longer than is allowed.";
    OUT_OF_RANGE = "out-of-range", Error, "The number is too small or too large.";
    TEXT = "text", Error, "The text is too long, or holds characters that texts for people must not hold.";
    APP_ID = "app-id", Error, "`app_id` is no app id.";
    PLACEHOLDER_APP_ID = "placeholder-app-id", Warning, "`app_id` is a placeholder such as `app_yourappid`.";
    API_KEY = "api-key", Error, "`api_key` is no API key: wrong prefix, length or checksum.";
    PLACEHOLDER_API_KEY = "placeholder-api-key", Warning, "`api_key` is a placeholder such as `aa_test_yourkey`.";
    LIVE_KEY_IN_FILE = "live-key-in-file", Warning, "A live key stands in the configuration file.";
    PASSWORD_IN_FILE = "password-in-file", Warning, "An address in the configuration file holds a password.";
    SECRETS_READABLE = "secrets-readable", Warning, "A file with secrets can be read by other users of the machine.";
    SECRETS_TRACKED = "secrets-tracked", Warning, "A file with secrets is tracked by git.";
    ADDRESS = "address", Error, "The value is no address that can be used here.";
    INSECURE_ADDRESS = "insecure-address", Error, "The address is plain http, and not of this machine.";
    SERVICE_MISSING = "service-missing", Error, "No service is named; there is no default service.";
    VERIFY_URL = "verify-url", Error, "`verify_url` does not end in `/v1/verify`.";
    TWO_SERVICES = "two-services", Error, "`service_url` and `verify_url` name two services.";
    ROUTE_PREFIX = "route-prefix", Error, "`route_prefix` is no path such as `/agentadmit`.";
    ALLOWED_ORIGIN = "allowed-origin", Error, "An allowed origin is not scheme, host and port of one address.";
    TRUSTED_PROXY = "trusted-proxy", Error, "A trusted proxy is no network such as `10.0.0.0/8`.";
    TRUSTS_EVERYONE = "trusts-everyone", Warning, "Every address is a trusted proxy: anyone can claim any address.";
    NO_SCOPES = "no-scopes", Warning, "There is no scope: nothing can be granted.";
    SCOPE_NAME = "scope-name", Error, "A scope's name is not one such as `read:orders`.";
    DUPLICATE_SCOPE = "duplicate-scope", Error, "A scope's name stands twice.";
    UNKNOWN_SCOPE = "unknown-scope", Error, "A prompt template names a scope that is not in `scopes`.";
    ADMIN_SCOPE = "admin-scope", Warning, "A scope for admins is not marked `admin: true`.";
    IN_APP_AI = "in-app-ai", Warning, "A scope looks like the app's own AI feature: the agent can read the data and think itself, exposing it pays twice.";
    PROMPT_TEMPLATE = "prompt-template", Error, "A prompt template has a brace that names no field.";
    PRIVATE_KEY_MISSING = "private-key-missing", Warning, "The private key's file is not there.";
    PRIVATE_KEY = "private-key", Error, "The private key's file holds no RSA key of 2048 to 4096 bits.";
    CA_FILE = "ca-file", Error, "`ca_file` holds no certificate in PEM, or cannot be read.";
    APP_ID_MISSING = "app-id-missing", Note, "`app_id` is not set yet.";
    API_KEY_MISSING = "api-key-missing", Note, "There is no API key yet.";
    PUBLIC_URL_MISSING = "public-url-missing", Note, "`public_url` is not set yet: the discovery document cannot name addresses.";
    PRIVATE_KEY_UNSET = "private-key-unset", Note, "`private_key_path` is not set: the discovery document is not signed.";
    LOCAL_SERVICE = "local-service", Note, "The service is on this machine, as in development.";
    TEST_KEY = "test-key", Note, "The API key is of the test environment.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kebab_case_and_unique() {
        let mut ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
        assert!(ids.iter().all(|id| id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), RULES.len());
    }

    #[test]
    fn a_fix_is_read_back_by_a_shell() {
        let set = |value: &str| {
            Fix::Set { name: "A".to_owned(), value: Some(value.to_owned()) }.to_string()
        };
        assert_eq!(set("https://a.example"), "run:\nexport A=https://a.example");
        assert_eq!(set("it's"), r"run:
export A='it'\''s'");
        assert_eq!(set(""), "run:\nexport A=''");
    }
}
