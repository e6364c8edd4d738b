//! The OpenAPI 3.1 document, from the handlers.
//!
//! A handler names what only it can answer. What follows from a route's shape (a body, a
//! credential, an id in its path) is added here, so that no handler can forget it.

use std::collections::HashMap;

use agentadmit_protocol::api::audit::ExportFormat;
use agentadmit_protocol::api::connections::ConnectionStatus;
use agentadmit_protocol::api::overview::SeriesDays;
use agentadmit_protocol::api::passkeys::CredentialId;
use agentadmit_protocol::api::query::{Cursor, PageLimit};
use agentadmit_protocol::api::usage::Day;
use agentadmit_protocol::audit::AuditEvent;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::{
    AccountId, AppId, AuthorizationRequestId, ConnectionId, InviteId, KeyId, OperatorId, SessionId,
};
use agentadmit_protocol::settings::RateLimits;
use agentadmit_protocol::text::UserId;
use agentadmit_protocol::time::Timestamp;
use axum::extract::MatchedPath;
use http::Method;
use utoipa::ToSchema;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ContentBuilder, Header, InfoBuilder, License, ObjectBuilder, OpenApi, OpenApiVersion, Ref,
    RefOr, Response, ResponseBuilder, Schema, Type,
};

use crate::dashboard;
use crate::error::meaning;
use crate::router;

/// The document.
pub fn openapi() -> OpenApi {
    let mut document = router::documented();
    document.openapi = OpenApiVersion::Version31;
    document.info = InfoBuilder::new()
        .title("AgentAdmit")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "The service that issues, exchanges, verifies, revokes and records what users grant to \
             their agents. Paths under /v1, but for /v1/operator, also answer under /api/v1.",
        ))
        .license(Some(License::new("MIT OR Apache-2.0")))
        .build();
    document.tags = Some(
        TAGS.map(|(name, text)| TagBuilder::new().name(name).description(Some(text)).build())
            .to_vec(),
    );
    let components = document.components.get_or_insert_default();
    for (name, schema) in uncollected_schemas() {
        components.schemas.entry(name).or_insert(schema);
    }
    for (name, scheme) in security_schemes() {
        components.security_schemes.insert(name.to_owned(), RefOr::T(scheme));
    }
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            complete(path, operation);
        }
    }
    document
}

