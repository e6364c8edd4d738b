//! What `dev` keeps between its starts: the app's id and key, in `.agentadmit/dev.env`, and the id
//! in the configuration.

use std::fs;
use std::path::{Path, PathBuf};

use agentadmit::config::{DEV_ENV, DEV_FOLDER};
use agentadmit_protocol::id::AppId;
use zeroize::Zeroizing;

use super::files::{self, PRIVATE, folder_of};
use super::key_files::GITIGNORE;
use crate::exit::Failure;

/// The variables that an app gets from `dev`.
const SERVICE_URL: &str = "AGENTADMIT_SERVICE_URL";
const APP_ID: &str = "AGENTADMIT_APP_ID";
const API_KEY: &str = "AGENTADMIT_API_KEY";

/// The files of `dev` beside a configuration.
pub(super) struct DevFolder {
    folder: PathBuf,
    config: PathBuf,
}

/// An app of the service of `dev`, and its key.
pub(super) struct DevApp {
    pub(super) app_id: AppId,
    pub(super) api_key: Zeroizing<String>,
}

impl DevFolder {
    pub(super) fn beside(config: &Path) -> Self {
        Self { folder: files::beside(config, DEV_FOLDER), config: config.to_owned() }
    }

    /// Makes the folder, which git does not see.
    pub(super) fn make(&self) -> Result<(), Failure> {
        fs::create_dir_all(&self.folder).map_err(|error| {
            Failure::could_not(format!("{} cannot be made: {error}", self.folder.display()))
        })?;
        files::add_lines(&folder_of(&self.config).join(".gitignore"), GITIGNORE).map(drop)
    }

    pub(super) fn store(&self) -> PathBuf {
        self.folder.join("store.db")
    }

    pub(super) fn env(&self) -> PathBuf {
        self.folder.join(DEV_ENV)
    }

    /// The app and key of the start before.
    pub(super) fn remembered(&self) -> Option<DevApp> {
        let text = Zeroizing::new(fs::read_to_string(self.env()).ok()?);
        let value =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let app_id = value(APP_ID)?.parse().ok()?;
        let api_key = Zeroizing::new(value(API_KEY)?.to_owned());
        Some(DevApp { app_id, api_key })
    }

    /// Keeps app and key for the next start, and for SDKs.
    pub(super) fn remember(&self, app: &DevApp, service: &str) -> Result<(), Failure> {
        let mut text = Zeroizing::new(String::from(
            "# Written by `agentadmit dev`, for a service on this machine alone.\n",
        ));
        for (name, value) in app.variables(service) {
            for piece in [name, "=", &value, "\n"] {
                text.push_str(piece);
            }
        }
        files::write(&self.env(), &text, PRIVATE)
    }

    /// Writes the app's id into the configuration, unless an id stands there. Says whether it did.
    pub(super) fn write_app_id(&self, app_id: AppId) -> Result<bool, Failure> {
        let text = fs::read_to_string(&self.config).map_err(|error| {
            Failure::usage(format!("{} cannot be read: {error}", self.config.display()))
        })?;
        match with_app_id(&text, app_id) {
            Some(text) => files::rewrite(&self.config, &text).map(|()| true),
            None => Ok(false),
        }
    }
}

impl DevApp {
    /// What the app runs with.
    pub(super) fn variables(&self, service: &str) -> [(&'static str, String); 3] {
        [
            (SERVICE_URL, service.to_owned()),
            (APP_ID, self.app_id.to_string()),
            (API_KEY, self.api_key.to_string()),
        ]
    }
}

/// The configuration with an id in the line that was left for it; all else stays as it is. `None`
/// when an id is there, whosever it is.
fn with_app_id(text: &str, app_id: AppId) -> Option<String> {
    let value = |line: &str| line.strip_prefix("app_id:").map(str::trim).map(str::to_owned);
    let is_id = |value: &str| {
        let bare = value.split(" #").next().unwrap_or_default();
        bare.trim().trim_matches(['"', '\'']).parse::<AppId>().is_ok()
    };
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let set = lines.iter().position(|line| value(line).is_some());
    if set.and_then(|at| value(lines.get(at)?)).is_some_and(|value| is_id(&value)) {
        return None;
    }
    let left = |line: &&str| line.trim_start_matches(['#', ' ']).starts_with("app_id:");
    let at = set.or_else(|| lines.iter().position(left));
    let line = format!("app_id: {app_id}\n");
    let Some(at) = at else { return Some(format!("{line}{text}")) };
    let (before, rest) = lines.split_at_checked(at)?;
    let after = rest.get(1..).unwrap_or_default();
    Some(format!("{}{line}{}", before.concat(), after.concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_goes_into_the_line_that_was_left_for_it_and_no_other_changes() {
        let app_id: AppId = "app_01jd3q7v6tfh5r8m2k4n9p0wxy".parse().unwrap();
        let id = format!("app_id: {app_id}\n");
        for (before, after) in [
            ("# a\n\n# app_id: app_…   why\nname: x # y\n", format!("# a\n\n{id}name: x # y\n")),
            ("name: x\napp_id: app_yourappid # z\n", format!("name: x\n{id}")),
            ("app_id:\nname: x", format!("{id}name: x")),
            ("#app_id:\napp_id: ''\n", format!("#app_id:\n{id}")),
            ("name: x\n", format!("{id}name: x\n")),
        ] {
            assert_eq!(with_app_id(before, app_id).unwrap(), after, "{before}");
            assert_eq!(with_app_id(&after, app_id), None);
        }
        assert_eq!(with_app_id(&format!("app_id: \"{app_id}\"   # mine\n"), app_id), None);
    }
}
