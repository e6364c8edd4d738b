//! What an app's OpenAPI document says of its routes: parameters, bodies, and their schemas as a model
//! reads them.
//!
//! The document is the app's own claim, like everything else. It is read from the app's origin alone;
//! references are followed inside of it and nowhere else, cycles are cut, depth and size are limited;
//! of a schema only the words that describe values are taken over.

use std::collections::HashMap;
use std::time::Duration;

use http::header::{ACCEPT, HeaderValue};
use http::{Method, StatusCode};
use serde_json::{Map, Value};

use crate::offer::{Offer, OfferedRoute};
use crate::schema::Reader;
use crate::template::Template;
use crate::wire::{Ask, Client, End, Limits};
use crate::words::clean;

/// What the document may cost.
const LIMITS: Limits = Limits { bytes: 2 << 20, time: Duration::from_secs(20) };
/// Paths beyond these are not looked at.
const MAX_PATHS: usize = 5_000;
/// Parameters of one operation beyond these are left out.
const MAX_PARAMETERS: usize = 64;
/// The most characters of a description.
const MAX_TEXT: usize = 1_000;

/// What is known of one route.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// What it does.
    pub summary: Option<String>,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// Its body, if it reads one that an agent can write.
    pub body: Option<Body>,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// In a header.
    Header,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// What it is called on the wire.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// Whether the route cannot do without it.
    pub is_required: bool,
    /// What it may be, as JSON Schema.
    pub schema: Value,
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Urlencoded,
}

/// A body.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    /// How it is written.
    pub form: Form,
    /// Whether the route cannot do without it.
    pub is_required: bool,
    /// What it may be, as JSON Schema.
    pub schema: Value,
}

/// What a document says of routes.
#[derive(Debug, Default)]
pub struct Operations {
    /// By method and shape of the path.
    known: HashMap<(Method, String), Operation>,
}

impl Operations {
    /// What is known of a route. The names of its path's parameters are those of the route.
    pub fn of(&self, route: &OfferedRoute) -> Option<&Operation> {
        self.known.get(&(route.method.clone(), route.template.shape()))
    }

    /// Reads a document for the routes of an offer; what is in it for others is not looked at.
    pub fn read(offer: &Offer, json: &[u8]) -> Option<Self> {
        let document: Value = serde_json::from_slice(json).ok()?;
        let paths = document.get("paths")?.as_object()?;
        let prefix = prefix(offer, &document);
        let mut items = HashMap::new();
        for (path, item) in paths.iter().take(MAX_PATHS) {
            if let Some(template) = Template::parse(&format!("{prefix}{path}")) {
                items.entry(template.shape()).or_insert((template, item));
            }
        }
        let mut reader = Reader::new(&document);
        let mut known = HashMap::new();
        for route in &offer.routes {
            let shape = route.template.shape();
            let found = items
                .get(&shape)
                .and_then(|(template, item)| operation(&mut reader, route, template, item));
            if let Some(operation) = found {
                known.insert((route.method.clone(), shape), operation);
            }
        }
        Some(Self { known })
    }
}

/// Asks an app for its OpenAPI document, if it names one on its own origin. An app whose document cannot
/// be used is one without: its routes are called without knowing what they want.
pub async fn describe(client: &Client, offer: &Offer) -> Option<Operations> {
    let mut ask = Ask::get(offer.openapi.clone()?);
    ask.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let answer = client.send(&offer.origin, ask, LIMITS).await.ok()?;
    let is_all = answer.status == StatusCode::OK && answer.end == End::Whole;
    is_all.then(|| Operations::read(offer, &answer.body)).flatten()
}

/// What stands before each path: the path of the first server, if that is on the app's origin.
fn prefix(offer: &Offer, document: &Value) -> String {
    let server = document.pointer("/servers/0/url").and_then(Value::as_str).unwrap_or("/");
    let own = offer.origin.at("/").and_then(|root| root.join(server).ok());
    let own = own.filter(|url| offer.origin.holds(url));
    own.map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default()
}