/// The document as it is sent and committed.
pub(crate) fn written(document: &OpenApi) -> String {
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// The operations of `/v1` and the dashboard whose requests have no body.
#[derive(Debug, Default)]
pub(crate) struct Bodyless {
    methods: HashMap<String, Vec<Method>>,
}

impl Bodyless {
    /// What the document says of them.
    pub(crate) fn of(document: &OpenApi) -> Self {
        let mut methods = HashMap::new();
        let paths = document.paths.paths.iter();
        for (path, item) in
            paths.filter(|(path, _)| path.starts_with("/v1") || path.starts_with(dashboard::PREFIX))
        {
            let operations = [
                (Method::GET, &item.get),
                (Method::PUT, &item.put),
                (Method::POST, &item.post),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            let reads_none = |operation: &Option<Operation>| {
                operation.as_ref().is_some_and(|operation| operation.request_body.is_none())
            };
            let reads_none = operations.into_iter().filter(|(_, operation)| reads_none(operation));
            methods.insert(path.clone(), reads_none.map(|(method, _)| method).collect());
        }
        Self { methods }
    }

    /// Whether this is one of them; `/api/v1` is `/v1`, and `HEAD` is `GET`.
    pub(crate) fn contains(&self, method: &Method, route: &MatchedPath) -> bool {
        let path = route.as_str();
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let methods = self.methods.get(path.strip_prefix("/api").unwrap_or(path));
        methods.is_some_and(|methods| methods.contains(method))
    }
}

const TAGS: [(&str, &str); 12] = [
    ("verify", "Whether one call of an agent may proceed."),
    ("token", "How a grant begins."),
    ("consent", "How a user is asked on the service's own page."),
    ("connections", "What users granted, and how it ends."),
    ("scopes", "What can be granted."),
    ("audit", "What happened."),
    ("usage", "How much of it."),
    ("oauth", "The same for off-the-shelf OAuth clients."),
    ("operator", "For whoever runs the service."),
    ("developers", "Developers of apps: members, links that let somebody in, accounts."),
    ("dashboard", "Signing in to the service's own page for operators and developers."),
    ("service", "About the service itself."),
];

const OPERATOR: &str = "/v1/operator";
const SESSION: &str = "dashboard_session";
/// What of the operator API no session of the dashboard can do.
const WITHOUT_SESSION: [&str; 2] = ["/v1/operator/clock/accept", "/v1/operator/sign-in-codes"];

/// Types that only queries and paths name, and one behind a type that is not looked into: the
/// routes collect the rest.
fn uncollected_schemas() -> [(String, RefOr<Schema>); 20] {
    fn of<T: ToSchema>() -> (String, RefOr<Schema>) {
        (T::name().into_owned(), T::schema())
    }
    [
        of::<AccountId>(),
        of::<AppId>(),
        of::<AuditEvent>(),
        of::<AuthorizationRequestId>(),
        of::<ConnectionId>(),
        of::<ConnectionStatus>(),
        of::<CredentialId>(),
        of::<Cursor>(),
        of::<Day>(),
        of::<Environment>(),
        of::<ExportFormat>(),
        of::<InviteId>(),
        of::<KeyId>(),
        of::<OperatorId>(),
        of::<PageLimit>(),
        of::<RateLimits>(),
        of::<SeriesDays>(),
        of::<SessionId>(),
        of::<Timestamp>(),
        of::<UserId>(),
    ]
}

fn security_schemes() -> [(&'static str, SecurityScheme); 5] {
    let http = |scheme, text: &str| {
        SecurityScheme::Http(Http::builder().scheme(scheme).description(Some(text)).build())
    };
    [
        ("api_key", http(HttpAuthScheme::Bearer, "An app's API key: `aa_test_…` or `aa_live_…`.")),
        (
            "client_assertion",
            http(
                HttpAuthScheme::Bearer,
                "A JWT that the app signs with its registered RS256 key for one call (RFC 7523).",
            ),
        ),
        ("client_basic", http(HttpAuthScheme::Basic, "The app's id, and an API key.")),
        (
            SESSION,
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                "__Host-agentadmit-session",
                "A session of the dashboard, with the header `AgentAdmit-Dashboard: 1`. Over plain http \
             on the machine itself the name lacks `__Host-`.",
            ))),
        ),
        ("operator_token", http(HttpAuthScheme::Bearer, "An operator's token: `aa_op_…`.")),
    ]
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete]
        .into_iter()
        .filter_map(Option::as_mut)
}

/// Adds every answer that follows from the operation's shape, and the headers of all answers.
fn complete(path: &str, operation: &mut Operation) {
    let mut errors: Vec<(u16, &[ErrorCode])> = vec![(500, &[ErrorCode::Internal])];
    errors.push((503, &[ErrorCode::Unavailable]));
    if !is_public(path) {
        errors.push((400, &[ErrorCode::InvalidRequest]));
    }
    if path.starts_with(OPERATOR) && !WITHOUT_SESSION.contains(&path) {
        let session = SecurityRequirement::new(SESSION, [] as [&str; 0]);
        operation.security.get_or_insert_default().push(session);
        errors.push((403, &[ErrorCode::Forbidden, ErrorCode::CrossSiteRequest]));
    }
    if has_credential(operation) {
        errors.push((401, bad_credential(path)));
        errors.push((403, &[ErrorCode::Forbidden]));
    }
    if has_path_parameter(operation) {
        errors.push((404, &[ErrorCode::NotFound]));
    }
    if operation.request_body.is_some() {
        errors.push((413, &[ErrorCode::BodyTooLarge]));
        errors.push((415, &[ErrorCode::UnsupportedMediaType]));
        if !path.starts_with("/oauth") {
            errors.push((422, &[ErrorCode::UnprocessableRequest]));
        }
    }
    for schema in optional_schemas(operation) {
        forbid_null(schema);
    }
    let responses = &mut operation.responses.responses;
    for (status, codes) in errors {
        responses.entry(status.to_string()).or_insert_with(|| RefOr::T(error(codes)));
    }
    for (status, response) in responses {
        if let RefOr::T(response) = response {
            add_headers(path, status, response);
        }
    }
}

