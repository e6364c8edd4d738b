//! `POST`: the user's yes or no.

use agentadmit_core::app::{App, CatalogueScope};
use agentadmit_core::consent::Question;
use agentadmit_core::issue::Lifetime;
use agentadmit_core::oauth::request::{AuthorizationRequest, Reply};
use agentadmit_engine::Lane;
use agentadmit_engine::consent::ConsentPage;
use agentadmit_engine::verbs::consent::{ConsentOutcome, DecideConsent, DecidedConsent, Decision};
use agentadmit_engine::verbs::token::Issued;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::prompt::Message;
use agentadmit_protocol::scope::{Scope, ScopeName};
use agentadmit_protocol::secret::Secret;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};

use super::browser::is_same_origin;
use super::form::{Form, Mistake, Said};
use super::view::{self, Granted, Problem, app_address, offered_templates};
use super::{Instead, PathId, Visit, back, respond};
use crate::error::ApiError;
use crate::extract::{Call, form_body};
use crate::oauth::reply::Back;
use crate::state::ServiceState;

/// Reads the form, decides, and shows what came of it.
pub(super) async fn decide(
    State(state): State<ServiceState>,
    call: Call,
    id: PathId,
    request: Request,
) -> Response {
    let visit = match Visit::new(state, id, request.headers().clone()) {
        Ok(visit) => visit,
        Err(instead) => return *instead,
    };
    match decided(&visit, &call, request).await {
        Ok(response) => response,
        Err(instead) => *instead,
    }
}

async fn decided(visit: &Visit, call: &Call, request: Request) -> Result<Response, Instead> {
    if !is_same_origin(&visit.headers, visit.state.engine().issuer()) {
        return bad_form(visit, StatusCode::FORBIDDEN);
    }
    let status = |error: ApiError| error.into_parts().0;
    let body = form_body(request).await.or_else(|error| bad_form(visit, status(error)))?;
    let form = Form::read(&body).or_else(|_| bad_form(visit, StatusCode::BAD_REQUEST))?;
    let page = visit.page().await?;
    let is_ours = visit.cookie.as_ref().is_some_and(|cookie| cookie.is_of_form(&form.token));
    if !is_ours {
        return bad_form(visit, StatusCode::FORBIDDEN);
    }
    if !page.is_live {
        return Ok(visit.ask(&page, None));
    }
    let decision = match decision(&page, &form) {
        Ok(decision) => decision,
        Err(problems) => return Ok(visit.ask(&page, Some((&form, &problems)))),
    };
    let (Some(cookie), session_id) = (&visit.cookie, visit.id) else {
        return bad_form(visit, StatusCode::FORBIDDEN);
    };
    let verb = DecideConsent { session_id, cookie: cookie.hash, decision, origin: call.origin() };
    match visit.state.engine().granted(Lane::Anonymous, verb).await {
        Ok(decided) => Ok(shown(visit, &page, &form, decided)),
        Err(error) => refused(visit, &form, error.into()).await,
    }
}

/// What came from elsewhere than our own page, or not as it sends it.
fn bad_form<T>(visit: &Visit, status: StatusCode) -> Result<T, Instead> {
    let words = visit.words(None);
    let page = view::notice(status, words, words.bad_form_title, words.bad_form_text);
    Err(Box::new(respond(&page)))
}

/// What the form says.
fn decision(page: &ConsentPage, form: &Form) -> Result<Decision, Vec<Problem>> {
    if !form.is_yes {
        return Ok(Decision::Deny);
    }
    let scopes = form.scopes.clone();
    if let Question::Widen { seconds, .. } = &page.session.question {
        if scopes.is_empty() && seconds.is_none() {
            return Err(vec![Problem::Mistake(Mistake::NoScope)]);
        }
        // the question has its own
        let lifetime = Lifetime::UntilRevoked;
        return Ok(Decision::Grant { scopes, lifetime, agent_label: None, user_intent: None });
    }
    let said = form.said(page.app.settings.allow_until_revoked);
    let template = template(page, form).map(|_| ());
    let mistakes: Vec<Mistake> = match (&said, template) {
        (Ok(_), Ok(())) => vec![],
        (Err(mistakes), Ok(())) => mistakes.clone(),
        (Ok(_), Err(mistake)) => vec![mistake],
        (Err(mistakes), Err(mistake)) => [mistakes.as_slice(), &[mistake]].concat(),
    };
    match said {
        Ok(Said { lifetime, agent_label, user_intent }) if mistakes.is_empty() => {
            Ok(Decision::Grant { scopes, lifetime, agent_label, user_intent })
        }
        _ => Err(mistakes.into_iter().map(Problem::Mistake).collect()),
    }
}

/// The chosen text to start the agent with, filled in.
fn template(page: &ConsentPage, form: &Form) -> Result<Option<String>, Mistake> {
    let Some(place) = form.template else { return Ok(None) };
    let offered = offered_templates(page);
    let Some((_, template)) = offered.iter().find(|(known, _)| *known == place) else {
        return Err(Mistake::TemplateScopes);
    };
    if !template.scopes.iter().all(|name| form.scopes.contains(name)) {
        return Err(Mistake::TemplateScopes);
    }
    let mut filled = Vec::new();
    for name in template.fields() {
        match form.field(place, name) {
            Ok(Some(value)) => filled.push((name, value)),
            _ => return Err(Mistake::TemplateField),
        }
    }
    let value = |name: &str| {
        let it = filled.iter().find(|(known, _)| *known == name);
        it.map(|(_, value)| value.as_str())
    };
    Ok(Some(template.fill(value)))
}

