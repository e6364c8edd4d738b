//! Values of OAuth 2.1 that have a rule of their own: who a client is, where it is sent back to, which
//! resource it asks for, its code challenge, and what a person types for a device.

use core::fmt;

use url::Url;

use crate::id::OAuthClientId;
use crate::secret::SecretHash;
use crate::text::{InvalidText, texts};
use crate::url_text::{MAX_URL_LENGTH, is_loopback, redirect_uri, web_url};

texts! {
    /// Who an OAuth client is: the address of its metadata document (Client ID Metadata Document),
    /// or `client_…` for one that registered (RFC 7591). Compared byte by byte.
    ClientId, "a client id", client_id,
        crate::schema::text(
            1, 2048, r"^(https?://\S+|client_[0-7][0-9a-hjkmnp-tv-z]{25})$",
            "The address of the client's metadata document, or the id of a registered client.",
        );
    /// Where a client is sent back to: https, http to a loopback host, or a private-use scheme of a
    /// native app (RFC 8252 section 7); without a fragment.
    ClientRedirectUri, "a redirect address", client_redirect_uri,
        crate::schema::text(
            1, 2048, r"^[A-Za-z][A-Za-z0-9+.-]*:[^\s#]+$",
            "An https address, http to a loopback host, or a private-use scheme, without a fragment.",
        );
    /// What a client asks a token for: the address of an API or MCP server (RFC 8707 section 2).
    ResourceUri, "a resource", redirect_uri,
        crate::schema::web_url("An https address, or http to a loopback host, without a fragment.");
    /// The SHA-256 of a code verifier in base64url without padding (RFC 7636 section 4.2).
    CodeChallenge, "a code challenge", code_challenge,
        crate::schema::pattern(
            "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$",
            "SHA-256 of the code verifier in base64url (RFC 7636, S256).",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        );
}

/// Schemes that a browser runs, shows or hands over instead of going to an app of the client's.
const NO_APPS_SCHEMES: [&str; 20] = [
    "about",
    "blob",
    "chrome",
    "chrome-extension",
    "content",
    "data",
    "file",
    "filesystem",
    "ftp",
    "intent",
    "jar",
    "javascript",
    "mailto",
    "resource",
    "sms",
    "tel",
    "urn",
    "vbscript",
    "view-source",
    "ws",
];

fn client_id(text: &str) -> Result<(), InvalidText> {
    if text.starts_with(concat!("client", "_")) {
        let rule = InvalidText::Rule("must be the client_id that the registration answered");
        return text.parse::<OAuthClientId>().map(|_| ()).map_err(|_| rule);
    }
    let url = web_url(text)?;
    if url.fragment().is_some() || url.path() == "/" {
        return Err(InvalidText::Rule(
            "must be the address of the client's metadata document: with a path, without a fragment",
        ));
    }
    // as it is spelled, since it is compared byte by byte
    let path = text.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let is_dots = |segment: &str| matches!(segment.replace("%2e", ".").as_str(), "." | "..");
    if path.split('/').any(is_dots) {
        return Err(InvalidText::Rule("must not have `.` or `..` as a segment of its path"));
    }
    Ok(())
}

fn client_redirect_uri(text: &str) -> Result<(), InvalidText> {
    if text.is_empty() || text.len() > MAX_URL_LENGTH {
        return Err(InvalidText::Length { max: MAX_URL_LENGTH });
    }
    let scheme = text.split(':').next().unwrap_or_default().to_ascii_lowercase();
    if matches!(scheme.as_str(), "http" | "https") {
        return redirect_uri(text);
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return Err(InvalidText::Rule("must be an absolute address of printable ASCII characters"));
    }
    let url = Url::parse(text).map_err(|_| InvalidText::Rule("must be an absolute address"))?;
    if url.fragment().is_some() {
        return Err(InvalidText::Rule("must not have a fragment (RFC 6749 section 3.1.2)"));
    }
    if NO_APPS_SCHEMES.contains(&url.scheme()) || url.scheme() == "wss" {
        return Err(InvalidText::Rule(
            "must be https, http to a loopback host, or a scheme of the client's own app",
        ));
    }
    Ok(())
}

