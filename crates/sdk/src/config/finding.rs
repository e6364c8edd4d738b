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
    /// What its fixes come to.
    pub fix: &'static str,
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
                let lines = if first_line == last_line {
                    format!("line {first_line}")
                } else {
                    format!("lines {first_line} to {last_line}")
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
    ($($name:ident = $id:literal, $severity:ident, $about:literal, $fix:literal;)+) => {
        $(pub(super) const $name: Rule =
            Rule { id: $id, severity: Severity::$severity, about: $about, fix: $fix };)+

        /// Every kind of finding, in the order of the documentation.
        pub const RULES: &[Rule] = &[$($name),+];
    };
}

rules! {
    FILE_UNREADABLE = "file-unreadable", Error, "The file is missing, cannot be read, is longer than 256 KiB, or is not UTF-8.", "`agentadmit init` writes one; `chmod u+r` or `iconv` where it is there";
    YAML_SYNTAX = "yaml-syntax", Error, "The file is no YAML.", "the nearest line that makes it YAML: its value in quotes, or the line as a comment";
    YAML_TAB = "yaml-tab", Error, "A line is indented with a tab; YAML wants spaces.", "the line with two spaces for each tab";
    YAML_ALIAS = "yaml-alias", Error, "An alias (`*name`) stands for a value; here every value is written out.", "the value in its place";
    YAML_MERGE_KEY = "yaml-merge-key", Error, "A merge key (`<<`) takes over another mapping; here every key is written out.", "the keys in its place";
    YAML_TAG = "yaml-tag", Error, "A value has a tag (`!name`); none means anything here.", "the value without the tag";
    YAML_TOO_DEEP = "yaml-too-deep", Error, "Values are nested deeper than any key needs.", "delete the line";
    YAML_DOCUMENTS = "yaml-documents", Error, "The file holds a second document (`---`).", "delete all from the second `---` on";
    DUPLICATE_KEY = "duplicate-key", Error, "A key stands twice in one mapping.", "delete the second one";
    UNKNOWN_KEY = "unknown-key", Error, "No such key exists; the nearest known one is named.", "the known key's name; or delete it";
    WRONG_TYPE = "wrong-type", Error, "The value is of another type than the key wants.", "the value in the type that is wanted";
    MISSING_MEMBER = "missing-member", Error, "An entry lacks a member that it must have.", "the member, with an example";
    EMPTY_VALUE = "empty-value", Warning, "The key has no value, and so says nothing.", "delete the key, or give it a value";
    EMPTY_LIST = "empty-list", Warning, "The list is empty, and so says nothing.", "delete the key, or give the list entries";
    TOO_MANY = "too-many", Error, "The list is longer than is allowed.", "delete entries";
    OUT_OF_RANGE = "out-of-range", Error, "The number is too small or too large.", "the nearest number that is allowed";
    TEXT = "text", Error, "The text is too long, or holds characters that texts for people must not hold.", "the text without what is not allowed";
    APP_ID = "app-id", Error, "`app_id` is no app id.", "delete the line; `agentadmit dev` or an operator gives the id";
    PLACEHOLDER_APP_ID = "placeholder-app-id", Warning, "`app_id` is a placeholder such as `app_yourappid`.", "delete the line; `agentadmit dev` or an operator gives the id";
    API_KEY = "api-key", Error, "`api_key` is no API key: wrong prefix, length or checksum.", "delete it; put the key into `AGENTADMIT_API_KEY`";
    PLACEHOLDER_API_KEY = "placeholder-api-key", Warning, "`api_key` is a placeholder such as `aa_test_yourkey`.", "delete it; put the key into `AGENTADMIT_API_KEY`";
    LIVE_KEY_IN_FILE = "live-key-in-file", Warning, "A live key stands in the configuration file.", "delete the line, put a new key into `AGENTADMIT_API_KEY`, revoke the old one";
    PASSWORD_IN_FILE = "password-in-file", Warning, "An address in the configuration file holds a password.", "the address without the password; the whole one goes into `AGENTADMIT_STORAGE_URL`";
    SECRETS_READABLE = "secrets-readable", Warning, "A file with secrets can be read by other users of the machine.", "`chmod 600 FILE`";
    SECRETS_TRACKED = "secrets-tracked", Warning, "A file with secrets is tracked by git.", "`git rm --cached FILE`, and new secrets";
    ADDRESS = "address", Error, "The value is no address that can be used here.", "the address that was probably meant, or an example";
    INSECURE_ADDRESS = "insecure-address", Error, "The address is plain http, and not of this machine.", "the same with `https`";
    SERVICE_MISSING = "service-missing", Error, "No service is named; there is no default service.", "`service_url: http://127.0.0.1:8700`";
    VERIFY_URL = "verify-url", Error, "`verify_url` does not end in `/v1/verify`.", "the address with `/v1/verify` at its end";
    TWO_SERVICES = "two-services", Error, "`service_url` and `verify_url` name two services.", "delete `verify_url`";
    ROUTE_PREFIX = "route-prefix", Error, "`route_prefix` is no path such as `/agentadmit`.", "the path with a slash before it and none behind";
    LOGIN_PATH = "login-path", Error, "`login_path` is no path of the app such as `/login?next={next}`.", "the path, with a slash before it and `{next}` where the way back goes";
    RESOURCE_ELSEWHERE = "resource-elsewhere", Warning, "`resource` is of another origin than `public_url`: OAuth clients look there for the metadata that the app serves at its own address.", "the same path at the origin of `public_url`";
    ALLOWED_ORIGIN = "allowed-origin", Error, "An allowed origin is not scheme, host and port of one address.", "scheme, host and port alone";
    TRUSTED_PROXY = "trusted-proxy", Error, "A trusted proxy is no network such as `10.0.0.0/8`.", "the address as a network, such as `10.0.0.1/32`";
    TRUSTS_EVERYONE = "trusts-everyone", Warning, "Every address is a trusted proxy: anyone can claim any address.", "the networks of your proxies";
    NO_SCOPES = "no-scopes", Warning, "There is no scope: nothing can be granted.", "a first scope";
    SCOPE_NAME = "scope-name", Error, "A scope's name is not one such as `read:orders`.", "the name in small letters, with a colon";
    DUPLICATE_SCOPE = "duplicate-scope", Error, "A scope's name stands twice.", "delete the second one";
    UNKNOWN_SCOPE = "unknown-scope", Error, "A prompt template names a scope that is not in `scopes`.", "the nearest scope's name, or delete it";
    ADMIN_SCOPE = "admin-scope", Warning, "A scope for admins is not marked `admin: true`.", "`admin: true` (or `admin: false`, where only the name looks like it)";
    IN_APP_AI = "in-app-ai", Warning, "A scope looks like the app's own AI feature: the agent can read the data and think itself, exposing it pays twice.", "take the scope out; or `in_app_ai: allowed` at it";
    PROMPT_TEMPLATE = "prompt-template", Error, "A prompt template has a brace that names no field.", "the text with its braces in pairs around one word";
    PRIVATE_KEY_MISSING = "private-key-missing", Warning, "The private key's file is not there.", "`agentadmit keys`";
    PRIVATE_KEY = "private-key", Error, "The private key's file holds no RSA key of 2048 to 4096 bits.", "`agentadmit keys`, when the broken file is out of the way";
    CA_FILE = "ca-file", Error, "`ca_file` holds no certificate in PEM, or cannot be read.", "delete the line, or name a file of certificates";
    APP_ID_MISSING = "app-id-missing", Note, "`app_id` is not set yet.", "`agentadmit dev`; an operator's `agentadmit apps create`";
    API_KEY_MISSING = "api-key-missing", Note, "There is no API key yet.", "`agentadmit dev`; an operator's key in `AGENTADMIT_API_KEY`";
    PUBLIC_URL_MISSING = "public-url-missing", Note, "`public_url` is not set yet: the discovery document cannot name addresses.", "`public_url: https://app.example.com`";
    PRIVATE_KEY_UNSET = "private-key-unset", Note, "`private_key_path` is not set: the discovery document is not signed.", "`private_key_path: agentadmit-private-key.pem`";
    LOCAL_PUBLIC_URL = "local-public-url", Note, "`public_url` is of this machine, as in development.", "the app's real address";
    LOCAL_SERVICE = "local-service", Note, "The service is on this machine, as in development.", "the service's real address";
    TEST_KEY = "test-key", Note, "The API key is of the test environment.", "a live key in `AGENTADMIT_API_KEY`";
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
        assert_eq!(
            set("it's"),
            r"run:
export A='it'\''s'"
        );
        assert_eq!(set(""), "run:\nexport A=''");
    }
}
