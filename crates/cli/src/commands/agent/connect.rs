//! `agentadmit connect`, `connect list` and `connect end`.

use std::io::{self, IsTerminal as _};

use agentadmit_agent::connect;
use agentadmit_agent::credentials::Grant;
use agentadmit_agent::door::Door;
use agentadmit_agent::oauth::{NotAuthorized, keep};
use agentadmit_agent::offer::{Offer, Page};
use agentadmit_agent::origin::Origin;
use agentadmit_agent::target::{self, McpServer, Target};
use agentadmit_agent::wire::Client;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::secret::Secret;
use serde_json::{Value, json};

use super::person::{self, About};
use super::{
    SURROUNDINGS, client, file, of_authorization, of_door, of_exchange, of_file, of_target, origin,
    token,
};
use crate::args::{Connect, ConnectCommand, ConnectTo, CredentialsFile, EndConnection};
use crate::exit::{Exit, Failure};
use crate::output::{Output, cell, escaped, note, table};

const COLUMNS: &[(&str, &str)] = &[
    ("ADDRESS", "address"),
    ("APP", "app"),
    ("USER", "user_label"),
    ("SCOPES", "scopes"),
    ("EXPIRES", "expires_at"),
    ("CONNECTION", "connection_id"),
];

/// Runs `agentadmit connect`.
///
/// # Errors
/// [`Failure`]: the app's no, or why nothing could be found out.
pub(crate) async fn connect(args: Connect, output: Output) -> Result<Exit, Failure> {
    match args.command {
        None => to(args.to, output).await,
        Some(ConnectCommand::List(credentials)) => list(&credentials, output),
        Some(ConnectCommand::End(args)) => end(&args, output).await,
    }
}

async fn to(args: ConnectTo, output: Output) -> Result<Exit, Failure> {
    let typed = args.url.as_deref().unwrap_or_default();
    let origin = origin(typed)?;
    let client = client(args.ca_file.as_deref())?;
    let given = match &args.token_file {
        Some(path) => Some(token::in_file(path, &origin)?),
        None if args.ways.is_said() => None,
        None => token::in_environment()?,
    };
    match target::find(&client, typed).await.map_err(|error| of_target(&error))? {
        Target::App(offer) => to_app(&args, &offer, given, output).await,
        Target::Mcp(server) if server.is_open => {
            let answer = json!({"address": server.url.as_str(), "status": "open"});
            output.result(&answer, |_| {
                let url = escaped(server.url.as_str());
                format!("{url} answers without authorization: there is nothing to connect.")
            })?;
            Ok(Exit::Done)
        }
        Target::Mcp(server) => to_server(&args, &client, &server, given, output).await,
    }
}

/// An MCP server: a token that was handed over, or a person who is asked.
async fn to_server(
    args: &ConnectTo,
    client: &Client,
    server: &McpServer,
    given: Option<Secret>,
    output: Output,
) -> Result<Exit, Failure> {
    if given.is_some() || args.ways.token {
        let door = Door::of_server(client, server, args.service.as_deref()).await;
        let door = door.map_err(|error| of_door(&error))?;
        let own = origin(server.url.as_str())?;
        let token = given.map_or_else(|| ask(&door, &own, output), Ok)?;
        return exchange(args, &door, None, &token, output).await;
    }
    let about = About {
        key: server.url.to_string(),
        name: server.url.host_str().unwrap_or_default().to_owned(),
        page: None,
    };
    let asked = person::request(args, client, &about, &server.url, server.challenge.as_ref());
    let asked = asked.await.map_err(|error| of_authorization(&error))?;
    let grant = person::ask(args, client, &about, asked).await;
    let grant = grant.map_err(|error| of_authorization(&error))?;
    report(args, &about.key, None, &grant, output)
}

