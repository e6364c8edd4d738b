//! What `serve` logs: a line for the requests that were asked for, with where the time went, and
//! never a secret, however much is logged.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Connected, Service, Store, request, text};

/// The service with these settings of its log, as JSON.
fn serve(store: &Store, log: &str, requests: &str) -> Service {
    let mut command = store.serve_command();
    command.args(["--log", log, "--log-format", "json", "--log-requests", requests]);
    Service::start(command)
}

/// Ends the service and returns everything that it logged after its start.
fn log_of(mut service: Service) -> Vec<String> {
    assert_eq!(service.terminate().code(), Some(0));
    service.log.iter().collect()
}

/// The lines about requests.
fn requests(log: &[String]) -> Vec<Value> {
    let lines = log.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["target"] == "agentadmit::request").collect()
}

#[test]
fn a_line_says_whose_request_it_was_and_where_its_time_went() {
    let store = Store::new();
    let service = serve(&store, "info", "all");
    let connected = Connected::on(&store, &service);
    let (status, answer) = connected.verify(&service.url).unwrap();
    assert_eq!(status, 200, "{answer}");
    let key = connected.api_key.as_str();
    let revoke = json!({"connection_id": connected.connection_id});
    assert_eq!(service.request("POST", "/v1/revoke", key, &revoke).0, 200);
    assert_eq!(service.request("GET", "/v1/usage", key, &Value::Null).0, 200);
    let (status, _) = service.request("GET", "/v1/nothing?token=x", "", &Value::Null);
    assert_eq!(status, 404);

    let lines = requests(&log_of(service));
    let verify = lines.iter().find(|line| line["fields"]["route"] == "/v1/verify").unwrap();
    for route in ["/v1/revoke", "/v1/usage"] {
        let line = lines.iter().find(|line| line["fields"]["route"] == route).unwrap();
        assert_eq!(line["fields"]["app_id"], json!(connected.app_id), "{line}");
    }
    let fields = &verify["fields"];
    assert_eq!((&fields["method"], &fields["status"]), (&json!("POST"), &json!(200)));
    assert_eq!((&fields["app_id"], &fields["batch_size"]), (&json!(connected.app_id), &json!(1)));
    assert_eq!(verify["level"], "INFO");
    let number = |name: &str| fields[name].as_u64().unwrap_or_else(|| panic!("{name}: {fields}"));
    assert!(number("elapsed_us") >= number("queue_wait_us") + number("store_us"), "{fields}");
    assert!(number("store_us") > 0, "{fields}");
    assert_eq!(text(fields, "request_id").len(), 26);

    let nothing = lines.iter().find(|line| line["fields"]["route"] == "none").unwrap();
    for absent in ["app_id", "batch_size", "store_us", "left_out"] {
        assert!(nothing["fields"].get(absent).is_none(), "{nothing}");
    }
}

#[test]
fn without_being_asked_for_ordinary_requests_leave_no_line() {
    let store = Store::new();
    for (requests_wanted, expected) in
        [("off", 0), ("errors", 0), ("slow:600000", 0), ("slow:0", 3)]
    {
        let service = serve(&store, "info", requests_wanted);
        for _ in 0..3 {
            service.request("GET", "/healthz", "", &Value::Null);
        }
        let lines = requests(&log_of(service));
        assert_eq!(lines.len(), expected, "{requests_wanted}: {lines:#?}");
    }
    let service = serve(&store, "info", "sampled:2");
    for _ in 0..10 {
        service.request("GET", "/healthz", "", &Value::Null);
    }
    assert_eq!(requests(&log_of(service)).len(), 5);
}

/// Everything that must not be in a log.
struct Secrets(Vec<String>);

impl Secrets {
    fn keep(&mut self, secret: &str) {
        assert!(secret.len() >= 8, "{secret} may be in a log by chance");
        self.0.push(secret.to_owned());
    }
}

#[test]
fn no_secret_of_a_whole_story_is_in_the_most_verbose_log() {
    let store = Store::new();
    let operator = store.operator();
    let service = serve(&store, "trace", "all");
    let mut secrets = Secrets(Vec::new());
    secrets.keep(&operator);
    live_through(&store, &service, &operator, &mut secrets);
    let key_file = store.path("store.db.key");
    secrets.keep(fs::read_to_string(key_file).unwrap().trim());

    let said = service.said.join("\n");
    let log = log_of(service);
    assert!(requests(&log).len() > 20, "the story left few lines: {}", log.len());
    let log = format!("{said}\n{}", log.join("\n"));
    for secret in &secrets.0 {
        // its beginning tells what kind of secret it is, and may be shown; the rest is the secret
        let tail = &secret[secret.len() - secret.len() / 2..];
        assert!(!log.contains(tail), "{secret} is in the log");
    }
}

