//! How an OAuth client proves who it is: exactly one way at a time (RFC 6749 section 2.3), and the one
//! that it said it would use.

use std::sync::Arc;

use agentadmit_engine::Lane;
use agentadmit_engine::verbs::oauth::client::SpendClientAssertion;
use agentadmit_protocol::api::oauth::ClientAssertion;
use agentadmit_protocol::api::oauth_server::ClientForm;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::oauth::ClientId;
use agentadmit_protocol::secret::{self, Presented, SecretHash, SecretKind};
use jsonwebtoken::jwk::JwkSet;

use super::documents::Need;
use super::{Client, Proves, keys};
use crate::error::{Answer, ApiError};
use crate::extract::{Call, OAuthHeader};
use crate::routes::JWT_BEARER;
use crate::state::ServiceState;

/// What a request shows.
enum Proof {
    Nothing,
    /// A client secret; `None` for anything else.
    Secret(Option<SecretHash>),
    Assertion(ClientAssertion),
}

/// Whether a form or header names an OAuth client rather than an app.
pub(crate) fn is_oauth_client(header: &OAuthHeader, client_id: Option<&str>) -> bool {
    let of_header = match header {
        OAuthHeader::Basic { client_id, .. } => Some(client_id.as_str()),
        OAuthHeader::Absent => client_id,
        OAuthHeader::Bearer(_) => None,
    };
    of_header.is_some_and(|id| ClientId::new(id).is_ok())
}

/// The client that a request names and proves. `endpoint` is the path that it was sent to.
///
/// # Errors
/// `invalid_client`; `invalid_request` for two proofs at a time; `unavailable`.
pub(crate) async fn client(
    state: &ServiceState,
    call: &Call,
    header: OAuthHeader,
    form: ClientForm,
    endpoint: &str,
) -> Answer<Arc<Client>> {
    let (id, proof) = read(header, form)?;
    let unknown = |_| invalid_client("there is no client with this `client_id`");
    let id = ClientId::new(id).map_err(unknown)?;
    let client = state.clients().get(state, call.client(state), &id, Need::LastKnown).await?;
    match (&client.proves, proof) {
        (Proves::Not, Proof::Nothing) => Ok(client),
        (Proves::Secret(known), Proof::Secret(Some(shown))) if known.ct_eq(&shown) => Ok(client),
        (Proves::Keys(kept), Proof::Assertion(jwt)) => {
            let keys = state.clients().keys(state, call.client(state), kept).await?;
            spend(state, &client, &keys, &jwt, endpoint).await?;
            Ok(client)
        }
        (Proves::Secret(_), Proof::Secret(_)) => {
            Err(invalid_client("this is not the client's secret"))
        }
        _ => Err(invalid_client(
            "prove the client in the way that it said it would: its `token_endpoint_auth_method`",
        )),
    }
}

fn read(header: OAuthHeader, form: ClientForm) -> Answer<(String, Proof)> {
    let no_id = || invalid_client("name the client: `client_id`");
    match (header, form.client_secret, form.client_assertion) {
        (OAuthHeader::Basic { client_id, client_secret }, None, None) => {
            if form.client_id.is_some_and(|other| other != client_id) {
                return Err(invalid_client("`client_id` differs from the one in `Authorization`"));
            }
            Ok((
                client_id,
                Proof::Secret(client_secret_hash(&Presented(secret::parse(&client_secret)))),
            ))
        }
        (OAuthHeader::Absent, Some(secret), None) => {
            Ok((form.client_id.ok_or_else(no_id)?, Proof::Secret(client_secret_hash(&secret))))
        }
        (OAuthHeader::Absent, None, Some(assertion)) => {
            if form.client_assertion_type.as_deref() != Some(JWT_BEARER) {
                let text = format!("`client_assertion_type` must be {JWT_BEARER}");
                return Err(ApiError::bad_request(text).field("client_assertion_type"));
            }
            // it names its client itself (RFC 7521 section 4.2)
            let id = form.client_id.or_else(|| keys::issuer(assertion.expose()));
            Ok((id.ok_or_else(no_id)?, Proof::Assertion(assertion)))
        }
        (OAuthHeader::Absent, None, None) => {
            Ok((form.client_id.ok_or_else(no_id)?, Proof::Nothing))
        }
        (OAuthHeader::Bearer(_), None, None) => {
            Err(invalid_client("an OAuth client proves itself by Basic, its form, or not at all"))
        }
        _ => {
            let text = "prove the client in exactly one way (RFC 6749 section 2.3)";
            Err(ApiError::bad_request(text))
        }
    }
}

fn client_secret_hash(presented: &Presented) -> Option<SecretHash> {
    match presented.0 {
        Ok((SecretKind::ClientSecret, hash)) => Some(hash),
        _ => None,
    }
}

/// Checks an assertion and sees to it that it counts once.
async fn spend(
    state: &ServiceState,
    client: &Client,
    keys: &JwkSet,
    jwt: &ClientAssertion,
    endpoint: &str,
) -> Answer<()> {
    let engine = state.engine();
    let issuer = engine.issuer();
    let here = format!("{}{endpoint}", issuer.trim_end_matches('/'));
    let token = format!("{}/oauth/token", issuer.trim_end_matches('/'));
    // libraries of all ages: the issuer (draft-ietf-oauth-rfc7523bis), the address it is sent to,
    // or that of the token endpoint (RFC 9126 section 2)
    let audiences = [issuer.to_owned(), here, token];
    let signed = keys::verify(jwt.expose(), &client.id, keys, &audiences, engine.wall())
        .map_err(|text| invalid_client(format!("this client assertion is not valid: {text}")))?;
    let verb =
        SpendClientAssertion { client_id: client.id.clone(), jti: signed.jti, until: signed.until };
    engine.granted(Lane::Anonymous, verb).await?;
    Ok(())
}

fn invalid_client(text: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(ErrorCode::InvalidClient, text)
}
