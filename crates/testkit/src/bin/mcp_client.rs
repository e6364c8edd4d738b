//! The MCP client of the official Rust SDK, driven by `web/tests/oauth/sdk/program.ts` over its pipes.
//!
//! The first line of stdin says what to connect to; each line after it is a request, answered by one
//! line on stdout. `{"open": address}` asks that a person opens an address, and waits for where their
//! browser came back to.

#![expect(clippy::print_stdout, reason = "a program talks to its caller")]

use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow, bail};
use rmcp::model::{CallToolRequestParams, ClientConfig, JsonObject, ProtocolVersion};
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{
    AuthClient, AuthorizationCallback, AuthorizationManager, AuthorizationRequest, CredentialStore,
    InMemoryCredentialStore, OAuthState, WWWAuthenticateParams,
};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt as _, RoleClient, ServiceError};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Barrier, Mutex};
use tokio::task::JoinSet;

/// What to connect to.
#[derive(Clone, Deserialize)]
struct Told {
    server: String,
    revision: ProtocolVersion,
    name: String,
    redirect: String,
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Request {
    Start,
    Tools,
    Call { tool: String, arguments: JsonObject },
    Widen,
    Crowd { count: usize },
    Kept,
    Now,
    Stop,
}

/// A program that has one MCP server in its configuration.
struct Host {
    told: Told,
    kept: InMemoryCredentialStore,
    session: Option<Session>,
    /// The challenge of the last refusal.
    refused: String,
    /// Nobody is in front of it who could be asked.
    alone: bool,
}

struct Session {
    service: RunningService<RoleClient, ClientConfig>,
    auth: Arc<Mutex<AuthorizationManager>>,
}

impl Host {
    fn new(told: Told, kept: InMemoryCredentialStore) -> Self {
        Self { told, kept, session: None, refused: String::new(), alone: false }
    }

    async fn answer(&mut self, request: Request) -> Result<Value> {
        Ok(match request {
            Request::Start => json!(self.start().await?),
            Request::Tools => json!(self.tools().await?),
            Request::Call { tool, arguments } => json!(self.call(tool, arguments).await?),
            Request::Widen => json!(self.widen().await?),
            Request::Crowd { count } => json!(self.crowd(count).await?),
            Request::Kept => self.credential().await?,
            Request::Now => json!(SystemTime::UNIX_EPOCH.elapsed()?.as_secs_f64()),
            Request::Stop => json!(self.stop().await?),
        })
    }

    /// Connects with what is kept; where that is not enough, the person is asked.
    async fn start(&mut self) -> Result<String> {
        let mut manager = self.manager().await?;
        manager.initialize_from_store().await?;
        let session = match self.connect(manager).await? {
            Reached::Session(session) => session,
            Reached::Challenge(challenge) => {
                let manager = self.authorize(&challenge).await?;
                match self.connect(manager).await? {
                    Reached::Session(session) => session,
                    Reached::Challenge(challenge) => bail!("refused again: {challenge}"),
                }
            }
        };
        let agreed = session.service.peer_info().context("nothing was agreed on")?;
        let agreed = agreed.protocol_version.to_string();
        self.session = Some(*session);
        Ok(agreed)
    }

    async fn manager(&self) -> Result<AuthorizationManager> {
        let mut manager = AuthorizationManager::new(self.told.server.as_str()).await?;
        manager.set_credential_store(self.kept.clone());
        Ok(manager)
    }

    async fn connect(&self, manager: AuthorizationManager) -> Result<Reached> {
        let client = AuthClient::new(reqwest::Client::default(), manager);
        let auth = Arc::clone(&client.auth_manager);
        let config = StreamableHttpClientTransportConfig::with_uri(self.told.server.as_str());
        let transport = StreamableHttpClientTransport::with_client(client, config);
        let revision = self.told.revision.clone();
        let lifecycle = if revision.has_initialize() {
            ClientLifecycleMode::Initialize
        } else {
            ClientLifecycleMode::Discover { preferred_versions: vec![revision.clone()] }
        };
        let me = ClientConfig::default().with_protocol_version(revision);
        match me.serve_with_lifecycle(transport, lifecycle).await {
            Ok(service) => Ok(Reached::Session(Box::new(Session { service, auth }))),
            Err(error) => match error.auth_challenge() {
                Some(challenge) => Ok(Reached::Challenge(challenge.to_owned())),
                None => Err(error.into()),
            },
        }
    }

    /// The way that the SDK documents: from the challenge to a manager that has tokens.
    async fn authorize(&self, challenge: &str) -> Result<AuthorizationManager> {
        if self.alone {
            bail!("nobody can be asked: {challenge}");
        }
        let mut state = OAuthState::Unauthorized(self.manager().await?);
        let request = AuthorizationRequest::new(self.told.redirect.as_str())
            .with_client_name(self.told.name.as_str())
            .with_challenge(challenge);
        state.start_authorization(request).await?;
        let came = open(&state.get_authorization_url().await?)?;
        state.handle_callback_url(&came).await?;
        state.into_authorization_manager().context("the SDK is not authorized")
    }

