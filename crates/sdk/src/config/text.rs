//! The rules of texts: ids, addresses, paths, names.

use agentadmit_protocol::id::AppId;
use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::text::{InvalidText, Label, Text};
use ipnet::IpNet;
use unicode_normalization::UnicodeNormalization as _;
use url::{Host, Url};

use super::finding::{
    ADDRESS, ALLOWED_ORIGIN, API_KEY, APP_ID, INSECURE_ADDRESS, LOGIN_PATH, PLACEHOLDER_API_KEY,
    PLACEHOLDER_APP_ID, ROUTE_PREFIX, TEXT, TRUSTED_PROXY, VERIFY_URL, WRONG_TYPE,
};
use super::table::Kind;
use super::values::Wrong;
use crate::settings::ApiKey;

/// An address that is right everywhere.
pub(super) const EXAMPLE_ADDRESS: &str = "https://auth.example.com";
/// Where many apps have their people sign in.
pub(super) const EXAMPLE_LOGIN: &str = "/login?next={next}";
/// How the hot path is called below the service's address.
pub(super) const VERIFY_PATH: &str = "/v1/verify";
/// The most characters of an address.
const MAX_ADDRESS: usize = 2048;

/// Checks a text of a kind; gives it as it is meant.
pub(super) fn check(kind: &Kind, text: &str) -> Result<String, Wrong> {
    match kind {
        Kind::AppId => app_id(text),
        Kind::ApiKey => api_key(text),
        Kind::Label => prose(text, 100, Label::new(text).err()),
        Kind::Text => prose(text, 300, Text::new(text).err()),
        Kind::Url => address(text).map(|url| url.as_str().trim_end_matches('/').to_owned()),
        Kind::PublicUrl => public_url(text),
        Kind::Resource => resource(text),
        Kind::VerifyUrl => verify_url(text),
        Kind::Origin => origin(text),
        Kind::Prefix => prefix(text),
        Kind::LoginPath => login_path(text),
        Kind::Network => network(text),
        Kind::ScopeName => match ScopeName::new(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(Wrong::scope_name(text, error.to_string())),
        },
        Kind::Allowed => match text {
            "allowed" => Ok(text.to_owned()),
            _ => Err(wrong_word(text)),
        },
        Kind::Field => field(text),
        _ => match text.trim() {
            "" => Err(Wrong::new(TEXT, "must not be empty", None)),
            _ => Ok(text.to_owned()),
        },
    }
}

fn wrong_word(text: &str) -> Wrong {
    let message = format!("must be `allowed`, not `{text}`");
    Wrong::new(WRONG_TYPE, message, Some("allowed".to_owned()))
}

/// Whether a text stands for what is still to come, as in the SDK 1.0.0 README.
fn is_placeholder(text: &str, prefix: &str) -> bool {
    let Some(rest) = text.trim().strip_prefix(prefix) else {
        return text.starts_with('<') && text.ends_with('>');
    };
    let rest = rest.to_ascii_lowercase();
    let words = ["your", "xxx", "...", "…", "example", "placeholder", "changeme", "change_me", "<"];
    rest.is_empty() || words.iter().any(|word| rest.starts_with(word))
}

fn app_id(text: &str) -> Result<String, Wrong> {
    match text.parse::<AppId>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) if is_placeholder(text, "app_") => {
            let message = "is a placeholder: `agentadmit dev` or your operator gives the real one";
            Err(Wrong::new(PLACEHOLDER_APP_ID, message, None))
        }
        Err(error) => Err(Wrong::new(APP_ID, error.to_string(), None)),
    }
}

fn api_key(text: &str) -> Result<String, Wrong> {
    let placeholder = ["aa_test_", "aa_live_"].iter().any(|prefix| is_placeholder(text, prefix));
    match ApiKey::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) if placeholder => {
            let message = "is a placeholder: put the real key into AGENTADMIT_API_KEY";
            Err(Wrong::new(PLACEHOLDER_API_KEY, message, None))
        }
        Err(error) => {
            let reason = error.0.trim_start_matches("api_key ").to_owned();
            Err(Wrong::new(API_KEY, reason, None))
        }
    }
}

