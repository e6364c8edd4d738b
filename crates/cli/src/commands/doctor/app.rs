//! The app: is it there, and is its discovery document right.

use serde_json::Value;
use url::Url;

use super::exam::{Exam, Part, text};
use super::place;
use super::report::Outcome;
use super::wire::{Ask, Reply};

/// Where every app has it.
const DISCOVERY: &str = "/.well-known/agentadmit";
/// The one version of the document that there is.
const VERSION: &str = "1";

/// Something answers at the app's address.
pub(super) async fn address(exam: &mut Exam) -> Outcome {
    let Some(app) = exam.subject.app().cloned() else {
        return Outcome::skipped(exam.in_the_way(&[Part::App]).unwrap_or_default());
    };
    let hello = exam.wire.send(Ask::get(exam.at_app(DISCOVERY))).await;
    let outcome = place::address(&hello, &app);
    if outcome.is_finding() {
        exam.block(Part::App, "see app_address");
    } else if hello.is_err() {
        exam.block(Part::App, "see app_tls and app_certificate");
    }
    exam.app_hello = Some(hello);
    outcome
}

/// The document is there and is one.
pub(super) fn discovery(exam: &mut Exam) -> Outcome {
    let Some(Ok(reply)) = &exam.app_hello else { return Outcome::skipped("it did not answer") };
    let read = document(reply);
    match read {
        Ok(document) => {
            let routes = document.get("routes").and_then(Value::as_array).map_or(0, Vec::len);
            exam.document = Some(document);
            Outcome::well(format!("the document names {routes} routes"))
        }
        Err(why) => {
            let finding = Outcome::finding(
                format!("{DISCOVERY} {why}"),
                "put the SDK's router into the app, and let the proxy pass /.well-known/ on to it",
            );
            exam.block_after(Part::Document, "discovery", finding)
        }
    }
}

fn document(reply: &Reply) -> Result<Value, String> {
    if !reply.is(200) {
        return Err(format!("is answered {}", reply.words()));
    }
    let document = reply.json().ok_or("is no JSON (application/json)")?;
    match text(&document, "agentadmit_version") {
        VERSION => {}
        "" => return Err("is no discovery document: it has no `agentadmit_version`".to_owned()),
        other => return Err(format!("is of version {other}, and this program knows {VERSION}")),
    }
    let is_whole = document.get("routes").is_some_and(Value::is_array)
        && document.get("app").is_some_and(Value::is_object);
    if is_whole { Ok(document) } else { Err("lacks `app` or `routes`".to_owned()) }
}

/// The addresses in it are the app's own, and the service's is the configured one.
pub(super) fn addresses(exam: &mut Exam) -> Outcome {
    let (Some(document), Some(app)) = (&exam.document, exam.subject.app()) else {
        return Outcome::skipped("there is no document");
    };
    let mut wrong = Vec::new();
    for member in ["token_exchange_endpoint", "connections_page", "jwks_uri"] {
        let there = text(document, member);
        if !there.is_empty() && !has_origin_of(there, app) {
            wrong.push(format!("`{member}` is {there}"));
        }
    }
    if text(document, "token_exchange_endpoint").is_empty() {
        wrong.push("there is no `token_exchange_endpoint`".to_owned());
    }
    let service = text(document, "service");
    if !is_same(service, exam.subject.service()) {
        wrong.push(format!("`service` is {service}"));
    }
    if wrong.is_empty() {
        return Outcome::well("every address in it is the app's own");
    }
    let finding = Outcome::finding(
        format!("the document has another address: {}", wrong.join("; ")),
        format!(
            "set `public_url` to the origin that people and agents use ({}), and `service_url` to {}",
            app.origin().ascii_serialization(),
            exam.subject.service().as_str().trim_end_matches('/'),
        ),
    );
    exam.block_after(Part::RightDocument, "discovery_address", finding)
}

fn has_origin_of(address: &str, app: &Url) -> bool {
    Url::parse(address).is_ok_and(|url| url.origin() == app.origin())
}

fn is_same(address: &str, url: &Url) -> bool {
    let path = |url: &Url| url.path().trim_end_matches('/').to_owned();
    Url::parse(address)
        .is_ok_and(|other| other.origin() == url.origin() && path(&other) == path(url))
}

/// It is the configured app's.
pub(super) fn identity(exam: &mut Exam) -> Outcome {
    let there = exam.document.as_ref().and_then(|document| document.get("app"));
    let there = there.map(|app| text(app, "id")).unwrap_or_default();
    match exam.subject.app_id().map(|id| id.to_string()) {
        Some(app_id) if app_id == there => Outcome::well(app_id),
        Some(app_id) => {
            let finding = Outcome::finding(
                format!("the document is of {there:?}, and the configuration of {app_id}"),
                "set the same `app_id` in both, and start the app again",
            );
            exam.block_after(Part::RightDocument, "discovery_app", finding)
        }
        None => Outcome::skipped("no app_id"),
    }
}
