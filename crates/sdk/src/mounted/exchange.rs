//! `POST /token/exchange`: so that an agent needs only the app's address.
//!
//! Forwards the token, the label, the `Idempotency-Key` and the client's address under the app's
//! credential, and nothing else. Token and answer stand in no log.

use std::net::{IpAddr, Ipv6Addr};

use agentadmit_protocol::api::token::{ExchangeCall, IdempotencyKey};
use agentadmit_protocol::error::RateLimitOf;
use agentadmit_protocol::text::Label;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::rules::told;
use super::{Call, answer};
use crate::admit::AgentAdmit;
use crate::app::App;
use crate::client::ServiceClient;
use crate::error::Error;
use crate::guard::agent_token;
use crate::refusal::Refused;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    #[serde(deserialize_with = "wiped")]
    token: Zeroizing<String>,
    #[serde(default)]
    agent_label: Option<Label>,
}

/// A text that leaves memory when it is dropped.
fn wiped<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

impl<A: App, C: ServiceClient> AgentAdmit<A, C> {
    pub(super) async fn exchange(&self, call: &Call<'_>) -> Result<Response<Bytes>, Refused> {
        // a token in the query would stand in logs, wherever it goes from here
        if call.parts.uri.query().is_some() {
            let text = "this path takes no query: send the token in the body";
            return Err(Refused::new(StatusCode::BAD_REQUEST, "invalid_request", text));
        }
        check_headers(call)?;
        let address = self.client_address(call.parts, call.peer);
        // all requests without an address count as one
        let counted = address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let now_ns = self.clock().monotonic_ns();
        self.failures().lock().check(counted, now_ns).map_err(too_many)?;
        let Exchange { token, agent_label } = call.json()?;
        let key = call.idempotency_key()?;
        let agent_ip = address.map(|address| address.to_string());
        let exchange = ExchangeCall {
            token: &token,
            agent_label: agent_label.as_ref().map(Label::as_str),
            agent_ip: agent_ip.as_deref(),
        };
        match self.client().exchange(&exchange, key).await {
            Ok(exchanged) => Ok(answer(StatusCode::OK, &exchanged)),
            Err(error) => {
                let refused = of_exchange(&error);
                if refused.status.is_client_error()
                    && refused.status != StatusCode::TOO_MANY_REQUESTS
                {
                    self.failures().lock().note(counted, now_ns);
                }
                Err(refused)
            }
        }
    }
}

impl Call<'_> {
    fn idempotency_key(&self) -> Result<Option<&str>, Refused> {
        let mut values = self.parts.headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else { return Ok(None) };
        let key = value.to_str().ok().filter(|text| text.parse::<IdempotencyKey>().is_ok());
        match key {
            Some(key) if values.next().is_none() => Ok(Some(key)),
            _ => {
                let text = "`Idempotency-Key` must stand there once, with 22 to 64 of A-Za-z0-9_-";
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                let refused = Refused::new(status, "invalid_request", text);
                Err(refused.of_field("Idempotency-Key"))
            }
        }
    }
}

/// A token in a cookie and two `Authorization` headers are 400 here too. One such header means
/// nothing: the token in the body is the credential.
fn check_headers(call: &Call<'_>) -> Result<(), Refused> {
    match agent_token(call.parts) {
        Err(refused) if refused.status == StatusCode::BAD_REQUEST => Err(refused),
        _ => Ok(()),
    }
}

fn too_many(wait: std::time::Duration) -> Refused {
    let text = "ten exchanges from this address failed within a minute: check the token, and wait";
    let mut refused = Refused::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", text);
    refused.retry_after = Some(wait);
    refused.body.limit = Some(RateLimitOf::Address);
    refused
}

/// What the service says of the token goes through; everything else is 503.
fn of_exchange(error: &Error) -> Refused {
    match error {
        Error::Refused(refused) if matches!(refused.status, 400 | 422) => told(refused),
        Error::RateLimit(_) => Refused::from(error),
        _ => {
            tracing::error!(%error, "an exchange could not be forwarded");
            let mut refused = Refused::from(error);
            refused.body.error_description =
                "the exchange could not be made now: try again later, with the same \
                 `Idempotency-Key`"
                    .into();
            refused
        }
    }
}