/// What was refused since the page was shown: once more, where that helps.
async fn refused(visit: &Visit, form: &Form, error: ApiError) -> Result<Response, Instead> {
    let problem = match error.code() {
        ErrorCode::InvalidScope => Problem::Changed,
        ErrorCode::InvalidDuration => Problem::Mistake(Mistake::NoDuration),
        ErrorCode::Conflict if error.is_about("user_id") => Problem::TooMany,
        // the connection that should be allowed more has ended, or somebody was faster
        ErrorCode::Conflict | ErrorCode::Gone => {
            let page = visit.page().await?;
            if page.is_live {
                let words = visit.words(Some(&page.session));
                let (title, text) = (words.over_title, words.over_text);
                return Ok(respond(&view::notice(StatusCode::GONE, words, title, text)));
            }
            return Ok(visit.ask(&page, None));
        }
        _ => return Err(Box::new(visit.failed(error))),
    };
    let page = visit.page().await?;
    Ok(visit.ask(&page, Some((form, &[problem]))))
}

fn shown(visit: &Visit, page: &ConsentPage, form: &Form, decided: DecidedConsent) -> Response {
    let words = visit.words(Some(&decided.session));
    let back = back(&decided.session);
    match decided.outcome {
        ConsentOutcome::Granted(issued) => {
            let scopes = chosen(page, &issued);
            let prompt = prompt(visit, page, form, &issued, &scopes);
            respond(&view::granted(&Granted {
                words,
                app: &decided.app,
                connection: &issued.connection,
                token: issued.token.expose(),
                prompt: &prompt,
                scopes: &scopes,
                back: back.as_deref(),
            }))
        }
        ConsentOutcome::Widened { before, after } => {
            let is_new = |entry: &&CatalogueScope| {
                let holds = |scopes: &[agentadmit_core::connection::GrantedScope]| {
                    scopes.iter().any(|scope| scope.id == entry.id)
                };
                holds(&after.scopes) && !holds(&before.scopes)
            };
            let added: Vec<CatalogueScope> = page.offered.iter().filter(is_new).cloned().collect();
            respond(&view::widened(words, &decided.app, &added, &after, back.as_deref()))
        }
        ConsentOutcome::Authorized { code, .. } => {
            authorized(visit, &decided.app, decided.authorization.as_ref(), code.as_ref())
        }
        ConsentOutcome::Denied if decided.authorization.is_some() => denied(visit, &decided),
        ConsentOutcome::Denied => match back.and_then(|url| HeaderValue::from_str(&url).ok()) {
            Some(url) => (StatusCode::SEE_OTHER, [(LOCATION, url)]).into_response(),
            None => respond(&view::over(words, &decided.app, &decided.session, None)),
        },
    }
}

/// Where the client of an authorization request hears the answer; a device asks for it by itself.
fn client_of(authorization: Option<&AuthorizationRequest>) -> Option<Back> {
    match &authorization?.reply {
        Reply::Redirect { redirect_uri, state, .. } => {
            Some(Back { to: redirect_uri.clone(), state: state.clone() })
        }
        Reply::Device { .. } => None,
    }
}

/// A yes to an OAuth client: the browser takes the code to it.
fn authorized(
    visit: &Visit,
    app: &App,
    authorization: Option<&AuthorizationRequest>,
    code: Option<&Secret>,
) -> Response {
    match (client_of(authorization), code) {
        (Some(client), Some(code)) => {
            client.with_code(visit.state.engine().issuer(), code.expose())
        }
        _ => crate::oauth::device_done(visit.words(None), &app.name),
    }
}

/// A no to an OAuth client.
fn denied(visit: &Visit, decided: &DecidedConsent) -> Response {
    let issuer = visit.state.engine().issuer();
    if let Some(client) = client_of(decided.authorization.as_ref()) {
        return client.with_error(issuer, "access_denied", "the user said no");
    }
    let words = visit.words(Some(&decided.session));
    respond(&view::over(words, &decided.app, &decided.session, None))
}

/// What was granted, as the catalogue describes it.
fn chosen(page: &ConsentPage, issued: &Issued) -> Vec<CatalogueScope> {
    let is_chosen =
        |entry: &&CatalogueScope| issued.connection.scopes.iter().any(|scope| scope.id == entry.id);
    page.offered.iter().filter(is_chosen).cloned().collect()
}

/// The message for the agent: address, token, what to do, and the chosen task.
fn prompt(
    visit: &Visit,
    page: &ConsentPage,
    form: &Form,
    issued: &Issued,
    scopes: &[CatalogueScope],
) -> String {
    let service = visit.state.engine().issuer().trim_end_matches('/');
    let address =
        app_address(&page.app, &page.session).map(|url| url.origin().ascii_serialization());
    let granted: Vec<ScopeName> = scopes.iter().map(|entry| entry.scope.name.clone()).collect();
    let catalogue: Vec<Scope> = scopes.iter().map(|entry| entry.scope.clone()).collect();
    let message = Message {
        app: &page.app.name,
        address: address.as_deref(),
        exchange: &format!("{service}/v1/token/exchange"),
        token: &issued.token,
        token_expires_at: issued.connection.token_expires_at,
        expires_at: issued.connection.expires_at,
        granted: &granted,
        catalogue: &catalogue,
    };
    let text = message.to_text();
    match template(page, form) {
        Ok(Some(task)) => format!("{text}\n\nTo begin with: {task}"),
        _ => text,
    }
}
