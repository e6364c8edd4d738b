//! The app's routes, asked as an agent with a dead token would ask: what comes back must be a
//! refusal of the SDK's guards.

use http::Method;
use serde_json::Value;

use super::exam::{Exam, Part, text};
use super::report::Outcome;
use super::wire::{Ask, NoReply, Reply};

/// Routes of the document that are asked, at most.
const MAX_ROUTES: usize = 100;

/// Codes that only somebody hears whom the SDK took for an agent.
const AGENTS_CODES: [&str; 5] = [
    "invalid_token",
    "agent_not_allowed",
    "insufficient_scope",
    "authorization_unavailable",
    "rate_limited",
];

/// What an answer to an agent's token shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// The SDK saw an agent.
    AsAgent,
    /// Somebody refused, but the body is not the SDK's.
    Rewritten,
    /// There is no such route.
    NoRoute,
    /// The token was not seen.
    AsNobody,
}

fn seen(reply: &Reply) -> Seen {
    let is_json = reply.json().is_some();
    match reply.status.as_u16() {
        401 | 403 | 429 | 503 if AGENTS_CODES.contains(&reply.error().as_str()) => Seen::AsAgent,
        401 | 403 if !is_json => Seen::Rewritten,
        404 | 405 => Seen::NoRoute,
        _ => Seen::AsNobody,
    }
}

/// `Authorization` arrives at the app: a route of the SDK that is for users alone says so.
pub(super) async fn authorization(exam: &mut Exam) -> Outcome {
    let path = format!("{}/scopes", prefix(exam));
    let mut reply = match ask(exam, &Method::GET, &path, exam.dead_token.expose()).await {
        Ok(reply) => reply,
        Err(error) => return Outcome::unknown(error.words()),
    };
    let mut asked = path;
    if seen(&reply) == Seen::NoRoute {
        let Some(path) = guarded_get(exam) else {
            return Outcome::skipped(format!("the app has neither {asked} nor a GET for agents"));
        };
        reply = match ask(exam, &Method::GET, &path, exam.dead_token.expose()).await {
            Ok(reply) => reply,
            Err(error) => return Outcome::unknown(error.words()),
        };
        asked = path;
    }
    let (found, words) = (seen(&reply), reply.words());
    exam.app_refusal = Some(reply);
    match found {
        Seen::AsAgent => Outcome::well("the header arrives at the app"),
        Seen::Rewritten => {
            let skipped = Outcome::skipped("see app_refusal");
            exam.block_after(Part::AppHeader, "app_refusal", skipped)
        }
        Seen::NoRoute | Seen::AsNobody => {
            let finding = Outcome::finding(
                format!("{asked} answers an agent's token with {words}, as if none had come"),
                "a proxy in front of the app drops `Authorization`, or another middleware answers \
                 before the SDK: let the header through, and put the SDK outermost",
            );
            exam.block_after(Part::AppHeader, "app_authorization", finding)
        }
    }
}

/// A refusal arrives as the SDK made it.
pub(super) async fn refusal(exam: &mut Exam) -> Outcome {
    let Some(reply) = &exam.app_refusal else { return Outcome::skipped("nothing was refused") };
    match seen(reply) {
        Seen::AsAgent => challenge(exam).await,
        Seen::Rewritten => Outcome::finding(
            format!("an agent is answered {} and not the SDK's own words", reply.words()),
            "let the proxy pass error bodies on (nginx: no `error_page 401 403`): an agent cannot \
             tell a dead token from a missing scope",
        ),
        Seen::NoRoute | Seen::AsNobody => Outcome::skipped("see app_authorization"),
    }
}

/// A 401 says why by its header, too (RFC 6750 section 3).
async fn challenge(exam: &Exam) -> Outcome {
    const WELL: &str = "a refusal arrives with code and sentence";
    let Some(path) = guarded_get(exam) else { return Outcome::well(WELL) };
    match ask(exam, &Method::GET, &path, exam.dead_token.expose()).await {
        Ok(reply) if reply.is(401) && !reply.header("www-authenticate").contains("error=") => {
            Outcome::finding(
                format!("the 401 of {path} arrives without its `WWW-Authenticate`"),
                "let the proxy pass the header on: agents learn from it that the token is dead",
            )
        }
        Ok(_) => Outcome::well(WELL),
        Err(error) => Outcome::unknown(error.words()),
    }
}

/// The app can ask its service.
pub(super) async fn service(exam: &mut Exam) -> Outcome {
    let Some(path) = guarded_get(exam) else {
        return Outcome::skipped("the document names no GET for agents");
    };
    match ask(exam, &Method::GET, &path, exam.dead_token.expose()).await {
        Ok(reply) if reply.error() == "authorization_unavailable" => Outcome::finding(
            "the app cannot ask its service: every agent hears 503",
            "look at the app's log: a bad key, a `service_url` that does not lead there, or a \
             certificate that it does not trust",
        ),
        Ok(reply) if reply.is(401) || reply.is(403) => {
            Outcome::well("the app asks it before it answers an agent")
        }
        Ok(reply) => Outcome::skipped(format!("{path} is answered {}", reply.words())),
        Err(error) => Outcome::unknown(error.words()),
    }
}

