//! What happens on the connections themselves: time, reuse, TLS, and what goes over them.

use std::net::TcpListener;
use std::time::Duration;

use agentadmit::client::Verdict;
use agentadmit::error::{ConfigurationError, Error};
use agentadmit::settings::Product;
use agentadmit::{Client, Settings, blocking};

use crate::cases::{plain, yes, yes_body, yes_but};
use crate::scripted::{self, Act, Scripted, tls_file};
use crate::support::{Asker, in_time, settings_at, some_key, some_token};

#[tokio::test]
async fn a_service_that_is_down_is_no_answer() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (asker, _) in Asker::both(&settings_at(address, some_key())) {
        let error = in_time(asker.verify(&some_token(), None)).await.unwrap_err();
        let Error::ServiceUnavailable(error) = error else { panic!("{error}") };
        assert!(error.cause.contains("no connection"), "{error}");
    }
}

#[tokio::test]
async fn a_call_ends_at_its_time_out_and_is_not_made_again() {
    let server = Scripted::new([Act::Hold, yes()]);
    let (asker, clock) = Asker::both(&server.settings()).swap_remove(0);
    let call = tokio::spawn({
        let asker = asker.clone();
        async move { asker.verify(&some_token(), None).await }
    });
    in_time(server.until_requests(1)).await;
    in_time(clock.until_sleeps(&[Duration::from_secs(5)])).await;
    clock.advance(Duration::from_millis(4999));
    assert!(!call.is_finished());
    clock.advance(Duration::from_millis(1));
    let error = in_time(call).await.unwrap().unwrap_err();
    assert!(matches!(&error, Error::ServiceUnavailable(it) if it.cause.contains("too long")));
    assert_eq!(server.counts(), (1, 1));
    // the connection that holds an answer back is not used again
    assert!(in_time(asker.verify(&some_token(), None)).await.is_ok());
    assert_eq!(server.counts(), (2, 2));
}

#[tokio::test]
async fn the_time_out_covers_the_immediate_retry() {
    let server = Scripted::new([plain("502 x"), Act::Hold]);
    let (asker, clock) = Asker::both(&server.settings()).swap_remove(0);
    let call = tokio::spawn(async move { asker.verify(&some_token(), None).await });
    in_time(server.until_requests(2)).await;
    in_time(clock.until_sleeps(&[Duration::from_secs(5)])).await;
    clock.advance(Duration::from_secs(5));
    assert!(matches!(in_time(call).await.unwrap(), Err(Error::ServiceUnavailable(_))));
    assert_eq!(server.counts(), (2, 2));
}

