//! Whose session it is: a session of MCP holds what is said to one user's agent, so its id is good
//! with a token of that user and with no other (MCP, Security Best Practices, "Session Hijacking").
//!
//! The server's own id goes out with a proof that it was given to this user. Nothing is kept, and
//! nothing has to be forgotten. The key lives as long as the process, as the sessions do.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::ConfigurationError;
use crate::refusal::Refused;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// Binds the sessions of a server to users.
#[derive(Debug)]
pub(super) struct Sessions {
    key: hmac::Key,
}

impl Sessions {
    pub(super) fn new() -> Result<Self, ConfigurationError> {
        let mut random = [0; 32];
        getrandom::fill(&mut random)
            .map_err(|error| ConfigurationError(format!("no randomness: {error}")))?;
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &random) })
    }

    /// Puts the server's own id into a request that names a session of this user.
    ///
    /// # Errors
    /// 404: a session of somebody else's looks like one that there never was.
    pub(super) fn open(&self, headers: &mut HeaderMap, user_id: &str) -> Result<(), Refused> {
        let mut all = headers.get_all(SESSION).iter();
        let Some(named) = all.next() else { return Ok(()) };
        // of two, the server might read the other
        let named = if all.next().is_none() { named.to_str().ok() } else { None };
        let own = named.and_then(|named| self.own_id(named, user_id));
        let own = own.and_then(|id| HeaderValue::from_str(id).ok()).ok_or_else(|| {
            Refused::not_found("there is no such session of this user's: initialize again")
        })?;
        headers.insert(SESSION, own);
        Ok(())
    }

    /// Binds the session that an answer begins.
    pub(super) fn seal(&self, headers: &mut HeaderMap, user_id: &str) {
        let Some(id) = headers.get(SESSION).and_then(|id| id.to_str().ok()) else { return };
        let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, &bound(id, user_id)));
        let Ok(sealed) = HeaderValue::try_from(format!("{id}.{tag}")) else { return };
        headers.insert(SESSION, sealed);
    }

    fn own_id<'a>(&self, named: &'a str, user_id: &str) -> Option<&'a str> {
        let (id, tag) = named.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        // compares in constant time
        hmac::verify(&self.key, &bound(id, user_id), &tag).ok().map(|()| id)
    }
}

/// What is signed: the length tells where the user's id ends.
fn bound(id: &str, user_id: &str) -> Vec<u8> {
    format!("{}:{user_id}{id}", user_id.len()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id: &str) -> HeaderMap {
        HeaderMap::from_iter([(SESSION, HeaderValue::from_str(id).unwrap())])
    }

    #[test]
    fn a_session_is_good_for_its_user_alone() {
        let sessions = Sessions::new().unwrap();
        let mut answer = named("abc.def");
        sessions.seal(&mut answer, "u_ada");
        let sealed = answer[SESSION].to_str().unwrap().to_owned();
        assert!(sealed.starts_with("abc.def."));

        let mut request = named(&sealed);
        sessions.open(&mut request, "u_ada").unwrap();
        assert_eq!(request[SESSION], "abc.def");

        let other = format!("{sealed}A");
        for (id, user) in [
            (sealed.as_str(), "u_grace"),
            (sealed.as_str(), "u_ad"),
            ("abc.def", "u_ada"),
            ("abc", "u_ada"),
            (other.as_str(), "u_ada"),
        ] {
            assert_eq!(sessions.open(&mut named(id), user).unwrap_err().status, 404, "{id} {user}");
        }
        assert!(Sessions::new().unwrap().open(&mut named(&sealed), "u_ada").is_err());
        assert!(sessions.open(&mut HeaderMap::new(), "u_ada").is_ok());
        let mut two = named(&sealed);
        two.append(SESSION, HeaderValue::from_str(&sealed).unwrap());
        assert_eq!(sessions.open(&mut two, "u_ada").unwrap_err().status, 404);
    }
}
