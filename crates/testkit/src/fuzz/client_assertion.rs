//! Client assertions (RFC 7523) as anyone may send them: what is read before a signature is
//! checked.

use agentadmit_core::assertion::unverified;

use super::shows_a_secret;

/// The input as a JWT. What is read of it is bounded, and a refusal repeats nothing.
pub fn client_assertion(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match unverified(&text) {
        Ok(said) => {
            assert!(said.kid.len() < text.len() && text.len() <= 4_096);
            assert_eq!(text.split('.').count(), 3, "a JWS has three parts");
            assert_eq!(said.app_id.to_string().parse(), Ok(said.app_id));
        }
        Err(refusal) => {
            let words = refusal.description.to_string();
            assert!(!shows_a_secret(&words), "{words}");
        }
    }
}
