//! The dashboard's page and its files: embedded, so that the binary is all there is.
//!
//! Every address below `/dashboard` that is no file and no route is the page: it draws what its
//! address says, so that any of them can be opened, reloaded and sent to a colleague.

use std::sync::LazyLock;

use agentadmit_protocol::secret::SecretHash;
use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::envelope::unknown_route;
use crate::state::ServiceState;

const PAGE: &str = include_str!("../../assets/dashboard/index.html");

/// A file of the page.
struct File {
    name: &'static str,
    content_type: &'static str,
    content: &'static [u8],
}

const FILES: [File; 2] = [
    File {
        name: "dashboard.js",
        content_type: "text/javascript; charset=utf-8",
        content: include_bytes!("../../assets/dashboard/dashboard.js"),
    },
    File {
        name: "dashboard.css",
        content_type: "text/css; charset=utf-8",
        content: include_bytes!("../../assets/dashboard/dashboard.css"),
    },
];

/// What tells one build of the files from another.
static TAGS: LazyLock<[String; 2]> = LazyLock::new(|| {
    FILES.map(|file| {
        let hash = SecretHash::of(file.content);
        let digits = hash.as_bytes().iter().take(16).map(|byte| format!("{byte:02x}"));
        format!("\"{}\"", digits.collect::<String>())
    })
});

/// Only our own files and calls, no inline script or style, nobody's frame, no form to elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types";
const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCES: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The page's routes.
pub(crate) fn routes() -> Router<ServiceState> {
    Router::new()
        .route("/dashboard", get(page))
        .route("/dashboard/", get(page))
        .route("/dashboard/{*view}", get(page))
        .route("/dashboard/assets/{*name}", get(asset))
}

async fn page() -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_FRAME_OPTIONS, "DENY"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (OPENER, "same-origin"),
        (RESOURCES, "same-origin"),
        (PERMISSIONS, "camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    ];
    (headers, PAGE).into_response()
}

/// A file under a fixed name: asked about again at each visit, and sent again when it changed.
async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let found = FILES.iter().zip(TAGS.iter()).find(|(file, _)| file.name == name);
    let Some((file, tag)) = found else { return unknown_route().await.into_response() };
    let Ok(tag_value) = HeaderValue::from_str(tag) else {
        return unknown_route().await.into_response();
    };
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag));
    let fixed = [
        (CACHE_CONTROL, "no-cache"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (RESOURCES, "same-origin"),
    ];
    let tagged = [(ETAG, tag_value)];
    if is_known {
        return (StatusCode::NOT_MODIFIED, fixed, tagged).into_response();
    }
    (fixed, tagged, [(CONTENT_TYPE, file.content_type)], file.content).into_response()
}
