//! `agentadmit.yaml` and its environment variables, read with findings that name file and line
//! (PROTOCOL, Configuration and command line).
//!
//! An argument wins over the environment, that over the file. Where the service is on this machine
//! and no key was given, the one that `agentadmit dev` left in `.agentadmit/dev.env` counts. There
//! is no default service.
//!
//! An app starts with [`Settings::from_file`]; `agentadmit check` uses [`inspect`].

mod build;
mod files;
mod finding;
mod layers;
mod mask;
mod schema;
mod scopes;
mod source;
mod table;
mod text;
mod values;
mod yaml;

use std::fmt::Write as _;
use std::path::Path;

use agentadmit_protocol::text::Label;
use serde::Serialize;

pub use finding::{Finding, Fix, RULES, Rule, Severity};
pub use schema::schema;

use crate::error::ConfigurationError;
use crate::settings::Settings;

/// The name of the file, in the app's folder.
pub const FILE_NAME: &str = "agentadmit.yaml";
/// The folder of `agentadmit dev`, beside the file.
pub const DEV_FOLDER: &str = ".agentadmit";
/// What `agentadmit dev` leaves for the app, in that folder.
pub const DEV_ENV: &str = "dev.env";

/// Where values are looked for.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// `agentadmit.yaml`; `None` where the environment says everything.
    pub file: Option<&'a Path>,
    /// Reads an environment variable.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Flags of a command: a key, such as `service_url`, and its value. They win.
    pub arguments: &'a [(&'a str, String)],
}

/// What was read.
#[derive(Debug)]
pub struct Loaded {
    /// Complete and checked; `None` when there is an error among the findings.
    pub settings: Option<Settings>,
    /// What is wrong, and what is still to be filled in: by line, errors of the whole file first.
    pub findings: Vec<Finding>,
    /// Where each value came from, in the order of the documentation.
    pub origins: Vec<Origin>,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The key.
    pub key: &'static str,
    /// Its value, without secrets.
    pub value: String,
    /// The file and line, the variable, the flag, or `default`.
    pub from: String,
}

impl Loaded {
    /// The settings, or all that is wrong with them.
    ///
    /// # Errors
    /// Every error with its place and its fix.
    pub fn into_settings(self) -> Result<Settings, ConfigurationError> {
        if let Some(settings) = self.settings {
            return Ok(settings);
        }
        let mut text = String::from("the configuration cannot be used");
        for finding in self.findings.iter().filter(|found| found.severity == Severity::Error) {
            // writing into a String cannot fail
            let _never = write!(text, "\n{finding}\n  {}", finding.fix);
        }
        Err(ConfigurationError(text))
    }
}

/// Reads a file and the environment. Starts no process and asks no service.
pub fn load(file: Option<&Path>, environment: &dyn Fn(&str) -> Option<String>) -> Loaded {
    load_from(Sources { file, environment, arguments: &[] })
}

/// Reads all sources. Starts no process and asks no service.
pub fn load_from(sources: Sources<'_>) -> Loaded {
    build::build(sources, false)
}

/// Reads all sources as [`load_from`] does, and asks git whether it tracks files with secrets.
pub fn inspect(sources: Sources<'_>) -> Loaded {
    build::build(sources, true)
}

/// The environment variable of a key, such as `AGENTADMIT_SERVICE_URL` of `service_url`.
pub fn variable(key: &str) -> String {
    table::variable(key)
}

/// A key of the file, for documentation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyHelp {
    /// Its name; of a member with what it is in, such as `scopes[].name` and `storage.url`.
    pub path: String,
    /// Its environment variable. Members of list entries have none.
    pub variable: Option<String>,
    /// Whether an entry must have it.
    pub required: bool,
    /// What holds without it.
    pub default: Option<&'static str>,
    /// What it means.
    pub about: &'static str,
}

/// Every key and its members, in the order of the documentation.
pub fn keys() -> Vec<KeyHelp> {
    let help = |key: &table::Key, path: String, in_list: bool| KeyHelp {
        variable: (!in_list).then(|| table::variable(&path)),
        path,
        required: key.required,
        default: key.default,
        about: key.about,
    };
    let mut all = Vec::new();
    for key in table::KEYS {
        all.push(help(key, key.name.to_owned(), false));
        let (members, between, in_list) = match &key.kind {
            table::Kind::Object(members) => (*members, ".", false),
            table::Kind::List(table::Kind::Object(members), _) => (*members, "[].", true),
            _ => continue,
        };
        let path = |member: &table::Key| format!("{}{between}{}", key.name, member.name);
        all.extend(members.iter().map(|member| help(member, path(member), in_list)));
    }
    all
}

/// The commented file that `agentadmit init` writes for an app with this name.
pub fn template(name: &Label) -> String {
    include_str!("template.yaml").replace("{name}", &serde_json::json!(name.as_str()).to_string())
}

impl Settings {
    /// Reads `agentadmit.yaml` and the environment of this process.
    ///
    /// # Errors
    /// Every error of the configuration with file, line and what to write instead.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigurationError> {
        load(Some(path.as_ref()), &process_variable).into_settings()
    }

    /// Reads the environment of this process alone.
    ///
    /// # Errors
    /// Every error of the configuration, with the variable and what to put into it.
    pub fn from_environment() -> Result<Self, ConfigurationError> {
        load(None, &process_variable).into_settings()
    }
}

fn process_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
