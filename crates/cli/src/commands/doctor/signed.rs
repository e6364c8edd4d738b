//! What an app signs: its keys, and the signed half of its discovery document.

use agentadmit_protocol::api::public_keys::{JwksAnswer, PublicJwk};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};
use url::Url;

use super::exam::{Exam, text};
use super::report::Outcome;
use super::wire::Ask;

/// The longest that signed metadata may be good for.
const MAX_LIFETIME_SECONDS: i64 = 86_400;
/// How far clocks may differ.
const SKEW_SECONDS: i64 = 30;
const REGISTER: &str = "register the app's keys with `agentadmit public-keys put`";

/// The keys that the app shows are registered at the service.
pub(super) async fn jwks(exam: &mut Exam) -> Outcome {
    let document = exam.document.clone().unwrap_or_default();
    let Some(url) = text(&document, "jwks_uri").parse::<Url>().ok() else {
        return Outcome::skipped("the app has no key pair");
    };
    let reply = match exam.wire.send(Ask::get(url)).await {
        Ok(reply) => reply,
        Err(error) => {
            return Outcome::finding(error.words(), "let `jwks_uri` be reached as the document is");
        }
    };
    let shown = reply.json().and_then(|body| serde_json::from_value::<JwksAnswer>(body).ok());
    let Some(JwksAnswer { keys }) = shown.filter(|_| reply.is(200)) else {
        return Outcome::finding(
            format!("`jwks_uri` is answered {}, and not by a set of RSA keys", reply.words()),
            "let the proxy pass /.well-known/agentadmit/jwks.json on to the app",
        );
    };
    let registered = match exam.registered_keys(app_id(&document)).await {
        Ok(registered) => registered,
        Err(why) => return Outcome::unknown(why),
    };
    let known = keys.iter().filter(|key| registered.contains(key)).count();
    if known == 0 {
        let what = format!("none of the app's {} keys is registered at the service", keys.len());
        return Outcome::finding(what, REGISTER);
    }
    Outcome::well(format!("{known} of the app's {} keys are registered", keys.len()))
}

fn app_id(document: &Value) -> &str {
    document.get("app").map(|app| text(app, "id")).unwrap_or_default()
}

/// `signed_metadata` is signed by a registered key, is good now, and says what the document says.
pub(super) async fn metadata(exam: &mut Exam) -> Outcome {
    let document = exam.document.clone().unwrap_or_default();
    let jwt = text(&document, "signed_metadata");
    if jwt.is_empty() {
        return Outcome::skipped("the app signs nothing");
    }
    let registered = match exam.registered_keys(app_id(&document)).await {
        Ok(registered) => registered,
        Err(why) => return Outcome::unknown(why),
    };
    let origin = exam.subject.app().map(|app| app.origin().ascii_serialization());
    let now = exam.wire.now().as_millis().div_euclid(1_000);
    let checked = verified(jwt, &registered).and_then(|claims| {
        check(&claims, &origin.unwrap_or_default(), app_id(&document), now)?;
        agrees(&claims, &document)
    });
    match checked {
        Ok(()) => Outcome::well("signed by a registered key, and says what the document says"),
        Err((what, fix)) => Outcome::finding(format!("`signed_metadata`: {what}"), fix),
    }
}

