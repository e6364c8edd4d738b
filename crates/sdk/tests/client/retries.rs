//! When a call is made again, and how long it waits before. Nothing here sleeps: the clocks are
//! moved by hand.

use std::time::Duration;

use agentadmit::blocking;
use agentadmit::client::Verdict;
use agentadmit::error::{Error, RateLimitError, ServiceUnavailableError};
use agentadmit::protocol::api::revoke::RevokeRequest;
use agentadmit::protocol::error::RateLimitOf;
use agentadmit::time::ManualClock;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::cases::{APP, plain, too_many, yes};
use crate::scripted::{self, Act, Scripted};
use crate::support::{Asker, JITTER, in_time, issue_request, some_token};

/// What goes wrong when a call is made.
type Ask<'a> = &'a dyn Fn(&blocking::Client) -> Option<Error>;
type Outcome = Result<Verdict, Error>;

fn start(asker: &Asker) -> JoinHandle<Outcome> {
    let asker = asker.clone();
    tokio::spawn(async move { asker.verify(&some_token(), None).await })
}

/// What both clients come to, without any wait.
async fn at_once(script: impl Fn() -> Vec<Act>) -> Vec<(Outcome, (usize, usize))> {
    let mut all = Vec::new();
    for kind in 0..2 {
        let server = Scripted::new(script());
        let (asker, _) = Asker::both(&server.settings()).swap_remove(kind);
        all.push((in_time(asker.verify(&some_token(), None)).await, server.counts()));
    }
    all
}

/// Expects exactly one sleep of this length, which must not be that of the time-out, and goes to its end: a moment before it, nothing has
/// happened yet.
async fn wait_for(clock: &ManualClock, server: &Scripted, wait: Duration) {
    let moment = Duration::from_millis(1);
    in_time(clock.until_sleeps(&[wait])).await;
    let before = server.counts().1;
    clock.advance(wait.saturating_sub(moment));
    assert_eq!((clock.sleeps().as_slice(), server.counts().1), (&[moment][..], before));
    clock.advance(moment);
}

