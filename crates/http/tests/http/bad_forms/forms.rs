//! Forms that are wrong, from clients that are right.

use axum::body::Body;
use bytes::Bytes;

use super::{FORM, Table, bad_request};
use crate::support::Ask;

/// Forms that hold no token.
const NO_TOKEN: &[&str] = &[
    "",
    "&",
    "&&&",
    "=",
    "=x",
    "token",
    "token=",
    "token=&client_id=",
    "Token=x",
    "TOKEN=x",
    "tokens=x",
    "token[]=x",
    "token%5B%5D=x",
    "token.0=x",
    "%20token=x",
    "+token=x",
    "token%20=x",
    "token+=x",
    "token%00=x",
    "token%0a=x",
    "token%3Dx",
    "token%26x",
    "token_type_hint=access_token",
    "access_token=x",
    "resource=x",
    "{\"token\":\"x\"}",
    "<token>x</token>",
];

/// Forms in which a parameter stands twice, and which one. What is ignored once may not be repeated
/// either.
const REPEATED: &[(&str, &str)] = &[
    ("token=x&token=x", "token"),
    ("token=x&token=y", "token"),
    ("token=x&a=1&token=y", "token"),
    ("token=x&%74oken=y", "token"),
    ("%74%6f%6b%65%6e=x&token=y", "token"),
    ("token=x&token=y&token=z", "token"),
    ("token=x&client_id=a&client_id=a", "client_id"),
    ("client_id=a&client_id=b", "client_id"),
    ("token=x&client_secret=a&client_secret=a", "client_secret"),
    ("token=x&client_assertion=a&client_assertion=b", "client_assertion"),
    ("token=x&client_assertion_type=a&client_assertion_type=a", "client_assertion_type"),
    ("token=x&token_type_hint=a&token_type_hint=b", "token_type_hint"),
    ("token=x&resource=a&resource=b", "resource"),
    ("a=1&token=x&b=2&a=3", "a"),
    ("token=x&=1&=2", ""),
];

/// Percent-encoding that is none, or not of UTF-8, and where.
const ENCODINGS: &[(&str, &str)] = &[
    ("token=%", "token"),
    ("token=%4", "token"),
    ("token=%zz", "token"),
    ("token=%4g", "token"),
    ("token=%%41", "token"),
    ("token=% 41", "token"),
    ("token=%u0041", "token"),
    ("token=%-1", "token"),
    ("token=x%", "token"),
    ("token=x&client_id=%g1", "client_id"),
    ("token=x&resource=100%", "resource"),
    ("token=x&%zz=1", "%zz"),
    ("token=%ff", "token"),
    ("token=%c3%28", "token"),
    ("token=%ed%a0%80", "token"),
    ("token=%c0%af", "token"),
    ("token=%f5%80%80%80", "token"),
    ("token=%e2%82", "token"),
    ("token=x%80", "token"),
    ("token=x&client_id=%ff", "client_id"),
    ("token=x&client_secret=%fe", "client_secret"),
    ("token=x&client_assertion=%80", "client_assertion"),
    ("token=x&client_assertion_type=%c3", "client_assertion_type"),
    ("token=x&token_type_hint=%c3", "token_type_hint"),
    ("token=x&resource=%ff", "resource"),
    ("token=x&%ff=1", "\u{fffd}"),
];

/// Bytes that are no UTF-8.
const NO_UTF_8: &[&[u8]] = &[
    b"token=\xff",
    b"\xff\xfetoken=x",
    b"token=x&a=\xc3\x28",
    b"token=\xed\xa0\x80",
    b"token=\xc0\xaf",
    b"token=x&\x80",
    b"\xfe\xff\x00t\x00o\x00k\x00e\x00n\x00=\x00x",
];

/// What is not this content type.
const MEDIA_TYPES: &[&str] = &[
    "",
    "*/*",
    "text/plain",
    "text/html",
    "application/json",
    "application/xml",
    "application/octet-stream",
    "application/jwt",
    "application/x-www-form-urlencode",
    "application/x-www-form-urlencoded2",
    "application/www-form-urlencoded",
    "x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded; charset=latin1",
    "application/x-www-form-urlencoded; charset=utf-16",
    "application/x-www-form-urlencoded; charset=\"iso-8859-1\"",
    "application/x-www-form-urlencoded; boundary=x",
    "application/x-www-form-urlencoded, application/json",
];

