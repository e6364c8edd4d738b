//! An authenticator and its browser, as Web Authentication has them: ES256, no attestation.

use agentadmit_protocol::secret::SecretHash;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

/// The user was there, and was verified.
const UP: u8 = 0b1;
const UV: u8 = 0b100;
const AT: u8 = 0b100_0000;

/// One passkey, and what may be wrong with how it is used.
pub(super) struct Authenticator {
    key: EcdsaKeyPair,
    pub(super) credential: Vec<u8>,
    pub(super) user: Vec<u8>,
    pub(super) origin: String,
    pub(super) rp_id: String,
    pub(super) counter: u32,
    pub(super) flags: u8,
    pub(super) cross_origin: bool,
}

impl Authenticator {
    /// One that nobody knows yet, in a browser at the dashboard.
    pub(super) fn new(credential: &[u8]) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self {
            key,
            credential: credential.to_vec(),
            user: Vec::new(),
            origin: "https://service.example".to_owned(),
            rp_id: "service.example".to_owned(),
            counter: 0,
            flags: UP | UV,
            cross_origin: false,
        }
    }

    /// `navigator.credentials.create()`, and `toJSON()` of what it gives.
    pub(super) fn create(&mut self, options: &Value) -> Value {
        self.user = BASE64.decode(options["user"]["id"].as_str().unwrap()).unwrap();
        let client_data = self.client_data("webauthn.create", options);
        let data = [self.header(self.flags | AT), self.attested()].concat();
        let object = [
            // {"fmt": "none", "attStmt": {}, "authData": bytes}
            &b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59"[..],
            &u16::try_from(data.len()).unwrap().to_be_bytes(),
            &data,
        ]
        .concat();
        json!({
            "id": BASE64.encode(&self.credential),
            "rawId": BASE64.encode(&self.credential),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": BASE64.encode(&client_data),
                "attestationObject": BASE64.encode(&object),
                "transports": ["internal"],
            },
        })
    }

    /// `navigator.credentials.get()`, and `toJSON()` of what it gives.
    pub(super) fn get(&self, options: &Value) -> Value {
        let client_data = self.client_data("webauthn.get", options);
        let data = self.header(self.flags);
        let signed = [&data[..], SecretHash::of(&client_data).as_bytes()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "id": BASE64.encode(&self.credential),
            "rawId": BASE64.encode(&self.credential),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": BASE64.encode(&client_data),
                "authenticatorData": BASE64.encode(&data),
                "signature": BASE64.encode(signature.as_ref()),
                "userHandle": BASE64.encode(&self.user),
            },
        })
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let data = json!({
            "type": kind,
            "challenge": options["challenge"],
            "origin": self.origin,
            "crossOrigin": self.cross_origin,
        });
        data.to_string().into_bytes()
    }

    fn header(&self, flags: u8) -> Vec<u8> {
        let hash = SecretHash::of(self.rp_id.as_bytes());
        [&hash.as_bytes()[..], &[flags], &self.counter.to_be_bytes()].concat()
    }

    /// AAGUID, the credential's id, and its key as COSE writes it.
    fn attested(&self) -> Vec<u8> {
        let point = self.key.public_key().as_ref();
        let length = u16::try_from(self.credential.len()).unwrap().to_be_bytes();
        [
            &[0; 16][..],
            &length,
            &self.credential,
            // {1: 2, 3: -7, -1: 1, -2: x, -3: y}
            &b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20"[..],
            &point[1..33],
            &b"\x22\x58\x20"[..],
            &point[33..],
        ]
        .concat()
    }
}
