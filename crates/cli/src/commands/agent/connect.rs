//! `agentadmit connect`, `connect list` and `connect end`.

use agentadmit_agent::connect;
use agentadmit_agent::credentials::Grant;
use agentadmit_agent::offer::{Offer, Page, discover};
use agentadmit_agent::origin::Origin;
use agentadmit_protocol::error::ErrorCode;
use serde_json::{Value, json};

use super::{SURROUNDINGS, client, file, of_exchange, of_file, of_offer, origin, token};
use crate::args::{Connect, ConnectCommand, ConnectTo, CredentialsFile};
use crate::exit::{Exit, Failure};
use crate::output::{Output, cell, escaped, table};

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
        Some(ConnectCommand::End { url, credentials }) => end(&url, &credentials, output),
    }
}

async fn to(args: ConnectTo, output: Output) -> Result<Exit, Failure> {
    let origin = origin(args.url.as_deref().unwrap_or_default())?;
    let (client, file) = (client(args.ca_file.as_deref())?, file(&args.credentials)?);
    let offer = discover(&client, &origin).await.map_err(|error| of_offer(&error))?;
    let token = match &args.token_file {
        Some(path) => Some(token::in_file(path, &origin)?),
        None => token::in_environment()?,
    };
    let token = match token {
        Some(token) => token,
        None => ask(&offer, output)?,
    };
    let label = args.label.as_str();
    let connected = connect::connect(&client, &file, &offer, &token, label, SURROUNDINGS).await;
    let grant = connected.map_err(|error| of_exchange(&error))?;
    let kept_in = file.path().display().to_string();
    let shown = shown(&origin.to_string(), &grant);
    let missing: Vec<&str> = offer.scopes.iter().map(|scope| scope.name.as_str()).collect();
    let missing: Vec<&str> = missing.into_iter().filter(|name| !holds(&grant, name)).collect();
    let mut answer = shown;
    if let Value::Object(members) = &mut answer {
        members.insert("not_granted".to_owned(), json!(missing));
        members.insert("credentials".to_owned(), json!(kept_in));
    }
    output.result(&answer, |answer| words(answer, &offer, &grant))?;
    Ok(Exit::Done)
}

/// Says where a token comes from, and waits for one.
fn ask(offer: &Offer, output: Output) -> Result<agentadmit_protocol::secret::Secret, Failure> {
    let name = escaped(&offer.name);
    let place = match &offer.page {
        Some(Page { url, is_own: true }) => format!("get a connection token at {url}"),
        Some(Page { url, is_own: false }) => format!(
            "get a connection token from {name}, which says that its page for this is {url}, on \
             another host than yours: look twice"
        ),
        None => format!("get a connection token from {name}"),
    };
    let what = format!("{name} lets agents in: {place}");
    output.hint(&what);
    token::on_stdin(&offer.origin)?.ok_or_else(|| {
        let how = format!("{what}; then run this again, with the token on stdin");
        Failure::no(ErrorCode::InvalidGrant, how)
    })
}

fn holds(grant: &Grant, name: &str) -> bool {
    grant.scopes.iter().any(|scope| scope.as_str() == name)
}

/// A connection without its credential.
fn shown(address: &str, grant: &Grant) -> Value {
    json!({
        "address": address,
        "app": grant.app,
        "user_label": grant.user_label,
        "connection_id": grant.connection_id,
        "scopes": grant.scopes,
        "expires_at": grant.expires_at,
        "connected_at": grant.connected_at,
        "connections_page": grant.page,
    })
}

fn words(answer: &Value, offer: &Offer, grant: &Grant) -> String {
    let whose = grant.user_label.as_deref().map(|label| format!(", as {}", escaped(label)));
    let mut lines = vec![format!(
        "Connected to {} ({}){}.",
        escaped(&grant.app),
        offer.origin,
        whose.unwrap_or_default()
    )];
    let until = grant.expires_at.map_or_else(
        || "until you end it".to_owned(),
        |time| format!("until {time}, unless you end it before"),
    );
    lines.push(format!("  {until}"));
    for scope in &grant.scopes {
        let known = offer.scopes.iter().find(|known| known.name == *scope);
        let meaning = known.map(|known| escaped(&known.description)).unwrap_or_default();
        lines.push(format!("  may    {:<24} {meaning}", scope.as_str()).trim_end().to_owned());
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

fn end(url: &str, credentials: &CredentialsFile, output: Output) -> Result<Exit, Failure> {
    let origin: Origin = origin(url)?;
    let locked = file(credentials)?.lock().map_err(|error| of_file(&error))?;
    let forgotten = locked.forget(&origin).map_err(|error| of_file(&error))?;
    let grant = forgotten.ok_or_else(|| {
        Failure::no(ErrorCode::NotFound, format!("this machine keeps no credential for {origin}"))
    })?;
    let answer = json!({
        "address": origin.to_string(),
        "connection_id": grant.connection_id,
        "status": "forgotten",
        "connections_page": grant.page,
    });
    output.result(&answer, |_| {
        let place = grant.page.as_deref().map(|page| format!(": {}", escaped(page)));
        format!(
            "Forgot the credential for {origin}. The connection itself ({}) goes on until you end \
             it in the app{}",
            grant.connection_id,
            place.unwrap_or_default()
        )
    })?;
    Ok(Exit::Done)
}
