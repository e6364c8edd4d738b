//! The tools. Who may call them is said in `lib.rs`; here they know for whom they work.

use std::sync::Arc;

use agentadmit::mcp;
use axum::http::request::Parts;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::Extension;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use rmcp::schemars::{self, JsonSchema};
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
use serde::Deserialize;

use crate::notes::Notes;
use crate::people::Person;

/// The server of one client.
pub(crate) struct Tools {
    notes: Arc<Notes>,
    tool_router: ToolRouter<Self>,
}

/// Which note.
#[derive(Deserialize, JsonSchema)]
struct Which {
    /// Its number, as `list_notes` says it.
    number: u32,
}

/// What to write.
#[derive(Deserialize, JsonSchema)]
struct Text {
    text: String,
}

/// The user in whose name the agent calls.
fn user_of(parts: &Parts) -> Result<&'static str, ErrorData> {
    match mcp::auth_context::<Person>(parts) {
        Ok(auth) => Ok(auth.user().id),
        Err(refused) => Err(ErrorData::internal_error(refused.body.error_description, None)),
    }
}

#[tool_router]
impl Tools {
    pub(crate) fn new(notes: Arc<Notes>) -> Self {
        Self { notes, tool_router: Self::tool_router() }
    }

    /// The numbers of all notes.
    #[tool(annotations(read_only_hint = true))]
    async fn list_notes(&self, Extension(parts): Extension<Parts>) -> Result<String, ErrorData> {
        let numbers = self.notes.numbers(user_of(&parts)?);
        let listed: Vec<String> = numbers.iter().map(u32::to_string).collect();
        Ok(if listed.is_empty() { "no notes".to_owned() } else { listed.join(", ") })
    }

    /// One note.
    #[tool(annotations(read_only_hint = true))]
    async fn read_note(
        &self,
        Extension(parts): Extension<Parts>,
        Parameters(Which { number }): Parameters<Which>,
    ) -> Result<String, ErrorData> {
        let note = self.notes.read(user_of(&parts)?, number);
        Ok(note.unwrap_or_else(|| "there is no such note".to_owned()))
    }

    /// Writes a note, and says its number.
    #[tool(annotations(destructive_hint = false))]
    async fn add_note(
        &self,
        Extension(parts): Extension<Parts>,
        Parameters(Text { text }): Parameters<Text>,
    ) -> Result<String, ErrorData> {
        Ok(format!("note {}", self.notes.add(user_of(&parts)?, text)))
    }

    /// Deletes a note for good.
    #[tool(annotations(destructive_hint = true))]
    async fn delete_note(
        &self,
        Extension(parts): Extension<Parts>,
        Parameters(Which { number }): Parameters<Which>,
    ) -> Result<String, ErrorData> {
        let was_there = self.notes.delete(user_of(&parts)?, number);
        Ok(if was_there { "deleted" } else { "there is no such note" }.to_owned())
    }

    /// Deletes everybody's notes. No scope opens it: the map does not name it.
    #[tool]
    async fn wipe_server(&self) -> String {
        self.notes.wipe();
        "wiped".to_owned()
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("notes", env!("CARGO_PKG_VERSION")))
    }
}
