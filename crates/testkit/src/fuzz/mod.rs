//! What is true of every input of the parsers that strangers reach: the bodies of the fuzz targets.
//!
//! The package in `fuzz/` calls these functions with inputs of libFuzzer's making; the test
//! `corpus` calls them with the committed inputs, without a fuzzer, so that what was found once is
//! looked at in every run of the tests. A property that does not hold panics.
//!
//! | target | what reads the input | who sends such input |
//! | --- | --- | --- |
//! | [`secret`] | `protocol::secret::parse` | anyone: every credential is a text |
//! | [`plain_request`] | `protocol::plain_request::PlainRequests` | anyone: every connection begins there |
//! | [`request_body`] | `protocol::json::from_slice` | anyone who reaches a route |
//! | [`cursor`] | `core::cursor::Cursor::parse` | apps and operators |
//! | [`client_assertion`] | the header and claims of a JWT, before its signature is checked | anyone |
//! | [`audit_file`] | `core::audit::Verifier` | whoever hands over an export to be checked |
//! | [`configuration`] | the TOML file of `serve` | whoever runs the service |

#![expect(
    clippy::missing_panics_doc,
    reason = "each target panics when its property does not hold"
)]

mod audit_file;
mod client_assertion;
mod configuration;
mod cursor;
mod export;
mod plain_request;
mod request_body;
mod secret;

use agentadmit_protocol::secret::SecretKind;

pub use audit_file::audit_file;
pub use client_assertion::client_assertion;
pub use configuration::configuration;
pub use cursor::cursor;
pub use export::sample as sample_export;
pub use plain_request::plain_request;
pub use request_body::request_body;
pub use secret::secret;

/// One fuzz target: looks at an input, and panics when a property does not hold.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its file in `fuzz/fuzz_targets` and of its
/// folder in `fuzz/corpus`.
pub const TARGETS: &[(&str, Target)] = &[
    ("audit_file", audit_file),
    ("client_assertion", client_assertion),
    ("configuration", configuration),
    ("cursor", cursor),
    ("plain_request", plain_request),
    ("request_body", request_body),
    ("secret", secret),
];

/// Characters behind a prefix that make a text a secret, or enough of one to matter.
const TELLING: usize = 12;

/// Whether a text that is shown to somebody holds a secret or a good part of one.
fn shows_a_secret(text: &str) -> bool {
    let begins_one =
        |rest: &str| rest.bytes().take_while(u8::is_ascii_alphanumeric).count() >= TELLING;
    SecretKind::ALL.iter().any(|kind| {
        let prefix = kind.prefix();
        text.match_indices(prefix)
            .any(|(at, _)| text.get(at + prefix.len()..).is_some_and(begins_one))
    })
}

/// Takes an input apart, byte by byte; zeros when nothing is left.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> u8 {
        self.take::<1>()[0]
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut taken = [0; N];
        for slot in &mut taken {
            if let Some((first, rest)) = self.0.split_first() {
                *slot = *first;
                self.0 = rest;
            }
        }
        taken
    }

    /// A number below `end`; 0 when `end` is.
    fn below(&mut self, end: usize) -> usize {
        usize::from(u16::from_be_bytes(self.take())).checked_rem(end).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_seen_wherever_it_stands() {
        let minted = agentadmit_protocol::secret::Secret::mint(SecretKind::AccessToken, [5; 32]);
        assert!(shows_a_secret(&format!("the token {} is bad", minted.expose())));
        assert!(shows_a_secret(&minted.expose()[..18]), "a part tells enough");
        assert!(!shows_a_secret("it begins with none of the prefixes aa_test_, aa_live_, ag_at_"));
    }
}
