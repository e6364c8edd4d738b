//! `check --online`: what only the service can say.

use std::path::Path;

use agentadmit::config::{Finding, Fix, Rule, Severity};
use agentadmit::keys::SigningKey;
use agentadmit::{Client, Error, Settings};

use super::{failure, keys, shown};
use crate::exit::Failure;

/// The service knows no such key, or it may not manage the app.
const KEY_REFUSED: Rule = Rule {
    id: "key-refused",
    severity: Severity::Warning,
    about: "The service refuses the API key for this app.",
    fix: "a new key: an operator's `agentadmit api-keys create`",
};
/// The service has other scopes.
const CATALOGUE_DIFFERS: Rule = Rule {
    id: "catalogue-differs",
    severity: Severity::Warning,
    about: "The scopes at the service are not those of the file.",
    fix: "`agentadmit sync`",
};
/// The private key signs nothing that anybody believes.
const KEY_NOT_REGISTERED: Rule = Rule {
    id: "key-not-registered",
    severity: Severity::Note,
    about: "The service does not know the app's private key.",
    fix: "the command that `agentadmit keys` prints",
};

/// What `check --online` finds, for the documentation.
pub(crate) const ONLINE_RULES: &[Rule] = &[KEY_REFUSED, CATALOGUE_DIFFERS, KEY_NOT_REGISTERED];

/// Asks the service about key and scopes.
///
/// # Errors
/// It could not be asked.
pub(super) async fn ask(settings: &Settings, config: &Path) -> Result<Vec<Finding>, Failure> {
    let file = shown(config);
    let mut findings = Vec::new();
    if settings.app_id.is_none() || settings.api_key.is_none() {
        // a note says so already
        return Ok(findings);
    }
    let client = Client::new(settings).map_err(|error| Failure::usage(error.0))?;
    match client.scopes().await {
        Ok(answer) if answer.scopes == settings.scopes => {}
        Ok(answer) => {
            let at_service = answer.scopes.len();
            let message = format!(
                "the {} catalogue at the service differs ({at_service} scopes there, {} here)",
                answer.environment,
                settings.scopes.len()
            );
            findings.push(finding(CATALOGUE_DIFFERS, &file, message, "agentadmit sync"));
        }
        Err(error @ (Error::Configuration(_) | Error::Refused(_))) => {
            let create = format!(
                "agentadmit api-keys create --service {} --app {} --environment live",
                settings.service_url,
                settings.app_id.map(|id| id.to_string()).unwrap_or_default()
            );
            findings.push(finding(KEY_REFUSED, &file, error.to_string(), &create));
        }
        Err(error) => return Err(failure(error)),
    }
    if let Some(path) = settings.private_key_path.as_deref().filter(|path| path.exists())
        && let Ok(key) = SigningKey::read(path)
        && !keys::registered(settings).await?.iter().any(|kid| kid == key.kid())
    {
        let message = format!("the service does not know the key {} ({})", key.kid(), shown(path));
        findings.push(finding(KEY_NOT_REGISTERED, &file, message, "agentadmit keys"));
    }
    Ok(findings)
}

fn finding(rule: Rule, file: &str, message: String, command: &str) -> Finding {
    Finding {
        id: rule.id,
        severity: rule.severity,
        file: file.to_owned(),
        line: None,
        column: None,
        message,
        fix: Fix::Run { command: command.to_owned() },
    }
}
