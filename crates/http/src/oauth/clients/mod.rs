//! OAuth clients: who they are, and how they prove it.
//!
//! | file | what |
//! | --- | --- |
//! | `documents` | documents of clients, fetched and kept |
//! | `keys` | their public keys, and what they sign |
//! | `metadata` | what they say of themselves, checked |
//! | `prove` | the four ways to prove oneself |

pub(crate) mod documents;
pub(crate) mod keys;
pub(crate) mod metadata;
pub(crate) mod prove;

use std::net::IpAddr;
use std::sync::Arc;

use agentadmit_core::oauth::ClientSummary;
use agentadmit_core::oauth::client::{ClientAuth, RegisteredClient};
use agentadmit_engine::verbs::oauth::client::AskedAuth;
use agentadmit_fetch::{FetchError, Fetcher};
use agentadmit_protocol::api::oauth_server::ClientMetadata;
use agentadmit_protocol::error::{ErrorCode, RateLimitOf};
use agentadmit_protocol::exchange_failures::ExchangeFailures;
use agentadmit_protocol::oauth::{ClientId, ClientRedirectUri};
use agentadmit_protocol::secret::SecretHash;
use agentadmit_protocol::text::Label;
use jsonwebtoken::jwk::JwkSet;
use parking_lot::Mutex;

use self::documents::{Documents, Need};
use self::metadata::{Method, Source};
use crate::error::{Answer, ApiError};
use crate::state::ServiceState;

/// An OAuth client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Client {
    /// Who it is.
    pub(crate) id: ClientId,
    /// What people call it.
    pub(crate) name: Label,
    /// Where browsers may be sent back to.
    pub(crate) redirect_uris: Vec<ClientRedirectUri>,
    /// How it proves itself.
    pub(crate) proves: Proves,
    /// The grants that it may ask for.
    pub(crate) grants: Vec<String>,
}

/// How a client proves itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proves {
    /// Not at all.
    Not,
    /// By a secret.
    Secret(SecretHash),
    /// By a signature: its keys, or the address where they are.
    Keys(String),
}

impl Client {
    /// The client as verbs know it.
    pub(crate) fn summary(&self) -> ClientSummary {
        ClientSummary { id: self.id.clone(), name: self.name.clone() }
    }

    /// Refuses what the client did not say that it would ask for.
    ///
    /// # Errors
    /// `unauthorized_client`.
    pub(crate) fn require_grant(&self, grant: &'static str) -> Answer<()> {
        if self.grants.iter().any(|known| known == grant) {
            return Ok(());
        }
        let text = format!("the client's `grant_types` do not hold `{grant}`");
        Err(ApiError::new(ErrorCode::UnauthorizedClient, text))
    }

    fn by_document(id: &ClientId, bytes: &[u8], fetcher: &Fetcher) -> Result<Self, NoClient> {
        let said: ClientMetadata = serde_json::from_slice(bytes).map_err(|_| {
            NoClient::Bad("the client's document is not the JSON object that it must be".to_owned())
        })?;
        if said.client_id.as_deref() != Some(id.as_str()) {
            let text = "`client_id` in the client's document is not its own address, byte by byte";
            return Err(NoClient::Bad(text.to_owned()));
        }
        let checked = metadata::check(&said, Source::Document, fetcher).map_err(|error| {
            let body = error.into_parts().2;
            let field = body.field.unwrap_or_default();
            NoClient::Bad(format!("the client's document, `{field}`: {}", body.error_description))
        })?;
        let host = id.host().unwrap_or_default();
        let name = checked.name.or_else(|| Label::new(host).ok()).ok_or_else(|| {
            NoClient::Bad("the client's document needs a `client_name`".to_owned())
        })?;
        Ok(Self {
            id: id.clone(),
            name,
            redirect_uris: checked.redirect_uris,
            proves: checked.keys.map_or(Proves::Not, Proves::Keys),
            grants: checked.grants.into_iter().map(str::to_owned).collect(),
        })
    }

    fn by_registration(registered: RegisteredClient) -> Self {
        let proves = match registered.auth {
            ClientAuth::None => Proves::Not,
            ClientAuth::Secret { hash, .. } => Proves::Secret(hash),
            ClientAuth::Keys(keys) => Proves::Keys(keys),
        };
        let said: ClientMetadata = serde_json::from_str(&registered.metadata).unwrap_or_default();
        Self {
            id: registered.id.into(),
            name: registered.name,
            redirect_uris: registered.redirect_uris,
            proves,
            grants: said.grant_types,
        }
    }
}

/// Why a client is not known.
#[derive(Debug)]
pub(crate) enum NoClient {
    /// Nobody registered under this id, or the registration is over.
    Unknown,
    /// What it says of itself cannot be used.
    Bad(String),
    /// Its document cannot be had.
    Fetch(FetchError),
    /// The service cannot find out.
    Failed(ApiError),
}

