//! `/v1/apps/{app_id}/authorization-requests/{request_id}`: an app says which of its users sits in
//! front of an authorization request.

use serde::{Deserialize, Serialize};

use crate::audit::OnBehalfOf;
use crate::oauth::{ClientId, ResourceUri};
use crate::scope::{MAX_SCOPES, ScopeName};
use crate::text::{Label, UserId};
use crate::time::Timestamp;
use crate::wire::object;

/// What an OAuth client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuthorizationRequestView {
    /// Who asks.
    pub client: AuthorizationClient,
    /// What it asks for.
    pub scopes: Vec<ScopeName>,
    /// The resource that it is for.
    pub resource: ResourceUri,
    /// From when on nothing comes of it.
    pub expires_at: Timestamp,
}

/// An OAuth client, as an app sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuthorizationClient {
    /// Who it is.
    pub client_id: ClientId,
    /// What it calls itself.
    pub name: Label,
    /// The host that vouches for it; `null` for one that registered itself.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub host: Option<String>,
}

/// Which user of the app is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BindRequest {
    /// The app's user who is signed in in that browser.
    pub user_id: UserId,
    /// How the app calls the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_label: Option<Label>,
    /// What of it this user may grant; absent is all that was asked for.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "crate::wire::at_most::<MAX_SCOPES, _, _>"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<ScopeName>>, max_items = 500))]
    pub scopes: Vec<ScopeName>,
    /// For whom the app acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<OnBehalfOf>,
}
object!(BindRequest);

/// Where the user's browser goes now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BindAnswer {
    /// Back to the service, with a code that is good once, in the browser that began.
    pub continue_url: String,
    /// From when on nothing comes of it.
    pub expires_at: Timestamp,
}
