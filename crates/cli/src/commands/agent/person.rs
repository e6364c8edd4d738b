//! A person who is asked by way of an authorization server: a link that opens in a browser, or a code
//! and its picture in the terminal.

use std::io::{self, IsTerminal as _};
use std::process::{Command, Stdio};

use agentadmit_agent::credentials::Grant;
use agentadmit_agent::oauth::NotAuthorized;
use agentadmit_agent::oauth::ask::{Prompt, Request, Way, prepare};
use agentadmit_agent::oauth::challenge::Challenge;
use agentadmit_agent::oauth::client::Named;
use agentadmit_agent::oauth::keep;
use agentadmit_agent::token_text::Token;
use agentadmit_agent::wire::Client;
use fast_qr::QRBuilder;
use url::Url;
use zeroize::Zeroizing;

use super::{SURROUNDINGS, file};
use crate::args::ConnectTo;
use crate::output::{escaped, note};

/// Whom a connection is with.
pub(super) struct About {
    /// Under what it is kept.
    pub(super) key: String,
    /// What people call it.
    pub(super) name: String,
    /// Where the person ends it, if somebody says so.
    pub(super) page: Option<String>,
}

/// Finds out whom to ask, and for what.
pub(super) async fn request(
    args: &ConnectTo,
    client: &Client,
    about: &About,
    target: &Url,
    challenge: Option<&Challenge>,
) -> Result<Request, NotAuthorized> {
    let file = file(&args.credentials).map_err(|_| NotAuthorized::System("home"))?;
    prepare(client, &file, &about.key, target, challenge, &args.ways.scope).await
}

/// Asks, waits, and keeps what comes of it. An earlier grant of the same service is ended then: nobody
/// would use it any more.
pub(super) async fn ask(
    args: &ConnectTo,
    client: &Client,
    about: &About,
    request: Request,
) -> Result<Grant, NotAuthorized> {
    let file = file(&args.credentials).map_err(|_| NotAuthorized::System("home"))?;
    let named = named(args)?;
    let can_device = request.server.device.is_some();
    let way = match (args.ways.browser, args.ways.device) {
        (true, _) => Way::Browser,
        (_, true) => Way::Device,
        _ if is_browser_here() || !can_device => Way::Browser,
        _ => Way::Device,
    };
    let name = request.resource.title.clone().unwrap_or_else(|| about.name.clone());
    let server = request.server.issuer.clone();
    let show = |prompt: &Prompt<'_>| show(prompt, &name, &server);
    let shown = agentadmit_agent::oauth::ask::About { name: &name, page: about.page.clone() };
    let asked = request.authorize(&file, &about.key, (way, &named), shown, SURROUNDINGS, show);
    let (grant, before) = asked.await?;
    if let Some(before) = before.filter(|before| is_replaced(before, &grant)) {
        // it ends by itself, and in the app
        let _goes_on = keep::revoke(client, &about.key, &before).await;
    }
    Ok(grant)
}

/// Whether a grant is a connection of its own at the same service: elsewhere, ending an old token may end
/// the new one.
fn is_replaced(before: &Grant, grant: &Grant) -> bool {
    let issuer = |grant: &Grant| grant.oauth.as_ref().map(|it| it.issuer().to_owned());
    let is_own = before.connection_id.is_some() && before.connection_id != grant.connection_id;
    is_own && grant.connection_id.is_some() && issuer(before) == issuer(grant)
}

fn named(args: &ConnectTo) -> Result<Named, NotAuthorized> {
    let secret = match &args.ways.client_secret_file {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path).map(Zeroizing::new);
            let text = text.map_err(|_| NotAuthorized::System("client secret file"))?;
            let secret = Token::new(text.trim());
            Some(secret.ok_or(NotAuthorized::System("client secret in the file"))?)
        }
    };
    Ok(Named { id: args.ways.client_id.clone(), secret })
}

/// Whether somebody sits at this machine with a browser, as far as can be told.
fn is_browser_here() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_far = is_set("SSH_CONNECTION") || is_set("SSH_TTY");
    !is_far && (cfg!(target_os = "macos") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY"))
}

fn show(prompt: &Prompt<'_>, name: &str, server: &str) {
    let name = escaped(name);
    match prompt {
        Prompt::Link(url) => {
            note(&format!(
                "{name} asks you whether this machine's agents may come in. Open in a browser on this machine:\n\n  {url}\n"
            ));
            open(url);
            note("Waiting for you (10 minutes at most) …");
        }
        Prompt::Code { page, page_with_code, code, expires_in, is_own } => {
            note(&format!(
                "{name} asks you whether this machine's agents may come in. On any device, open\n\n  {page}\n\nand type\n\n  {code}\n"
            ));
            let picture = page_with_code.filter(|_| io::stderr().is_terminal());
            let picture = picture.and_then(|url| QRBuilder::new(url.as_str()).build().ok());
            if let Some(picture) = picture {
                note(&picture.to_str());
            }
            if !is_own {
                let server = escaped(server);
                note(&format!(
                    "This page is on another host than {server}, which names it: look twice."
                ));
            }
            note(&format!("Waiting for you ({} minutes at most) …", expires_in.div_ceil(60)));
        }
    }
}

/// Opens a link in the browser that the environment names, else in the desktop's own. The link stands in
/// the terminal too, so that nothing is lost where there is none.
fn open(url: &Url) {
    let named = std::env::var("BROWSER").ok();
    let named =
        named.as_deref().and_then(|list| list.split(':').find(|one| !one.trim().is_empty()));
    let usual = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut words = named.unwrap_or(usual).split_whitespace();
    let Some(program) = words.next() else { return };
    let mut command = Command::new(program);
    let (mut is_placed, address) = (false, url.as_str());
    for word in words {
        is_placed |= word.contains("%s");
        command.arg(word.replace("%s", address));
    }
    if !is_placed {
        command.arg(address);
    }
    // a browser that is not there is no reason to stop
    let _missing = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}