fn code_challenge(text: &str) -> Result<(), InvalidText> {
    const RULE: InvalidText = InvalidText::Rule(
        "must be the SHA-256 of the code verifier in base64url: 43 characters of A-Za-z0-9_-",
    );
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    // 258 bits: the last two are none of the hash's
    let is_last = text.ends_with(|last| "AEIMQUYcgkosw048".contains(last));
    if text.len() == 43 && text.bytes().all(is_digit) && is_last { Ok(()) } else { Err(RULE) }
}

impl ClientId {
    /// The id of a client that registered; `None` for one that is known by its document.
    pub fn registered(&self) -> Option<OAuthClientId> {
        self.as_str().parse().ok()
    }

    /// The host that says who the client is; `None` for one that registered, which nobody vouches for.
    pub fn host(&self) -> Option<String> {
        host_of(self.as_str())
    }
}

impl From<OAuthClientId> for ClientId {
    fn from(id: OAuthClientId) -> Self {
        Self(id.to_string().into())
    }
}

impl ClientRedirectUri {
    /// Whether it leads to a program on the machine of whoever decides.
    pub fn is_loopback(&self) -> bool {
        Url::parse(self.as_str()).is_ok_and(|url| url.scheme() == "http" && is_loopback(&url))
    }

    /// What people are told of it: its host, or the scheme of an app on their device.
    pub fn destination(&self) -> String {
        let scheme = || self.as_str().split(':').next().unwrap_or_default().to_owned();
        match Url::parse(self.as_str()) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => {
                url.host_str().map_or_else(scheme, str::to_owned)
            }
            _ => format!("{}:", scheme()),
        }
    }
}

impl ResourceUri {
    /// What it is compared by: an empty path and `/` are the same, all else byte by byte.
    pub fn key(&self) -> &str {
        let text = self.as_str();
        let after = text.find("://").map_or(0, |at| at + 3);
        let authority_ends = text.get(after..).and_then(|rest| rest.find('/')).map(|at| at + after);
        match (authority_ends, text.strip_suffix('/')) {
            (Some(at), Some(without)) if at + 1 == text.len() => without,
            _ => text,
        }
    }
}

fn host_of(text: &str) -> Option<String> {
    Url::parse(text).ok()?.host_str().map(str::to_owned)
}

/// The letters of user codes: no vowels, so that they spell nothing (RFC 8628 section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const CODE_LETTERS: usize = 8;
/// The most characters that are looked at: room for what people put between letters.
const MAX_TYPED: usize = 64;

/// What a device shows and a person types (RFC 8628 section 3.3): eight letters, shown `WDJB-MJHT`.
/// Redacted when printed for debugging.
#[derive(Clone, PartialEq, Eq)]
pub struct UserCode([u8; CODE_LETTERS]);

/// A text that cannot be a user code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the 8 letters that the device shows, such as WDJB-MJHT")]
pub struct MalformedUserCode;

impl UserCode {
    /// A new code of 34 random bits.
    pub fn mint(random: [u8; 8]) -> Self {
        let mut rest = u64::from_be_bytes(random);
        Self(core::array::from_fn(|_| {
            let letter = usize::try_from(rest % 20).unwrap_or_default();
            rest /= 20;
            LETTERS.get(letter).copied().unwrap_or(b'B')
        }))
    }

    /// What is stored of it: SHA-256 of the eight letters.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }

    /// The text, for the device that shows it.
    pub fn expose(&self) -> String {
        let mut text = String::with_capacity(CODE_LETTERS + 1);
        for (place, letter) in self.0.iter().enumerate() {
            if place == CODE_LETTERS / 2 {
                text.push('-');
            }
            text.push(char::from(*letter));
        }
        text
    }
}

impl core::str::FromStr for UserCode {
    type Err = MalformedUserCode;

