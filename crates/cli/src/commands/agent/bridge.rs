//! `agentadmit mcp-bridge`: stdin and stdout belong to the MCP client, stderr to people.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use agentadmit_agent::bridge::{Bridge, Parts};
use agentadmit_agent::connect;
use agentadmit_agent::credentials::CredentialFile;
use agentadmit_agent::door::Door;
use agentadmit_agent::offer::Offer;
use agentadmit_agent::openapi::describe;
use agentadmit_agent::proxy::{self, McpHttp};
use agentadmit_agent::target::{self, McpServer, Target};
use agentadmit_agent::wire::Client;
use agentadmit_protocol::secret::Secret;
use url::Url;

use super::{SURROUNDINGS, client, file, of_door, of_file, of_target, origin, token};
use crate::args::McpBridge;
use crate::exit::{Exit, Failure};
use crate::output::{escaped, note};

/// Serves one client until it closes stdin.
///
/// # Errors
/// [`Failure`]: there is no such app or server, or nothing could be found out about it.
pub(crate) async fn mcp_bridge(args: McpBridge) -> Result<Exit, Failure> {
    let origin = origin(&args.url)?;
    let (client, file) = (client(args.ca_file.as_deref())?, file(&args.credentials)?);
    let token = match &args.token_file {
        Some(path) => Some(token::in_file(path, &origin)?),
        None => token::in_environment()?,
    };
    let exact = target::address(&args.url).map_err(|error| Failure::usage(error.to_string()))?;
    let kept = file.read().map_err(|error| of_file(&error))?;
    let is_known = kept.at(exact.as_str()).is_some_and(|entry| entry.grant.is_some());
    if is_known && token.is_none() {
        return to_server(&args, client, file, exact).await;
    }
    match target::find(&client, &args.url).await.map_err(|error| of_target(&error))? {
        Target::App(offer) => Box::pin(to_app(args, client, file, *offer, token)).await,
        Target::Mcp(server) => {
            if let Some(token) = token.filter(|_| !server.is_open) {
                exchange(&args, &client, &file, &server, &token).await?;
            }
            to_server(&args, client, file, server.url).await
        }
    }
}

/// Exchanges a token for an MCP server, once. What cannot be exchanged is said by each call too.
async fn exchange(
    args: &McpBridge,
    client: &Client,
    file: &CredentialFile,
    server: &McpServer,
    token: &Secret,
) -> Result<(), Failure> {
    let door = Door::of_server(client, server, args.service.as_deref()).await;
    let door = door.map_err(|error| of_door(&error))?;
    let label = args.label.as_str();
    let connected = connect::connect(client, file, &door, token, label, SURROUNDINGS).await;
    if let Err(why) = connected {
        note(&format!("the connection token opens nothing: {why}"));
    }
    Ok(())
}

/// An app: its routes are the tools.
async fn to_app(
    args: McpBridge,
    client: Client,
    file: CredentialFile,
    offer: Offer,
    token: Option<Secret>,
) -> Result<Exit, Failure> {
    let operations = describe(&client, &offer).await;
    let (name, origin) = (escaped(&offer.name), offer.origin.clone());
    let bridge = Bridge::new(Parts {
        client,
        file,
        offer,
        operations,
        token,
        label: args.label.as_str().to_owned(),
        max_answer: max_answer(&args),
        surroundings: SURROUNDINGS,
    });
    match bridge.grant().await {
        Ok(_) => note(&format!("connected to {name} ({origin}), {} tools", bridge.tool_count())),
        // calls say so too, and find what is connected meanwhile
        Err(why) => note(&format!("not connected to {name} ({origin}): {why}")),
    }
    let (read, write) = pipes()?;
    bridge.serve(read, write).await.map_err(|error| {
        Failure::could_not(format!("the MCP client began no conversation: {}", escaped(&error)))
    })?;
    Ok(Exit::Done)
}

/// An MCP server over HTTP: its tools are its own.
async fn to_server(
    args: &McpBridge,
    client: Client,
    file: CredentialFile,
    url: Url,
) -> Result<Exit, Failure> {
    let shown = escaped(url.as_str());
    let server = McpHttp::new(client, file, url, max_answer(args), SURROUNDINGS);
    let server = server.map_err(|error| Failure::usage(error.to_string()))?;
    match server.grant(None).await {
        Ok(Some(_)) => note(&format!("connected to {shown}")),
        Ok(None) => note(&format!("without a credential for {shown}")),
        Err(why) => note(&format!("not connected to {shown}: {why}")),
    }
    let (read, write) = pipes()?;
    proxy::serve(server, read, write)
        .await
        .map_err(|error| Failure::could_not(format!("{shown}: {}", escaped(&error))))?;
    Ok(Exit::Done)
}

fn max_answer(args: &McpBridge) -> usize {
    usize::from(args.max_answer).saturating_mul(1024)
}

/// stdin and stdout, read and written beside the runtime.
fn pipes() -> Result<(tokio::fs::File, tokio::fs::File), Failure> {
    let cannot = |error: io::Error| Failure::could_not(format!("no stdin and stdout: {error}"));
    let read = pipe(&io::stdin()).map_err(cannot)?;
    Ok((read, pipe(&io::stdout()).map_err(cannot)?))
}

/// One of the standard streams.
fn pipe(stream: &impl AsFd) -> io::Result<tokio::fs::File> {
    let own = stream.as_fd().try_clone_to_owned()?;
    Ok(tokio::fs::File::from_std(File::from(own)))
}
