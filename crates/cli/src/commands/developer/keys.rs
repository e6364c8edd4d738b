//! `agentadmit keys`: a new key pair beside the old one, then in its place, then alone.

use std::fs;

use agentadmit::Settings;
use agentadmit::keys::SigningKey;
use agentadmit_protocol::api::public_keys::JwksAnswer;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::{ErrorBody, ErrorCode};
use http::Method;
use serde_json::json;
use url::Url;

use super::files::{self, PRIVATE, PUBLIC, folder_of};
use super::key_files::{GITIGNORE, KeyFiles};
use super::{settings, shown};
use crate::args::Keys;
use crate::exit::{Exit, Failure};
use crate::http_client::{self, HttpClient};
use crate::output::Output;

/// One of the three steps.
///
/// # Errors
/// A key is missing or in the way, the service does not know it (or still does), or could not be
/// asked.
pub(crate) async fn keys(args: &Keys, output: Output) -> Result<Exit, Failure> {
    let settings = settings(&args.app)?;
    let files = match settings.private_key_path.clone() {
        Some(path) => KeyFiles::of(path),
        None => KeyFiles::beside(&args.app.config),
    };
    match (args.activate, args.drop_old) {
        (true, _) => activate(&settings, &files, output).await,
        (_, true) => drop_old(&settings, &files, output).await,
        _ => make(args, &settings, &files, output),
    }
}

/// A new pair, as the next one or the first.
fn make(
    args: &Keys,
    settings: &Settings,
    files: &KeyFiles,
    output: Output,
) -> Result<Exit, Failure> {
    let is_first = !files.current.exists();
    let path = if is_first { &files.current } else { &files.next };
    if !is_first && files.next.exists() && !args.force {
        let text = format!(
            "{} waits to be activated: register it and run `agentadmit keys --activate`, or \
             replace it with --force",
            shown(&files.next)
        );
        return Err(Failure::no(ErrorCode::Conflict, text));
    }
    let new = SigningKey::generate().map_err(|error| Failure::could_not(error.0))?;
    let pem = new.to_pem().map_err(|error| Failure::could_not(error.0))?;
    files::add_lines(&folder_of(&args.app.config).join(".gitignore"), GITIGNORE)?;
    files::write(path, &pem, PRIVATE)?;
    let mut public = vec![new.public_jwk()];
    if !is_first && let Ok(current) = SigningKey::read(&files.current) {
        public.insert(0, current.public_jwk());
    }
    write_public(files, public)?;
    let command = register(settings, files);
    let answer = json!({
        "kid": new.kid(),
        "private_key": shown(path),
        "public_keys": shown(&files.public),
        "register": command,
    });
    output.result(&answer, |_| {
        format!(
            "wrote {} (mode 0600) and {}\n\nregister it, as an operator:\n  {command}",
            shown(path),
            shown(&files.public)
        )
    })?;
    output.hint("a key of the app that is not in that file is revoked by it");
    if !is_first {
        output
            .hint("then: `agentadmit keys --activate`; until then the app signs with the old key");
    }
    Ok(Exit::Done)
}

/// The next key becomes the app's, if the service knows it.
async fn activate(settings: &Settings, files: &KeyFiles, output: Output) -> Result<Exit, Failure> {
    if !files.next.exists() {
        let text = format!("{} is not there: `agentadmit keys` makes it", shown(&files.next));
        return Err(Failure::no(ErrorCode::NotFound, text));
    }
    let next = SigningKey::read(&files.next).map_err(|error| Failure::usage(error.0))?;
    if !registered(settings).await?.iter().any(|kid| kid == next.kid()) {
        let text = format!(
            "the service does not know the next key ({}) yet; an operator registers it:\n  {}",
            next.kid(),
            register(settings, files)
        );
        return Err(Failure::no(ErrorCode::Conflict, text));
    }
    if files.current.exists() {
        keep_as_old(files)?;
    }
    files::rename(&files.next, &files.current)?;
    let answer = json!({"kid": next.kid(), "private_key": shown(&files.current)});
    output
        .result(&answer, |_| format!("the app signs with {} from its next start on", next.kid()))?;
    output.hint("then, when every instance of it has started anew: `agentadmit keys --drop-old`");
    Ok(Exit::Done)
}

