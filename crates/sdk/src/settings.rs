//! What an app runs with, complete and checked (PROTOCOL, Configuration and command line).

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use agentadmit_protocol::api::consent::PromptTemplate;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::AppId;
use agentadmit_protocol::scope::Scope;
use agentadmit_protocol::secret::{self, SecretKind};
use agentadmit_protocol::text::{Label, Text};
use ipnet::IpNet;
use url::Url;
use zeroize::Zeroizing;

use crate::error::ConfigurationError;
pub use crate::product::Product;

/// Everything that an app says about itself and its service. Read it from `agentadmit.yaml` and
/// the environment with [`crate::config`], or begin with [`Settings::new`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// The app's id at the service. Where it is set, an answer about another app is no answer.
    pub app_id: Option<AppId>,
    /// What people call the app.
    pub name: Option<Label>,
    /// What it is, in a sentence.
    pub description: Option<Text>,
    /// The service's origin. There is no default service.
    pub service_url: Url,
    /// The app's own origin, as people and agents reach it; addresses in the discovery document
    /// are built from it, never from `Host`.
    pub public_url: Option<Url>,
    /// What OAuth clients call the app (RFC 8707): `public_url` unless said. A token for another
    /// resource is refused.
    pub resource: Option<Url>,
    /// The service's issuer, where it is not `service_url`: what the service calls itself to
    /// everybody (`serve --public-url`).
    pub authorization_server: Option<Url>,
    /// Where a person signs in who is not signed in, such as `/login?next={next}`.
    pub login_path: Option<String>,
    /// The app's credential.
    pub api_key: Option<ApiKey>,
    /// The catalogue.
    pub scopes: Vec<Scope>,
    /// The durations that a user may pick; empty is the default list.
    pub durations: Vec<DurationChoice>,
    /// Retries after a 429 of the key's own limit; 3 unless said, 0 is none.
    pub max_retries: u32,
    /// Calls that may wait at a time; 8 unless said.
    pub max_waiting: usize,
    /// A call and its immediate retry together; 5 s unless said.
    pub timeout: Duration,
    /// Where the routes are mounted; `/agentadmit` unless said. Begins with `/`, ends without.
    pub route_prefix: String,
    /// Other origins whose pages may call the mounted routes: scheme, host, port.
    pub allowed_origins: Vec<String>,
    /// Whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
    /// The app's RS256 private key (PKCS#8 or PKCS#1 PEM).
    pub private_key_path: Option<PathBuf>,
    /// Certificates to trust for the service, beside the system's own.
    pub ca_file: Option<PathBuf>,
    /// What the client calls itself to the service: this crate, unless a package around it has a
    /// name of its own.
    pub user_agent: Product,
    /// Texts that people start an agent with.
    pub prompt_templates: Vec<PromptTemplate>,
    /// Where the app's users are found, for packages that look them up themselves.
    pub storage: Option<Storage>,
}

impl Settings {
    /// The defaults for a service and a key.
    pub fn new(service_url: Url, api_key: ApiKey) -> Self {
        Self { api_key: Some(api_key), ..Self::defaults(service_url) }
    }

    /// The defaults for a service, without a credential.
    pub(crate) fn defaults(service_url: Url) -> Self {
        Self {
            app_id: None,
            name: None,
            description: None,
            service_url,
            public_url: None,
            resource: None,
            authorization_server: None,
            login_path: None,
            api_key: None,
            scopes: Vec::new(),
            durations: Vec::new(),
            max_retries: 3,
            max_waiting: 8,
            timeout: Duration::from_secs(5),
            route_prefix: "/agentadmit".to_owned(),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            private_key_path: None,
            ca_file: None,
            user_agent: Product::ours(),
            prompt_templates: Vec::new(),
            storage: None,
        }
    }

    /// What the app is called as a resource of OAuth, if anybody has said.
    pub fn resource_url(&self) -> Option<&Url> {
        self.resource.as_ref().or(self.public_url.as_ref())
    }

    /// The issuer of tokens, as it is spelled everywhere: without a slash at its end.
    pub fn issuer(&self) -> String {
        let url = self.authorization_server.as_ref().unwrap_or(&self.service_url);
        url.as_str().trim_end_matches('/').to_owned()
    }

    /// The environment of the key.
    pub fn environment(&self) -> Option<Environment> {
        self.api_key.as_ref().map(ApiKey::environment)
    }
}

/// The database that holds the app's users.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// Its address, which may hold a password; without one the app's users cannot be found.
    #[serde(default)]
    pub url: Option<String>,
    /// The field that holds a user's id.
    #[serde(default = "Storage::user_id")]
    pub user_id_field: String,
    /// The field that says whether a user is active; without one every user is.
    #[serde(default)]
    pub active_field: Option<String>,
}

impl Storage {
    fn user_id() -> String {
        "user_id".to_owned()
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user_id_field, active_field, .. } = self;
        f.debug_struct("Storage")
            .field("user_id_field", user_id_field)
            .field("active_field", active_field)
            .finish_non_exhaustive()
    }
}

/// A duration that a user may pick.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DurationChoice {
    /// What people read, such as "one week".
    pub label: Label,
    /// 60 to 31536000 seconds; absent is until revoked.
    pub seconds: Option<u32>,
}

/// An API key that is well-formed. Shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    text: Zeroizing<String>,
    environment: Environment,
}

impl ApiKey {
    /// Reads a key; prefix, length and checksum are looked at, nothing else can be known here.
    ///
    /// # Errors
    /// What is wrong with it, without showing it.
    pub fn new(text: impl Into<String>) -> Result<Self, ConfigurationError> {
        let text = Zeroizing::new(text.into());
        let environment = match secret::parse(&text) {
            Ok((SecretKind::ApiKeyTest, _)) => Environment::Test,
            Ok((SecretKind::ApiKeyLive, _)) => Environment::Live,
            Ok(_) => {
                let other = "api_key is another kind of secret: it must begin with `aa_test_` or `aa_live_`";
                return Err(ConfigurationError(other.to_owned()));
            }
            Err(error) => {
                return Err(ConfigurationError(format!("api_key is no API key: {error}")));
            }
        };
        Ok(Self { text, environment })
    }

    /// The key's environment.
    pub const fn environment(&self) -> Environment {
        self.environment
    }

    /// The key itself, for the one header that it belongs in.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("environment", &self.environment).finish_non_exhaustive()
    }
}
