//! `agentadmit mcp-bridge`: stdin and stdout belong to the MCP client, stderr to people.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use agentadmit_agent::bridge::{Bridge, Parts};
use agentadmit_agent::offer::discover;
use agentadmit_agent::openapi::describe;

use super::{SURROUNDINGS, client, file, of_offer, origin, token};
use crate::args::McpBridge;
use crate::exit::{Exit, Failure};
use crate::output::{escaped, note};

/// Serves one client until it closes stdin.
///
/// # Errors
/// [`Failure`]: there is no such app, or nothing could be found out about it.
pub(crate) async fn mcp_bridge(args: McpBridge) -> Result<Exit, Failure> {
    let origin = origin(&args.url)?;
    let (client, file) = (client(args.ca_file.as_deref())?, file(&args.credentials)?);
    let token = match &args.token_file {
        Some(path) => Some(token::in_file(path, &origin)?),
        None => token::in_environment()?,
    };
    let offer = discover(&client, &origin).await.map_err(|error| of_offer(&error))?;
    let operations = describe(&client, &offer).await;
    let name = escaped(&offer.name);
    let bridge = Bridge::new(Parts {
        client,
        file,
        offer,
        operations,
        token,
        label: args.label.as_str().to_owned(),
        max_answer: usize::from(args.max_answer).saturating_mul(1024),
        surroundings: SURROUNDINGS,
    });
    match bridge.grant().await {
        Ok(_) => note(&format!("connected to {name} ({origin}), {} tools", bridge.tool_count())),
        // calls say so too, and find what is connected meanwhile
        Err(why) => note(&format!("not connected to {name} ({origin}): {why}")),
    }
    let cannot = |error: io::Error| Failure::could_not(format!("no stdin and stdout: {error}"));
    let read = pipe(&io::stdin()).map_err(cannot)?;
    let write = pipe(&io::stdout()).map_err(cannot)?;
    bridge.serve(read, write).await.map_err(|error| {
        Failure::could_not(format!("the MCP client began no conversation: {}", escaped(&error)))
    })?;
    Ok(Exit::Done)
}

/// One of the standard streams, read and written beside the runtime.
fn pipe(stream: &impl AsFd) -> io::Result<tokio::fs::File> {
    let own = stream.as_fd().try_clone_to_owned()?;
    Ok(tokio::fs::File::from_std(File::from(own)))
}