    /// Reads what a person typed: case, spaces and dashes do not matter.
    fn from_str(text: &str) -> Result<Self, MalformedUserCode> {
        if text.len() > MAX_TYPED {
            return Err(MalformedUserCode);
        }
        let mut letters = [0; CODE_LETTERS];
        let mut places = letters.iter_mut();
        for byte in text.bytes().filter(|byte| !matches!(byte, b' ' | b'-')) {
            let letter = byte.to_ascii_uppercase();
            if !LETTERS.contains(&letter) {
                return Err(MalformedUserCode);
            }
            *places.next().ok_or(MalformedUserCode)? = letter;
        }
        if places.next().is_some() { Err(MalformedUserCode) } else { Ok(Self(letters)) }
    }
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCode(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_client_is_a_document_or_registered() {
        let registered = "client_01kb5m4v5ye5rvd0c2tqj3n8xa";
        for text in ["https://a.example/client.json", "https://a.example/a?b=c", registered] {
            let id = ClientId::new(text).unwrap();
            assert_eq!(id.registered().is_some(), text == registered);
            assert_eq!(id.host().is_some(), text != registered);
        }
        for text in [
            "",
            "client_",
            "client_x",
            "a.example/client",
            "https://a.example",
            "https://a.example/",
            "https://a.example/c#x",
            "https://a.example/x/../c",
            "https://a.example/x/%2E./c",
            "https://u:p@a.example/c",
            "http://a.example/c",
            "urn:client",
        ] {
            assert!(ClientId::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_redirect_address_is_a_page_or_an_app() {
        for (text, loopback, destination) in [
            ("https://a.example/cb?x=1", false, "a.example"),
            ("http://127.0.0.1:3000/cb", true, "127.0.0.1"),
            ("http://localhost/cb", true, "localhost"),
            ("http://[::1]:1/cb", true, "[::1]"),
            ("cursor://anysphere/cb", false, "cursor:"),
            ("com.example.app:/cb", false, "com.example.app:"),
        ] {
            let uri = ClientRedirectUri::new(text).unwrap();
            assert_eq!((uri.is_loopback(), uri.destination().as_str()), (loopback, destination));
        }
        for text in [
            "",
            "/cb",
            "http://a.example/cb",
            "https://a.example/cb#x",
            "app:/cb#x",
            "javascript:alert(1)",
            "JavaScript://%0aalert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "urn:ietf:wg:oauth:2.0:oob",
            "wss://a.example/",
            "app:/a b",
            "https://u:p@a.example/cb",
        ] {
            assert!(ClientRedirectUri::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn resources_are_the_same_but_for_an_empty_path() {
        for (text, key) in [
            ("https://a.example", "https://a.example"),
            ("https://a.example/", "https://a.example"),
            ("https://a.example/mcp/", "https://a.example/mcp/"),
            ("https://a.example/?x=/", "https://a.example/?x=/"),
            ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ] {
            assert_eq!(ResourceUri::new(text).unwrap().key(), key);
        }
        assert!(ResourceUri::new("https://a.example/#x").is_err());
        assert!(ResourceUri::new("a.example").is_err());
    }

    #[test]
    fn a_challenge_is_a_hash() {
        assert!(CodeChallenge::new("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").is_ok());
        for text in ["", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cN", "E9Melhoa2OwvFrEMTJguCHaoe"]
        {
            assert!(CodeChallenge::new(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_user_code_is_read_as_people_type_it(random: [u8; 8]) {
            let code = UserCode::mint(random);
            let shown = code.expose();
            prop_assert_eq!(shown.len(), 9);
            for typed in [shown.to_lowercase(), shown.replace('-', ""), format!(" {shown} ")] {
                prop_assert_eq!(typed.parse::<UserCode>(), Ok(code.clone()));
            }
            prop_assert_eq!(format!("{code:?}"), "UserCode(redacted)");
            prop_assert!(shown.replace('-', "A").parse::<UserCode>().is_err());
            prop_assert!(shown.get(1..).unwrap().parse::<UserCode>().is_err());
        }

        #[test]
        fn any_text_is_answered(text: String) {
            let _ = (text.parse::<UserCode>(), ClientId::new(text.clone()));
            let _ = (ClientRedirectUri::new(text.clone()), ResourceUri::new(text.clone()));
            let _ = CodeChallenge::new(text);
        }
    }
}
