//! The demo's agent for whoever has none at hand: it takes the message that a page gave, comes in,
//! and makes its first call.

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use url::Url;

use super::cast::Agent;
use super::plan::{Expected, Plan};
use super::print::Printer;
use super::story::{Story, Told};
use crate::exit::{Exit, Failure};
use crate::output::note;

/// How a connection token begins.
const TOKEN: &str = "ag_ct_";
/// How the line of a message begins that says where the app is.
const ADDRESS: &str = "Address: ";

/// What people paste, line by line.
pub(super) struct Pasted {
    lines: UnboundedReceiver<String>,
    address: Option<Url>,
}

impl Pasted {
    /// Reads stdin. `address`: where the app is, whatever a message says.
    pub(super) fn from_stdin(address: Option<Url>) -> Self {
        let (read, lines) = unbounded_channel();
        // a thread of its own, which nobody waits for at the end
        std::thread::spawn(move || {
            let mut said = std::io::stdin().lines().map_while(Result::ok);
            while said.next().is_some_and(|line| read.send(line).is_ok()) {}
        });
        Self { lines, address }
    }

    /// The next token, and where it is for; `None` when stdin ends.
    pub(super) async fn next(&mut self) -> Option<(Option<Url>, String)> {
        let mut said = None;
        while let Some(line) = self.lines.recv().await {
            if let Some(address) = line.trim().strip_prefix(ADDRESS) {
                said = Url::parse(address.trim()).ok();
            }
            if let Some(token) = token_in(&line) {
                return Some((self.address.clone().or(said), token));
            }
        }
        None
    }
}

/// The connection token in a line.
fn token_in(line: &str) -> Option<String> {
    let (_, behind) = line.split_once(TOKEN)?;
    let rest: String = behind.chars().take_while(char::is_ascii_alphanumeric).collect();
    (!rest.is_empty()).then(|| format!("{TOKEN}{rest}"))
}

impl Story {
    /// Comes in with a token, and makes the first call.
    pub(super) async fn visit(&mut self, address: &Url, token: &str) -> Told<()> {
        let plan = |title| Plan::of("agent", "app", title, Expected::Yes(200));
        let (mut agent, _) = Agent::start(address, token).await?;
        let discover = plan("The agent reads what the address offers").showing(&["error"]);
        self.act(&mut agent, "discover", discover).await?;
        let exchange = plan("It exchanges the token, which works once");
        let shown = &["scope", "expires_in", "user_label", "error", "error_description"];
        let exchange = exchange.showing(shown);
        self.act(&mut agent, "exchange", exchange).await?;
        let read = plan("Its first call").showing_all();
        self.act(&mut agent, "read", read).await
    }
}

/// `agentadmit agent`: the message comes on stdin.
///
/// # Errors
/// There is no message, or the app cannot be reached.
pub(crate) async fn play_agent(address: Option<Url>, json: bool) -> Result<Exit, Failure> {
    if !json {
        note("Paste the message that you were given, or the token alone:");
    }
    let Some((address, token)) = Pasted::from_stdin(address).next().await else {
        return Err(Failure::usage("stdin ended without a connection token (ag_ct_…)"));
    };
    let Some(address) = address else {
        return Err(Failure::usage(
            "the message names no address: say where the app is, `agentadmit agent URL`",
        ));
    };
    if address.scheme() != "http" || address.host_str().is_none() {
        return Err(Failure::usage(format!(
            "{address}: this agent speaks plain http, to an app under development"
        )));
    }
    let mut story = Story::new(Printer::new(json));
    let came_in = story.visit(&address, &token).await;
    story.close(came_in, json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_wherever_it_stands() {
        let token = format!("{TOKEN}{}", "0".repeat(49));
        for line in [
            token.clone(),
            format!("Connection token: {token}"),
            format!("  {token}  "),
            format!("\"token\": \"{token}\","),
        ] {
            assert_eq!(token_in(&line).as_ref(), Some(&token), "{line}");
        }
        for line in ["", "ag_ct_", "ag_ct_…", "ag_at_000"] {
            assert_eq!(token_in(line), None, "{line}");
        }
    }
}
