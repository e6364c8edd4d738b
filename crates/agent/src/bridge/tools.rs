//! Routes as tools: what a model sees of each, and what its arguments mean.

use std::collections::HashSet;
use std::sync::Arc;

use agentadmit_protocol::scope::{ScopeName, join};
use http::Method;
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::offer::{Offer, OfferedRoute};
use crate::openapi::{Body, Form, Operation, Operations, Parameter, Place};

/// The longest name of a tool that every client takes.
const MAX_NAME: usize = 64;
/// Characters of a hash at the end of a name that would be too long, or is another's.
const HASH: usize = 8;

/// A route as a tool.
#[derive(Debug, Clone)]
pub(crate) struct RouteTool {
    /// What models call it.
    pub(crate) name: String,
    pub(crate) route: OfferedRoute,
    /// What it does, without what it needs.
    about: String,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) rest: Rest,
    schema: Arc<JsonObject>,
}

/// An argument that stands for a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Argument {
    /// What models call it.
    pub(crate) name: String,
    /// What it is called on the wire.
    pub(crate) wire: String,
    pub(crate) place: Place,
    pub(crate) is_required: bool,
}

/// What stands beside the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// The app describes the route, and it reads no body that can be written.
    Nothing,
    /// A `body` as the app describes it.
    Body { form: Form, is_required: bool },
    /// The app does not describe the route: any `query`, and any `body` where the method has one.
    Anything { has_body: bool },
}

impl RouteTool {
    /// The tool as it is listed, for an agent that holds these scopes.
    pub(crate) fn listed(&self, app: &str, granted: Option<&[ScopeName]>) -> Tool {
        let needed = &self.route.scopes;
        let missing = |held: &[ScopeName]| needed.iter().any(|scope| !held.contains(scope));
        let needs = match (needed.is_empty(), granted) {
            (true, _) => "Needs no scope beyond a connection.".to_owned(),
            (false, Some(held)) if missing(held) => {
                format!("Needs {}: not granted.", join(needed))
            }
            (false, Some(_)) => format!("Needs {}: granted.", join(needed)),
            (false, None) => format!("Needs {}.", join(needed)),
        };
        let call = format!("{} {}", self.route.method, self.route.path);
        let about = if self.about.is_empty() {
            String::new()
        } else {
            format!("{} ", sentence(&self.about))
        };
        let description = format!("{about}{needs} ({app}: {call})");
        let method = &self.route.method;
        let is_safe = matches!(*method, Method::GET | Method::HEAD);
        let replaces = matches!(*method, Method::PUT | Method::DELETE);
        let annotations = ToolAnnotations::new()
            .read_only(is_safe)
            // what a POST does to what is there, nobody says
            .destructive(!is_safe)
            .idempotent(is_safe || replaces)
            .open_world(true);
        Tool::new(self.name.clone(), description, Arc::clone(&self.schema))
            .with_annotations(annotations)
    }
}

fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}

/// The tools of an offer, in its order, each with a name of its own.
pub(crate) fn of(offer: &Offer, operations: Option<&Operations>) -> Vec<RouteTool> {
    let (mut names, mut seen) = (HashSet::new(), HashSet::new());
    let tool = |route: &OfferedRoute| {
        // a route that is listed twice is one tool
        if !seen.insert((route.method.clone(), route.path.clone())) {
            return None;
        }
        let operation = operations.and_then(|known| known.of(route));
        let plain = name_of(route);
        let hashed = with_hash(&plain, route);
        // two routes with one plain name: the first keeps it
        let is_free = plain.len() <= MAX_NAME && !names.contains(&plain);
        let name = if is_free { plain } else { hashed };
        names.insert(name.clone()).then(|| built(name, route, operation))
    };
    offer.routes.iter().filter_map(tool).collect()
}

/// `get_orders_order_id` for `GET /orders/{order_id}`.
fn name_of(route: &OfferedRoute) -> String {
    let words = format!("{} {}", route.method, route.path).to_ascii_lowercase();
    let words: Vec<&str> =
        words.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("_")
}

