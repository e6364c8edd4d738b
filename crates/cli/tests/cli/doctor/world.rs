//! A service, an app that lets agents in through the SDK, and a proxy in front of each.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use agentadmit::axum::{AgentAdmit, AuthContext, require_scope_if_agent};
use agentadmit::keys::SigningKey;
use agentadmit::protocol::text::UserId;
use agentadmit::settings::{ApiKey, Settings};
use agentadmit::{App, AppError, User};
use agentadmit_protocol::secret::{Secret, SecretKind};
use agentadmit_store::{Clock as _, SystemClock};
use axum::routing::get;
use serde_json::{Value, json};

use super::front::{Front, serve};
use crate::support::{Ran, Service, Store, agentadmit, text};

/// A well-formed secret that nobody issued.
pub(super) fn unknown(kind: SecretKind) -> String {
    Secret::mint(kind, [7; 32]).expose().to_owned()
}

/// Now, in whole seconds.
pub(super) fn now() -> i64 {
    SystemClock::new().read().wall.as_millis() / 1_000
}

pub(super) struct World {
    pub(super) store: Store,
    pub(super) service: Service,
    pub(super) service_front: Front,
    pub(super) app_front: Front,
    pub(super) operator: String,
    pub(super) app_id: String,
    pub(super) api_key: String,
}

/// What a test may have otherwise.
#[derive(Default)]
pub(super) struct Otherwise {
    /// The key that the app runs with.
    pub(super) app_key: Option<String>,
    /// What the service calls itself.
    pub(super) issuer: Option<String>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(&Otherwise::default())
    }

    pub(super) fn with(otherwise: &Otherwise) -> Self {
        let (store, service_front, app_front) = (Store::new(), Front::new(), Front::new());
        let operator = unknown(SecretKind::OperatorToken);
        let mut command = store.serve_command();
        let issuer = otherwise.issuer.as_deref().unwrap_or(&service_front.url);
        command.args(["--public-url", issuer]).env("AGENTADMIT_OPERATOR_TOKEN", &operator);
        let service = Service::start(command);
        service_front.leads_to(&service.url);
        let app_id = new_app(&service, &operator, "Shop");
        let api_key = new_key(&service, &operator, &app_id, "test", &["verify", "issue", "manage"]);
        let key = SigningKey::generate().unwrap();
        let mut jwk = serde_json::to_value(key.public_jwk()).unwrap();
        jwk["environment"] = "test".into();
        let keys = json!({"keys": [jwk]});
        let path = format!("/v1/operator/apps/{app_id}/public-keys");
        assert_eq!(service.request("PUT", &path, &operator, &keys).0, 200);

        let key_file = store.path("app.key");
        fs::write(&key_file, key.to_pem().unwrap()).unwrap();
        fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();

        let shop = Shop {
            app_id: &app_id,
            service: &service_front.url,
            app: &app_front.url,
            key: &key_file,
        };
        app_front.leads_to(&shop.open(otherwise.app_key.as_ref().unwrap_or(&api_key)));
        Self { store, service, service_front, app_front, operator, app_id, api_key }
    }

    /// Another key of the app.
    pub(super) fn key(&self, environment: &str, permissions: &[&str]) -> String {
        new_key(&self.service, &self.operator, &self.app_id, environment, permissions)
    }

    /// A key of another app.
    pub(super) fn strangers_key(&self) -> String {
        let app_id = new_app(&self.service, &self.operator, "Store");
        new_key(&self.service, &self.operator, &app_id, "test", &["verify", "issue", "manage"])
    }

    /// Doctor, with everything that it can look at.
    pub(super) fn doctor(&self) -> Doctor {
        let file = json!({
            "app_id": self.app_id,
            "name": "Shop",
            "service_url": self.service_front.url,
            "public_url": self.app_front.url,
            "scopes": catalogue(),
        });
        Doctor {
            file,
            folder: self.store.path("app"),
            key: Some(self.api_key.clone()),
            operator: Some(self.operator.clone()),
            arguments: Vec::new(),
        }
    }
}

fn catalogue() -> Value {
    json!([{"name": "orders:read", "description": "Read orders"}])
}

fn new_app(service: &Service, operator: &str, name: &str) -> String {
    let body = json!({"name": name, "scopes": catalogue()});
    let (status, app) = service.request("POST", "/v1/operator/apps", operator, &body);
    assert_eq!(status, 201, "{app}");
    text(&app, "app_id")
}

fn new_key(
    service: &Service,
    operator: &str,
    app_id: &str,
    environment: &str,
    permissions: &[&str],
) -> String {
    let path = format!("/v1/operator/apps/{app_id}/api-keys");
    let body = json!({"environment": environment, "permissions": permissions});
    let (status, key) = service.request("POST", &path, operator, &body);
    assert_eq!(status, 201, "{key}");
    text(&key, "api_key")
}

