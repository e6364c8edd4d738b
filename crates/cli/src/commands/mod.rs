//! The administrative commands: what was typed, as requests; what was answered, as text. The commands
//! of app developers are in `developer`.

mod accounts;
mod agent;
mod api_keys;
mod apps;
mod audit;
mod connections;
mod consent;
pub(crate) mod developer;
mod doctor;
mod operator;
mod plan;
mod public_keys;
mod ready;
mod store;
mod store_copy;
mod usage;
mod verify_file;

use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde_json::{Map, Value};

use crate::args::{AuditCommand, Command, Target};
use crate::client::{Side, Transport};
use crate::exit::{Exit, Failure};
use crate::output::{Output, cell};

/// Runs a command that is not `serve`, `demo` or hidden.
///
/// # Errors
/// [`Failure`]: the refusal, or why nothing could be found out.
pub(crate) async fn run(command: Command, output: Output) -> Result<Exit, Failure> {
    match command {
        Command::Connect(args) => Box::pin(agent::connect(args, output)).await,
        Command::McpBridge(args) => Box::pin(agent::mcp_bridge(args)).await,
        Command::Init(args) => developer::init(&args, output),
        Command::Dev(args) => developer::dev(args, output).await,
        Command::Check(args) => developer::check(&args, output).await,
        Command::Sync(args) => developer::sync(args, output).await,
        Command::Keys(args) => developer::keys(&args, output).await,
        Command::Completions(args) => developer::completions(&args),
        Command::Ready(args) => ready::run(&args, output).await,
        Command::Backup(args) => store::backup(args, output).await,
        Command::Restore(args) => store::restore(args, output).await,
        Command::Migrate(args) => store::migrate(args, output).await,
        Command::Store(args) => store::run(args, output).await,
        Command::Audit(args) => match args.command {
            AuditCommand::Verify(file) => verify_file::run(&file, output),
            AuditCommand::Check => {
                on(&args.target, async |at: &Transport| audit::check(at, output).await).await
            }
            AuditCommand::List(list) => {
                on(&args.target, async |at: &Transport| audit::list(at, list, output).await).await
            }
            AuditCommand::Export(export) => {
                on(&args.target, async |at: &Transport| audit::export(at, export, output).await)
                    .await
            }
        },
        Command::Operator(args) => {
            on(&args.target, async |at: &Transport| operator::run(at, args.command, output).await)
                .await
        }
        Command::Developer(args) => {
            on(&args.target, async |at: &Transport| accounts::run(at, args.command, output).await)
                .await
        }
        Command::Apps(args) => {
            on(&args.target, async |at: &Transport| apps::run(at, args.command, output).await).await
        }
        Command::ApiKeys(args) => {
            on(&args.target, async |at: &Transport| api_keys::run(at, args.command, output).await)
                .await
        }
        Command::PublicKeys(args) => {
            on(&args.target, async |at: &Transport| {
                public_keys::run(at, args.command, output).await
            })
            .await
        }
        Command::Plan(args) => {
            on(&args.target, async |at: &Transport| plan::run(at, args.command, output).await).await
        }
        Command::Connections(args) => {
            on(&args.target, async |at: &Transport| {
                connections::run(at, args.command, output).await
            })
            .await
        }
        Command::ConsentSessions(args) => {
            on(&args.target, async |at: &Transport| consent::run(at, args.command, output).await)
                .await
        }
        Command::Doctor(args) => doctor::run(*args, output).await,
        Command::Usage(args) => {
            let target = args.target.clone();
            on(&target, async |at: &Transport| usage::run(at, args, output).await).await
        }
        Command::Serve(_)
        | Command::Demo(_)
        | Command::Agent(_)
        | Command::Generate { .. }
        | Command::DemoApp { .. }
        | Command::DemoAgent => Err(Failure::usage("this is no administrative command")),
    }
}

/// Opens what the flags name, does the work, and closes it whatever the work came to.
async fn on(
    target: &Target,
    work: impl AsyncFnOnce(&Transport) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let transport = Transport::open(target)?;
    let done = work(&transport).await;
    let closed = transport.close().await;
    let exit = done?;
    closed.map(|()| exit)
}

/// A JSON object without the members that have no value.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let said = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(said.collect::<Map<String, Value>>())
}

/// An argument as JSON text, if it was given.
fn text(value: Option<impl ToString>) -> Option<Value> {
    value.map(|value| Value::String(value.to_string()))
}

/// Words as a JSON list; nothing when there are none.
fn words(values: &[impl ToString]) -> Option<Value> {
    (!values.is_empty())
        .then(|| values.iter().map(|value| Value::String(value.to_string())).collect())
}

/// Reads a JSON file; `-` is stdin.
fn json_file(path: &Path) -> Result<Value, Failure> {
    let shown = path.display();
    let read = if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    let text = read.map_err(|error| Failure::usage(format!("{shown} cannot be read: {error}")))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("{shown} is no JSON: {error}")))
}

/// `NAME=VALUE` settings as an object. A value is JSON where it parses as such, else a text; a
/// name with a dot is a member of a member.
fn settings(pairs: &[String]) -> Result<Option<Value>, Failure> {
    if pairs.is_empty() {
        return Ok(None);
    }
    let mut settings = Map::new();
    for pair in pairs {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("--set {pair}: write NAME=VALUE")))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        match name.split_once('.') {
            None => {
                settings.insert(name.to_owned(), value);
            }
            Some((outer, inner)) => {
                let member = settings.entry(outer).or_insert_with(|| Value::Object(Map::new()));
                let Some(member) = member.as_object_mut() else {
                    return Err(Failure::usage(format!(
                        "--set {name}: `{outer}` was set as a whole"
                    )));
                };
                member.insert(inner.to_owned(), value);
            }
        }
    }
    Ok(Some(Value::Object(settings)))
}

/// Where a list goes on, for people.
fn more(output: Output, answer: &Value) {
    if answer.get("next_cursor").is_some_and(|cursor| !cursor.is_null()) {
        output.hint(&format!("there is more: add --cursor {}", cell(answer, "next_cursor")));
    }
}

/// Filters that only an operator has are not silently lost on an app's own endpoints.
fn own_data_only(at: &Transport, is_named: bool) -> Result<(), Failure> {
    if at.side() == Side::App && is_named {
        return Err(Failure::usage(
            "an API key sees its own app and environment only: leave --app and --environment out, \
             or use an operator token",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_json_where_they_can_be() {
        let pairs = [
            "idle_days=30",
            "issuance=hosted",
            "allow_until_revoked=false",
            "rate_limit.per_key_per_second=null",
            "login_url=https://example.com/?a=b",
        ];
        let pairs: Vec<String> = pairs.map(String::from).into();
        assert_eq!(
            settings(&pairs).unwrap().unwrap(),
            json!({
                "idle_days": 30, "issuance": "hosted", "allow_until_revoked": false,
                "rate_limit": {"per_key_per_second": null},
                "login_url": "https://example.com/?a=b",
            })
        );
        assert!(settings(&[]).unwrap().is_none());
        assert!(settings(&["idle_days".to_owned()]).is_err());
        assert!(settings(&["a=1".to_owned(), "a.b=2".to_owned()]).is_err());
    }
}
