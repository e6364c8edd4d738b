//! The server as `rmcp` has it. What it answers is written down as JSON, as the suite's own descriptions
//! of its scenarios are.

#![expect(deprecated, reason = "the suite asks for what the newest revision has no more")]

use std::io;
use std::sync::Arc;

use aws_lc_rs::hmac::{HMAC_SHA256, Key};
use aws_lc_rs::rand::SystemRandom;
use http::HeaderMap;
use http::request::Parts;
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, ErrorData,
    GetPromptRequestParams, GetPromptResponse, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ProtocolVersion,
    ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
    SetLevelRequestMethod, SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, Tool,
    UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{Mutex, broadcast};

use crate::{Listening, input, rest, tools};

/// The request of a tool's call, or of anything else.
pub(crate) type Context = RequestContext<RoleServer>;

/// A list that has changed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Changed {
    Tools,
    Prompts,
}

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) tools: Vec<Tool>,
    pub(crate) changes: broadcast::Sender<Changed>,
    pub(crate) sessions: Arc<LocalSessionManager>,
    pub(crate) listening: Listening,
    /// What the state that a client brings back is signed with.
    pub(crate) key: Key,
    info: ServerConfig,
}

impl Shared {
    pub(crate) fn new(
        sessions: Arc<LocalSessionManager>,
        listening: Listening,
    ) -> Result<Self, io::Error> {
        let capabilities = json!({
            "tools": {"listChanged": true},
            "prompts": {"listChanged": true},
            "resources": {"subscribe": true},
            "completions": {},
            "logging": {},
        });
        let capabilities: ServerCapabilities = serde_json::from_value(capabilities)?;
        let random = SystemRandom::new();
        let key = Key::generate(HMAC_SHA256, &random).map_err(|_| io::Error::other("no key"))?;
        Ok(Self {
            tools: serde_json::from_value(tools::list())?,
            changes: broadcast::channel(16).0,
            sessions,
            listening,
            key,
            info: ServerConfig::new(capabilities),
        })
    }

    /// Waits until a session listens to its own stream, or has come back to one that was closed.
    pub(crate) async fn until(&self, listens: &(String, bool)) -> Result<(), ErrorData> {
        let mut listening = self.listening.subscribe();
        listening.wait_for(|all| all.contains(listens)).await.map_err(|error| wrong(&error))?;
        Ok(())
    }
}

/// The server of one session, or of one request where there are no sessions.
pub(crate) struct Suite {
    shared: Arc<Shared>,
    /// From before a subscription is acknowledged, so that nothing which comes after that is missed.
    changes: Mutex<broadcast::Receiver<Changed>>,
}

impl Suite {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let changes = Mutex::new(shared.changes.subscribe());
        Self { shared, changes }
    }
}

/// A value as `rmcp` has it.
pub(crate) fn of<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| wrong(&error))
}

/// A result as `rmcp` has it. The newest revision wants to know its kind; older ones are not told.
fn result<T: DeserializeOwned>(mut said: Value) -> Result<T, ErrorData> {
    if let Some(members) = said.as_object_mut() {
        members.entry("resultType").or_insert_with(|| json!("complete"));
    }
    of(said)
}

/// What cannot be.
pub(crate) fn wrong(error: &impl ToString) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

/// The session that a request names.
pub(crate) fn session_of(headers: &HeaderMap) -> Option<String> {
    headers.get("mcp-session-id")?.to_str().ok().map(str::to_owned)
}

/// In which session a call is.
pub(crate) fn session(context: &Context) -> Result<String, ErrorData> {
    let parts = context.extensions.get::<Parts>();
    parts.and_then(|parts| session_of(&parts.headers)).ok_or_else(|| wrong(&"there is no session"))
}

impl ServerHandler for Suite {
    fn get_info(&self) -> ServerConfig {
        self.shared.info.clone()
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.shared.tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.shared.tools.clone()))
    }

    async fn call_tool(
        &self,
        asked: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        let said = tools::answer(&self.shared, &asked, &context).await?;
        if input::is_required(&said) {
            return result(said).map(CallToolResponse::InputRequired);
        }
        result(said).map(CallToolResponse::Complete)
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        result(rest::prompts())
    }

    async fn get_prompt(
        &self,
        asked: GetPromptRequestParams,
        _: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        let said = rest::prompt(&asked)?;
        if input::is_required(&said) {
            return result(said).map(GetPromptResponse::InputRequired);
        }
        result(said).map(GetPromptResponse::Complete)
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        result(rest::resources())
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        result(rest::templates())
    }

    async fn read_resource(
        &self,
        asked: ReadResourceRequestParams,
        _: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        result(rest::resource(&asked.uri)?).map(ReadResourceResponse::Complete)
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: Context,
    ) -> Result<CompleteResult, ErrorData> {
        let values = ["paris", "park", "party"];
        result(json!({"completion": {"values": values, "total": 3, "hasMore": false}}))
    }

    async fn set_level(&self, _: SetLevelRequestParams, context: Context) -> Result<(), ErrorData> {
        // the newest revision says it with each request
        if context.protocol_version().is_some_and(|it| it >= ProtocolVersion::V_2026_07_28) {
            return Err(ErrorData::method_not_found::<SetLevelRequestMethod>());
        }
        Ok(())
    }

    async fn subscribe(&self, _: SubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.changes.lock().await;
        loop {
            let what = tokio::select! {
                () = subscription.cancelled() => return Ok(()),
                what = changes.recv() => what.map_err(|error| wrong(&error))?,
            };
            // what was not asked for is kept back by the sink
            let _sent = match what {
                Changed::Tools => subscription.sink().notify_tool_list_changed().await,
                Changed::Prompts => subscription.sink().notify_prompt_list_changed().await,
            };
        }
    }
}
