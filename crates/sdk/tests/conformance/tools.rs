//! The tools, by the names and with the answers that the suite wants.

use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ErrorData, ServerNotification, ServerRequest,
};
use serde_json::{Value, json};

use crate::input;
use crate::rest::{embedded, picture};
use crate::suite::{Changed, Context, Shared, of, session, wrong};

/// A sound of no length, as WAV.
const SOUND: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";
/// When a client is to come back to a stream that was closed.
const SOON: Duration = Duration::from_millis(500);

/// Tools that take no arguments.
const PLAIN: [&str; 22] = [
    "test_simple_text",
    "test_image_content",
    "test_audio_content",
    "test_embedded_resource",
    "test_multiple_content_types",
    "test_error_handling",
    "test_tool_with_logging",
    "test_tool_with_progress",
    "test_elicitation_sep1034_defaults",
    "test_elicitation_sep1330_enums",
    "test_reconnection",
    "test_missing_capability",
    "test_streaming_elicitation",
    "test_logging_tool",
    "test_trigger_tool_change",
    "test_trigger_prompt_change",
    "test_input_required_result_elicitation",
    "test_input_required_result_sampling",
    "test_input_required_result_list_roots",
    "test_input_required_result_request_state",
    "test_input_required_result_multiple_inputs",
    "test_input_required_result_multi_round",
];

/// All of them, as they are listed.
pub(crate) fn list() -> Value {
    let tool = |name: &str, schema: Value| json!({"name": name, "description": format!("The suite's {name}"), "inputSchema": schema});
    let nothing = || json!({"type": "object", "properties": {}});
    let one = |name: &str| json!({"type": "object", "properties": {name: {"type": "string"}}, "required": [name]});
    let mut all: Vec<Value> = PLAIN.iter().map(|name| tool(name, nothing())).collect();
    all.extend([
        tool("test_input_required_result_tampered_state", nothing()),
        tool("test_input_required_result_capabilities", nothing()),
        tool("test_sampling", one("prompt")),
        tool("test_elicitation", one("message")),
        tool("json_schema_2020_12_tool", modern_schema()),
        tool(
            "test_custom_header",
            json!({"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}),
        ),
    ]);
    Value::Array(all)
}

fn modern_schema() -> Value {
    let text = || json!({"type": "string"});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": text(), "city": text()},
        }},
        "properties": {
            "name": text(),
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": text(),
            "email": text(),
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false,
    })
}

/// The result of a call, or what the tool wants to know first.
pub(crate) async fn answer(
    shared: &Shared,
    asked: &CallToolRequestParams,
    context: &Context,
) -> Result<Value, ErrorData> {
    Ok(match asked.name.as_ref() {
        "test_simple_text" => text("This is a simple text response for testing."),
        "test_image_content" => content(&[picture()]),
        "test_audio_content" => {
            content(&[json!({"type": "audio", "data": SOUND, "mimeType": "audio/wav"})])
        }
        "test_embedded_resource" => {
            let words = "This is an embedded resource content.";
            content(&[embedded("test://embedded-resource", "text/plain", words)])
        }
        "test_multiple_content_types" => {
            let data = r#"{"test":"data","value":123}"#;
            content(&[
                words("Multiple content types test:"),
                picture(),
                embedded("test://mixed-content-resource", "application/json", data),
            ])
        }
        "test_error_handling" => json!({
            "content": [words("This tool intentionally returns an error for testing")],
            "isError": true,
        }),
        "test_tool_with_logging" => with_logging(shared, context).await?,
        "test_logging_tool" => {
            if let Some(level) = context.meta.log_level() {
                log(context, &json!(level), "Tool execution").await?;
            }
            text("Logged, if that was asked for.")
        }
        "test_tool_with_progress" => with_progress(context).await?,
        "test_sampling" => sampling(asked, context).await?,
        "test_elicitation" => {
            let message = argument(asked, "message");
            elicited(context, &message, &user_schema()).await?
        }
        "test_elicitation_sep1034_defaults" => {
            elicited(context, "All of it has defaults", &schema_with_defaults()).await?
        }
        "test_elicitation_sep1330_enums" => {
            elicited(context, "Choose", &schema_with_choices()).await?
        }
        "test_reconnection" => reconnection(shared, context).await?,
        "test_missing_capability" => needs_sampling(context)?,
        "test_trigger_tool_change" => changed(shared, Changed::Tools),
        "test_trigger_prompt_change" => changed(shared, Changed::Prompts),
        "json_schema_2020_12_tool" | "test_custom_header" => text("The arguments have come."),
        name => return input::answer(shared, name, asked, context),
    })
}

