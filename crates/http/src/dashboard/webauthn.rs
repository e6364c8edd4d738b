//! What browsers and authenticators say, checked by the library (Web Authentication Level 3): the challenge
//! is ours and answered once, the origin and the RP ID are the dashboard's, the user was verified.

use agentadmit_core::passkey::{self, CHALLENGE_SECONDS, NewPasskey, Passkey, Signed};
use agentadmit_engine::verbs::passkeys::Begun;
use agentadmit_protocol::api::passkeys::CredentialId;
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::AccountId;
use agentadmit_protocol::link_code::LinkCode;
use agentadmit_protocol::secret::Secret;
use agentadmit_protocol::text::Label;
use passki::{
    AuthenticationCredential, AuthenticationOptions, AuthenticationState, Passki, PasskiError,
    RegistrationCredential, RegistrationOptions, RegistrationState, ResidentKeyRequirement,
    StoredPasskey, UserVerificationRequirement,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use url::Url;

use super::rp_id;
use crate::error::{Answer, ApiError};

const NAME: &str = "AgentAdmit";
/// What the options ask for, and what is taken: `EdDSA`, ES256, ES384, RS256, RS384 (IANA's COSE
/// algorithms).
const ALGORITHMS: [i32; 5] = [-8, -7, -35, -257, -258];
const TIMEOUT_MS: u64 = CHALLENGE_SECONDS.unsigned_abs() * 1_000;

/// The dashboard as authenticators know it.
pub(crate) struct Party(Passki);

impl Party {
    /// That of a dashboard at this address.
    ///
    /// # Errors
    /// `conflict` where the address has no name.
    pub(crate) fn of(dashboard_url: &str) -> Answer<Self> {
        let parts = rp_id(dashboard_url).zip(Url::parse(dashboard_url).ok());
        let Some((rp_id, mut url)) = parts else {
            let text =
                "passkeys need a dashboard whose address has a name: this one is an IP address";
            return Err(ApiError::new(ErrorCode::Conflict, text));
        };
        url.set_host(Some(&rp_id)).map_err(|_| ApiError::internal())?;
        Ok(Self(Passki::new(&rp_id, &[url.origin().ascii_serialization()], NAME)))
    }

    /// What a browser is told that makes a passkey.
    pub(crate) fn creation(&self, begun: &Begun) -> Answer<Value> {
        let (account_id, label) = begun.account.as_ref().ok_or_else(ApiError::internal)?;
        let known: Vec<_> = begun.known.iter().map(stored).collect();
        let mut options = RegistrationOptions::default();
        options.timeout = TIMEOUT_MS;
        options.resident_key = ResidentKeyRequirement::Required;
        options.user_verification = UserVerificationRequirement::Required;
        options.exclude_credentials = Some(&known);
        let user = (account_id.as_bytes(), label.as_str());
        let started = self.0.start_passkey_registration(user.0, user.1, user.1, options);
        let (mut told, _) = started.map_err(|error| defect(&error))?;
        told.challenge = written(&begun.challenge);
        serde_json::to_value(told).map_err(|_| ApiError::internal())
    }

    /// What a browser is told that signs in with whatever passkey it has for us.
    pub(crate) fn request(&self, begun: &Begun) -> Answer<Value> {
        let (mut told, _) = self.authentication()?;
        told.challenge = written(&begun.challenge);
        serde_json::to_value(told).map_err(|_| ApiError::internal())
    }

    /// A passkey that was made for this challenge.
    pub(crate) fn made(
        &self,
        challenge: &LinkCode,
        account_id: AccountId,
        credential: Map<String, Value>,
        name: Option<Label>,
    ) -> Answer<NewPasskey> {
        let credential: RegistrationCredential = read(credential)?;
        let state = self.registration(challenge, account_id)?;
        let made = self
            .0
            .finish_passkey_registration(&credential, &state)
            .map_err(|error| refused(&error))?;
        if !ALGORITHMS.contains(&made.algorithm) {
            return Err(passkey::invalid_passkey().into());
        }
        let name = match name {
            Some(name) => name,
            None => Label::new("Passkey").map_err(|_| ApiError::internal())?,
        };
        Ok(NewPasskey {
            credential: made.credential_id,
            name,
            public_key: made.public_key,
            algorithm: made.algorithm,
            counter: made.counter,
            is_synced: made.bs,
        })
    }

    /// What a known passkey signed for this challenge. Whether its counter goes on is decided in the
    /// transaction: here it may go back, so that only who has the key is heard about that.
    pub(crate) fn signed(
        &self,
        challenge: &LinkCode,
        credential: &Assertion,
        known: &Passkey,
    ) -> Answer<Signed> {
        let handle = credential.0.response.user_handle.as_deref().map(Passki::base64_decode);
        // one that is found without a name says whose it is (section 7.2, step 6)
        if !matches!(handle, Some(Ok(handle)) if handle == known.account_id.as_bytes()) {
            return Err(passkey::invalid_passkey().into());
        }
        let (_, mut state) = self.authentication()?;
        state.challenge = challenge.expose().as_bytes().to_vec();
        let mut uncounted = stored(known);
        uncounted.counter = 0;
        let result = self.0.finish_passkey_authentication(&credential.0, &state, &uncounted);
        let signed = result.map_err(|error| refused(&error))?;
        let flags = Passki::base64_decode(&credential.0.response.authenticator_data)
            .map_err(|error| refused(&error))?
            .get(FLAGS_AT)
            .copied()
            .unwrap_or_default();
        Ok(Signed { counter: signed.counter, is_synced: flags & BACKED_UP != 0 })
    }

    fn registration(
        &self,
        challenge: &LinkCode,
        account_id: AccountId,
    ) -> Answer<RegistrationState> {
        let mut options = RegistrationOptions::default();
        options.user_verification = UserVerificationRequirement::Required;
        let started = self.0.start_passkey_registration(account_id.as_bytes(), "", "", options);
        let (_, mut state) = started.map_err(|error| defect(&error))?;
        state.challenge = challenge.expose().as_bytes().to_vec();
        Ok(state)
    }

    fn authentication(&self) -> Answer<(passki::AuthenticationChallenge, AuthenticationState)> {
        let mut options = AuthenticationOptions::default();
        options.timeout = TIMEOUT_MS;
        options.user_verification = UserVerificationRequirement::Required;
        self.0.start_passkey_authentication(&[], options).map_err(|error| defect(&error))
    }
}

/// Where the flags stand in what an authenticator says (section 6.1), and the one of a passkey that is kept
/// elsewhere too.
const FLAGS_AT: usize = 32;
const BACKED_UP: u8 = 0b1_0000;

/// What a browser answers that signs in.
pub(crate) struct Assertion(AuthenticationCredential);

impl Assertion {
    /// Reads it.
    ///
    /// # Errors
    /// 422 about `credential`.
    pub(crate) fn read(credential: Map<String, Value>) -> Answer<Self> {
        read(credential).map(Self)
    }

    /// The authenticator's name for the passkey.
    pub(crate) fn credential(&self) -> Answer<Vec<u8>> {
        Passki::base64_decode(&self.0.raw_id).map_err(|error| refused(&error))
    }
}

/// The bytes of a passkey's id in an address.
pub(crate) fn credential_bytes(id: &CredentialId) -> Answer<Vec<u8>> {
    let no_such = || agentadmit_core::Refusal::not_found("passkey");
    Ok(Passki::base64_decode(id.as_str()).map_err(|_| no_such())?)
}

/// The id of a passkey as answers have it.
pub(crate) fn credential_id(passkey: &Passkey) -> Answer<CredentialId> {
    let text = Passki::base64_encode(&passkey.credential);
    CredentialId::new(text).map_err(|_| ApiError::internal())
}

/// A challenge is the text of a secret, so that its hash is all that is kept.
fn written(challenge: &Secret) -> String {
    Passki::base64_encode(challenge.expose().as_bytes())
}

fn stored(passkey: &Passkey) -> StoredPasskey {
    let mut stored = StoredPasskey::default();
    stored.credential_id.clone_from(&passkey.credential);
    stored.public_key.clone_from(&passkey.public_key);
    stored.counter = passkey.counter;
    stored.algorithm = passkey.algorithm;
    stored
}

fn read<T: DeserializeOwned>(credential: Map<String, Value>) -> Answer<T> {
    serde_json::from_value(Value::Object(credential)).map_err(|_| {
        let text = "must be what `toJSON()` of a public-key credential gives";
        ApiError::new(ErrorCode::UnprocessableRequest, text).field("credential")
    })
}

/// Whatever is wrong with it: nobody is told what.
fn refused(error: &PasskiError) -> ApiError {
    tracing::debug!(%error, "a passkey was refused");
    passkey::invalid_passkey().into()
}

fn defect(error: &PasskiError) -> ApiError {
    tracing::error!(%error, "a ceremony could not begin");
    ApiError::internal()
}