fn operation(
    reader: &mut Reader<'_>,
    route: &OfferedRoute,
    template: &Template,
    item: &Value,
) -> Option<Operation> {
    let item = reader.resolve(item)?;
    let method = route.method.as_str().to_ascii_lowercase();
    let operation = reader.resolve(item.get(&method)?)?;
    let mut found: Vec<(Parameter, bool)> = Vec::new();
    // those of the operation win over those of its path
    for (listed, is_own) in [(operation, true), (item, false)] {
        let listed = listed.get("parameters").and_then(Value::as_array);
        for parameter in listed.into_iter().flatten().take(MAX_PARAMETERS) {
            let Some(parameter) = parameter_of(reader, parameter) else { continue };
            let is_known = found.iter().any(|(known, own)| {
                *own && known.name == parameter.name && known.place == parameter.place
            });
            if is_own || !is_known {
                found.push((parameter, is_own));
            }
        }
    }
    let mut parameters: Vec<Parameter> =
        found.into_iter().map(|(parameter, _)| parameter).collect();
    // the document may call what stands in the path otherwise than the route does
    let names: HashMap<&str, &str> =
        template.parameters().zip(route.template.parameters()).collect();
    parameters.retain_mut(|parameter| match parameter.place {
        Place::Path => names.get(parameter.name.as_str()).is_some_and(|name| {
            (*name).clone_into(&mut parameter.name);
            true
        }),
        Place::Query | Place::Header => true,
    });
    let text = |name: &str| operation.get(name).and_then(Value::as_str);
    let summary = match (text("summary"), text("description")) {
        (Some(summary), Some(description)) if description != summary => {
            Some(format!("{summary}. {description}"))
        }
        (summary, description) => summary.or(description).map(str::to_owned),
    };
    Some(Operation {
        summary: summary.map(|text| clean(&text, MAX_TEXT)),
        parameters,
        body: operation.get("requestBody").and_then(|body| body_of(reader, body)),
    })
}

fn parameter_of(reader: &mut Reader<'_>, parameter: &Value) -> Option<Parameter> {
    let parameter = reader.resolve(parameter)?;
    let name = parameter.get("name")?.as_str()?;
    let place = match parameter.get("in")?.as_str()? {
        "path" => Place::Path,
        "query" => Place::Query,
        "header" if may_be_set(name) => Place::Header,
        // cookies, and headers that are the connection's own or ours
        _ => return None,
    };
    let is_plain = |c: char| c.is_ascii_graphic();
    if name.is_empty() || name.len() > 100 || !name.chars().all(is_plain) {
        return None;
    }
    let content = || parameter.get("content")?.as_object()?.values().next()?.get("schema");
    let schema = parameter.get("schema").or_else(content);
    let mut schema = schema.map_or_else(|| Value::Object(Map::new()), |schema| reader.read(schema));
    if let (Some(text), Value::Object(schema)) =
        (parameter.get("description").and_then(Value::as_str), &mut schema)
    {
        schema.insert("description".to_owned(), clean(text, MAX_TEXT).into());
    }
    let is_required = place == Place::Path
        || parameter.get("required").and_then(Value::as_bool).unwrap_or_default();
    Some(Parameter { name: name.to_owned(), place, is_required, schema })
}

/// Whether an agent may set a header of this name. What says who calls, from where, or how the
/// connection is used is not for an app's document to open.
fn may_be_set(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let known = [
        "authorization",
        "connection",
        "cookie",
        "cookie2",
        "date",
        "expect",
        "forwarded",
        "from",
        "host",
        "keep-alive",
        "origin",
        "referer",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
    ];
    let families = [
        "accept",
        "access-control-",
        "agentadmit-",
        "content-",
        "proxy-",
        "sec-",
        "x-forwarded-",
        "x-real-",
    ];
    is_name
        && !known.contains(&name.as_str())
        && !families.iter().any(|family| name.starts_with(family))
}

fn body_of(reader: &mut Reader<'_>, body: &Value) -> Option<Body> {
    let body = reader.resolve(body)?;
    let content = body.get("content")?.as_object()?;
    let of = |wanted: &str| {
        content.iter().find(|(media_type, _)| {
            let essence = media_type.split(';').next().unwrap_or_default().trim();
            essence.eq_ignore_ascii_case(wanted)
        })
    };
    let (form, media) = match (of("application/json"), of("application/x-www-form-urlencoded")) {
        (Some((_, media)), _) => (Form::Json, media),
        (None, Some((_, media))) => (Form::Urlencoded, media),
        (None, None) => return None,
    };
    let schema = media.get("schema");
    let schema = schema.map_or_else(|| Value::Object(Map::new()), |schema| reader.read(schema));
    let is_required = body.get("required").and_then(Value::as_bool).unwrap_or_default();
    Some(Body { form, is_required, schema })
}