fn rate_limited(outcome: Outcome) -> RateLimitError {
    match outcome {
        Err(Error::RateLimit(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn unavailable(outcome: Outcome) -> ServiceUnavailableError {
    match outcome {
        Err(Error::ServiceUnavailable(error)) => error,
        other => panic!("{other:?}"),
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_429_is_waited_for_longer_each_time() {
    let server = Scripted::new([]);
    let mut settings = server.settings();
    settings.max_retries = 7;
    for (asker, clock) in Asker::both(&settings) {
        server.then((0..7).map(|_| too_many("", Some("key"))).chain([yes()]));
        let call = start(&asker);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            wait_for(&clock, &server, SECOND * seconds + JITTER).await;
        }
        assert!(matches!(in_time(call).await.unwrap(), Ok(Verdict::Allowed(_))));
    }
    assert_eq!(server.counts(), (6, 16), "kept, but not over the waits of 30 s");
}

#[tokio::test]
async fn retry_after_overrides_the_wait() {
    // the clocks of the tests begin at 22:13:20
    let date = "retry-after: Tue, 14 Nov 2023 22:13:27 GMT\r\n";
    let past = "retry-after: Tue, 14 Nov 2023 22:00:00 GMT\r\n";
    for (field, wait) in [
        ("retry-after: 6\r\n", SECOND * 6),
        ("Retry-After: 30\r\n", SECOND * 30),
        (date, SECOND * 7),
        ("retry-after: soon\r\n", SECOND + JITTER),
        ("retry-after: -1\r\n", SECOND + JITTER),
    ] {
        let server = Scripted::new([]);
        for (asker, clock) in Asker::both(&server.settings()) {
            server.then([too_many(field, None), yes()]);
            let call = start(&asker);
            wait_for(&clock, &server, wait).await;
            assert!(in_time(call).await.unwrap().is_ok(), "{field}");
        }
        assert_eq!(server.counts().1, 4);
    }
    for (outcome, counts) in at_once(|| vec![too_many(past, None), yes()]).await {
        assert!(outcome.is_ok());
        assert_eq!(counts, (1, 2), "a date that is past is no wait");
    }
}

#[tokio::test]
async fn after_the_last_retry_comes_the_error_with_its_numbers() {
    let fields = "x-ratelimit-limit: 4000\r\nx-ratelimit-remaining: 0\r\n\
                  x-ratelimit-reset: 1700000009\r\nretry-after: 3\r\n";
    let server = Scripted::new([]);
    for (asker, clock) in Asker::both(&server.settings()) {
        server.then((0..4).map(|_| too_many(fields, Some("key"))));
        let call = start(&asker);
        for _ in 0..3 {
            wait_for(&clock, &server, SECOND * 3).await;
        }
        let error = rate_limited(in_time(call).await.unwrap());
        let expected = RateLimitError {
            of: Some(RateLimitOf::Key),
            retry_after: Some(SECOND * 3),
            limit: Some(4000),
            remaining: Some(0),
            reset: Some(1_700_000_009),
        };
        assert_eq!(error, expected);
    }
    assert_eq!(server.counts().1, 8, "one call and three retries each");
}

#[tokio::test]
async fn without_retries_and_headers_every_number_is_absent() {
    let server = Scripted::new([plain("429 Too Many Requests"), plain("429 Too Many Requests")]);
    let mut settings = server.settings();
    settings.max_retries = 0;
    for (asker, _) in Asker::both(&settings) {
        let error = rate_limited(in_time(asker.verify(&some_token(), None)).await);
        let nothing = RateLimitError {
            of: None,
            retry_after: None,
            limit: None,
            remaining: None,
            reset: None,
        };
        assert_eq!(error, nothing);
    }
    assert_eq!(server.counts().1, 2);
}

#[tokio::test]
async fn the_agents_own_excess_and_a_long_wait_are_told_at_once() {
    let far = "retry-after: Tue, 14 Nov 2023 22:13:51 GMT\r\n";
    for (field, limit) in [
        ("retry-after: 1\r\n", Some("connection")),
        ("", Some("connection")),
        ("retry-after: 31\r\n", Some("key")),
        (far, None),
    ] {
        for (outcome, counts) in at_once(|| vec![too_many(field, limit)]).await {
            let error = rate_limited(outcome);
            assert_eq!(error.of.map(RateLimitOf::as_str), limit);
            assert_eq!(counts, (1, 1), "{field} {limit:?}");
        }
    }
}

#[tokio::test]
async fn only_so_many_calls_wait() {
    let server = Scripted::new([]);
    let mut settings = server.settings();
    settings.max_waiting = 2;
    for (asker, clock) in Asker::both(&settings) {
        server.then((0..3).map(|_| too_many("retry-after: 9\r\n", None)));
        let one = start(&asker);
        in_time(clock.until_sleeps(&[SECOND * 9])).await;
        let two = start(&asker);
        in_time(clock.until_sleeps(&[SECOND * 9, SECOND * 9])).await;
        let third = in_time(asker.verify(&some_token(), None)).await;
        assert_eq!(rate_limited(third).retry_after, Some(SECOND * 9));
        // a call that is given up leaves its place; a thread cannot be given up
        if let Asker::Async(_) = asker {
            one.abort();
            in_time(clock.until_sleeps(&[SECOND * 9])).await;
            server.then([too_many("retry-after: 8\r\n", None)]);
            let four = start(&asker);
            in_time(clock.until_sleeps(&[SECOND * 8, SECOND * 9])).await;
            four.abort();
        } else {
            server.then([yes()]);
        }
        server.then([yes()]);
        clock.advance(SECOND * 9);
        assert!(in_time(two).await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn a_502_or_504_is_tried_once_more_on_a_fresh_connection() {
    for status in ["502 Bad Gateway", "504 Gateway Timeout"] {
        for (outcome, counts) in at_once(|| vec![plain(status), yes()]).await {
            assert!(outcome.is_ok(), "{outcome:?}");
            assert_eq!(counts, (2, 2));
        }
        for (outcome, counts) in at_once(|| vec![plain(status), plain(status), yes()]).await {
            assert_eq!(unavailable(outcome).retry_after, None);
            assert_eq!(counts, (2, 2));
        }
    }
}

#[tokio::test]
async fn a_503_is_never_tried_again() {
    let with_time = scripted::answer("503 Service Unavailable", "retry-after: 7\r\n", "");
    let with_date = "retry-after: Tue, 14 Nov 2023 22:14:20 GMT\r\n";
    let with_date = scripted::answer("503 Service Unavailable", with_date, "");
    for (answer, seconds) in [(with_time, Some(7)), (with_date, Some(60))] {
        for (outcome, counts) in at_once(|| vec![Act::Say(answer.clone()), yes()]).await {
            assert_eq!(unavailable(outcome).retry_after, seconds.map(Duration::from_secs));
            assert_eq!(counts, (1, 1));
        }
    }
    for (outcome, counts) in at_once(|| vec![plain("503 Service Unavailable"), yes()]).await {
        assert_eq!((unavailable(outcome).retry_after, counts), (None, (1, 1)));
    }
}

#[tokio::test]
async fn a_connection_that_fails_before_any_byte_is_tried_once_more() {
    let close = || Act::SayAndClose(Vec::new());
    for (outcome, counts) in at_once(|| vec![close(), yes()]).await {
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!(counts, (2, 2));
    }
    for (outcome, counts) in at_once(|| vec![close(), close(), yes()]).await {
        unavailable(outcome);
        assert_eq!(counts, (2, 2));
    }
    for (outcome, counts) in at_once(|| vec![close(), plain("502 Bad Gateway"), yes()]).await {
        unavailable(outcome);
        assert_eq!(counts, (2, 2), "one retry, whatever the reasons");
    }
    let one_byte = || Act::SayAndClose(b"H".to_vec());
    for (outcome, counts) in at_once(|| vec![one_byte(), yes()]).await {
        unavailable(outcome);
        assert_eq!(counts, (1, 1), "the answer had begun");
    }
}

#[tokio::test]
async fn what_grants_is_not_made_again() {
    let failures = || [Act::SayAndClose(Vec::new()), plain("502 Bad Gateway"), plain("504 x")];
    let token = some_token().replace("ag_at_", "ag_ct_");
    for failure in failures() {
        let server = Scripted::new([]);
        let mut settings = server.settings();
        settings.app_id = Some(APP.parse().unwrap());
        for (number, (asker, _)) in Asker::both(&settings).into_iter().enumerate() {
            server.then([failure.clone()]);
            let error = in_time(asker.issue(&issue_request(&["read:orders"]))).await.unwrap_err();
            assert!(matches!(error, Error::ServiceUnavailable(_)), "{error}");
            server.then([failure.clone()]);
            let error = in_time(asker.exchange(&token, None)).await.unwrap_err();
            assert!(matches!(error, Error::ServiceUnavailable(_)), "{error}");
            assert_eq!(server.counts().1, number * 4 + 2, "{failure:?}");

            server.then([failure.clone(), failure.clone()]);
            let key = Some("0123456789abcdefghijkl");
            let error = in_time(asker.exchange(&token, key)).await.unwrap_err();
            assert!(matches!(error, Error::ServiceUnavailable(_)), "{error}");
            assert_eq!(server.counts().1, number * 4 + 4, "an exchange with its key, once more");
        }
        let requests = server.requests();
        assert!(requests[3].contains("\r\nidempotency-key: 0123456789abcdefghijkl\r\n"));
        assert_eq!(requests[2], requests[3]);
    }
}

#[tokio::test]
async fn a_429_of_an_issue_is_waited_for() {
    let server = Scripted::new([]);
    let mut settings = server.settings();
    settings.app_id = Some(APP.parse().unwrap());
    for (asker, clock) in Asker::both(&settings) {
        server.then([too_many("retry-after: 2\r\n", Some("key")), plain("503 x")]);
        let call = tokio::spawn(async move { asker.issue(&issue_request(&["read:orders"])).await });
        wait_for(&clock, &server, SECOND * 2).await;
        in_time(call).await.unwrap().unwrap_err();
    }
    assert_eq!(server.counts().1, 4, "a 429 means that nothing was done");
}

#[tokio::test]
async fn reads_and_revokes_are_made_again_and_changes_are_not() {
    let server = Scripted::new([]);
    let mut settings = server.settings();
    settings.app_id = Some(APP.parse().unwrap());
    let client = blocking::Client::new(&settings).unwrap();
    let connection = "conn_01h455vb4pex5vsknk084sn02q".parse().unwrap();
    let of = serde_json::from_value::<RevokeRequest>(json!({"user_id": "u1"})).unwrap();
    let nothing = || serde_json::from_value(json!({})).unwrap();
    let narrowed = || serde_json::from_value(json!({"remove_scopes": ["read:orders"]})).unwrap();
    let none = || serde_json::from_value(json!({"scopes": []})).unwrap();
    let calls: [(&str, usize, Ask<'_>); 10] = [
        ("POST /v1/revoke", 2, &|it| it.revoke(&of).err()),
        ("DELETE /v1/conn", 2, &|it| it.revoke_of_user(connection, &"u".parse().unwrap()).err()),
        ("GET /v1/connect", 2, &|it| {
            it.connections(&serde_json::from_value(json!({"user_id": "u"})).unwrap()).err()
        }),
        ("GET /v1/connect", 2, &|it| it.connection(connection).err()),
        ("GET /v1/apps/ap", 2, &|it| it.scopes().err()),
        ("GET /v1/audit H", 2, &|it| it.audit(&nothing()).err()),
        ("GET /v1/usage H", 2, &|it| it.usage(&serde_json::from_value(json!({})).unwrap()).err()),
        ("GET /v1/credent", 2, &|it| it.credential().err()),
        ("PATCH /v1/conne", 1, &|it| it.narrow(connection, &narrowed()).err()),
        ("PUT /v1/apps/ap", 1, &|it| it.put_scopes(&none()).err()),
    ];
    for (request, times, ask) in calls {
        let before = server.counts().1;
        server.then((0..times).map(|_| plain("502 Bad Gateway")));
        assert!(matches!(ask(&client), Some(Error::ServiceUnavailable(_))), "{request}");
        let requests = server.requests();
        assert_eq!(requests.len() - before, times, "{request}");
        assert!(requests[before..].iter().all(|it| it.starts_with(request)), "{requests:?}");
    }
}
