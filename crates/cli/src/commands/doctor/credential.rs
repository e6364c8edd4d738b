//! The app's key: does it arrive, is it good, is it the right one, may it do what it must and
//! nothing more; and is what the service answers with it what arrives here.

use std::collections::BTreeMap;

use agentadmit_config::is_loopback;
use agentadmit_protocol::api::credential::CredentialAnswer;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::permission::{Permission, Permissions};
use agentadmit_protocol::scope::Scope;
use serde_json::{Value, json};

use super::exam::{Exam, Part, text};
use super::report::Outcome;
use super::wire::Ask;

const NEW_KEY: &str = "agentadmit api-keys create --app APP_ID --environment ENVIRONMENT";

/// `Authorization` arrives at the service.
pub(super) async fn authorization(exam: &mut Exam) -> Outcome {
    let url = exam.at_service("/v1/verify");
    let body = json!({"token": exam.dead_token.expose()});
    let ask = Ask::post(url, &body).bearer(exam.subject.bearer());
    let reply = match exam.wire.send(ask).await {
        Ok(reply) => reply,
        Err(error) => {
            let unknown = Outcome::unknown(error.words());
            return exam.block_after(Part::GoodKey, "service_authorization", unknown);
        }
    };
    // RFC 6750 section 3.1: the challenge to somebody who sent nothing names no error
    let challenge = reply.header("www-authenticate");
    if reply.is(401) && !challenge.is_empty() && !challenge.contains("error=") {
        let finding = Outcome::finding(
            "`Authorization` does not arrive at the service: a proxy in between drops it",
            "let the proxy pass the header on unchanged (nginx: `proxy_set_header Authorization \
             $http_authorization;`)",
        );
        return exam.block_after(Part::GoodKey, "service_authorization", finding);
    }
    exam.verdict = Some(reply);
    Outcome::well("the header arrives at the service")
}

/// The service knows the key.
pub(super) fn api_key(exam: &mut Exam) -> Outcome {
    if exam.verdict.as_ref().is_some_and(|verdict| verdict.is(401)) {
        let finding = Outcome::finding(
            "the service does not know this key: it is revoked, expired, or another service's",
            format!("make a new one: `{NEW_KEY}`"),
        );
        return exam.block_after(Part::GoodKey, "api_key", finding);
    }
    Outcome::well("the service knows it")
}

/// A refusal arrives as the service sent it.
pub(super) fn refusal(exam: &mut Exam) -> Outcome {
    let Some(verdict) = &exam.verdict else { return Outcome::skipped("there was no verdict") };
    let body = verdict.json().unwrap_or_default();
    let is_whole =
        body.get("active") == Some(&Value::Bool(false)) && !text(&body, "error").is_empty();
    match verdict.status.as_u16() {
        403 if is_whole => Outcome::well("a 403 arrives with its body"),
        403 if text(&body, "error") == "forbidden" => Outcome::skipped("see key_permissions"),
        403 => Outcome::finding(
            "the body of a 403 does not arrive: something in between puts its own page there",
            "let the proxy pass error bodies on (nginx: no `error_page 403` and no \
             `proxy_intercept_errors` in front of the service); a 403 without `active` counts as \
             no answer, and agents hear 503",
        ),
        200 => Outcome::finding(
            "a token that was never issued was answered 200: this is not the service, or somebody \
             answers in its place",
            "stop the app until `service_url` leads to the service itself",
        ),
        429 => Outcome::unknown("the key is at its rate limit"),
        _ => Outcome::unknown(format!("a verify is answered {}", verdict.words())),
    }
}

/// The key is of the environment that the app is in.
pub(super) fn environment(exam: &mut Exam) -> Outcome {
    let Some(has) = exam.subject.key().map(agentadmit::settings::ApiKey::environment) else {
        return Outcome::skipped("no API key");
    };
    let is_here = exam.subject.app().is_some_and(is_loopback);
    match exam.subject.environment {
        Some(wanted) if wanted != has => Outcome::finding(
            format!("the key is of the {has} environment, and the app should be in {wanted}"),
            format!("put a key of the right environment into AGENTADMIT_API_KEY: `{NEW_KEY}`"),
        ),
        None if has == Environment::Live && is_here => Outcome::finding(
            "the key is of the live environment, and the app runs on this machine only",
            "use a test key where you develop: live connections are real users'; say \
             `--environment live` if it is meant",
        ),
        Some(_) => Outcome::well(format!("{has}, as it should be")),
        None => Outcome::well(format!("{has}; say --environment to have it compared")),
    }
}