#[tokio::test]
async fn a_blocking_call_ends_at_its_time_out_too() {
    let half = scripted::json("200 OK", "", &yes_body());
    let half = half[..half.len() - 5].to_vec();
    for act in [Act::Hold, Act::Say(half)] {
        let server = Scripted::new((0..20).map(|_| act.clone()));
        let mut settings = server.settings();
        settings.timeout = Duration::from_secs(1);
        let (asker, _) = Asker::both(&settings).swap_remove(1);
        let mut calls = 0;
        // where the machine stands still for long, it is over before anything is sent
        while server.counts().1 == 0 && calls < 10 {
            let error = in_time(asker.verify(&some_token(), None)).await.unwrap_err();
            let Error::ServiceUnavailable(error) = error else { panic!("{error}") };
            assert!(error.cause.contains("too long"), "{error}");
            calls += 1;
        }
        let (connections, requests) = server.counts();
        assert!((1..=calls).contains(&requests) && connections <= calls, "each call once");
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_given_up_after_a_second() {
    // a fifth of the call's time, where that is longer
    for (limit, connecting) in [(5, 1), (1, 1), (60, 12)].map(seconds) {
        // it takes connections and says nothing
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut settings = settings_at(silent.local_addr().unwrap(), some_key());
        settings.timeout = limit;
        settings.service_url.set_scheme("https").unwrap();
        settings.ca_file = Some(tls_file("ca.pem"));
        let (asker, clock) = Asker::both(&settings).swap_remove(0);
        let verify = tokio::spawn(async move { asker.verify(&some_token(), None).await });
        in_time(clock.until_sleeps(&[connecting, limit])).await;
        clock.advance(connecting);
        let error = in_time(verify).await.unwrap().unwrap_err();
        assert!(matches!(&error, Error::ServiceUnavailable(it) if it.cause.contains("connecting")));
    }
}

fn seconds((call, connecting): (u64, u64)) -> (Duration, Duration) {
    (Duration::from_secs(call), Duration::from_secs(connecting))
}

#[tokio::test]
async fn connections_are_kept_while_they_are_good() {
    let last = Act::SayAndClose(scripted::json("200 OK", "connection: close\r\n", &yes_body()));
    let without_a_word = Act::SayAndClose(scripted::json("200 OK", "", &yes_body()));
    let surplus = [scripted::json("200 OK", "", &yes_body()), b"HTTP/1.1 200 OK".to_vec()].concat();
    for (then, connections) in
        [(yes(), 1), (plain("500 x"), 1), (last, 2), (without_a_word, 2), (Act::Say(surplus), 2)]
    {
        let server = Scripted::new([]);
        for (number, (asker, _)) in Asker::both(&server.settings()).into_iter().enumerate() {
            server.then([then.clone(), yes()]);
            let _first = in_time(asker.verify(&some_token(), None)).await;
            assert!(in_time(asker.verify(&some_token(), None)).await.is_ok());
            let so_far = number + 1;
            assert_eq!(server.counts(), (connections * so_far, 2 * so_far), "{then:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_waited_for_long_is_not_used() {
    let server = Scripted::new((0..6).map(|_| yes()));
    for (asker, clock) in Asker::both(&server.settings()) {
        for wait in [0, 19, 21] {
            clock.advance(Duration::from_secs(wait));
            assert!(in_time(asker.verify(&some_token(), None)).await.is_ok());
        }
    }
    assert_eq!(server.counts(), (4, 6));
}

#[tokio::test]
async fn an_answer_that_nobody_waited_for_is_nobodys_answer() {
    let (started, seen) = (Scripted::new([Act::Hold, yes()]), Duration::from_secs(5));
    let (asker, clock) = Asker::both(&started.settings()).swap_remove(0);
    let call = tokio::spawn({
        let asker = asker.clone();
        async move { asker.verify(&some_token(), None).await }
    });
    in_time(started.until_requests(1)).await;
    in_time(clock.until_sleeps(&[seen])).await;
    call.abort();
    in_time(clock.until_sleeps(&[])).await;
    assert!(in_time(asker.verify(&some_token(), None)).await.is_ok());
    assert_eq!(started.counts(), (2, 2), "a call that was dropped took its connection with it");
}

#[tokio::test]
async fn a_request_is_what_it_should_be() {
    let server = Scripted::new([yes(), yes()]);
    let mut settings = server.settings();
    settings.service_url.set_path("/behind/a/proxy/");
    settings.user_agent = Product::new("shop-worker", "2.1").unwrap();
    for (asker, _) in Asker::both(&settings) {
        in_time(asker.verify("a \"token\"", Some("read:orders"))).await.unwrap();
    }
    let requests = server.requests();
    assert_eq!(requests[0], requests[1]);
    let address = server.address;
    let body = r#"{"token":"a \"token\"","scope_used":"read:orders","endpoint":"/orders/{id}","method":"GET","agent_ip":"203.0.113.9"}"#;
    let expected = format!(
        "POST /behind/a/proxy/v1/verify HTTP/1.1\r\nhost: {address}\r\n\
         user-agent: shop-worker/2.1\r\naccept: application/json\r\n\
         authorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        some_key().expose(),
        body.len(),
    );
    assert_eq!(requests[0], expected);
}

#[test]
fn a_client_names_itself_unless_told() {
    let settings = Settings::new("https://agents.example.com".parse().unwrap(), some_key());
    let expected = format!("agentadmit-rust/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(settings.user_agent.as_str(), expected);
}

#[tokio::test]
async fn a_service_under_tls_is_who_its_certificate_names() {
    let distrust = |name: &str, ca_file: Option<&str>| (name.to_owned(), ca_file.map(tls_file));
    for (certificate, ca_file) in [
        distrust("good.pem", Some("other-ca.pem")),
        distrust("good.pem", None),
        distrust("expired.pem", Some("ca.pem")),
        distrust("wrong-name.pem", Some("ca.pem")),
    ] {
        let server = Scripted::with_certificate(&certificate, []);
        for host in ["127.0.0.1", "localhost"] {
            for (asker, _) in Asker::both(&https(&server, host, ca_file.clone())) {
                let error = in_time(asker.verify(&some_token(), None)).await.unwrap_err();
                let Error::Configuration(error) = error else { panic!("{certificate}: {error}") };
                assert!(error.to_string().contains("ca_file"), "{error}");
            }
        }
        assert_eq!(server.counts(), (4, 0), "nothing was sent, nothing was tried again");
    }
    let server = Scripted::with_certificate("good.pem", []);
    for host in ["127.0.0.1", "localhost"] {
        for (asker, _) in Asker::both(&https(&server, host, Some(tls_file("ca.pem")))) {
            server.then([yes(), yes(), Act::SayAndClose(Vec::new()), yes()]);
            for _ in 0..3 {
                let verdict = in_time(asker.verify(&some_token(), None)).await.unwrap();
                assert!(matches!(verdict, Verdict::Allowed(_)));
            }
        }
    }
    assert_eq!(server.counts(), (8, 16), "kept, and made anew after the end of one");
}

fn https(server: &Scripted, host: &str, ca_file: Option<std::path::PathBuf>) -> Settings {
    let mut settings = server.settings();
    settings.service_url.set_scheme("https").unwrap();
    settings.service_url.set_host(Some(host)).unwrap();
    settings.ca_file = ca_file;
    settings
}

#[test]
fn a_credential_goes_nowhere_but_over_https_or_to_this_machine() {
    let made = |url: &str| -> [Result<(), ConfigurationError>; 2] {
        let settings = Settings::new(url.parse().unwrap(), some_key());
        [Client::new(&settings).map(drop), blocking::Client::new(&settings).map(drop)]
    };
    for url in [
        "https://agents.example.com",
        "https://agents.example.com/prefix",
        "http://127.0.0.1:8700",
        "http://127.9.9.9",
        "http://[::1]:8700",
        "http://localhost:8700",
    ] {
        assert_eq!(made(url), [Ok(()), Ok(())], "{url}");
    }
    for url in [
        "http://agents.example.com",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://[::]",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "ftp://127.0.0.1",
        "https://user:secret@agents.example.com",
        "https://agents.example.com/?key=secret",
        "https://agents.example.com/#secret",
        "unix:/run/agentadmit.sock",
    ] {
        for made in made(url) {
            let error = made.unwrap_err().to_string();
            assert!(error.contains("service_url") && !error.contains("secret"), "{url}: {error}");
        }
    }
}

#[test]
fn what_is_missing_is_said_when_a_client_is_made() {
    let mut settings = Settings::new("https://agents.example.com".parse().unwrap(), some_key());
    for (file, says) in [("none.pem", "none.pem"), ("server.key.pem", "no certificate")] {
        settings.ca_file = Some(tls_file(file));
        let error = Client::new(&settings).unwrap_err().to_string();
        assert!(error.contains("ca_file") && error.contains(says), "{error}");
    }
    settings.ca_file = None;
    settings.api_key = None;
    assert!(Client::new(&settings).unwrap_err().to_string().contains("AGENTADMIT_API_KEY"));
}

#[tokio::test]
async fn secrets_are_in_no_error_and_no_debug() {
    let echo = |request: &str| scripted::answer("418 x", "", request);
    let (key, token) = (some_key(), some_token());
    for act in [
        plain("500 x"),
        Act::Say(echo(&format!("{} {token}", key.expose()))),
        Act::SayAndClose(token.clone().into_bytes()),
        Act::Say(scripted::answer(
            "200 OK",
            "content-type: application/json\r\n",
            &format!("\"{token}\""),
        )),
        Act::Say(scripted::json(
            "500 x",
            "",
            &serde_json::json!({"error": token, "error_description": token}),
        )),
        // what a parser complains about
        Act::Say(scripted::json("200 OK", "", &yes_but("environment", token.as_str().into()))),
        Act::Say(scripted::json("200 OK", "", &serde_json::json!({"token_type": token}))),
    ] {
        let server = Scripted::new([]);
        for (asker, _) in Asker::both(&server.settings()) {
            server.then([act.clone()]);
            let of_verify = in_time(asker.verify(&token, None)).await.unwrap_err();
            server.then([act.clone()]);
            let of_exchange = in_time(asker.exchange(&token, None)).await.unwrap_err();
            for text in [
                format!("{of_verify} {of_verify:?}"),
                format!("{of_exchange} {of_exchange:?}"),
                format!("{asker:?} {:?}", server.settings()),
            ] {
                assert!(!text.contains(&token) && !text.contains(key.expose()), "{text}");
            }
        }
    }
}
