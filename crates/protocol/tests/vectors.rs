//! The vectors in `contract/vectors`, which every language's tests read.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use agentadmit_protocol::id::{
    AppId, ChainId, ConnectionId, ConsentSessionId, EventId, KeyId, OperatorId,
};
use agentadmit_protocol::secret::{self, MalformedSecret, Secret, SecretKind};
use agentadmit_protocol::time::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

fn vectors<T: DeserializeOwned>(name: &str) -> T {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contract/vectors");
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    let pairs: Vec<u8> = hex
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    pairs.try_into().unwrap()
}

#[derive(Deserialize)]
struct Secrets {
    valid: Vec<ValidSecret>,
    invalid: Vec<InvalidSecret>,
}

#[derive(Deserialize)]
struct ValidSecret {
    kind: String,
    random: String,
    text: String,
    sha256: String,
}

#[derive(Deserialize)]
struct InvalidSecret {
    text: String,
    reason: String,
    looks_cut_off: bool,
    why: String,
}

fn kind(name: &str) -> SecretKind {
    match name {
        "api_key_test" => SecretKind::ApiKeyTest,
        "api_key_live" => SecretKind::ApiKeyLive,
        "connection_token" => SecretKind::ConnectionToken,
        "access_token" => SecretKind::AccessToken,
        "refresh_token" => SecretKind::RefreshToken,
        "operator_token" => SecretKind::OperatorToken,
        "authorization_code" => SecretKind::AuthorizationCode,
        "device_code" => SecretKind::DeviceCode,
        "client_secret" => SecretKind::ClientSecret,
        "pushed_request" => SecretKind::PushedRequest,
        other => unreachable!("no such kind: {other}"),
    }
}

#[test]
fn valid_secrets_are_minted_recognised_and_hashed_as_the_vectors_say() {
    let vectors: Secrets = vectors("secrets.json");
    assert!(vectors.valid.len() >= 30);
    for vector in vectors.valid {
        let secret = Secret::mint(kind(&vector.kind), bytes(&vector.random));
        assert_eq!(secret.expose(), vector.text);
        let (kind, hash) = secret::parse(&vector.text).unwrap();
        assert_eq!(kind, self::kind(&vector.kind));
        assert_eq!(hash.as_bytes(), &bytes::<32>(&vector.sha256));
    }
}

#[test]
fn invalid_secrets_are_refused_for_the_reason_that_the_vectors_say() {
    let vectors: Secrets = vectors("secrets.json");
    assert!(vectors.invalid.len() >= 30);
    for vector in vectors.invalid {
        let reason = match secret::parse(&vector.text).unwrap_err() {
            MalformedSecret::Prefix => "prefix",
            MalformedSecret::Length { .. } => "length",
            MalformedSecret::Character(_) => "character",
            MalformedSecret::TooLarge(_) => "too_large",
            MalformedSecret::Checksum(_) => "checksum",
        };
        assert_eq!(reason, vector.reason, "{}", vector.why);
        assert_eq!(secret::looks_truncated(&vector.text), vector.looks_cut_off, "{}", vector.why);
    }
}

#[derive(Deserialize)]
struct Ids {
    valid: Vec<ValidId>,
    minted: Vec<MintedId>,
    invalid: Vec<InvalidId>,
}

#[derive(Deserialize)]
struct ValidId {
    prefix: String,
    bytes: String,
    text: String,
}

#[derive(Deserialize)]
struct MintedId {
    unix_ms: i64,
    random: String,
    bytes: String,
    text: String,
}

#[derive(Deserialize)]
struct InvalidId {
    prefix: String,
    text: String,
    why: String,
}

/// The bytes of an id, read by the type that has the prefix, and the text that it writes.
fn read(prefix: &str, text: &str) -> Option<([u8; 16], String)> {
    macro_rules! one_of {
        ($($id:ident),+) => {
            match prefix {
                $($id::PREFIX => text.parse::<$id>().ok().map(|id| (*id.as_bytes(), id.to_string())),)+
                other => unreachable!("no such prefix: {other}"),
            }
        };
    }
    one_of!(AppId, ConnectionId, KeyId, EventId, ConsentSessionId, OperatorId, ChainId)
}

#[test]
fn valid_ids_are_read_and_written_as_the_vectors_say() {
    let vectors: Ids = vectors("ids.json");
    assert!(vectors.valid.len() >= 28);
    for vector in vectors.valid {
        let expected = (bytes(&vector.bytes), vector.text.clone());
        assert_eq!(read(&vector.prefix, &vector.text), Some(expected));
    }
}

#[test]
fn new_ids_have_the_bits_that_the_vectors_say() {
    let vectors: Ids = vectors("ids.json");
    assert!(!vectors.minted.is_empty());
    for vector in vectors.minted {
        let now = Timestamp::from_millis(vector.unix_ms);
        let id = ConnectionId::v7(now, bytes(&vector.random));
        assert_eq!(id.as_bytes(), &bytes(&vector.bytes));
        assert_eq!(id.to_string(), vector.text);
        assert_eq!(id.created_at(), now);
    }
}

#[test]
fn invalid_ids_are_refused() {
    let vectors: Ids = vectors("ids.json");
    assert!(vectors.invalid.len() >= 20);
    for vector in vectors.invalid {
        assert_eq!(read(&vector.prefix, &vector.text), None, "{}", vector.why);
    }
}
