//! Passkeys of developers: `/dashboard/passkeys…` (Web Authentication Level 3). What a browser is told and
//! what it answers is in its own JSON forms: `parseCreationOptionsFromJSON`, `parseRequestOptionsFromJSON`
//! and `toJSON` of a credential.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::developers::RemovedStatus;
use crate::link_code::LinkCode;
use crate::text::{InvalidText, Label, texts};
use crate::time::Timestamp;
use crate::wire::object;

texts! {
    /// An authenticator's name for a passkey: at most 1023 bytes, in base64url.
    CredentialId, "the id of a passkey", credential_id,
        crate::schema::pattern(
            "^[A-Za-z0-9_-]{1,1364}$",
            "An authenticator's name for a passkey, in base64url.",
            "AQID",
        );
}

fn credential_id(text: &str) -> Result<(), InvalidText> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if (1..=1_364).contains(&text.len()) && text.bytes().all(is_plain) {
        return Ok(());
    }
    Err(InvalidText::Rule("must be the `credential_id` of a passkey, unchanged"))
}

/// Asks for a challenge to make an account with a passkey.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PasskeySignUpRequest {
    /// What the account will be called.
    pub label: Label,
    /// What stands behind the `#` of a link; not needed where everybody may make an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<LinkCode>,
}
object!(PasskeySignUpRequest);

/// 200: what the browser is told. The challenge in it is good once, for five minutes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PasskeyOptions {
    /// Which challenge is answered.
    pub challenge_id: LinkCode,
    /// `PublicKeyCredentialCreationOptionsJSON` or `PublicKeyCredentialRequestOptionsJSON`.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub options: Value,
}

/// A passkey that was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MadePasskeyRequest {
    /// Which challenge is answered.
    pub challenge_id: LinkCode,
    /// `RegistrationResponseJSON`: the credential's `toJSON()`.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub credential: Map<String, Value>,
    /// What its developer calls it; `Passkey` when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Label>,
}
object!(MadePasskeyRequest);

/// A passkey that signed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsedPasskeyRequest {
    /// Which challenge is answered.
    pub challenge_id: LinkCode,
    /// `AuthenticationResponseJSON`: the credential's `toJSON()`.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub credential: Map<String, Value>,
}
object!(UsedPasskeyRequest);

/// A passkey of the own account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PasskeyView {
    /// The authenticator's name for it.
    pub credential_id: CredentialId,
    /// What its developer calls it.
    pub name: Label,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it last signed its developer in.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub last_used_at: Option<Timestamp>,
    /// Whether its authenticator keeps it on other devices too.
    pub is_synced: bool,
}

/// 200: the passkey signs nobody in any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PasskeyRemoved {
    /// The passkey.
    pub credential_id: CredentialId,
    /// Always `removed`.
    pub status: RemovedStatus,
}
