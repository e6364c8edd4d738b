//! Tools that want to know something first (revision 2026-07-28: a result that asks, and the same call
//! once more with the answers), and the state that a client brings back, which nobody but us can make.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rmcp::model::{CallToolRequestParams, ErrorData, InputResponses};
use serde_json::{Map, Value, json};

use crate::suite::{Context, Shared};
use crate::tools::text;

/// Whether a result asks for something.
pub(crate) fn is_required(said: &Value) -> bool {
    said.get("resultType").is_some_and(|kind| kind == "input_required")
}

/// The params of a question to a model.
pub(crate) fn sampling(prompt: &str, most: u32) -> Value {
    let message = json!({"role": "user", "content": {"type": "text", "text": prompt}});
    json!({"messages": [message], "maxTokens": most})
}

/// A question to a model.
fn sample(prompt: &str, most: u32) -> Value {
    json!({"method": "sampling/createMessage", "params": sampling(prompt, most)})
}

/// A question to a person, with one field.
pub(crate) fn elicit(message: &str, field: &str, kind: &str) -> Value {
    let schema =
        json!({"type": "object", "properties": {field: {"type": kind}}, "required": [field]});
    let params = json!({"message": message, "requestedSchema": schema});
    json!({"method": "elicitation/create", "params": params})
}

fn roots() -> Value {
    json!({"method": "roots/list", "params": {}})
}

/// A result that asks.
pub(crate) fn required(questions: &[(&str, Value)], state: Option<String>) -> Value {
    let questions: Map<String, Value> =
        questions.iter().map(|(key, question)| ((*key).to_owned(), question.clone())).collect();
    let mut said = json!({"resultType": "input_required", "inputRequests": questions});
    if let (Some(state), Some(members)) = (state, said.as_object_mut()) {
        members.insert("requestState".to_owned(), json!(state));
    }
    said
}

/// What a person filled in, if they said yes.
pub(crate) fn filled_in<'a>(
    answers: Option<&'a InputResponses>,
    key: &str,
    field: &str,
) -> Option<&'a Value> {
    let answer = answers?.get(key)?;
    let is_yes = answer.get("action").is_some_and(|action| action == "accept");
    answer.get("content")?.get(field).filter(|_| is_yes)
}

/// The tools that ask.
pub(crate) fn answer(
    shared: &Shared,
    name: &str,
    asked: &CallToolRequestParams,
    context: &Context,
) -> Result<Value, ErrorData> {
    let answers = asked.input_responses.as_ref();
    let has = |key: &str| answers.is_some_and(|all| all.get(key).is_some_and(Value::is_object));
    let state = || opened(shared, asked.request_state.as_deref());
    let name_of_user = || elicit("What is your name?", "name", "string");
    let capital = || sample("What is the capital of France?", 100);
    Ok(match name {
        "test_input_required_result_elicitation" | "test_streaming_elicitation" => {
            match filled_in(answers, "user_name", "name").and_then(Value::as_str) {
                Some(name) => text(&format!("Hello, {name}!")),
                None => required(&[("user_name", name_of_user())], None),
            }
        }
        "test_input_required_result_sampling" if has("capital_question") => text("Thank you."),
        "test_input_required_result_sampling" => required(&[("capital_question", capital())], None),
        "test_input_required_result_list_roots" if has("client_roots") => text("Thank you."),
        "test_input_required_result_list_roots" => required(&[("client_roots", roots())], None),
        "test_input_required_result_request_state"
        | "test_input_required_result_tampered_state" => match state()? {
            Some("confirm") if has("confirm") => text("state-ok"),
            _ => {
                let question = elicit("Please confirm", "ok", "boolean");
                required(&[("confirm", question)], Some(sealed(shared, "confirm")))
            }
        },
        "test_input_required_result_multiple_inputs" => match state()? {
            Some("all") if ["user_name", "greeting", "client_roots"].iter().all(|key| has(key)) => {
                text("Thank you.")
            }
            _ => {
                let greeting = sample("Generate a greeting", 50);
                let all = [
                    ("user_name", name_of_user()),
                    ("greeting", greeting),
                    ("client_roots", roots()),
                ];
                required(&all, Some(sealed(shared, "all")))
            }
        },
        "test_input_required_result_multi_round" => match state()? {
            Some("first") if has("step1") => {
                let question = elicit("Step 2: What is your favorite color?", "color", "string");
                required(&[("step2", question)], Some(sealed(shared, "second")))
            }
            Some("second") if has("step2") => text("Thank you."),
            _ => {
                let question = elicit("Step 1: What is your name?", "name", "string");
                required(&[("step1", question)], Some(sealed(shared, "first")))
            }
        },
        "test_input_required_result_capabilities" => {
            let known = context.client_capabilities().unwrap_or_default();
            let mut questions = Vec::new();
            if known.sampling.is_some() {
                questions.push(("capital_question", capital()));
            }
            if known.elicitation.is_some() {
                questions.push(("user_name", name_of_user()));
            }
            if questions.is_empty() || questions.iter().all(|(key, _)| has(key)) {
                text("Nothing more to ask.")
            } else {
                required(&questions, None)
            }
        }
        _ => return Err(ErrorData::invalid_params("there is no such tool", None)),
    })
}

/// A state that is given away.
fn sealed(shared: &Shared, state: &str) -> String {
    let tag = hmac::sign(&shared.key, state.as_bytes());
    format!("{state}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

/// A state that has come back, if one has.
fn opened<'a>(shared: &Shared, given: Option<&'a str>) -> Result<Option<&'a str>, ErrorData> {
    let Some(given) = given else { return Ok(None) };
    let forged = || ErrorData::invalid_params("the request state is none of ours", None);
    let (state, tag) = given.rsplit_once('.').ok_or_else(forged)?;
    let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| forged())?;
    hmac::verify(&shared.key, state.as_bytes(), &tag).map_err(|_| forged())?;
    Ok(Some(state))
}
