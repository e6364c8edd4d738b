//! Proof Key for Code Exchange, S256 alone (RFC 7636).

use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::oauth::CodeChallenge;
use agentadmit_protocol::secret::{SecretHash, ct_eq};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::refusal::Refusal;

/// The hash of a verifier that has the form of one (RFC 7636 section 4.1). Of the verifier itself
/// nothing goes any further.
///
/// # Errors
/// `invalid_request` for another length or character.
pub fn verifier_hash(verifier: &str) -> Result<SecretHash, Refusal> {
    let is_unreserved =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    if (43..=128).contains(&verifier.len()) && verifier.bytes().all(is_unreserved) {
        return Ok(SecretHash::of(verifier.as_bytes()));
    }
    let text = "must have 43 to 128 characters of A-Za-z0-9-._~ (RFC 7636 section 4.1)";
    Err(Refusal::new(ErrorCode::InvalidRequest, text).field("code_verifier"))
}

/// Whether a verifier is the one of a challenge. Compared in constant time.
pub fn is_answered(challenge: &CodeChallenge, verifier: &SecretHash) -> bool {
    let text = URL_SAFE_NO_PAD.encode(verifier.as_bytes());
    ct_eq(challenge.as_str().as_bytes(), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_rfc_is_answered() {
        let challenge = CodeChallenge::new("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        let verifier = verifier_hash("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
        assert!(is_answered(&challenge, &verifier));
        // plain: the challenge is no verifier of itself
        assert!(!is_answered(&challenge, &verifier_hash(challenge.as_str()).unwrap()));
    }

    proptest! {
        #[test]
        fn only_the_verifier_answers(
            right in "[A-Za-z0-9._~-]{43,128}",
            wrong in "[A-Za-z0-9._~-]{43,128}",
        ) {
            let hash = verifier_hash(&right).unwrap();
            let challenge = CodeChallenge::new(URL_SAFE_NO_PAD.encode(hash.as_bytes())).unwrap();
            prop_assert!(is_answered(&challenge, &hash));
            let other = verifier_hash(&wrong).unwrap();
            prop_assert_eq!(is_answered(&challenge, &other), right == wrong);
        }

        #[test]
        fn other_forms_are_no_verifiers(short in "[a-z]{0,42}", long in "[a-z]{129,200}") {
            prop_assert!(verifier_hash(&short).is_err());
            prop_assert!(verifier_hash(&long).is_err());
            let bad = format!("{}+", "a".repeat(50));
            prop_assert!(verifier_hash(&bad).is_err());
        }
    }
}