fn with_hash(plain: &str, route: &OfferedRoute) -> String {
    let hash = Sha256::digest(format!("{} {}", route.method, route.path));
    let first = hash.first_chunk().copied().unwrap_or_default();
    let hash = format!("{:08x}", u32::from_be_bytes(first));
    let room = MAX_NAME.saturating_sub(HASH).saturating_sub(1);
    let kept: String = plain.chars().take(room).collect();
    format!("{}_{hash}", kept.trim_end_matches('_'))
}

fn built(name: String, route: &OfferedRoute, operation: Option<&Operation>) -> RouteTool {
    let described = operation.map(|known| known.parameters.as_slice()).unwrap_or_default();
    let mut properties = Map::new();
    let mut arguments = Vec::new();
    let unknown = |name: &str| Parameter {
        name: name.to_owned(),
        place: Place::Path,
        is_required: true,
        schema: json!({"type": "string"}),
    };
    // every part of the path is needed, whether the app describes it or not
    let in_path = route.template.parameters().map(|name| {
        let known = described.iter().find(|it| it.place == Place::Path && it.name == name);
        known.cloned().unwrap_or_else(|| unknown(name))
    });
    let elsewhere = described.iter().filter(|it| it.place != Place::Path).cloned();
    for parameter in in_path.chain(elsewhere) {
        let Some(name) = argument_name(&parameter, &properties) else { continue };
        properties.insert(name.clone(), parameter.schema);
        arguments.push(Argument {
            name,
            wire: parameter.name,
            place: parameter.place,
            is_required: parameter.is_required,
        });
    }
    let rest = rest_of(route, operation, &mut properties);
    let mut required: Vec<&str> =
        arguments.iter().filter(|it| it.is_required).map(|it| it.name.as_str()).collect();
    if matches!(rest, Rest::Body { is_required: true, .. }) {
        required.push("body");
    }
    let schema = json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    let schema = if let Value::Object(schema) = schema { schema } else { Map::new() };
    let about = route.summary.clone().or_else(|| operation?.summary.clone());
    RouteTool {
        name,
        route: route.clone(),
        about: about.unwrap_or_default(),
        arguments,
        rest,
        schema: Arc::new(schema),
    }
}

/// What a parameter is called among the arguments: its own name, unless that is taken.
fn argument_name(parameter: &Parameter, taken: &Map<String, Value>) -> Option<String> {
    let is_free = |name: &str| {
        !taken.contains_key(name) && !["body", "query"].contains(&name) && !is_for_tokens(name)
    };
    let place = match parameter.place {
        Place::Path => "path",
        Place::Query => "query",
        Place::Header => "header",
    };
    let plain = parameter.name.clone();
    let placed = format!("{place}_{plain}");
    [plain, placed].into_iter().find(|name| is_free(name))
}

/// Names under which a server asks a model for a token. The bridge has it, and no model needs it.
pub(crate) fn is_for_tokens(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    ["agentadmit_token", "access_token", "connection_token", "authorization"]
        .contains(&name.as_str())
}