    async fn tools(&self) -> Result<Vec<String>> {
        let tools = self.session()?.service.list_all_tools().await?;
        Ok(tools.into_iter().map(|tool| tool.name.into_owned()).collect())
    }

    async fn call(&mut self, tool: String, arguments: JsonObject) -> Result<String> {
        let call = CallToolRequestParams::new(tool).with_arguments(arguments);
        let result = match self.session()?.service.call_tool(call).await {
            Ok(result) => result,
            Err(error) => {
                error.auth_challenge().unwrap_or_default().clone_into(&mut self.refused);
                return Err(said(error));
            }
        };
        let texts = result.content.iter().filter_map(|part| part.as_text());
        let text = texts.map(|part| part.text.as_str()).collect::<Vec<_>>().join("\n");
        if result.is_error == Some(true) { Err(anyhow!(text)) } else { Ok(text) }
    }

    /// The SDK makes the request for what was granted and what is lacking; when to do so is the host's.
    async fn widen(&self) -> Result<()> {
        let server = reqwest::Url::parse(&self.told.server)?;
        let lacked = WWWAuthenticateParams::parse(&self.refused, &server);
        let lacked = lacked.scope.context("the refusal names no scope")?;
        let manager = self.session()?.auth.lock().await;
        let came = open(&manager.request_scope_upgrade(&lacked).await?)?;
        let back = AuthorizationCallback::from_redirect_url(&came)?;
        let AuthorizationCallback { code, csrf_token, issuer, .. } = &back;
        manager.exchange_code_for_token_with_issuer(code, csrf_token, issuer.as_deref()).await?;
        Ok(())
    }

    /// As many hosts that start at once from what is kept.
    async fn crowd(&self, count: usize) -> Result<Vec<String>> {
        let all_began = Arc::new(Barrier::new(count));
        let mut hosts = JoinSet::new();
        for _ in 0..count {
            let copy = InMemoryCredentialStore::new();
            copy.save(self.kept.load().await?.context("nothing is kept")?).await?;
            let host = Self { alone: true, ..Self::new(self.told.clone(), copy) };
            hosts.spawn(one_of_many(host, Arc::clone(&all_began)));
        }
        let mut texts = Vec::new();
        while let Some(ended) = hosts.join_next().await {
            let (said, kept) = ended??;
            texts.extend(said);
            self.kept.save(kept.load().await?.context("nothing was kept")?).await?;
        }
        Ok(texts)
    }

    async fn credential(&self) -> Result<Value> {
        let kept = self.kept.load().await?.context("nothing is kept")?;
        let token = serde_json::to_value(kept.token_response.context("no token is kept")?)?;
        let [access, refresh, scope] =
            ["access_token", "refresh_token", "scope"].map(|name| token.get(name));
        Ok(json!({"access": access, "refresh": refresh, "scope": scope}))
    }

    async fn stop(&mut self) -> Result<()> {
        if let Some(session) = self.session.take() {
            session.service.cancel().await?;
        }
        Ok(())
    }

    fn session(&self) -> Result<&Session> {
        self.session.as_ref().context("it was not started")
    }
}

/// What comes of an attempt to connect.
enum Reached {
    Session(Box<Session>),
    Challenge(String),
}

async fn one_of_many(
    mut host: Host,
    all_began: Arc<Barrier>,
) -> Result<(Vec<String>, InMemoryCredentialStore)> {
    let mut begun = host.start().await.map(drop);
    let mut texts = Vec::new();
    if begun.is_ok() {
        begun =
            host.call("list_notes".to_owned(), JsonObject::new()).await.map(|it| texts.push(it));
    }
    all_began.wait().await;
    begun?;
    texts.push(host.call("list_notes".to_owned(), JsonObject::new()).await?);
    host.stop().await?;
    Ok((texts, host.kept))
}

/// An error with what is behind it.
fn said(error: ServiceError) -> anyhow::Error {
    let challenge = error.auth_challenge().unwrap_or_default().to_owned();
    anyhow::Error::new(error).context(challenge)
}

/// A person follows a link: the address that their browser came back to.
fn open(address: &str) -> Result<String> {
    println!("{}", json!({"open": address}));
    let line = heard()?.context("the caller is gone")?;
    let came: Value = serde_json::from_str(&line)?;
    let came = came.get("came").and_then(Value::as_str);
    came.map(str::to_owned).context("the person closed the window")
}

/// The next line of stdin. Nothing else happens meanwhile that would need this thread.
fn heard() -> Result<Option<String>> {
    let mut line = String::new();
    let read = tokio::task::block_in_place(|| std::io::stdin().read_line(&mut line))?;
    Ok((read > 0).then_some(line))
}

#[tokio::main]
async fn main() -> Result<()> {
    let told = heard()?.context("the caller is gone")?;
    let mut host = Host::new(serde_json::from_str(&told)?, InMemoryCredentialStore::new());
    while let Some(line) = heard()? {
        let answer = match host.answer(serde_json::from_str(&line)?).await {
            Ok(done) => json!({"done": done}),
            Err(error) => json!({"failed": format!("{error:#}")}),
        };
        println!("{answer}");
    }
    Ok(())
}
