//! OAuth 2.1 (PROTOCOL, OAuth): from what a client asks to the tokens that it holds.
//!
//! | file | verbs |
//! | --- | --- |
//! | [`request`] | a client asks, straight or pushed; its user is named and comes back |
//! | `decision` | what comes of the user's decision on the consent page |
//! | [`token`] | tokens for a code, and new ones for a refresh token; a client ends its grant |
//! | [`device`] | devices without a browser |
//! | [`client`] | clients register, prove themselves, and are forgotten |
//! | `resource` | which app has which resource |

pub mod client;
pub(super) mod decision;
pub mod device;
pub mod request;
pub(super) mod resource;
pub mod token;

use agentadmit_core::oauth::ClientSummary;
use agentadmit_protocol::audit::Details;
use agentadmit_protocol::oauth::ResourceUri;
use serde_json::Value;

use crate::record::details;
use crate::store::StoreError;
use crate::tx::Tx;

/// What records about a client's request or grant say of it, behind what is their own.
fn told<const N: usize>(
    own: [(&str, Value); N],
    client: &ClientSummary,
    resource: &ResourceUri,
    destination: Option<String>,
) -> Result<Details, StoreError> {
    let common = details([
        ("client_id", client.id.as_str().into()),
        ("client_name", client.name.as_str().into()),
        ("resource", resource.as_str().into()),
        ("redirect_host", destination.map_or(Value::Null, Value::from)),
    ])?;
    let mut all = serde_json::to_value(&common).unwrap_or_default();
    if let Value::Object(members) = &mut all {
        members.extend(own.map(|(name, value)| (name.to_owned(), value)));
    }
    Details::new(&all).map_err(|error| StoreError::Corrupt(error.to_string()))
}

impl Tx<'_> {
    /// Notes that a client is used, where it is one that registered.
    fn client_is_used(&mut self, client: &ClientSummary) -> Result<(), StoreError> {
        let Some(id) = client.id.registered() else { return Ok(()) };
        let used = self.rows.oauth_client(id)?.and_then(|client| client.used(self.now));
        used.map_or(Ok(()), |client| self.rows.put_oauth_client(&client))
    }
}