fn prose(text: &str, most: usize, error: Option<InvalidText>) -> Result<String, Wrong> {
    let Some(error) = error else { return Ok(text.to_owned()) };
    let is_fit = |c: &char| {
        !c.is_control() && !matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    let spaced = text.trim().replace(['\n', '\t'], " ");
    let clean: String = spaced.nfc().filter(is_fit).take(most).collect();
    let instead = if clean.is_empty() { "Shop".to_owned() } else { clean };
    Err(Wrong::new(TEXT, error.to_string(), Some(instead)))
}

/// An address that a secret may be sent to.
pub(super) fn address(text: &str) -> Result<Url, Wrong> {
    let graphic = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let parsed = Url::parse(text).ok().filter(Url::has_host);
    let (Some(url), true) = (parsed, graphic && text.len() <= MAX_ADDRESS) else {
        let message = format!("must be an address such as {EXAMPLE_ADDRESS}");
        return Err(Wrong::new(ADDRESS, message, Some(guess(text))));
    };
    let mut plain = url.clone();
    plain.set_query(None);
    plain.set_fragment(None);
    // neither can fail: the address has a host
    let _kept = plain.set_username("").and_then(|()| plain.set_password(None));
    if plain != url {
        let message = "must hold no user, password, query or fragment";
        return Err(Wrong::new(ADDRESS, message, Some(shown(&plain))));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => {
            let instead = text.replacen("http:", "https:", 1);
            let message = "must be https: plain http is for this machine alone (127.0.0.0/8, [::1], localhost)";
            Err(Wrong::new(INSECURE_ADDRESS, message, Some(instead)))
        }
        _ => {
            let message = "must begin with https://";
            Err(Wrong::new(ADDRESS, message, Some(EXAMPLE_ADDRESS.to_owned())))
        }
    }
}

/// Whether an address is of this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn shown(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// `auth.example.com/x` becomes an address; what cannot becomes the example.
fn guess(text: &str) -> String {
    let bare = text.trim().trim_start_matches('/');
    let looks_local = bare.starts_with("localhost") || bare.starts_with("127.");
    let scheme = if looks_local { "http" } else { "https" };
    let url = Url::parse(&format!("{scheme}://{bare}")).ok();
    let usable =
        url.filter(|url| url.host_str().is_some_and(|host| host.contains('.') || looks_local));
    usable
        .filter(|url| !url.as_str().contains([' ', '\\', '@', '?', '#', '%']))
        .map_or_else(|| EXAMPLE_ADDRESS.to_owned(), |url| shown(&url))
}

/// Agents look for the discovery document at the root of an address.
fn public_url(text: &str) -> Result<String, Wrong> {
    let url = address(text)?;
    let origin = url.origin().ascii_serialization();
    if matches!(url.path(), "" | "/") {
        return Ok(origin);
    }
    let message = "must have no path: agents look for /.well-known/agentadmit at its root";
    Err(Wrong::new(ADDRESS, message, Some(origin)))
}

/// What clients call the app, compared byte by byte: so it is kept in one spelling.
fn resource(text: &str) -> Result<String, Wrong> {
    let url = address(text)?;
    let origin = url.origin().ascii_serialization();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
    if url.path().chars().all(is_plain) {
        return Ok(if url.path() == "/" { origin } else { url.to_string() });
    }
    let message = "must have a path of letters, digits and `/-_.~` alone";
    Err(Wrong::new(ADDRESS, message, Some(origin)))
}

/// A path of the app's own: anything else would send people with their way back to somebody else.
fn login_path(text: &str) -> Result<String, Wrong> {
    let mut rest = text.replacen("{next}", "", 1);
    let is_plain = |c: char| c.is_ascii_graphic() && !"\\{}<>\"`^|#".contains(c);
    if text.starts_with('/') && !text.starts_with("//") && rest.chars().all(is_plain) {
        return Ok(text.to_owned());
    }
    let message = "must be a path of the app such as /login?next={next}";
    rest.retain(is_plain);
    let path = rest.split(['?', '=', '&']).next().unwrap_or_default().trim_matches('/');
    let is_path = !path.is_empty() && !path.contains([':', '/']);
    let instead = if is_path { format!("/{path}?next={{next}}") } else { EXAMPLE_LOGIN.to_owned() };
    Err(Wrong::new(LOGIN_PATH, message, Some(instead)))
}

fn verify_url(text: &str) -> Result<String, Wrong> {
    let url = address(text)?;
    let path = url.path().to_owned();
    if path.ends_with(VERIFY_PATH) {
        return Ok(url.to_string());
    }
    let mut meant = url;
    let base = path.trim_end_matches('/').trim_end_matches("/verify").trim_end_matches("/v1");
    meant.set_path(&format!("{base}{VERIFY_PATH}"));
    let message = "must end in /v1/verify (or say `service_url`)";
    Err(Wrong::new(VERIFY_URL, message, Some(meant.to_string())))
}

fn origin(text: &str) -> Result<String, Wrong> {
    let example = || Some("https://app.example.com".to_owned());
    if text == "*" || text == "null" {
        let message = "must name each origin: any page could act as a signed-in user otherwise";
        return Err(Wrong::new(ALLOWED_ORIGIN, message, example()));
    }
    match address(text) {
        Ok(url) => {
            let origin = url.origin().ascii_serialization();
            if text.trim_end_matches('/').eq_ignore_ascii_case(&origin) && !text.ends_with('/') {
                return Ok(origin);
            }
            let message = "must be scheme, host and port alone, as browsers send it";
            Err(Wrong::new(ALLOWED_ORIGIN, message, Some(origin)))
        }
        Err(wrong) if wrong.rule == INSECURE_ADDRESS => Err(wrong),
        Err(wrong) => Err(Wrong::new(ALLOWED_ORIGIN, wrong.message, wrong.instead)),
    }
}

fn prefix(text: &str) -> Result<String, Wrong> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._~-".contains(c);
    let steps: Vec<&str> = text.split('/').collect();
    let holds = steps.split_first().is_some_and(|(first, rest)| {
        first.is_empty()
            && !rest.is_empty()
            && rest.iter().all(|step| {
                !step.is_empty() && !matches!(*step, "." | "..") && step.chars().all(is_plain)
            })
    });
    if holds {
        return Ok(text.to_owned());
    }
    let kept: Vec<String> = steps
        .iter()
        .map(|step| step.chars().filter(|c| is_plain(*c)).collect::<String>())
        .filter(|step| !matches!(step.as_str(), "" | "." | ".."))
        .collect();
    let instead =
        if kept.is_empty() { "/agentadmit".to_owned() } else { format!("/{}", kept.join("/")) };
    let message = "must be a path such as /agentadmit: with a slash before it and none behind";
    Err(Wrong::new(ROUTE_PREFIX, message, Some(instead)))
}

fn network(text: &str) -> Result<String, Wrong> {
    if text.parse::<IpNet>().is_ok() {
        return Ok(text.to_owned());
    }
    let message = "must be a network such as 10.0.0.0/8";
    let instead = match text.parse::<std::net::IpAddr>() {
        Ok(address) => IpNet::from(address).to_string(),
        Err(_) => "10.0.0.0/8".to_owned(),
    };
    Err(Wrong::new(TRUSTED_PROXY, message, Some(instead)))
}

fn field(text: &str) -> Result<String, Wrong> {
    let mut characters = text.chars();
    let begins = characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if begins && text.len() <= 63 && characters.all(is_word) {
        return Ok(text.to_owned());
    }
    let kept: String = text.chars().filter(|c| is_word(*c)).take(60).collect();
    let is_name = kept.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let instead = if is_name { kept } else { "user_id".to_owned() };
    Err(Wrong::new(TEXT, "must be the name of a field: letters, digits and `_`", Some(instead)))
}