/// An app: a token that was handed over, or a person who is asked.
async fn to_app(
    args: &ConnectTo,
    offer: &Offer,
    given: Option<Secret>,
    output: Output,
) -> Result<Exit, Failure> {
    let (is_said, door) = (args.ways.is_said(), Door::from(offer));
    let is_asked_for = given.is_none() && !is_said && !io::stdin().is_terminal();
    let token = if is_asked_for { token::on_stdin(&offer.origin)? } else { given };
    if let Some(token) = token {
        return exchange(args, &door, Some(offer), &token, output).await;
    }
    if !args.ways.token {
        match by_person(args, offer).await {
            Ok(grant) => {
                return report(args, &offer.origin.to_string(), Some(offer), &grant, output);
            }
            Err((why, may_have_token)) if is_said || !may_have_token => {
                return Err(of_authorization(&why));
            }
            // an app without these doors has its own page, where tokens are handed over
            Err(_) => {}
        }
    }
    let token = ask(&door, &offer.origin, output)?;
    exchange(args, &door, Some(offer), &token, output).await
}

/// Asks a person by way of the app's authorization server. With an error comes whether the app may
/// still hand tokens over itself.
async fn by_person(args: &ConnectTo, offer: &Offer) -> Result<Grant, (NotAuthorized, bool)> {
    let about = About {
        key: offer.origin.to_string(),
        name: offer.name.clone(),
        page: offer.page.as_ref().map(|page| page.url.to_string()),
    };
    let missing = || (NotAuthorized::System("address"), true);
    let client = client(args.ca_file.as_deref()).map_err(|_| missing())?;
    let root = offer.origin.at("/").ok_or_else(missing)?;
    let request = person::request(args, &client, &about, &root, None).await;
    let request = request.map_err(|why| (why, true))?;
    person::ask(args, &client, &about, request).await.map_err(|why| {
        let may_have_token = why.is_unknown_resource();
        (why, may_have_token)
    })
}

async fn exchange(
    args: &ConnectTo,
    door: &Door,
    offer: Option<&Offer>,
    token: &Secret,
    output: Output,
) -> Result<Exit, Failure> {
    let (client, file) = (client(args.ca_file.as_deref())?, file(&args.credentials)?);
    let label = args.label.as_str();
    let connected = connect::connect(&client, &file, door, token, label, SURROUNDINGS).await;
    let grant = connected.map_err(|error| of_exchange(&error))?;
    report(args, &door.key, offer, &grant, output)
}

/// Says what is kept now.
fn report(
    args: &ConnectTo,
    key: &str,
    offer: Option<&Offer>,
    grant: &Grant,
    output: Output,
) -> Result<Exit, Failure> {
    let kept_in = file(&args.credentials)?.path().display().to_string();
    let offered = offer.map(|offer| offer.scopes.as_slice()).unwrap_or_default();
    let missing: Vec<&str> = offered.iter().map(|scope| scope.name.as_str()).collect();
    let held = grant.scope_names();
    let missing: Vec<&str> =
        missing.into_iter().filter(|name| !held.iter().any(|held| held == name)).collect();
    let mut answer = shown(key, grant);
    if let Value::Object(members) = &mut answer {
        members.insert("not_granted".to_owned(), json!(missing));
        members.insert("credentials".to_owned(), json!(kept_in));
    }
    output.result(&answer, |answer| words(answer, key, offer, grant))?;
    Ok(Exit::Done)
}

/// Says where a token comes from, and waits for one.
fn ask(door: &Door, own: &Origin, output: Output) -> Result<Secret, Failure> {
    let name = escaped(&door.name);
    let place = match &door.page {
        Some(Page { url, is_own: true }) => format!("get a connection token at {url}"),
        Some(Page { url, is_own: false }) => format!(
            "get a connection token from {name}, which says that its page for this is {url}, on \
             another host than yours: look twice"
        ),
        None => format!("get a connection token from {name}"),
    };
    let what = format!("{name} lets agents in: {place}");
    output.hint(&what);
    token::on_stdin(own)?.ok_or_else(|| {
        let how = format!("{what}; then run this again, with the token on stdin");
        Failure::no(ErrorCode::InvalidGrant, how)
    })
}

/// A connection without its credential.
fn shown(address: &str, grant: &Grant) -> Value {
    json!({
        "address": address,
        "app": grant.app,
        "user_label": grant.user_label,
        "connection_id": grant.connection_id,
        "authorization_server": grant.oauth.as_ref().map(keep::Renewal::issuer),
        "scopes": grant.scope_names(),
        "expires_at": grant.expires_at,
        "connected_at": grant.connected_at,
        "connections_page": grant.page,
    })
}