/// No route lets a dead token in, however it is spelled.
pub(super) async fn open(exam: &mut Exam) -> Outcome {
    let dead = exam.dead_token.expose();
    let (_, digits) = dead.split_at("ag_at_".len());
    let spellings =
        [format!("Bearer {dead}"), format!("bearer {dead}"), format!("Bearer AG_AT_{digits}")];
    let (routes, left_out) = probes(exam);
    if routes.is_empty() {
        return Outcome::skipped(format!(
            "{left_out} routes that write; name one with --probe PATH"
        ));
    }
    let (mut open, mut unclear) = (Vec::new(), Vec::new());
    for (method, path) in &routes {
        for spelling in &spellings {
            let ask = Ask::new(method.clone(), exam.at_app(path)).authorization(spelling.clone());
            match exam.wire.send(ask).await {
                Ok(reply) if reply.status.is_success() || reply.status.is_redirection() => {
                    open.push(format!("{method} {path} answers {}", reply.words()));
                    break;
                }
                Ok(reply) if reply.status.is_server_error() && seen(&reply) != Seen::AsAgent => {
                    unclear.push(format!("{method} {path} answers {}", reply.words()));
                    break;
                }
                Ok(_) => {}
                Err(error) => return Outcome::unknown(error.words()),
            }
        }
    }
    if !open.is_empty() {
        return Outcome::finding(
            format!("an agent without a connection gets in: {}", open.join("; ")),
            "give the route a guard (`require_scope_if_agent`), or serve it through the SDK's \
             router, which closes unguarded routes to agents",
        );
    }
    if !unclear.is_empty() {
        return Outcome::unknown(unclear.join("; "));
    }
    let more = if left_out > 0 {
        format!("; {left_out} that write or are too many were not asked (--probe-writes)")
    } else {
        String::new()
    };
    Outcome::well(format!("{} routes refuse a dead token{more}", routes.len()))
}

/// What is asked: the document's routes that only read, and the paths that were named; and how
/// many of the document's were left out.
fn probes(exam: &Exam) -> (Vec<(Method, String)>, usize) {
    let all = documented(exam);
    let may = |method: &Method| exam.args.probe_writes || method.is_safe();
    let mut routes: Vec<_> = all.iter().filter(|(method, _)| may(method)).cloned().collect();
    routes.truncate(MAX_ROUTES);
    let left_out = all.len().saturating_sub(routes.len());
    routes.extend(exam.args.probe.iter().map(|path| (Method::GET, path.clone())));
    (routes, left_out)
}

/// The first route for agents that only reads.
fn guarded_get(exam: &Exam) -> Option<String> {
    documented(exam).into_iter().find(|(method, _)| *method == Method::GET).map(|(_, path)| path)
}

/// The document's routes, with something in the place of each parameter.
fn documented(exam: &Exam) -> Vec<(Method, String)> {
    let routes = exam.document.as_ref().and_then(|document| document.get("routes"));
    let routes = routes.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let route = |route: &Value| {
        let method = Method::from_bytes(text(route, "method").as_bytes()).ok()?;
        let path = text(route, "path");
        path.starts_with('/').then(|| (method, filled(path)))
    };
    routes.iter().filter_map(route).collect()
}

/// A template with `0` for each of its parameters: `{id}`, `<int:id>`, `:id`.
fn filled(template: &str) -> String {
    let is_parameter = |part: &str| part.starts_with([':', '<', '{']) || part.contains('{');
    let parts = template.split('/').map(|part| if is_parameter(part) { "0" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// Where the app mounts the SDK's routes: as its document says, or else its configuration.
fn prefix(exam: &Exam) -> String {
    let announced = exam.document.as_ref().and_then(|document| {
        let endpoint = url::Url::parse(text(document, "token_exchange_endpoint")).ok()?;
        endpoint.path().strip_suffix("/token/exchange").map(str::to_owned)
    });
    announced.unwrap_or_else(|| exam.subject.settings.route_prefix.clone())
}

async fn ask(exam: &Exam, method: &Method, path: &str, token: &str) -> Result<Reply, NoReply> {
    exam.wire.send(Ask::new(method.clone(), exam.at_app(path)).bearer(token)).await
}

#[cfg(test)]
mod tests {
    use super::filled;

    #[test]
    fn a_parameter_is_filled_however_it_is_written() {
        for template in ["/a/{id}/b", "/a/:id/b", "/a/<int:id>/b", "/a/v{id}/b"] {
            assert_eq!(filled(template), "/a/0/b");
        }
        assert_eq!(filled("/"), "/");
    }
}
