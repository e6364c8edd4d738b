//! Arguments of a tool as a request to the app.
//!
//! A model writes them, and a model may have read what a stranger wrote. So nothing in them leads to
//! another route or origin, and nothing that looks like a token goes anywhere.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use rmcp::model::JsonObject;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::tools::{Argument, Rest, RouteTool, is_for_tokens};
use crate::openapi::{Form, Place};
use crate::origin::Origin;
use crate::wire::Ask;
use crate::words::holds_token;

/// The largest body that is sent.
const MAX_BODY: usize = 1 << 20;
/// The longest query.
const MAX_QUERY: usize = 8 * 1024;
/// How deep arguments are looked into; JSON that a client sent is not deeper.
const MAX_DEPTH: usize = 128;

/// Why no request is made of arguments: a sentence for the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadArguments(String);

fn bad(why: impl Into<String>) -> BadArguments {
    BadArguments(why.into())
}

/// The request, without a credential.
pub(crate) fn request(
    tool: &RouteTool,
    arguments: &JsonObject,
    origin: &Origin,
) -> Result<Ask, BadArguments> {
    if arguments.iter().any(|(name, value)| is_token(name, value, 0)) {
        return Err(bad(
            "a token has no place in arguments, and nothing was sent: the bridge holds the \
             credential itself, and adds it to every call",
        ));
    }
    check_names(tool, arguments)?;
    let values = |place: Place| {
        let of_place = tool.arguments.iter().filter(move |argument| argument.place == place);
        of_place.filter_map(|argument| {
            let value = arguments.get(&argument.name).filter(|value| !value.is_null())?;
            Some((argument, value))
        })
    };
    let mut parts: Vec<(&str, String)> = Vec::new();
    for (argument, value) in values(Place::Path) {
        let text = text(value).ok_or_else(|| wrong(argument, "must be a text or a number"))?;
        parts.push((&argument.wire, text));
    }
    let part = |name: &str| {
        let found = parts.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let path = tool.route.template.path(part);
    let path = path.map_err(|(name, why)| bad(format!("`{name}` {why}")))?;
    let mut url = origin.at(&path).ok_or_else(|| bad("the arguments lead to another place"))?;

    let mut query = Serializer::new(String::new());
    for (argument, value) in values(Place::Query) {
        pairs(&mut query, &argument.name, &argument.wire, value)?;
    }
    if let (Rest::Anything { .. }, Some(Value::Object(free))) = (tool.rest, arguments.get("query"))
    {
        for (name, value) in free {
            pairs(&mut query, name, name, value)?;
        }
    }
    let query = query.finish();
    if query.len() > MAX_QUERY {
        return Err(bad("the query is longer than 8 KiB"));
    }
    url.set_query((!query.is_empty()).then_some(query.as_str()));

    let mut ask = Ask { method: tool.route.method.clone(), ..Ask::get(url) };
    ask.headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.5"));
    for (argument, value) in values(Place::Header) {
        let value = text(value).and_then(|text| HeaderValue::try_from(text).ok());
        let value = value.ok_or_else(|| wrong(argument, "is no value of a header"))?;
        let name = HeaderName::try_from(argument.wire.as_str());
        ask.headers.insert(name.map_err(|_| wrong(argument, "is no header"))?, value);
    }
    write_body(&mut ask, tool.rest, arguments.get("body"))?;
    Ok(ask)
}

/// Every argument is one of the tool's, and those that must be there are.
fn check_names(tool: &RouteTool, arguments: &JsonObject) -> Result<(), BadArguments> {
    let takes = |name: &str| match tool.rest {
        Rest::Nothing => false,
        Rest::Body { .. } => name == "body",
        Rest::Anything { has_body } => name == "query" || (has_body && name == "body"),
    };
    for name in arguments.keys() {
        if !takes(name) && !tool.arguments.iter().any(|argument| argument.name == *name) {
            let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
            return Err(bad(format!("this tool has no argument `{name}`; nothing was sent")));
        }
    }
    let is_there = |name: &str| arguments.get(name).is_some_and(|value| !value.is_null());
    let missing = tool.arguments.iter().find(|it| it.is_required && !is_there(&it.name));
    let missing = missing.map(|argument| argument.name.as_str());
    let body = matches!(tool.rest, Rest::Body { is_required: true, .. })
        && !arguments.contains_key("body");
    match missing.or(body.then_some("body")) {
        Some(name) => Err(bad(format!("`{name}` is missing; nothing was sent"))),
        None => Ok(()),
    }
}

fn wrong(argument: &Argument, why: &str) -> BadArguments {
    bad(format!("`{}` {why}; nothing was sent", argument.name))
}

/// Whether a value, or a name in it, is a token or made to ask for one.
fn is_token(name: &str, value: &Value, depth: usize) -> bool {
    let is_inside = |depth: usize| match value {
        Value::String(text) => holds_token(text),
        Value::Array(values) => values.iter().any(|value| is_token("", value, depth)),
        Value::Object(members) => members.iter().any(|(name, value)| is_token(name, value, depth)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    };
    // a name that asks for a token is refused where the bridge itself would have to know it
    (depth == 0 && is_for_tokens(name))
        || holds_token(name)
        || depth > MAX_DEPTH
        || is_inside(depth.saturating_add(1))
}

/// A value that stands in a path, a query or a header.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A parameter of the query; a list is the parameter once for each (OpenAPI: `form`, exploded).
fn pairs(
    query: &mut Serializer<'_, String>,
    argument: &str,
    name: &str,
    value: &Value,
) -> Result<(), BadArguments> {
    let one = std::slice::from_ref(value);
    for value in value.as_array().map_or(one, Vec::as_slice) {
        let value = text(value).ok_or_else(|| {
            bad(format!(
                "`{argument}` must be a text, a number, or a list of them; nothing was sent"
            ))
        })?;
        query.append_pair(name, &value);
    }
    Ok(())
}

fn write_body(ask: &mut Ask, rest: Rest, body: Option<&Value>) -> Result<(), BadArguments> {
    let (Some(body), form) = (
        body,
        match rest {
            Rest::Nothing => return Ok(()),
            Rest::Body { form, .. } => form,
            Rest::Anything { .. } => Form::Json,
        },
    ) else {
        return Ok(());
    };
    let (media_type, text) = match form {
        Form::Json => ("application/json", body.to_string()),
        Form::Urlencoded => {
            let members = body.as_object();
            let members =
                members.ok_or_else(|| bad("`body` must be an object; nothing was sent"))?;
            let mut fields = Serializer::new(String::new());
            for (name, value) in members {
                pairs(&mut fields, "body", name, value)?;
            }
            ("application/x-www-form-urlencoded", fields.finish())
        }
    };
    if text.len() > MAX_BODY {
        return Err(bad("the body is larger than 1 MiB; nothing was sent"));
    }
    ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    ask.body = Bytes::from(text);
    Ok(())
}
