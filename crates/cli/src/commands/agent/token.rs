//! Where a connection token comes from: a file, the environment, or a person. Never from an argument.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read};
use std::path::Path;

use agentadmit_agent::origin::Origin;
use agentadmit_protocol::secret::{Secret, SecretKind};
use rustix::termios::{self, LocalModes, OptionalActions, QueueSelector};
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::output::note;

/// The variable that may hold it.
pub(super) const VARIABLE: &str = "AGENTADMIT_CONNECTION_TOKEN";
/// How the line of the app's message begins that says where the app is.
const ADDRESS: &str = "Address: ";
/// The longest message, and the most lines of it that are read from a person.
const MAX_MESSAGE: u64 = 64 * 1024;
const MAX_LINES: usize = 200;

/// The token in the environment, if there is one.
pub(super) fn in_environment() -> Result<Option<Secret>, Failure> {
    let Some(text) = std::env::var_os(VARIABLE).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let text = Zeroizing::new(text.into_encoded_bytes());
    let token = std::str::from_utf8(&text).ok().map(|text| token_in(text, VARIABLE));
    match token {
        Some(found) => Ok(Some(found?.ok_or_else(|| nothing_in(VARIABLE))?)),
        None => Err(nothing_in(VARIABLE)),
    }
}

/// The token in a file, which may be the app's whole message.
pub(super) fn in_file(path: &Path, origin: &Origin) -> Result<Secret, Failure> {
    let place = path.display().to_string();
    let cannot = |error: io::Error| Failure::usage(format!("{place} cannot be read: {error}"));
    let file = File::open(path).map_err(cannot)?;
    let message = read(file).map_err(cannot)?;
    in_message(&message, &place, origin)?.ok_or_else(|| nothing_in(&place))
}

/// The token that comes on stdin, typed unseen where a person types; nothing where nothing comes.
pub(super) fn on_stdin(origin: &Origin) -> Result<Option<Secret>, Failure> {
    let stdin = io::stdin();
    let cannot = |error: io::Error| Failure::could_not(format!("stdin cannot be read: {error}"));
    let message = if stdin.is_terminal() {
        unseen().map_err(cannot)?
    } else {
        read(stdin.lock()).map_err(cannot)?
    };
    let found = in_message(&message, "stdin", origin)?;
    match found {
        None if !message.trim().is_empty() => Err(nothing_in("stdin")),
        found => Ok(found),
    }
}

fn nothing_in(place: &str) -> Failure {
    Failure::usage(format!("there is no connection token (ag_ct_…) in {place}"))
}

fn read(from: impl Read) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(Vec::new());
    BufReader::new(from.take(MAX_MESSAGE)).read_to_end(&mut text)?;
    Ok(Zeroizing::new(String::from_utf8_lossy(&text).into_owned()))
}

/// Asks, and reads lines without showing them, up to the token, to an empty line at the beginning, or to the end.
fn unseen() -> io::Result<Zeroizing<String>> {
    let stdin = io::stdin();
    let before = termios::tcgetattr(&stdin)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    termios::tcsetattr(&stdin, OptionalActions::Now, &silent)?;
    // only now: what is pasted at once would still be shown before
    note("Paste the connection token, or the app's whole message; it is not shown:");
    let message = lines_up_to_token();
    // the rest of a pasted message is not for the shell
    let flushed = termios::tcflush(&stdin, QueueSelector::IFlush);
    termios::tcsetattr(&stdin, OptionalActions::Now, &before)?;
    flushed?;
    message
}

fn lines_up_to_token() -> io::Result<Zeroizing<String>> {
    let mut message = Zeroizing::new(String::new());
    let mut lines = io::stdin().lock();
    for _ in 0..MAX_LINES {
        let mut line = Zeroizing::new(String::new());
        let read = lines.by_ref().take(MAX_MESSAGE).read_line(&mut line)?;
        let is_over = read == 0 || (line.trim().is_empty() && message.is_empty());
        message.push_str(&line);
        if is_over || line.contains(SecretKind::ConnectionToken.prefix()) {
            break;
        }
    }
    Ok(message)
}

/// The token of a message that is for this origin.
fn in_message(message: &str, place: &str, origin: &Origin) -> Result<Option<Secret>, Failure> {
    let addresses = message.lines().filter_map(|line| line.trim().strip_prefix(ADDRESS));
    for address in addresses {
        let said = Origin::of(address.trim()).map_err(|error| Failure::usage(error.to_string()))?;
        if said != *origin {
            return Err(Failure::usage(format!(
                "the message is for {said}, not for {origin}: the token goes to no other address"
            )));
        }
    }
    token_in(message, place)
}

/// The first connection token in a text.
fn token_in(text: &str, place: &str) -> Result<Option<Secret>, Failure> {
    let prefix = SecretKind::ConnectionToken.prefix();
    let Some((_, behind)) = text.split_once(prefix) else { return Ok(None) };
    let end = behind.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(behind.len());
    let token = Zeroizing::new(format!("{prefix}{}", behind.get(..end).unwrap_or_default()));
    let token = token.parse().map_err(|error| {
        Failure::usage(format!("the connection token in {place} is none: {error}"))
    });
    token.map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_wherever_it_stands() {
        let token = Secret::mint(SecretKind::ConnectionToken, [7; 32]);
        let (text, origin) = (token.expose(), Origin::of("https://shop.example").unwrap());
        for message in [
            text.to_owned(),
            format!("  {text}\n"),
            format!(
                "You may use Shop.\nAddress: https://shop.example\nConnection token: {text}\n\n1."
            ),
            format!("{{\"token\": \"{text}\"}}"),
        ] {
            let found = in_message(&message, "stdin", &origin).unwrap().unwrap();
            assert_eq!(found.expose(), text);
        }
        for message in ["", "no token", "ag_at_x"] {
            assert!(in_message(message, "stdin", &origin).unwrap().is_none());
        }
        for message in [
            format!("{text}x"),
            text.get(..40).unwrap().to_owned(),
            format!("Address: https://evil.example\nConnection token: {text}"),
            format!("Address: x\nConnection token: {text}"),
        ] {
            let refused = in_message(&message, "stdin", &origin).unwrap_err();
            assert!(!refused.words().contains(&text[6..30]), "{}", refused.words());
        }
    }
}