/// A block of text.
pub(crate) fn words(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// A result of some text.
pub(crate) fn text(said: &str) -> Value {
    content(&[words(said)])
}

fn content(blocks: &[Value]) -> Value {
    json!({"content": blocks})
}

fn argument(asked: &CallToolRequestParams, name: &str) -> String {
    let arguments = asked.arguments.as_ref();
    let value = arguments.and_then(|all| all.get(name)).and_then(Value::as_str);
    value.unwrap_or_default().to_owned()
}

async fn notify(context: &Context, method: &str, params: Value) -> Result<(), ErrorData> {
    let message: ServerNotification = of(json!({"method": method, "params": params}))?;
    context.peer.send_notification(message).await.map_err(|error| wrong(&error))
}

async fn log(context: &Context, level: &Value, said: &str) -> Result<(), ErrorData> {
    let params = json!({"level": level, "logger": "suite", "data": said});
    notify(context, "notifications/message", params).await
}

/// What is logged belongs to no request, and goes out on the server's own stream: it is opened first.
async fn with_logging(shared: &Shared, context: &Context) -> Result<Value, ErrorData> {
    shared.until(&(session(context)?, false)).await?;
    for said in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        log(context, &json!("info"), said).await?;
    }
    Ok(text("Logged."))
}

async fn with_progress(context: &Context) -> Result<Value, ErrorData> {
    if let Some(token) = context.meta.get_progress_token() {
        for progress in [0, 50, 100] {
            let params = json!({"progressToken": token, "progress": progress, "total": 100});
            notify(context, "notifications/progress", params).await?;
        }
    }
    Ok(text("Done."))
}

/// Asks the client, on the stream of the call.
async fn ask(context: &Context, method: &str, params: Value) -> Result<Value, ErrorData> {
    let question: ServerRequest = of(json!({"method": method, "params": params}))?;
    let answer = context.peer.send_request(question).await.map_err(|error| wrong(&error))?;
    serde_json::to_value(answer).map_err(|error| wrong(&error))
}

async fn sampling(asked: &CallToolRequestParams, context: &Context) -> Result<Value, ErrorData> {
    let prompt = argument(asked, "prompt");
    let said = ask(context, "sampling/createMessage", input::sampling(&prompt, 100)).await?;
    let answer = said.pointer("/content/text").and_then(Value::as_str).unwrap_or_default();
    Ok(text(&format!("LLM response: {answer}")))
}

async fn elicited(context: &Context, message: &str, schema: &Value) -> Result<Value, ErrorData> {
    let params = json!({"message": message, "requestedSchema": schema});
    let said = ask(context, "elicitation/create", params).await?;
    Ok(text(&format!("Elicitation completed: {said}")))
}

fn user_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "username": {"type": "string", "description": "User's response"},
            "email": {"type": "string", "description": "User's email address"},
        },
        "required": ["username", "email"],
    })
}

fn schema_with_defaults() -> Value {
    let states = ["active", "inactive", "pending"];
    json!({"type": "object", "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": states, "default": "active"},
        "verified": {"type": "boolean", "default": true},
    }})
}

fn schema_with_choices() -> Value {
    let plain = ["option1", "option2", "option3"];
    let titled = |what: &str| {
        let one = |n: &str, title: &str| json!({"const": format!("value{n}"), "title": format!("{title} {what}")});
        json!([one("1", "First"), one("2", "Second"), one("3", "Third")])
    };
    json!({"type": "object", "properties": {
        "untitledSingle": {"type": "string", "enum": plain},
        "titledSingle": {"type": "string", "oneOf": titled("Option")},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled("Choice")}},
    }})
}

/// Closes the stream of the call before it is answered: the client comes back, and gets the answer then. A
/// session counts its requests from 0, and this is the first one.
async fn reconnection(shared: &Shared, context: &Context) -> Result<Value, ErrorData> {
    let id = session(context)?;
    let sessions = shared.sessions.sessions.read().await;
    let session = sessions.get(id.as_str()).cloned().ok_or_else(|| wrong(&"no session"))?;
    drop(sessions);
    session.close_sse_stream(0, Some(SOON)).await.map_err(|error| wrong(&error))?;
    shared.until(&(id, true)).await?;
    Ok(text("Here after all."))
}

fn needs_sampling(context: &Context) -> Result<Value, ErrorData> {
    let known = context.client_capabilities().and_then(|all| all.sampling);
    if known.is_none() {
        let needed: ClientCapabilities = of(json!({"sampling": {}}))?;
        return Err(ErrorData::missing_required_client_capability(needed));
    }
    Ok(text("The client can sample."))
}

fn changed(shared: &Shared, what: Changed) -> Value {
    // nobody may be listening
    let _heard = shared.changes.send(what);
    text("Whoever listens is told.")
}
