//! `agentadmit apps`.

use serde_json::{Value, json};

use super::{accounts, json_file, more, object, settings, text};
use crate::args::{AppsCommand, NewApp, UpdateApp, Yes};
use crate::client::{Request, Transport};
use crate::exit::{Exit, Failure};
use crate::output::{Output, card, table};

pub(super) const APPS: &str = "/v1/operator/apps";
const COLUMNS: &[(&str, &str)] =
    &[("APP", "app_id"), ("NAME", "name"), ("CREATED", "created_at"), ("DELETED", "deleted_at")];
const APP: &[(&str, &str)] = &[
    ("app", "app_id"),
    ("name", "name"),
    ("description", "description"),
    ("created", "created_at"),
    ("deleted", "deleted_at"),
    ("settings", "settings"),
    ("plan", "plan"),
];
const DELETED: &[(&str, &str)] = &[
    ("app", "app_id"),
    ("status", "status"),
    ("at", "deleted_at"),
    ("connections ended", "connections"),
    ("keys ended", "keys"),
];

pub(super) async fn run(
    at: &Transport,
    command: AppsCommand,
    output: Output,
) -> Result<Exit, Failure> {
    let answer = match command {
        AppsCommand::List(page) => {
            let request = Request::get(APPS)
                .with("limit", page.limit.as_ref())
                .with("cursor", page.cursor.as_ref());
            let answer = at.call(request).await?;
            output.result(&answer, |answer| table(&answer["apps"], COLUMNS))?;
            more(output, &answer);
            return Ok(Exit::Done);
        }
        AppsCommand::Delete { app_id, sure } => {
            must_be_sure(sure, "deleting an app ends its keys and connections for good")?;
            let answer = at.call(Request::delete(format!("{APPS}/{app_id}"))).await?;
            output.result(&answer, |answer| card(answer, DELETED))?;
            return Ok(Exit::Done);
        }
        AppsCommand::Members(command) => return accounts::members(at, command, output).await,
        AppsCommand::Create(app) => at.call(Request::post(APPS, new_app(app)?)).await?,
        AppsCommand::Show { app_id } => at.call(Request::get(format!("{APPS}/{app_id}"))).await?,
        AppsCommand::Update(change) => {
            let path = format!("{APPS}/{}", change.app_id);
            at.call(Request::patch(path, changes(change)?)).await?
        }
    };
    output.result(&answer, |answer| card(answer, APP))?;
    Ok(Exit::Done)
}

/// What cannot be taken back wants to be meant.
pub(super) fn must_be_sure(sure: Yes, why: &str) -> Result<(), Failure> {
    if sure.yes { Ok(()) } else { Err(Failure::usage(format!("{why}: say --yes if you mean it"))) }
}

fn new_app(app: NewApp) -> Result<Value, Failure> {
    let scopes = match app.scopes_file {
        Some(file) => Some(catalogue(json_file(&file)?)),
        None if app.scopes.is_empty() => None,
        None => {
            Some(app.scopes.iter().map(|scope| one_scope(scope)).collect::<Result<Value, _>>()?)
        }
    };
    Ok(object([
        ("name", text(Some(app.name))),
        ("description", text(app.description)),
        ("scopes", scopes),
        ("settings", settings(&app.settings)?),
    ]))
}

/// A list of scopes, or an object that holds one, as `PUT /v1/apps/{app_id}/scopes` takes it.
fn catalogue(mut file: Value) -> Value {
    match file.get_mut("scopes") {
        Some(scopes) => scopes.take(),
        None => file,
    }
}

fn one_scope(text: &str) -> Result<Value, Failure> {
    let (name, description) = text
        .split_once('=')
        .ok_or_else(|| Failure::usage(format!("--scope {text}: write NAME=DESCRIPTION")))?;
    Ok(json!({"name": name, "description": description}))
}

fn changes(change: UpdateApp) -> Result<Value, Failure> {
    let description = change.description.map(|description| match description.as_str() {
        "" => Value::Null,
        _ => Value::String(description),
    });
    let settings = settings(&change.settings)?;
    if change.name.is_none() && description.is_none() && settings.is_none() {
        return Err(Failure::usage("nothing to change: name --name, --description or --set"));
    }
    Ok(object([("name", text(change.name)), ("description", description), ("settings", settings)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_comes_as_a_list_or_in_an_object() {
        let list = json!([{"name": "a:b", "description": "x"}]);
        assert_eq!(catalogue(json!({ "scopes": list })), list);
        assert_eq!(catalogue(list.clone()), list);
        assert_eq!(one_scope("a:b=x = y").unwrap(), json!({"name": "a:b", "description": "x = y"}));
        assert!(one_scope("a:b").is_err());
    }
}