/// Every way in which a secret comes in or goes out.
fn live_through(store: &Store, service: &Service, operator: &str, secrets: &mut Secrets) {
    let post = |path: &str, bearer: &str, body: Value| service.request("POST", path, bearer, &body);
    let connected = Connected::on(store, service);
    let (key, access) = (&connected.api_key, &connected.access_token);
    secrets.keep(key);
    secrets.keep(access);
    let wanted = json!({"user_id": "u_2", "scopes": ["orders:read"]});
    let (_, issued) = post(&format!("/v1/apps/{}/token", connected.app_id), key, wanted);
    let token = text(&issued, "token");
    secrets.keep(&token);
    for _first_and_replay in 0..2 {
        let (_, exchanged) = post("/v1/token/exchange", key, json!({"token": token}));
        if let Some(access) = exchanged["access_token"].as_str() {
            secrets.keep(access);
        }
    }
    connected.verify(&service.url).unwrap();
    // right and wrong, whole and cut off, in the right place and in any other
    let cut = &access[..access.len() - 3];
    let unknown = format!("{}{}", &access[..access.len() - 12], "abcdefghijkl");
    for token in [access, &token, cut, &unknown] {
        secrets.keep(token);
        post("/v1/verify", key, json!({"token": token, "scope_used": "orders:write"}));
        post("/v1/verify", token, json!({"token": key}));
        post("/v1/verify", key, json!({"token": [token], "api_key": key}));
        post(&format!("/v1/verify?token={token}"), key, json!({"token": token}));
        service.request("GET", &format!("/v1/connections/{token}"), key, &Value::Null);
        service.request("GET", &format!("/{token}"), token, &Value::Null);
    }
    let assertion = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhcHAifQ.c2lnbmF0dXJlLW9mLW5vYm9keQ";
    secrets.keep(assertion);
    post("/v1/verify", assertion, json!({"token": access}));

    let keys = format!("/v1/operator/apps/{}/api-keys", connected.app_id);
    let (status, made) = post(&keys, operator, json!({"environment": "test"}));
    assert_eq!(status, 201, "{made}");
    let second = text(&made, "api_key");
    secrets.keep(&second);
    let (status, rotated) =
        post(&format!("{keys}/{}/rotate", text(&made, "key_id")), operator, json!({}));
    assert_eq!(status, 201, "{rotated}");
    secrets.keep(&text(&rotated, "api_key"));
    let (status, made) = post("/v1/operator/operators", operator, json!({"name": "Bob"}));
    assert_eq!(status, 201, "{made}");
    secrets.keep(&text(&made, "operator_token"));
    for path in ["/metrics", "/v1/operator/health", "/v1/operator/audit"] {
        service.request("GET", path, operator, &Value::Null);
        service.request("GET", path, key, &Value::Null);
    }
    oauth(service, &connected);
    service.signal(libc::SIGHUP);
    let revoke = json!({"connection_id": connected.connection_id, "reason": "over"});
    let (status, revoked) = request(&service.url, "POST", "/v1/revoke", key, &revoke).unwrap();
    assert_eq!(status, 200, "{revoked}");
    service.request("GET", "/v1/audit/export?format=ndjson", key, &Value::Null);
}

/// The OAuth doors take secrets in forms.
fn oauth(service: &Service, connected: &Connected) {
    let Connected { app_id, api_key, access_token, .. } = connected;
    for path in ["/oauth/introspect", "/oauth/revoke"] {
        for body in [
            format!("token={access_token}&client_id={app_id}&client_secret={api_key}"),
            format!("token={access_token}&client_secret={api_key}x"),
            format!("token={access_token}&client_assertion={api_key}"),
        ] {
            let agent: ureq::Agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .proxy(None)
                .build()
                .into();
            let form = "application/x-www-form-urlencoded";
            let url = format!("{}{path}", service.url);
            let answer = agent.post(url).header("content-type", form).send(body).unwrap();
            assert!(answer.status().as_u16() < 500, "{path}: {answer:?}");
        }
    }
}
