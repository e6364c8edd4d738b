//! `agentadmit api-keys`.

use agentadmit_protocol::id::AppId;

use super::{object, text, words};
use crate::args::ApiKeysCommand;
use crate::client::{Request, Transport};
use crate::exit::{Exit, Failure};
use crate::output::{Output, card, table};

const COLUMNS: &[(&str, &str)] = &[
    ("KEY", "key_id"),
    ("SECRET", "masked"),
    ("ENVIRONMENT", "environment"),
    ("PERMISSIONS", "permissions"),
    ("NAME", "name"),
    ("LAST USED", "last_used_at"),
    ("EXPIRES", "expires_at"),
    ("REVOKED", "revoked_at"),
];
const KEY: &[(&str, &str)] = &[
    ("key", "key_id"),
    ("environment", "environment"),
    ("permissions", "permissions"),
    ("expires", "expires_at"),
    ("secret", "api_key"),
];

pub(super) async fn run(
    at: &Transport,
    command: ApiKeysCommand,
    output: Output,
) -> Result<Exit, Failure> {
    match command {
        ApiKeysCommand::Create(key) => {
            let body = object([
                ("environment", text(Some(key.environment))),
                ("permissions", words(&key.permissions)),
                ("name", text(key.name)),
                ("expires_at", text(key.expires_at)),
            ]);
            let answer = at.call(Request::post(keys_of(key.app), body)).await?;
            output.result(&answer, |answer| card(answer, KEY))?;
            output.hint("keep the secret now: it is shown this once");
        }
        ApiKeysCommand::List { app } => {
            let answer = at.call(Request::get(keys_of(app))).await?;
            output.result(&answer, |answer| table(&answer["api_keys"], COLUMNS))?;
        }
        ApiKeysCommand::Rotate { key_id, app, overlap } => {
            let body = object([("overlap_seconds", overlap.overlap.map(Into::into))]);
            let path = format!("{}/{key_id}/rotate", keys_of(app));
            let answer = at.call(Request::post(path, body)).await?;
            output.result(&answer, |answer| card(answer, KEY))?;
            output.hint("keep the secret now: it is shown this once");
        }
        ApiKeysCommand::Revoke { key_id, app } => {
            let answer = at.call(Request::delete(format!("{}/{key_id}", keys_of(app)))).await?;
            let members = [("key", "key_id"), ("status", "status"), ("at", "revoked_at")];
            output.result(&answer, |answer| card(answer, &members))?;
        }
    }
    Ok(Exit::Done)
}

fn keys_of(app: AppId) -> String {
    format!("/v1/operator/apps/{app}/api-keys")
}