/// The key is the configured app's.
pub(super) async fn app(exam: &mut Exam) -> Outcome {
    let Some(app_id) = exam.subject.app_id() else {
        return Outcome::skipped("no app_id");
    };
    match shown(exam).await {
        Ok(key) if key.app_id == app_id => Outcome::well(format!("of {app_id}")),
        Ok(_) => {
            let finding = Outcome::finding(
                format!("the key is another app's than {app_id}"),
                "set `app_id` and AGENTADMIT_API_KEY to the same app's",
            );
            exam.block_after(Part::OwnKey, "key_app", finding)
        }
        Err(why) => Outcome::unknown(why),
    }
}

/// The key may verify; one that leaves the app's servers may do nothing else.
pub(super) async fn permissions(exam: &mut Exam) -> Outcome {
    let has = match shown(exam).await {
        Ok(key) => key.permissions,
        Err(why) => return Outcome::unknown(why),
    };
    let listed = has.iter().map(Permission::as_str).collect::<Vec<_>>().join(", ");
    if !has.contains(Permission::Verify) {
        return Outcome::finding(
            format!("the key may not verify, only: {listed}"),
            format!("every app needs a key that may: `{NEW_KEY}`"),
        );
    }
    if exam.args.shipped && has != Permissions::NONE.with(Permission::Verify) {
        return Outcome::finding(
            format!("the key leaves the app's servers, and may {listed}"),
            format!(
                "give out a key that may verify and nothing else: `{NEW_KEY} --permission verify`"
            ),
        );
    }
    Outcome::well(listed)
}

/// What the service says of the key.
async fn shown(exam: &mut Exam) -> Result<CredentialAnswer, String> {
    let ask = Ask::get(exam.at_service("/v1/credential")).bearer(exam.subject.bearer());
    let reply = exam.wire.send(ask).await.map_err(|error| error.words().to_owned())?;
    let body = reply.json().filter(|_| reply.is(200));
    body.and_then(|body| serde_json::from_value(body).ok())
        .ok_or_else(|| format!("what the key is and may do is answered {}", reply.words()))
}

/// The service's catalogue is the configuration's.
pub(super) async fn catalogue(exam: &mut Exam) -> Outcome {
    let Some(app_id) = exam.subject.app_id() else { return Outcome::skipped("no app_id") };
    let url = exam.at_service(&format!("/v1/apps/{app_id}/scopes"));
    let reply = match exam.wire.send(Ask::get(url).bearer(exam.subject.bearer())).await {
        Ok(reply) => reply,
        Err(error) => return Outcome::unknown(error.words()),
    };
    if reply.is(403) {
        return Outcome::skipped("this key may not read it");
    }
    let body = reply.json().unwrap_or_default();
    let there: Option<Vec<Scope>> =
        body.get("scopes").and_then(|scopes| serde_json::from_value(scopes.clone()).ok());
    let Some(there) = there.filter(|_| reply.is(200)) else {
        return Outcome::unknown(format!("the catalogue is answered {}", reply.words()));
    };
    let differences = differences(&exam.subject.settings.scopes, &there);
    if differences.is_empty() {
        return Outcome::well(format!("{} scopes, the same on both sides", there.len()));
    }
    Outcome::finding(
        format!("the service's catalogue is not the file's: {}", differences.join("; ")),
        "push the file's with `agentadmit sync` (`--remove NAME` for a scope that agents hold)",
    )
}

/// What differs, in words.
fn differences(here: &[Scope], there: &[Scope]) -> Vec<String> {
    let by_name = |scopes: &[Scope]| -> BTreeMap<String, Scope> {
        scopes.iter().map(|scope| (scope.name.to_string(), scope.clone())).collect()
    };
    let (here, there) = (by_name(here), by_name(there));
    let only = |these: &BTreeMap<String, Scope>, those: &BTreeMap<String, Scope>| {
        let names = these.keys().filter(|name| !those.contains_key(*name));
        names.cloned().collect::<Vec<_>>().join(", ")
    };
    let changed: Vec<String> = here
        .iter()
        .filter(|(name, scope)| there.get(*name).is_some_and(|other| other != *scope))
        .map(|(name, _)| name.clone())
        .collect();
    [
        ("only in the file: ", only(&here, &there)),
        ("only at the service: ", only(&there, &here)),
        ("not the same: ", changed.join(", ")),
    ]
    .into_iter()
    .filter(|(_, names)| !names.is_empty())
    .map(|(what, names)| format!("{what}{names}"))
    .collect()
}