/// The schemas of bodies and headers. What need not be sent is written as what may be null.
fn optional_schemas(operation: &mut Operation) -> impl Iterator<Item = &mut RefOr<Schema>> {
    let bodies = operation.request_body.iter_mut().filter_map(|body| match body {
        RefOr::T(body) => Some(body.content.values_mut()),
        RefOr::Ref(_) => None,
    });
    let bodies = bodies.flatten().filter_map(|content| match content {
        RefOr::T(content) => content.schema.as_mut(),
        RefOr::Ref(_) => None,
    });
    let headers =
        operation.parameters.iter_mut().flatten().filter_map(|parameter| match parameter {
            RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Header => {
                parameter.schema.as_mut()
            }
            _ => None,
        });
    bodies.chain(headers)
}

/// Absent is not null: a body or header of `null` is an error.
fn forbid_null(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::OneOf(either)) => {
            if let [some, _null] = either.items.as_slice() {
                *schema = some.clone();
            }
        }
        RefOr::T(Schema::Object(object)) => {
            if let SchemaType::Array(types) = &object.schema_type
                && let [some, Type::Null] = types.as_slice()
            {
                object.schema_type = SchemaType::Type(some.clone());
            }
        }
        _ => {}
    }
}

/// Whether a route is the service's own, asked by tools of all kinds.
fn is_public(path: &str) -> bool {
    !(path.starts_with("/v1") || path.starts_with("/oauth") || path.starts_with(dashboard::PREFIX))
}

fn has_credential(operation: &Operation) -> bool {
    let security = operation.security.iter().flatten();
    // an empty requirement is written as an empty object
    security.map(serde_json::to_value).any(|requirement| {
        requirement.is_ok_and(|requirement| requirement != serde_json::json!({}))
    })
}

fn has_path_parameter(operation: &Operation) -> bool {
    operation.parameters.iter().flatten().any(|parameter| match parameter {
        RefOr::T(parameter) => parameter.parameter_in == ParameterIn::Path,
        RefOr::Ref(_) => false,
    })
}

fn bad_credential(path: &str) -> &'static [ErrorCode] {
    if path.starts_with("/oauth") {
        &[ErrorCode::InvalidClient]
    } else if path.starts_with(dashboard::PREFIX) {
        &[ErrorCode::Unauthenticated]
    } else if path.starts_with(OPERATOR) && !WITHOUT_SESSION.contains(&path) {
        &[ErrorCode::InvalidOperatorToken, ErrorCode::Unauthenticated]
    } else if path.starts_with(OPERATOR) || path == "/metrics" {
        &[ErrorCode::InvalidOperatorToken]
    } else {
        &[ErrorCode::InvalidApiKey]
    }
}

fn error(codes: &[ErrorCode]) -> Response {
    let described: Vec<String> =
        codes.iter().map(|code| format!("`{}`: {}", code.as_str(), meaning(*code))).collect();
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build();
    ResponseBuilder::new()
        .description(described.join(" "))
        .content("application/json", body)
        .build()
}

fn add_headers(path: &str, status: &str, response: &mut Response) {
    let mut add = |name: &str, header: Header| {
        response.headers.insert(name.to_owned(), RefOr::T(header));
    };
    add("X-Request-Id", text("What the service's log and records call this request."));
    if status == "401" {
        add("WWW-Authenticate", text("How to prove oneself."));
    }
    if matches!(status, "429" | "503") {
        add("Retry-After", number("Whole seconds, at least 1."));
    }
    if path == "/v1/verify" && matches!(status, "200" | "403" | "429") {
        add("X-RateLimit-Limit", number("The burst of the limit nearest to refusing."));
        add("X-RateLimit-Remaining", number("Calls left of it now."));
        add("X-RateLimit-Reset", number("The Unix second at which its burst is full again."));
        add("RateLimit-Policy", text("Every limit: its burst and window."));
        add("RateLimit", text("Every limit: calls left, and seconds until it is full again."));
    }
}

fn text(description: &str) -> Header {
    header(Type::String, description)
}

fn number(description: &str) -> Header {
    header(Type::Integer, description)
}

fn header(kind: Type, description: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(kind).build()))
        .description(Some(description))
        .build()
}