fn rest_of(
    route: &OfferedRoute,
    operation: Option<&Operation>,
    properties: &mut Map<String, Value>,
) -> Rest {
    let has_body = !matches!(route.method, Method::GET | Method::HEAD);
    match operation.map(|known| &known.body) {
        Some(Some(Body { form, is_required, schema })) if has_body => {
            properties.insert("body".to_owned(), schema.clone());
            Rest::Body { form: *form, is_required: *is_required }
        }
        Some(_) => Rest::Nothing,
        None => {
            let query = "The query, by name: the app does not describe it.";
            properties.insert(
                "query".to_owned(),
                json!({
                    "type": "object",
                    "description": query,
                    "additionalProperties": {"type": ["string", "number", "boolean"]},
                }),
            );
            if has_body {
                let body = "The JSON body: the app does not describe it.";
                properties.insert("body".to_owned(), json!({"description": body}));
            }
            Rest::Anything { has_body }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Origin;

    fn offer(routes: &[(&str, &str)]) -> Offer {
        let route = |(method, path): &(&str, &str)| json!({"method": method, "path": path, "scope": "read:orders", "summary": "Your orders"});
        let document = json!({
            "agentadmit_version": "1", "app": {"openapi_uri": "https://shop.example/openapi.json"},
            "token_exchange_endpoint": "https://shop.example/x",
            "routes": routes.iter().map(route).collect::<Vec<_>>(),
        });
        let origin = Origin::of("https://shop.example").unwrap();
        crate::offer::read(&origin, document.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn names_are_unique_short_and_stay_the_same() {
        let long = format!("/{}", "abc/".repeat(30));
        let routes = [
            ("GET", "/orders"),
            ("POST", "/orders/{id}/refund"),
            ("GET", "/orders-list"),
            ("GET", "/orders/list"),
            ("GET", "/orders_list"),
            ("GET", "/orders"),
            ("GET", long.as_str()),
            ("GET", "/"),
        ];
        let tools = of(&offer(&routes), None);
        let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names[..3], ["get_orders", "post_orders_id_refund", "get_orders_list"]);
        assert!(names.iter().all(|name| name.len() <= MAX_NAME), "{names:?}");
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), routes.len() - 1);
        assert!(names[3].starts_with("get_orders_list_") && names.contains(&"get"), "{names:?}");
        let again = of(&offer(&routes), None);
        assert_eq!(names, again.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>());
    }

    #[test]
    fn a_route_without_description_takes_anything() {
        let tools = of(&offer(&[("GET", "/orders/{id}"), ("POST", "/orders")]), None);
        assert_eq!(tools[0].rest, Rest::Anything { has_body: false });
        let schema = Value::Object((*tools[0].schema).clone());
        assert_eq!(schema["required"], json!(["id"]));
        assert_eq!(schema["properties"]["id"], json!({"type": "string"}));
        assert!(
            schema["properties"]["query"].is_object() && schema["properties"]["body"].is_null()
        );
        let schema = Value::Object((*tools[1].schema).clone());
        assert!(schema["properties"]["body"].is_object());
        let listed = tools[1].listed("Shop", Some(&[]));
        let description = listed.description.unwrap();
        assert_eq!(
            description,
            "Your orders. Needs read:orders: not granted. (Shop: POST /orders)"
        );
        let hints = listed.annotations.unwrap();
        assert_eq!((hints.read_only_hint, hints.destructive_hint), (Some(false), Some(true)));
    }

    #[test]
    fn a_description_becomes_the_schema() {
        let offer = offer(&[("POST", "/v1/orders/{order_id}")]);
        let document = json!({
            "servers": [{"url": "/v1"}],
            "paths": {"/orders/{id}": {
                "parameters": [
                    {"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}},
                    {"name": "body", "in": "query", "schema": {"type": "string"}},
                ],
                "post": {
                    "summary": "Change it",
                    "parameters": [
                        {"name": "dry", "in": "query", "required": true, "schema": {"type": "boolean"}},
                        {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                        {"name": "Authorization", "in": "header", "required": true},
                        {"name": "session", "in": "cookie"},
                        {"name": "agentadmit_token", "in": "query"},
                    ],
                    "requestBody": {"required": true, "content": {
                        "application/json; charset=utf-8": {"schema": {"$ref": "#/s/Order"}}}},
                },
            }},
            "s": {"Order": {"type": "object", "properties": {"what": {"type": "string"}}}},
        });
        let operations = Operations::read(&offer, document.to_string().as_bytes()).unwrap();
        let tools = of(&offer, Some(&operations));
        let schema = Value::Object((*tools[0].schema).clone());
        let mut names: Vec<&str> =
            schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["X-Trace", "body", "dry", "order_id", "query_agentadmit_token", "query_body"]
        );
        assert_eq!(schema["properties"]["order_id"], json!({"type": "integer"}));
        assert_eq!(schema["required"], json!(["order_id", "dry", "body"]));
        assert_eq!(schema["properties"]["body"]["properties"]["what"]["type"], "string");
        assert_eq!(tools[0].rest, Rest::Body { form: Form::Json, is_required: true });
    }
}