/// Queries, which both endpoints know none of, and the parameter that is named.
const QUERIES: &[(&str, &str)] = &[
    ("token=x", "token"),
    ("token=", "token"),
    ("token", "token"),
    ("client_id=x", "client_id"),
    ("access_token=x", "access_token"),
    ("a=1&b=2", "a"),
    ("=", ""),
    ("%ff", "\u{fffd}"),
];

impl Table<'_> {
    pub(super) async fn forms(&mut self) {
        for form in NO_TOKEN {
            let expected = bad_request(Some("token"));
            self.expect("no token", self.proved(*form), expected, form).await;
        }
        for (form, field) in REPEATED {
            let expected = bad_request(Some(field));
            self.expect("a repeated parameter", self.proved(*form), expected, form).await;
        }
        for (form, field) in ENCODINGS {
            let expected = bad_request(Some(field));
            self.expect("an encoding", self.proved(*form), expected, form).await;
        }
        for bytes in NO_UTF_8 {
            let what = String::from_utf8_lossy(bytes);
            self.expect("bytes", self.proved(*bytes), bad_request(Some("")), &what).await;
        }
        for (query, field) in QUERIES {
            let path = format!("{}?{query}", self.endpoint);
            let ask = Ask::new("POST", &path).body(FORM, self.world.form(&[]));
            let ask = ask.bearer(&self.world.app.live);
            self.expect("a query", ask, bad_request(Some(field)), query).await;
        }
        let secret = format!("{}?client_secret={}", self.endpoint, self.world.app.live);
        let ask = Ask::new("POST", &secret).body(FORM, self.world.form(&[]));
        let expected = bad_request(Some("client_secret"));
        self.expect("a query", ask.bearer(&self.world.app.live), expected, "a secret").await;
        self.media_types().await;
        self.sizes().await;
        self.methods().await;
    }

    async fn media_types(&mut self) {
        let expected = || (415, "unsupported_media_type", None);
        let form = self.world.form(&[]);
        for media_type in MEDIA_TYPES {
            let ask = self.ask().body(media_type, form.clone()).bearer(&self.world.app.live);
            self.expect("a content type", ask, expected(), media_type).await;
        }
        let twice = self.proved(form.clone()).header("content-type", FORM);
        self.expect("a content type", twice, expected(), "two").await;
        for coding in ["gzip", "br", "deflate", "identity, gzip"] {
            let ask = self.proved(form.clone()).header("content-encoding", coding);
            self.expect("a content coding", ask, expected(), coding).await;
        }
        let none = self.ask().untyped(form).bearer(&self.world.app.live);
        self.expect("a content type", none, expected(), "none").await;
    }

    async fn sizes(&mut self) {
        let many = |part: &str, times: usize| format!("token=x{}", part.repeat(times));
        for (what, form) in [
            ("a token", many("x", 64 * 1024)),
            ("one byte too many", many("x", 64 * 1024 - 6)),
            ("a percent-encoded token", many("%78", 22 * 1024)),
            ("many parameters", many("&a=1", 17 * 1024)),
            ("many separators", many("&", 65 * 1024)),
            ("a client's secret", format!("token=x&client_secret={}", "x".repeat(65 * 1024))),
            ("an assertion", format!("token=x&client_assertion={}", "x".repeat(65 * 1024))),
            ("bytes that are no form", "\0".repeat(65 * 1024)),
        ] {
            let chunks = form.as_bytes().chunks(1_000).map(Bytes::copy_from_slice);
            let chunks: Vec<_> = chunks.map(Ok::<_, std::io::Error>).collect();
            let streamed = Body::from_stream(tokio_stream::iter(chunks));
            for ask in [self.proved(streamed), self.proved(form)] {
                self.expect("a size", ask, (413, "body_too_large", None), what).await;
            }
        }
        let ask = self.proved("token=x").header("content-length", "65537");
        self.expect("a size", ask, (413, "body_too_large", None), "an announced length").await;
    }

    async fn methods(&mut self) {
        for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "post"] {
            let ask = Ask::new(method, self.endpoint).body(FORM, self.world.form(&[]));
            let ask = ask.bearer(&self.world.app.live);
            self.expect("a method", ask, (405, "method_not_allowed", None), method).await;
        }
    }
}