/// The app: its routes stand behind the SDK's guards.
struct Shop<'w> {
    app_id: &'w str,
    service: &'w str,
    app: &'w str,
    key: &'w Path,
}

#[derive(Clone)]
struct Customer;

impl User for Customer {
    fn user_id(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed("u_1"))
    }
}

struct Users;

impl App for Users {
    type User = Customer;

    async fn current_user(&self, _: &http::request::Parts) -> Result<Option<Customer>, AppError> {
        Ok(None)
    }

    async fn load_user(&self, _: &UserId) -> Result<Option<Customer>, AppError> {
        Ok(Some(Customer))
    }
}

async fn orders(auth: AuthContext<Customer>) -> String {
    auth.user().user_id().unwrap_or_default().into_owned()
}

impl Shop<'_> {
    /// Opens it; answers where.
    fn open(&self, api_key: &str) -> String {
        let mut settings =
            Settings::new(self.service.parse().unwrap(), ApiKey::new(api_key).unwrap());
        settings.app_id = Some(self.app_id.parse().unwrap());
        settings.public_url = Some(self.app.parse().unwrap());
        settings.private_key_path = Some(self.key.to_owned());
        settings.scopes = serde_json::from_value(catalogue()).unwrap();
        let agents = AgentAdmit::new(settings, Users).unwrap();
        let router = agents
            .router()
            .get("/orders", require_scope_if_agent(["orders:read"]), orders)
            .with_state(())
            // what an app forgets: a route beside the SDK's router
            .route("/forgotten", get(|| async { "everybody's orders" }));
        serve(TcpListener::bind("127.0.0.1:0").unwrap(), router)
    }
}

/// A run of doctor in the making.
pub(super) struct Doctor {
    pub(super) file: Value,
    folder: std::path::PathBuf,
    pub(super) key: Option<String>,
    pub(super) operator: Option<String>,
    arguments: Vec<String>,
}

impl Doctor {
    pub(super) fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(ToString::to_string));
        self
    }

    pub(super) fn key(self, key: String) -> Self {
        Self { key: Some(key), ..self }
    }

    /// With one member of the configuration changed.
    pub(super) fn set(mut self, member: &str, value: Value) -> Self {
        self.file[member] = value;
        self
    }

    /// Without an app.
    pub(super) fn alone(mut self) -> Self {
        self.file.as_object_mut().unwrap().remove("public_url");
        self
    }

    pub(super) fn command(&self) -> std::process::Command {
        fs::create_dir_all(&self.folder).unwrap();
        // JSON is YAML
        fs::write(self.folder.join("agentadmit.yaml"), self.file.to_string()).unwrap();
        let mut command = agentadmit();
        command.current_dir(&self.folder).arg("doctor").args(&self.arguments);
        for (name, value) in
            [("AGENTADMIT_API_KEY", &self.key), ("AGENTADMIT_OPERATOR_TOKEN", &self.operator)]
        {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command
    }

    pub(super) fn run(&self) -> Examined {
        Examined::of(&Ran::of(self.command().arg("--json")))
    }
}

/// What doctor said.
pub(super) struct Examined {
    pub(super) code: Option<i32>,
    pub(super) checks: BTreeMap<String, Value>,
    said: Value,
}

impl Examined {
    fn of(ran: &Ran) -> Self {
        let said = ran.json();
        let checks = said["checks"].as_array().unwrap_or_else(|| panic!("{said}\n{}", ran.stderr));
        let checks = checks.iter().map(|check| (text(check, "id"), check.clone())).collect();
        Self { code: ran.code, checks, said }
    }

    /// The ids with this outcome.
    pub(super) fn ids(&self, outcome: &str) -> BTreeSet<&str> {
        let of = self.checks.iter().filter(|(_, check)| check["outcome"] == outcome);
        of.map(|(id, _)| id.as_str()).collect()
    }

    /// This check and no other found something; nothing else stayed unknown. The message names
    /// `words`.
    #[track_caller]
    pub(super) fn finds(self, id: &str, words: &str) -> Self {
        assert_eq!(self.ids("finding"), BTreeSet::from([id]), "{:#}", self.said);
        assert_eq!(self.ids("unknown"), BTreeSet::new(), "{:#}", self.said);
        assert_eq!(self.code, Some(1));
        let check = &self.checks[id];
        assert!(text(check, "message").contains(words), "{words:?} is not in {check:#}");
        assert!(!text(check, "fix").is_empty());
        self
    }

    /// Nothing was found, and everything looked at but these.
    #[track_caller]
    pub(super) fn sees_all_well_but_for(self, skipped: &[&str]) -> Self {
        assert_eq!(self.ids("finding"), BTreeSet::new(), "{:#}", self.said);
        assert_eq!(self.ids("unknown"), BTreeSet::new(), "{:#}", self.said);
        assert_eq!(self.ids("skipped"), skipped.iter().copied().collect(), "{:#}", self.said);
        assert_eq!(self.code, Some(0));
        self
    }
}
