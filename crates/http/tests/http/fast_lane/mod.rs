//! A plain verify or introspection is answered before the router, and nobody can tell: everything that is sent here
//! goes to two services that are alike but for that, and the same must come back from both.

mod faults;
mod introspection;
mod shapes;
mod ways;

use std::time::Duration;

use agentadmit_http::HttpOptions;
use agentadmit_http::serve::ServeLimits;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;

use self::ways::{Event, Outcome, Way};

/// Two services, with and without the fast lane.
struct Ways {
    fast: Way,
    router: Way,
}

impl Ways {
    async fn new() -> Self {
        Self::with(ServeLimits::default(), HttpOptions::default()).await
    }

    async fn with(limits: ServeLimits, options: HttpOptions) -> Self {
        let fast = Way::new(true, limits, options.clone()).await;
        let router = Way::new(false, limits, options).await;
        assert_eq!((&fast.key, &fast.token), (&router.key, &router.token), "two alike services");
        Self { fast, router }
    }

    /// Lets the same happen to a connection of both: what came of it.
    async fn same(&mut self, events: &[Event]) -> Outcome {
        let (fast, router) = tokio::join!(self.fast.run(events), self.router.run(events));
        assert_eq!(fast, router, "\n{}", shown(events));
        fast
    }

    /// The same for bytes that come in pieces.
    async fn sent(&mut self, pieces: &[&[u8]]) -> Outcome {
        let events: Vec<Event> = pieces.iter().map(|piece| Event::Bytes(piece.to_vec())).collect();
        self.same(&events).await
    }

    fn plain(&self) -> String {
        request(&self.fast.key, &body(&self.fast.token))
    }

    /// Whatever was sent, both must have counted the same.
    fn end(self) {
        assert_eq!(self.fast.counted(), self.router.counted());
    }
}

fn shown(events: &[Event]) -> String {
    let show = |event: &Event| match event {
        Event::Bytes(bytes) => format!("bytes {}\n", bytes.escape_ascii()),
        other => format!("{other:?}\n"),
    };
    events.iter().map(show).collect()
}

