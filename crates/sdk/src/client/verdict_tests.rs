use agentadmit_protocol::secret::{Secret, SecretKind};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::client::transport::answer::Reader;
use crate::settings::ApiKey;
use crate::time::SystemClock;

const APP: &str = "app_01h455vb4pex5vsknk084sn02q";
const SCOPE: &str = "read:orders";

fn settings() -> Settings {
    let key = ApiKey::new(Secret::mint(SecretKind::ApiKeyTest, [1; 32]).expose()).unwrap();
    let mut settings = Settings::new("https://agents.example.com".parse().unwrap(), key);
    settings.app_id = Some(APP.parse().unwrap());
    settings
}

fn good_answer() -> Vec<u8> {
    let body = json!({
        "active": true, "app_id": APP, "environment": "test",
        "connection_id": "conn_01h455vb4pex5vsknk084sn02q", "user_id": "u1", "user_label": null,
        "agent_label": null, "scopes": [SCOPE], "created_at": "2026-01-01T00:00:00.000Z",
        "expires_at": null, "purpose": null, "user_intent": null,
        "audit_id": "evt_01h455vb4pex5vsknk084sn02q",
    })
    .to_string();
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    format!("{head}content-length: {length}\r\n\r\n{body}").into_bytes()
}

/// What is made of bytes that come and end.
fn verdict(bytes: &[u8]) -> Option<Result<Verdict, Error>> {
    let mut reader = Reader::default();
    reader.buffer().extend_from_slice(bytes);
    let answer = match reader.advance() {
        Ok(Some(answer)) => answer,
        Ok(None) => reader.end().ok()?,
        Err(_) => return None,
    };
    let (scope_used, token) = (Some(SCOPE), "ag_at_");
    let call = VerifyCall { token, scope_used, endpoint: None, method: None, agent_ip: None };
    Some(read(&answer, &call, &settings(), &SystemClock))
}

/// The same rule, read by other means: from the text of the whole answer.
fn may_be_a_yes(bytes: &[u8]) -> bool {
    // a line may also end with LF alone, and empty lines may come first (RFC 9112 section 2.2)
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let Some((head, body)) = text.trim_start().split_once("\n\n") else { return false };
    let head = head.to_ascii_lowercase();
    // where the head says no length, the body ends with the bytes; else a longer one is cut
    let value = serde_json::Deserializer::from_str(body).into_iter::<Value>().next();
    let Some(Ok(value)) = value else { return false };
    head.lines().next().is_some_and(|line| line.contains(" 200"))
        && head.contains("application/json")
        && value["active"] == json!(true)
        && value["app_id"] == json!(APP)
        && value["environment"] == json!("test")
        && value["scopes"].as_array().is_some_and(|scopes| scopes.contains(&json!(SCOPE)))
}

#[test]
fn the_good_answer_is_a_yes() {
    assert!(matches!(verdict(&good_answer()), Some(Ok(Verdict::Allowed(_)))));
    assert!(may_be_a_yes(&good_answer()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn garbage_is_never_a_yes(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..4),
    ) {
        let mut bytes = good_answer();
        for (index, byte, edit) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = index.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
        if let Some(Ok(Verdict::Allowed(_))) = verdict(&bytes) {
            prop_assert!(may_be_a_yes(&bytes), "{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn what_never_was_an_answer_is_never_a_yes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(!matches!(verdict(&bytes), Some(Ok(_))));
    }
}
