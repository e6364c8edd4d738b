//! `agentadmit init`: the files that an app begins with.

use std::path::{Path, PathBuf};

use agentadmit::config::template;
use agentadmit::keys::SigningKey;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::text::Label;
use serde_json::json;

use super::files::{self, PRIVATE, PUBLIC, folder_of};
use super::key_files::{GITIGNORE, KeyFiles};
use crate::args::Init;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Writes the files.
///
/// # Errors
/// Something is there already and nobody said --force, or a file cannot be written.
pub(crate) fn init(args: &Init, output: Output) -> Result<Exit, Failure> {
    let folder = folder_of(&args.config);
    let keys = KeyFiles::beside(&args.config);
    let present: Vec<String> = [&args.config, &keys.current]
        .into_iter()
        .filter(|path| path.exists())
        .map(|path| path.display().to_string())
        .collect();
    if !present.is_empty() && !args.force {
        return Err(Failure::no(
            ErrorCode::Conflict,
            format!(
                "{} is there already; nothing was written (--force overwrites)",
                present.join(" and ")
            ),
        ));
    }
    let text = template(&name(args, &folder)?);
    let key = SigningKey::generate().map_err(|error| Failure::could_not(error.0))?;
    let pem = key.to_pem().map_err(|error| Failure::could_not(error.0))?;
    let ignore = files::beside(&args.config, ".gitignore");
    files::add_lines(&ignore, GITIGNORE)?;
    if keys.current.exists() {
        files::rename(&keys.current, &keys.old)?;
    }
    files::write(&keys.current, &pem, PRIVATE)?;
    files::write(&args.config, &text, PUBLIC)?;
    say(args, &keys.current, &ignore, key.kid(), output)?;
    Ok(Exit::Done)
}

/// What was said, or the folder's name where that is one.
fn name(args: &Init, folder: &Path) -> Result<Label, Failure> {
    if let Some(name) = &args.name {
        return Label::new(name.as_str())
            .map_err(|error| Failure::usage(format!("--name {error}")));
    }
    let folder = folder.canonicalize().unwrap_or_else(|_| PathBuf::from("app"));
    let named = folder.file_name().and_then(|name| name.to_str()).map(Label::new);
    match named {
        Some(Ok(name)) => Ok(name),
        _ => Label::new("My app").map_err(|error| Failure::could_not(error.to_string())),
    }
}

fn say(args: &Init, key: &Path, ignore: &Path, kid: &str, output: Output) -> Result<(), Failure> {
    let answer = json!({
        "config": args.config.display().to_string(),
        "private_key": key.display().to_string(),
        "gitignore": ignore.display().to_string(),
        "kid": kid,
    });
    output.result(&answer, |_| {
        format!(
            "wrote {} (edit its scopes), {} (mode 0600) and lines of {}",
            args.config.display(),
            key.display(),
            ignore.display()
        )
    })?;
    output.hint("next: `agentadmit check`, then `agentadmit dev -- YOUR APP`");
    Ok(())
}
