//! The head of a request, as far as guards and mounted routes read it.

use std::net::IpAddr;

use http::header::{ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, COOKIE, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors;

/// The headers that mean something here; the others are not copied.
fn known(name: &[u8]) -> Option<HeaderName> {
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    match name.len() {
        6 if is("cookie") => Some(COOKIE),
        5 if is("x-moz") => Some(HeaderName::from_static("x-moz")),
        6 if is("origin") => Some(ORIGIN),
        7 if is("purpose") => Some(HeaderName::from_static("purpose")),
        11 if is("sec-purpose") => Some(HeaderName::from_static("sec-purpose")),
        12 if is("content-type") => Some(CONTENT_TYPE),
        13 if is("authorization") => Some(AUTHORIZATION),
        14 if is("sec-fetch-site") => Some(HeaderName::from_static("sec-fetch-site")),
        15 if is("accept-language") => Some(ACCEPT_LANGUAGE),
        15 if is("idempotency-key") => Some(HeaderName::from_static("idempotency-key")),
        15 if is("x-forwarded-for") => Some(HeaderName::from_static("x-forwarded-for")),
        _ => None,
    }
}

/// The head of a request.
#[pyclass(frozen, module = "agentadmit._core")]
pub(crate) struct Head {
    pub(crate) parts: Parts,
    pub(crate) peer: Option<IpAddr>,
}

#[pymethods]
impl Head {
    /// `path` is decoded, `query` as it came; `peer` is the address of the connection's other end.
    ///
    /// Raises what the caller hears when it is no request.
    #[new]
    fn new(
        py: Python<'_>,
        method: &str,
        path: &str,
        query: &[u8],
        headers: &Bound<'_, PyAny>,
        peer: Option<&str>,
    ) -> PyResult<Self> {
        let bad = || errors::bad_request(py);
        let uri: Uri = target(path, query).parse().map_err(|_| bad())?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| bad())?;
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = method;
        parts.uri = uri;
        parts.headers = kept(headers)?;
        Ok(Self { parts, peer: peer.and_then(|address| address.parse().ok()) })
    }

    /// Whether the body is a form, which may hold a token.
    #[getter]
    fn is_form(&self) -> bool {
        let media_type = self.parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let media_type = media_type.and_then(|value| value.split(|byte| *byte == b';').next());
        media_type.is_some_and(|it| {
            it.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
        })
    }
}

fn kept(headers: &Bound<'_, PyAny>) -> PyResult<HeaderMap> {
    let mut map = HeaderMap::new();
    for pair in headers.try_iter()? {
        let pair = pair?;
        let name = pair.get_item(0)?;
        let Some(name) = known(name.cast::<PyBytes>()?.as_bytes()) else { continue };
        let value = pair.get_item(1)?;
        map.append(name, shown(value.cast::<PyBytes>()?.as_bytes())?);
    }
    Ok(map)
}

/// What no header may hold is shown as `?`: a value is never lost, and never taken for another.
fn shown(value: &[u8]) -> PyResult<HeaderValue> {
    HeaderValue::from_bytes(value).or_else(|_| {
        let is_fine = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        let seen: Vec<u8> =
            value.iter().map(|byte| if is_fine(*byte) { *byte } else { b'?' }).collect();
        HeaderValue::from_bytes(&seen).map_err(|error| PyValueError::new_err(error.to_string()))
    })
}

/// Path and query, with whatever may not stand there encoded.
fn target(path: &str, query: &[u8]) -> String {
    let mut target = String::with_capacity(path.len() + query.len() + 2);
    if !path.starts_with('/') {
        target.push('/');
    }
    let in_path = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~:@!$&'()*+,;=".contains(&byte);
    let in_query = |byte: u8| byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&byte);
    encode(&mut target, path.as_bytes(), in_path);
    if !query.is_empty() {
        target.push('?');
        encode(&mut target, query, in_query);
    }
    target
}

fn encode(into: &mut String, bytes: &[u8], is_plain: impl Fn(u8) -> bool) {
    use std::fmt::Write as _;
    for byte in bytes {
        if is_plain(*byte) {
            into.push(char::from(*byte));
        } else {
            // writing into a String cannot fail
            let _never = write!(into, "%{byte:02X}");
        }
    }
}
