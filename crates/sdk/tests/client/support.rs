//! One name for both clients, so that each case runs on both.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use agentadmit::client::Verdict;
use agentadmit::error::Error;
use agentadmit::protocol::api::token::{ExchangeAnswer, ExchangeCall, IssueAnswer, IssueRequest};
use agentadmit::protocol::api::verify::VerifyCall;
use agentadmit::protocol::secret::{Secret, SecretKind};
use agentadmit::settings::ApiKey;
use agentadmit::time::{Clock, FixedJitter, ManualClock, SystemClock};
use agentadmit::{Client, Settings, blocking};

/// The jitter of every client here.
pub(crate) const JITTER: Duration = Duration::from_millis(250);
/// What the clocks of the tests show at first, in milliseconds: 2023-11-14T22:13:20Z.
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;

/// The runtime of a test.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// What `work` comes to. A test that waits this long has failed.
pub(crate) async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), work).await.unwrap()
}

/// Either client.
#[derive(Clone, Debug)]
pub(crate) enum Asker {
    Async(Client),
    Blocking(blocking::Client),
}

impl Asker {
    /// One of each, on a clock of its own.
    pub(crate) fn both(settings: &Settings) -> Vec<(Self, ManualClock)> {
        let clocks = [ManualClock::new(NOW_MS), ManualClock::new(NOW_MS)];
        let clock = |number: usize| Arc::new(clocks[number].clone()) as Arc<dyn Clock>;
        let jitter = || Arc::new(FixedJitter(JITTER));
        let one = Client::with_clock(settings, clock(0), jitter()).unwrap();
        let two = blocking::Client::with_clock(settings, clock(1), jitter()).unwrap();
        [Self::Async(one), Self::Blocking(two)].into_iter().zip(clocks).collect()
    }

    /// One of each, on the machine's clock.
    pub(crate) fn both_in_real_time(settings: &Settings) -> Vec<Self> {
        let clock = || Arc::new(SystemClock);
        let jitter = || Arc::new(FixedJitter(JITTER));
        let one = Client::with_clock(settings, clock(), jitter()).unwrap();
        let two = blocking::Client::with_clock(settings, clock(), jitter()).unwrap();
        vec![Self::Async(one), Self::Blocking(two)]
    }

    pub(crate) async fn verify(
        &self,
        token: &str,
        scope_used: Option<&str>,
    ) -> Result<Verdict, Error> {
        match self {
            Self::Async(client) => client.verify(&verify_call(token, scope_used)).await,
            Self::Blocking(client) => {
                let (client, token) = (client.clone(), token.to_owned());
                let scope = scope_used.map(str::to_owned);
                off_runtime(move || client.verify(&verify_call(&token, scope.as_deref()))).await
            }
        }
    }

    pub(crate) async fn issue(&self, request: &IssueRequest) -> Result<IssueAnswer, Error> {
        match self {
            Self::Async(client) => client.issue(request).await,
            Self::Blocking(client) => {
                let (client, request) = (client.clone(), request.clone());
                off_runtime(move || client.issue(&request)).await
            }
        }
    }

    pub(crate) async fn exchange(
        &self,
        token: &str,
        idempotency_key: Option<&str>,
    ) -> Result<ExchangeAnswer, Error> {
        match self {
            Self::Async(client) => client.exchange(&exchange_call(token), idempotency_key).await,
            Self::Blocking(client) => {
                let (client, token) = (client.clone(), token.to_owned());
                let key = idempotency_key.map(str::to_owned);
                off_runtime(move || client.exchange(&exchange_call(&token), key.as_deref())).await
            }
        }
    }
}

async fn off_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn verify_call<'a>(token: &'a str, scope_used: Option<&'a str>) -> VerifyCall<'a> {
    let (endpoint, method) = (Some("/orders/{id}"), Some("GET"));
    VerifyCall { token, scope_used, endpoint, method, agent_ip: Some("203.0.113.9") }
}

fn exchange_call(token: &str) -> ExchangeCall<'_> {
    ExchangeCall { token, agent_label: Some("Assistant"), agent_ip: None }
}

/// A well-formed key that no service knows.
pub(crate) fn some_key() -> ApiKey {
    ApiKey::new(Secret::mint(SecretKind::ApiKeyTest, [7; 32]).expose()).unwrap()
}

/// A well-formed access token that no service knows.
pub(crate) fn some_token() -> String {
    Secret::mint(SecretKind::AccessToken, [7; 32]).expose().to_owned()
}

/// Settings for plain HTTP at an address.
pub(crate) fn settings_at(address: SocketAddr, key: ApiKey) -> Settings {
    Settings::new(format!("http://{address}").parse().unwrap(), key)
}

/// The largest request that may be made in the name of a user.
pub(crate) fn issue_request(scopes: &[&str]) -> IssueRequest {
    let scopes: Vec<serde_json::Value> = scopes.iter().map(|&scope| scope.into()).collect();
    serde_json::from_value(serde_json::json!({
        "user_id": "u1", "scopes": scopes, "duration_seconds": 3600,
        "user_label": "Ann", "purpose": "Sort the orders",
    }))
    .unwrap()
}