/// What is wrong, and what to do.
type Wrong = (String, &'static str);

fn verified(jwt: &str, keys: &[PublicJwk]) -> Result<Map<String, Value>, Wrong> {
    const AGAIN: &str = "let the SDK sign it: a proxy or a cache has changed it";
    let header =
        jsonwebtoken::decode_header(jwt).map_err(|_| ("it is no signed JWT".to_owned(), AGAIN))?;
    let typ = header.typ.as_deref().unwrap_or_default();
    if header.alg != Algorithm::RS256 || typ != "agentadmit-metadata+jwt" {
        let what = format!("its header says {:?} and {typ:?}", header.alg);
        return Err((what, "it must be RS256 and `agentadmit-metadata+jwt`"));
    }
    let kid = header.kid.unwrap_or_default();
    let Some(key) = keys.iter().find(|key| key.kid.as_str() == kid) else {
        return Err((format!("its key {kid} is not registered at the service"), REGISTER));
    };
    let bad = || ("the signature is not that key's".to_owned(), AGAIN);
    let key =
        DecodingKey::from_rsa_components(key.n.as_str(), key.e.as_str()).map_err(|_| bad())?;
    let mut validation = Validation::new(Algorithm::RS256);
    // the claims are checked by rules of our own, which say what is wrong
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let decoded = jsonwebtoken::decode::<Map<String, Value>>(jwt, &key, &validation);
    decoded.map(|token| token.claims).map_err(|_| bad())
}

fn check(claims: &Map<String, Value>, origin: &str, app_id: &str, now: i64) -> Result<(), Wrong> {
    const CLOCK: &str = "keep the app's clock right by NTP, and no cache in front of the document \
                         for more than 5 minutes";
    let said = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    if said("iss") != origin {
        let fix = "set `public_url` to the origin that people and agents use";
        return Err((format!("`iss` is {:?} and not {origin}", said("iss")), fix));
    }
    if said("sub") != app_id {
        let what = format!("`sub` is {:?} and not the document's app", said("sub"));
        return Err((what, "set the same `app_id` everywhere, and start the app again"));
    }
    let number = |name: &str| claims.get(name).and_then(Value::as_i64).unwrap_or_default();
    let (issued, ends) = (number("iat"), number("exp"));
    if now >= ends.saturating_add(SKEW_SECONDS)
        || ends.saturating_sub(issued) > MAX_LIFETIME_SECONDS
    {
        return Err(("it has expired, or is good for longer than a day".to_owned(), CLOCK));
    }
    if issued > now + SKEW_SECONDS {
        return Err(("it was signed in the future".to_owned(), CLOCK));
    }
    if claims.contains_key("aud") || claims.contains_key("jti") {
        let what = "it has `aud` or `jti`, so that it could pass for a client assertion";
        return Err((what.to_owned(), "let the SDK sign it"));
    }
    Ok(())
}

/// Its members win over the plain ones, so they must be the same.
fn agrees(claims: &Map<String, Value>, document: &Value) -> Result<(), Wrong> {
    let own = ["iss", "sub", "iat", "exp", "nbf"];
    let differs = claims
        .iter()
        .filter(|(name, value)| !own.contains(&name.as_str()) && document.get(name) != Some(*value))
        .map(|(name, _)| name.as_str());
    let differing: Vec<&str> = differs.collect();
    if differing.is_empty() {
        return Ok(());
    }
    let what = format!("it says something else than the document about {}", differing.join(", "));
    Err((what, "nothing may change the document after the SDK has made it"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn wrong(change: impl FnOnce(&mut Value)) -> String {
        let mut claims = json!({
            "iss": "https://shop.example", "sub": "app_1", "iat": NOW, "exp": NOW + 86_400,
            "service": "https://auth.example",
        });
        change(&mut claims);
        let claims = claims.as_object().unwrap();
        let document = json!({"service": "https://auth.example", "routes": []});
        let checked = check(claims, "https://shop.example", "app_1", NOW);
        checked.and_then(|()| agrees(claims, &document)).err().unwrap_or_default().0
    }

    #[test]
    fn every_claim_counts() {
        assert_eq!(wrong(|_| {}), "");
        assert!(wrong(|it| it["iss"] = json!("https://other.example")).contains("`iss`"));
        assert!(wrong(|it| it["sub"] = json!("app_2")).contains("`sub`"));
        assert!(wrong(|it| it["exp"] = json!(NOW + 86_401)).contains("longer than a day"));
        assert!(wrong(|it| it["exp"] = json!(NOW - 30)).contains("expired"));
        assert!(wrong(|it| it["exp"] = json!(i64::MAX)).contains("longer than a day"));
        assert!(wrong(|it| it["iat"] = json!(i64::MIN)).contains("longer than a day"));
        assert!(wrong(|it| it["iat"] = json!(NOW + 31)).contains("future"));
        assert!(wrong(|it| it["aud"] = json!("x")).contains("`aud`"));
        assert!(wrong(|it| it["jti"] = json!("x")).contains("`jti`"));
        assert!(wrong(|it| it["service"] = json!("x")).contains("about service"));
        assert!(wrong(|it| it["instructions"] = json!("x")).contains("about instructions"));
    }
}