fn body(token: &str) -> String {
    format!(r#"{{"token":"{token}","scope_used":"orders:read","endpoint":"/o","method":"GET"}}"#)
}

fn request(key: &str, body: &str) -> String {
    format!(
        "POST /v1/verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn is_allowed(outcome: &Outcome) -> bool {
    outcome.answers.concat().starts_with("HTTP/1.1 200 OK") && !outcome.is_closed
}

#[tokio::test]
async fn it_does_not_matter_where_a_request_is_cut() {
    let mut ways = Ways::new().await;
    let text = ways.plain();
    assert!(is_allowed(&ways.sent(&[text.as_bytes()]).await));
    for at in 1..text.len() {
        let (first, second) = text.as_bytes().split_at(at);
        assert!(is_allowed(&ways.sent(&[first, second]).await), "{at}");
        // the client leaves in the middle
        assert_eq!(ways.sent(&[first]).await.answers[0], "");
    }
    let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    assert!(is_allowed(&ways.sent(&bytes).await));
    ways.end();
}

#[tokio::test]
async fn no_byte_makes_a_difference() {
    let mut ways = Ways::new().await;
    let text = ways.plain().into_bytes();
    let mut allowed = 0;
    for at in 0..text.len() {
        let (before, after) = text.split_at(at);
        let (_, behind) = text.split_at(at + 1);
        for byte in [b"\0", b"\t", b"\n", b"\r", b" ", b":", b"0", b"a", b"\"", b"\x7f", b"\x80"] {
            for rest in [after, behind] {
                let changed = [before, byte, rest].concat();
                allowed += usize::from(is_allowed(&ways.sent(&[&changed]).await));
            }
        }
        ways.sent(&[&[before, behind].concat()]).await;
    }
    assert!(allowed > 100, "{allowed}: a change of a header that nobody reads does not matter");
    ways.end();
}

#[tokio::test]
async fn requests_that_could_be_read_in_two_ways() {
    let mut ways = Ways::new().await;
    let plain = ways.plain();
    let length = body(&ways.fast.token).len();
    let line = format!("Content-Length: {length}\r\n");
    for (old, new) in shapes::all(&line, length) {
        assert!(plain.contains(old), "{old}");
        let changed = plain.replacen(old, &new, 1);
        ways.sent(&[changed.as_bytes()]).await;
        // what follows is the next request, the same on both ways
        ways.sent(&[changed.as_bytes(), plain.as_bytes()]).await;
        ways.sent(&[&[changed.as_bytes(), plain.as_bytes()].concat()]).await;
        ways.sent(&[&[plain.as_bytes(), changed.as_bytes()].concat()]).await;
        let bytes: Vec<&[u8]> = changed.as_bytes().chunks(7).collect();
        ways.sent(&bytes).await;
    }
    ways.end();
}

/// Heads and bodies put together by chance, several to a connection, cut by chance.
#[tokio::test]
async fn chance_finds_no_difference() {
    let mut ways = Ways::new().await;
    let mut chance = StdRng::from_seed([7; 32]);
    let good = body(&ways.fast.token);
    let bodies = [good.clone(), good, body(&ways.fast.revoked), "{}".to_owned(), String::new()];
    let key = format!("Authorization: Bearer {}", ways.fast.key);
    let mut allowed = 0;
    for _ in 0..1_500 {
        let mut whole = String::new();
        for _ in 0..chance.random_range(1..4) {
            let body = &bodies[chance.random_range(0..bodies.len())];
            let length = format!("Content-Length: {}", body.len());
            let mut lines = vec!["Host: x", &key, "Content-Type: application/json", &length];
            for _ in 0..chance.random_range(0..3) {
                let at = chance.random_range(0..=lines.len());
                lines.insert(at, shapes::LINES[chance.random_range(0..shapes::LINES.len())]);
            }
            if chance.random_bool(0.1) {
                lines.remove(chance.random_range(0..lines.len()));
            }
            let first = shapes::FIRST_LINES[chance.random_range(0..shapes::FIRST_LINES.len())];
            whole.extend([first, "\r\n", &lines.join("\r\n"), "\r\n\r\n", body]);
        }
        let mut pieces = vec![whole.as_bytes()];
        for _ in 0..chance.random_range(0..4) {
            let last = pieces.pop().unwrap_or_default();
            let (before, after) = last.split_at(chance.random_range(0..=last.len()));
            pieces.extend([before, after]);
        }
        pieces.retain(|piece| !piece.is_empty());
        let answers = ways.sent(&pieces).await.answers.concat();
        allowed += usize::from(answers.contains("HTTP/1.1 200 "));
    }
    assert!(allowed > 100, "{allowed}: chance hits plain verifies, too");
    ways.end();
}

#[tokio::test]
async fn every_verdict_is_the_same() {
    let mut ways = Ways::new().await;
    let (key, test_key) = (ways.fast.key.clone(), ways.fast.test_key.clone());
    let (good, revoked) = (body(&ways.fast.token), body(&ways.fast.revoked));
    let long = format!(r#"{{"token":"x","endpoint":"{}"}}"#, "e".repeat(9_000));
    let too_long = format!(r#"{{"token":"{}"}}"#, "e".repeat(65_536));
    let bodies = [
        (good.as_str(), 200),
        (&revoked, 403),
        (&body(&ways.fast.unexchanged), 403),
        (&body("ag_at_nonsense"), 403),
        (&good.replace("orders:read", "orders:write"), 403),
        (&good.replace("orders:read", "no scope"), 422),
        (&good.replace("orders:read", "\u{e9}"), 422),
        (&good.replace("\"GET\"", "null"), 200),
        (&good.replace("\"GET\"", "1"), 422),
        (&good.replace('{', "{\"more\":1,"), 422),
        (&good.replace('{', "{\"method\":\"GET\","), 422),
        (&good.replace('}', "} "), 200),
        (&good.replace('}', "}x"), 400),
        (&good.replace('{', "[").replace('}', "]"), 400),
        ("[\"x\"]", 422),
        ("{}", 422),
        ("", 400),
        ("{\"token\":", 400),
        (&long, 422),
        (&too_long, 413),
    ];
    for (body, status) in bodies {
        let text = request(&key, body);
        let twice = ways.sent(&[text.as_bytes(), text.as_bytes()]).await;
        let begin = format!("HTTP/1.1 {status} ");
        assert!(twice.answers[0].starts_with(&begin), "{begin}: {body}: {twice:?}");
        ways.sent(&[request(&test_key, body).as_bytes()]).await;
    }
    let unknown = crate::support::unknown(agentadmit_protocol::secret::SecretKind::ApiKeyLive);
    let text = request(&unknown, &good);
    assert!(ways.sent(&[text.as_bytes()]).await.answers[0].starts_with("HTTP/1.1 401 "));
    // more calls than one agent may make at once
    let many = request(&key, &good).repeat(120);
    let many = ways.sent(&[many.as_bytes()]).await;
    assert!(many.answers[0].contains("HTTP/1.1 429 "), "{many:?}");
    ways.end();
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_a_row() {
    let mut ways = Ways::new().await;
    let plain = ways.plain();
    let bad = request(&ways.fast.key, &body(&ways.fast.revoked));
    let other = "GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = other.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    for row in [
        vec![plain.as_str(), &bad, &plain],
        vec![&plain, other, &plain, &bad],
        vec![other, &plain],
        vec![&plain, "GET"],
        vec![&plain, &last, &plain],
        vec![&plain, "\r\n", &plain],
        vec!["\r\n\r\n", &plain],
    ] {
        let whole = row.concat();
        let pieces: Vec<&[u8]> = row.iter().map(|text| text.as_bytes()).collect();
        let apart = ways.sent(&pieces).await;
        let together = ways.sent(&[whole.as_bytes()]).await;
        assert_eq!(together.is_closed, apart.is_closed);
        for cut in (1..whole.len()).step_by(13) {
            let (first, second) = whole.as_bytes().split_at(cut);
            ways.sent(&[first, second]).await;
        }
    }
    ways.end();
}

/// A limit that is over soon, in tests that wait for it, all cases at the same time, and that no busy
/// machine holds a request up for.
const SOON: Duration = Duration::from_secs(6);

#[tokio::test]
async fn who_sends_no_request_is_cut_off() {
    let limits = ServeLimits { head: SOON, ..ServeLimits::default() };
    let firsts: [fn(&str) -> String; 5] = [
        |_| String::new(),
        |plain| plain[..20].to_owned(),
        str::to_owned,
        |plain| plain.repeat(2),
        |plain| format!("{plain}POST"),
    ];
    let mut cases = JoinSet::new();
    for first in firsts {
        cases.spawn(async move {
            let mut ways = Ways::with(limits, HttpOptions::default()).await;
            let first = first(&ways.plain());
            let mut events = vec![bytes(&first), Event::Nothing];
            events.retain(|event| !matches!(event, Event::Bytes(bytes) if bytes.is_empty()));
            assert!(ways.same(&events).await.is_closed, "{first:?}");
            ways.end();
        });
    }
    cases.join_all().await;
}

#[tokio::test]
async fn who_sends_no_body_is_told() {
    let options = HttpOptions { request_timeout: SOON, ..HttpOptions::default() };
    let mut cases = JoinSet::new();
    for has_begun in [false, true] {
        let options = options.clone();
        cases.spawn(async move {
            let mut ways = Ways::with(ServeLimits::default(), options).await;
            let plain = ways.plain();
            let head_at = plain.find("\r\n\r\n").unwrap() + 4;
            let at = if has_begun { plain.len() - 1 } else { head_at };
            let outcome = ways.same(&[bytes(&plain[..at]), Event::Nothing]).await;
            assert!(outcome.answers[0].starts_with("HTTP/1.1 503 "), "{outcome:?}");
            ways.end();
        });
    }
    cases.join_all().await;
}

fn bytes(text: &str) -> Event {
    Event::Bytes(text.as_bytes().to_vec())
}

/// What comes once the end was asked for is answered, and nothing after it.
#[tokio::test]
async fn the_end_of_the_service_is_the_same() {
    // longer than any test
    let limits = ServeLimits { linger: Duration::from_mins(10), ..ServeLimits::default() };
    let mut ways = Ways::with(limits, HttpOptions::default()).await;
    let plain = ways.plain();
    let head_at = plain.find("\r\n\r\n").unwrap() + 4;
    for at in [0, 20, head_at, plain.len() - 1] {
        let (before, after) = plain.split_at(at);
        let mut events = vec![bytes(before), Event::Stop, bytes(after), bytes(&plain)];
        events.retain(|event| !matches!(event, Event::Bytes(bytes) if bytes.is_empty()));
        for earlier in 0..2 {
            let outcome = ways.same(&events).await;
            assert!(outcome.is_closed, "{before:?}");
            let answers = outcome.answers.concat();
            let count = |what: &str| answers.matches(what).count();
            assert_eq!(count("HTTP/1.1 200 OK\n"), earlier + 1, "{before:?}: {outcome:?}");
            assert_eq!(count("\nconnection: close\n"), 1, "{before:?}: {outcome:?}");
            events.insert(0, bytes(&plain));
        }
    }
    ways.end();
}

/// Nothing comes, or too late, or no whole head on a connection that was in use.
#[tokio::test]
async fn so_it_is_where_no_request_comes() {
    let linger = Duration::from_millis(20);
    let limits = ServeLimits { linger, head: SOON, ..ServeLimits::default() };
    let befores: [fn(&str) -> String; 4] = [
        |_| String::new(),
        str::to_owned,
        |plain| format!("{plain}POST"),
        |plain| plain[..20].to_owned(),
    ];
    let mut cases = JoinSet::new();
    for before in befores {
        cases.spawn(async move {
            let mut ways = Ways::with(limits, HttpOptions::default()).await;
            let plain = ways.plain();
            let before = before(&plain);
            let mut events = vec![bytes(&before), Event::Stop, Event::Nothing, bytes(&plain)];
            events.retain(|event| !matches!(event, Event::Bytes(bytes) if bytes.is_empty()));
            let outcome = ways.same(&events).await;
            assert!(outcome.is_closed, "{before:?}");
            let answers = outcome.answers.concat().matches("HTTP/1.1 200 OK\n").count();
            let wanted = usize::from(before.len() >= plain.len());
            assert_eq!(answers, wanted, "{before:?}: {outcome:?}");
            ways.end();
        });
    }
    cases.join_all().await;
}