fn words(answer: &Value, key: &str, offer: Option<&Offer>, grant: &Grant) -> String {
    let whose = grant.user_label.as_deref().map(|label| format!(", as {}", escaped(label)));
    let mut lines = vec![format!(
        "Connected to {} ({}){}.",
        escaped(&grant.app),
        escaped(key),
        whose.unwrap_or_default()
    )];
    lines.push(match (grant.expires_at, &grant.oauth) {
        (Some(time), _) => format!("  until {time}, unless you end it before"),
        (None, Some(_)) => {
            "  for as long as was said on the page, unless you end it before".to_owned()
        }
        (None, None) => "  until you end it".to_owned(),
    });
    let offered = offer.map(|offer| offer.scopes.as_slice()).unwrap_or_default();
    for scope in grant.scope_names() {
        let known = offered.iter().find(|known| known.name.as_str() == scope);
        let meaning = known.map(|known| escaped(&known.description)).unwrap_or_default();
        lines.push(format!("  may    {:<24} {meaning}", escaped(&scope)).trim_end().to_owned());
    }
    match cell(answer, "not_granted") {
        none if none.is_empty() => {}
        missing => lines.push(format!("  not    {missing}")),
    }
    lines.push(format!("  kept in {}, for you alone", cell(answer, "credentials")));
    if let Some(page) = &grant.page {
        lines.push(format!("  you widen it or end it at {}", escaped(page)));
    }
    lines.join("\n")
}

fn list(credentials: &CredentialsFile, output: Output) -> Result<Exit, Failure> {
    let kept = file(credentials)?.read().map_err(|error| of_file(&error))?;
    let list: Vec<Value> = kept.grants().map(|(address, grant)| shown(address, grant)).collect();
    let answer = json!({"connections": list});
    output.result(&answer, |answer| {
        table(answer.get("connections").unwrap_or(&Value::Null), COLUMNS)
    })?;
    Ok(Exit::Done)
}

async fn end(args: &EndConnection, output: Output) -> Result<Exit, Failure> {
    let file = file(&args.credentials)?;
    let origin: Origin = origin(&args.url)?;
    let exact = target::address(&args.url).map_err(|error| Failure::usage(error.to_string()))?;
    let locked = file.lock().map_err(|error| of_file(&error))?;
    let kept = locked.read().map_err(|error| of_file(&error))?;
    let keys = [exact.to_string(), origin.to_string()];
    let found = keys.iter().find_map(|key| Some((key, kept.at(key)?.grant.clone()?)));
    let (key, grant) = found.ok_or_else(|| {
        Failure::no(ErrorCode::NotFound, format!("this machine keeps no credential for {origin}"))
    })?;
    let is_revoked = !args.only_here && ended_there(args, key, &grant).await?;
    locked.forget(key).map_err(|error| of_file(&error))?;
    let answer = json!({
        "address": key,
        "connection_id": grant.connection_id,
        "status": if is_revoked { "revoked" } else { "forgotten" },
        "connections_page": grant.page,
    });
    let key = escaped(key);
    output.result(&answer, |_| {
        if is_revoked {
            return format!("Ended the connection to {key}, and forgot its credential.");
        }
        let place = grant.page.as_deref().map(|page| format!(": {}", escaped(page)));
        let which = grant.connection_id.map(|id| format!(" ({id})")).unwrap_or_default();
        format!(
            "Forgot the credential for {key}. The connection itself{which} goes on until you end it in \
             the app{}",
            place.unwrap_or_default()
        )
    })?;
    Ok(Exit::Done)
}

/// Ends a grant where it was given; says whether that server can do so.
async fn ended_there(args: &EndConnection, key: &str, grant: &Grant) -> Result<bool, Failure> {
    let client = client(args.ca_file.as_deref())?;
    match keep::revoke(&client, key, grant).await {
        Ok(()) => Ok(true),
        Err(why @ (NotAuthorized::Cannot { .. } | NotAuthorized::NoResource(_))) => {
            note(&why.to_string());
            Ok(false)
        }
        // whoever ends a connection must not believe that it has ended when it has not
        Err(why) => Err(Failure::could_not(format!(
            "the connection goes on: {why}. Try again, or forget the credential alone (--only-here)"
        ))),
    }
}