/// Under a second name first: there is no moment without a current key.
fn keep_as_old(files: &KeyFiles) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| {
        Failure::could_not(format!("{} cannot be written: {error}", shown(&files.old)))
    };
    if files.old.exists() {
        fs::remove_file(&files.old).map_err(cannot)?;
    }
    fs::hard_link(&files.current, &files.old).map_err(cannot)
}

/// The old key goes, if the service accepts it no more.
async fn drop_old(settings: &Settings, files: &KeyFiles, output: Output) -> Result<Exit, Failure> {
    if !files.old.exists() {
        let text = format!("{} is not there: there is no old key", shown(&files.old));
        return Err(Failure::no(ErrorCode::NotFound, text));
    }
    let old = SigningKey::read(&files.old).map_err(|error| Failure::usage(error.0))?;
    let current = SigningKey::read(&files.current).map_err(|error| Failure::usage(error.0))?;
    if registered(settings).await?.iter().any(|kid| kid == old.kid()) {
        write_public(files, vec![current.public_jwk()])?;
        let text = format!(
            "the service still accepts the old key ({}); an operator ends that:\n  {}",
            old.kid(),
            register(settings, files)
        );
        return Err(Failure::no(ErrorCode::Conflict, text));
    }
    fs::remove_file(&files.old).map_err(|error| {
        Failure::could_not(format!("{} cannot be removed: {error}", shown(&files.old)))
    })?;
    let answer = json!({"removed": shown(&files.old), "kid": old.kid()});
    output.result(&answer, |_| format!("removed {}", shown(&files.old)))?;
    Ok(Exit::Done)
}

fn write_public(
    files: &KeyFiles,
    keys: Vec<agentadmit_protocol::api::public_keys::PublicJwk>,
) -> Result<(), Failure> {
    let set = serde_json::to_string_pretty(&JwksAnswer { keys })
        .map_err(|error| Failure::could_not(error.to_string()))?;
    files::write(&files.public, &format!("{set}\n"), PUBLIC)
}

/// The operator's command that makes the keys of the file the app's only ones.
fn register(settings: &Settings, files: &KeyFiles) -> String {
    let app = settings.app_id.map_or_else(|| "app_…".to_owned(), |id| id.to_string());
    format!(
        "agentadmit public-keys put --service {} --app {app} --environment {} {}",
        settings.service_url.as_str().trim_end_matches('/'),
        settings.environment().unwrap_or(Environment::Live),
        shown(&files.public)
    )
}

/// The names of the keys that the service accepts from the app.
///
/// # Errors
/// It could not be asked, or knows no such app.
pub(super) async fn registered(settings: &Settings) -> Result<Vec<String>, Failure> {
    let app = settings.app_id.ok_or_else(|| {
        Failure::usage("there is no app id: put it into app_id or AGENTADMIT_APP_ID")
    })?;
    let client = HttpClient::new(settings.ca_file.as_deref())
        .map_err(|error| Failure::usage(error.to_string()))?;
    let base = settings.service_url.as_str().trim_end_matches('/');
    let url = Url::parse(&format!("{base}/v1/apps/{app}/jwks"))
        .map_err(|error| Failure::usage(error.to_string()))?;
    let answer = client
        .send(Method::GET, &url, None, None)
        .await
        .map_err(|error| Failure::could_not(error.to_string()))?;
    let (status, body) = http_client::json(answer).await.map_err(Failure::could_not)?;
    if status.is_success() {
        let set: JwksAnswer = serde_json::from_value(body)
            .map_err(|_| Failure::could_not(format!("{url} answered no key set")))?;
        return Ok(set.keys.into_iter().map(|key| key.kid.into()).collect());
    }
    match serde_json::from_value::<ErrorBody>(body) {
        Ok(error) => Err(Failure::answered(status, error)),
        Err(_) => Err(Failure::could_not(format!("{url} answered {status}"))),
    }
}