impl From<FetchError> for NoClient {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}

impl From<NoClient> for ApiError {
    fn from(no: NoClient) -> Self {
        match no {
            NoClient::Unknown => {
                let text = "there is no client with this `client_id`, or its registration is over";
                Self::new(ErrorCode::InvalidClient, text)
            }
            NoClient::Bad(text) => Self::new(ErrorCode::InvalidClient, text),
            NoClient::Fetch(error) if error.may_pass() => {
                let text = format!("the client's document cannot be had now: {error}");
                Self::new(ErrorCode::Unavailable, text)
            }
            NoClient::Fetch(error) => {
                let text = format!("the client's document cannot be had: {error}");
                Self::new(ErrorCode::InvalidClient, text)
            }
            NoClient::Failed(error) => error,
        }
    }
}

/// What is known of clients, on this node.
pub(crate) struct Clients {
    fetcher: Fetcher,
    documents: Documents<Client>,
    keys: Documents<JwkSet>,
    /// Which addresses named clients that cannot be had.
    failures: Mutex<ExchangeFailures>,
}

impl Clients {
    /// Nobody yet.
    pub(crate) fn new(fetcher: Fetcher) -> Self {
        Self {
            fetcher,
            documents: Documents::default(),
            keys: Documents::default(),
            failures: Mutex::default(),
        }
    }

    /// What documents are fetched with.
    pub(crate) fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    /// Finds out who a client is, for whoever asks from this address.
    ///
    /// # Errors
    /// [`NoClient`].
    pub(crate) async fn get(
        &self,
        state: &ServiceState,
        address: IpAddr,
        id: &ClientId,
        need: Need,
    ) -> Result<Arc<Client>, NoClient> {
        let engine = state.engine();
        if let Some(id) = id.registered() {
            let found = engine.oauth_client(id).await;
            let found = found.map_err(|error| NoClient::Failed(error.into()))?;
            let client = found.map(|registered| Arc::new(Client::by_registration(registered)));
            return client.ok_or(NoClient::Unknown);
        }
        let now_ns = engine.monotonic_ns();
        let begin = || self.may_fetch(address, now_ns);
        let read = |bytes: &[u8]| Client::by_document(id, bytes, &self.fetcher);
        let found = self.documents.get(&self.fetcher, id.as_str(), (need, now_ns), begin, read);
        self.noted(address, now_ns, found.await)
    }

    /// The keys that a client registered, or has at an address.
    ///
    /// # Errors
    /// [`NoClient`].
    pub(crate) async fn keys(
        &self,
        state: &ServiceState,
        address: IpAddr,
        keys: &str,
    ) -> Result<Arc<JwkSet>, NoClient> {
        let read = |bytes: &[u8]| {
            let set = serde_json::from_slice(bytes)
                .map_err(|_| NoClient::Bad("the client's keys are no JSON".to_owned()))?;
            keys::read(&set).map_err(|text| NoClient::Bad(format!("the client's keys: {text}")))
        };
        if keys.starts_with('{') {
            return read(keys.as_bytes()).map(Arc::new);
        }
        let now_ns = state.engine().monotonic_ns();
        let begin = || self.may_fetch(address, now_ns);
        let when = (Need::LastKnown, now_ns);
        self.noted(address, now_ns, self.keys.get(&self.fetcher, keys, when, begin, read).await)
    }

    /// Whoever names one address after the other that leads nowhere has to wait: nobody shall make the
    /// service knock at strangers' doors.
    fn may_fetch(&self, address: IpAddr, now_ns: u64) -> Result<(), NoClient> {
        self.failures.lock().check(address, now_ns).map_err(|retry_in| {
            let text = "too many clients that cannot be had were named from this address";
            let error = ApiError::rate_limited(RateLimitOf::Address, retry_in, text);
            NoClient::Failed(error)
        })
    }

    fn noted<T>(
        &self,
        address: IpAddr,
        now_ns: u64,
        found: Result<T, NoClient>,
    ) -> Result<T, NoClient> {
        if matches!(found, Err(NoClient::Bad(_) | NoClient::Fetch(_))) {
            self.failures.lock().note(address, now_ns);
        }
        found
    }
}

/// How a method of proving oneself is kept, given the client's keys.
pub(crate) fn asked_auth(method: Method, keys: Option<String>) -> AskedAuth {
    match (method, keys) {
        (Method::PrivateKey, Some(keys)) => AskedAuth::Keys(keys),
        (Method::SecretBasic, _) => AskedAuth::SecretBasic,
        (Method::SecretPost, _) => AskedAuth::SecretPost,
        (Method::None | Method::PrivateKey, _) => AskedAuth::None,
    }
}
