//! The files around the configuration: who can read them, what git tracks, what keys they hold.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::finding::{
    CA_FILE, Finding, Fix, LIVE_KEY_IN_FILE, PASSWORD_IN_FILE, PRIVATE_KEY, PRIVATE_KEY_MISSING,
    SECRETS_READABLE, SECRETS_TRACKED, quoted,
};
use super::layers::{Held, Layers, dev_env};
use super::mask::masked;
use super::source::{From, Source};
use super::yaml::{Entry, Yaml};
use crate::keys::SigningKey;

/// Looks at every file that has or names secrets.
pub(super) fn check(
    layers: &Layers,
    config: Option<&Path>,
    ask_git: bool,
    findings: &mut Vec<Finding>,
) {
    let mut secret_files: Vec<PathBuf> = Vec::new();
    if let (Some(source), Some(path)) = (&layers.file, config) {
        let has_password = storage_password(layers, findings);
        if secrets_in(source, findings) || has_password {
            secret_files.push(path.to_owned());
        }
        secret_files.push(dev_env(path));
    }
    if let Some(held) = layers.get("private_key_path")
        && let Some(path) = path_of(held, config)
        && private_key(held, &path, findings)
    {
        secret_files.push(path);
    }
    if let Some(held) = layers.get("ca_file")
        && let Some(path) = path_of(held, config)
    {
        ca_file(held, &path, findings);
    }
    for path in secret_files.iter().filter(|path| path.exists()) {
        others_can_read(path, findings);
        if ask_git {
            tracked(path, findings);
        }
    }
}

/// A file that a key names: relative to the configuration where that names it.
pub(super) fn path_of(held: &Held, config: Option<&Path>) -> Option<PathBuf> {
    let named = Path::new(held.value.as_ref()?.as_str()?);
    let folder = config.and_then(Path::parent).filter(|_| held.source.is_file());
    Some(folder.map_or_else(|| named.to_owned(), |folder| folder.join(named)))
}

/// Whether a line of the file holds a secret; a live key anywhere is a finding.
fn secrets_in(source: &Source, findings: &mut Vec<Finding>) -> bool {
    let mut any = false;
    for number in 1..=source.last_line() {
        let line = source.line(number);
        any |= masked(line) != line;
        let Some(byte) = line.find("aa_live_") else { continue };
        if masked(line) == line {
            continue;
        }
        let before = line.get(..byte).unwrap_or_default().chars().count();
        let column = u32::try_from(before).unwrap_or(0).saturating_add(1);
        let message = "a live key stands in the file: take it out, put a new one into \
                       AGENTADMIT_API_KEY, and revoke this one";
        let fix = source.lines_become(number, number, "");
        let at = Some((number, column));
        findings.push(Finding::new(LIVE_KEY_IN_FILE, &source.name, at, message, fix));
    }
    any
}

/// Whether the store's address in the file holds a password.
fn storage_password(layers: &Layers, findings: &mut Vec<Finding>) -> bool {
    let Some(Held { source, entry, .. }) =
        layers.get("storage").filter(|held| held.source.is_file())
    else {
        return false;
    };
    let Yaml::Map(members) = &entry.value.value else { return false };
    let Some(Entry { value, .. }) = members.iter().find(|member| member.name == "url") else {
        return false;
    };
    let Yaml::Scalar { text, .. } = &value.value else { return false };
    let hidden = masked(text);
    if hidden == *text {
        return false;
    }
    let fix = source.replace(value, &hidden.replacen(":…@", "@", 1));
    let message = "the address holds a password: put the whole address into AGENTADMIT_STORAGE_URL";
    let at = Some(value.start.pair());
    findings.push(Finding::new(PASSWORD_IN_FILE, &source.name, at, message, fix));
    true
}

/// Whether the private key's file is there.
fn private_key(held: &Held, path: &Path, findings: &mut Vec<Finding>) -> bool {
    let shown = path.display();
    if !path.exists() {
        let message = format!("{shown} is not there");
        let fix = Fix::Run { command: "agentadmit keys".to_owned() };
        say(findings, PRIVATE_KEY_MISSING, held, &message, fix);
        return false;
    }
    if let Err(error) = SigningKey::read(path) {
        let name = quoted(&shown.to_string());
        let command = format!("mv {name} {name}.broken && agentadmit keys");
        say(findings, PRIVATE_KEY, held, &error.0, Fix::Run { command });
    }
    true
}

fn ca_file(held: &Held, path: &Path, findings: &mut Vec<Finding>) {
    let read = CertificateDer::pem_file_iter(path)
        .map_err(|error| error.to_string())
        .and_then(|all| all.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string()));
    let message = match read {
        Ok(all) if !all.is_empty() => return,
        Ok(_) => "it holds no certificate".to_owned(),
        Err(error) => error,
    };
    let Held { source, entry, .. } = held;
    let fix = source.entry_becomes(&entry.key, &entry.value, "");
    say(findings, CA_FILE, held, &format!("{}: {message}", path.display()), fix);
}

#[cfg(unix)]
fn others_can_read(path: &Path, findings: &mut Vec<Finding>) {
    use std::os::unix::fs::PermissionsExt as _;

    let Ok(known) = std::fs::metadata(path) else { return };
    let mode = known.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let shown = path.display().to_string();
        let message = format!("others can read this file with secrets (mode {mode:04o})");
        let fix = Fix::Run { command: format!("chmod 600 {}", quoted(&shown)) };
        findings.push(Finding::new(SECRETS_READABLE, &shown, None, message, fix));
    }
}

#[cfg(not(unix))]
fn others_can_read(_path: &Path, _findings: &mut Vec<Finding>) {}

/// Asks git; where there is no git or no repository, nothing is tracked.
fn tracked(path: &Path, findings: &mut Vec<Finding>) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let Some(name) = path.file_name() else { return };
    let asked = Command::new("git")
        .arg("-C")
        .arg(folder.unwrap_or(Path::new(".")))
        .args(["ls-files", "--error-unmatch", "--"])
        .arg(name)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if asked.is_ok_and(|status| status.success()) {
        let shown = path.display().to_string();
        let name = quoted(&name.to_string_lossy());
        let place = folder.map(|folder| format!("-C {} ", quoted(&folder.display().to_string())));
        let command = format!("git {}rm --cached --quiet -- {name}", place.unwrap_or_default());
        let message = "git tracks this file with secrets: whoever has the repository has them";
        findings.push(Finding::new(SECRETS_TRACKED, &shown, None, message, Fix::Run { command }));
    }
}

fn say(
    findings: &mut Vec<Finding>,
    rule: super::finding::Rule,
    held: &Held,
    message: &str,
    fix: Fix,
) {
    let Held { source, entry, .. } = held;
    let at = (source.from == From::File).then(|| entry.value.start.pair());
    findings.push(Finding::new(rule, &source.name, at, message, fix));
}
