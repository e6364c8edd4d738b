//! What an SDK takes for a yes, and for a no (PROTOCOL, Routes that an SDK mounts).

use agentadmit_protocol::api::verify::{VerifyAnswer, VerifyCall};
use agentadmit_protocol::scope::ScopeName;
use serde::Deserialize;

use super::outcome::{no_answer, parse, unavailable};
use super::transport::answer::Answer;
use crate::context::Agent;
use crate::error::{ConfigurationError, Error};
use crate::resource::is_same;
use crate::settings::Settings;
use crate::time::Clock;

/// What the service said of one call of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The call may proceed.
    Allowed(Box<Agent>),
    /// It may not.
    Refused(Box<Refusal>),
}

/// A refusal of verify: a 403 with a boolean `active`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// Whether the token opens a live connection.
    pub active: bool,
    /// The code, such as `invalid_token`; one that is unknown here is a refusal all the same.
    /// Empty where there was none.
    #[serde(default)]
    pub error: String,
    /// A sentence for developers.
    #[serde(default, rename = "error_description")]
    pub description: String,
    /// `invalid_token`: why. Beside the service's own words `other_resource`, which this client says
    /// of a token for somebody else.
    #[serde(default)]
    pub reason: Option<String>,
    /// `insufficient_scope`: every missing scope, separated by spaces.
    #[serde(default)]
    pub required_scope: Option<String>,
    /// `insufficient_scope`: what the connection holds.
    #[serde(default)]
    pub granted_scopes: Option<Vec<ScopeName>>,
    /// The record of the refusal, where there is one.
    #[serde(default)]
    pub audit_id: Option<String>,
    /// Where a plan is paid.
    #[serde(default)]
    pub billing_url: Option<String>,
}

/// A yes is 200 with `application/json`, `"active": true`, this app, this environment and every
/// scope that was asked for. A no is 403 with a boolean `active`. All else is neither.
pub(crate) fn read(
    answer: &Answer,
    call: &VerifyCall<'_>,
    settings: &Settings,
    clock: &dyn Clock,
) -> Result<Verdict, Error> {
    match answer.status() {
        200 => yes(answer, call, settings),
        403 => match serde_json::from_slice::<Refusal>(answer.body()) {
            Ok(refusal) => Ok(Verdict::Refused(Box::new(refusal))),
            Err(_) => Err(no_answer(answer, clock)),
        },
        _ => Err(no_answer(answer, clock)),
    }
}

fn yes(answer: &Answer, call: &VerifyCall<'_>, settings: &Settings) -> Result<Verdict, Error> {
    if !answer.head.is_json {
        return Err(unavailable("an answer of status 200 that is not application/json".to_owned()));
    }
    let verified: VerifyAnswer = parse(answer)?;
    if !verified.active {
        return Err(unavailable("an answer of status 200 that is not active".to_owned()));
    }
    is_about_us(&verified, settings)?;
    let needed = call.scope_used.unwrap_or_default().split_ascii_whitespace();
    for scope in needed {
        if !verified.scopes.iter().any(|held| held.as_str() == scope) {
            return Err(unavailable("a yes without every scope that was asked for".to_owned()));
        }
    }
    if is_for_us(&verified, settings)? {
        return Ok(Verdict::Allowed(Box::new(verified.into())));
    }
    Ok(Verdict::Refused(Box::new(other_resource())))
}

/// Whether the token was issued for this resource (RFC 8707 section 2): one that a client got for
/// another address must not be taken here, whoever forwards it. A token that was handed over names
/// none: it is the app's.
fn is_for_us(verified: &VerifyAnswer, settings: &Settings) -> Result<bool, ConfigurationError> {
    let Some(resource) = &verified.resource else { return Ok(true) };
    let own = settings.resource_url().ok_or_else(|| {
        ConfigurationError(format!(
            "a token for {resource} came, and this app does not say which resource it is: write \
             `resource: {resource}` into agentadmit.yaml, or set AGENTADMIT_RESOURCE, if it is that one"
        ))
    })?;
    Ok(is_same(resource.as_str(), own.as_str()))
}

fn other_resource() -> Refusal {
    Refusal {
        active: false,
        error: "invalid_token".to_owned(),
        description: "this token was issued for another resource: ask for one for this one"
            .to_owned(),
        reason: Some("other_resource".to_owned()),
        required_scope: None,
        granted_scopes: None,
        audit_id: None,
        billing_url: None,
    }
}

fn is_about_us(verified: &VerifyAnswer, settings: &Settings) -> Result<(), ConfigurationError> {
    if let Some(app_id) = settings.app_id
        && app_id != verified.app_id
    {
        return Err(ConfigurationError(format!(
            "the API key is of {}, and app_id is {app_id}: set the key of this app",
            verified.app_id
        )));
    }
    if let Some(environment) = settings.environment()
        && environment != verified.environment
    {
        return Err(ConfigurationError(format!(
            "the API key says {environment} and the service answers for {}",
            verified.environment
        )));
    }
    Ok(())
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
