//! Resources and prompts, with the contents that the suite wants.

use rmcp::model::{ErrorData, GetPromptRequestParams};
use serde_json::{Value, json};

use crate::input;
use crate::tools::words;

/// One red pixel, as PNG.
pub(crate) const PICTURE: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";
/// Around the id of a resource that is made from a template.
const TEMPLATE: (&str, &str) = ("test://template/", "/data");

/// A picture in a message.
pub(crate) fn picture() -> Value {
    json!({"type": "image", "data": PICTURE, "mimeType": "image/png"})
}

/// A resource in a message.
pub(crate) fn embedded(uri: &str, media_type: &str, text: &str) -> Value {
    json!({"type": "resource", "resource": {"uri": uri, "mimeType": media_type, "text": text}})
}

pub(crate) fn resources() -> Value {
    let one = |uri: &str, media_type: &str| json!({"uri": uri, "name": uri, "description": "One of the suite's", "mimeType": media_type});
    json!({"resources": [
        one("test://static-text", "text/plain"),
        one("test://static-binary", "image/png"),
        one("test://watched-resource", "text/plain"),
    ]})
}

pub(crate) fn templates() -> Value {
    let template = format!("{}{{id}}{}", TEMPLATE.0, TEMPLATE.1);
    json!({"resourceTemplates": [{
        "uriTemplate": template, "name": "One of many", "mimeType": "application/json",
    }]})
}

pub(crate) fn resource(uri: &str) -> Result<Value, ErrorData> {
    let of_template = uri.strip_prefix(TEMPLATE.0).and_then(|it| it.strip_suffix(TEMPLATE.1));
    let content = match (uri, of_template) {
        ("test://static-text", _) => {
            let text = "This is the content of the static text resource.";
            json!({"uri": uri, "mimeType": "text/plain", "text": text})
        }
        ("test://static-binary", _) => {
            json!({"uri": uri, "mimeType": "image/png", "blob": PICTURE})
        }
        ("test://watched-resource", _) => {
            json!({"uri": uri, "mimeType": "text/plain", "text": "It stays as it is."})
        }
        (_, Some(id)) => {
            let data =
                json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
            json!({"uri": uri, "mimeType": "application/json", "text": data.to_string()})
        }
        _ => {
            let which = json!({"uri": uri});
            return Err(ErrorData::resource_not_found("Resource not found", Some(which)));
        }
    };
    Ok(json!({"contents": [content]}))
}

pub(crate) fn prompts() -> Value {
    let one = |name: &str, arguments: &[&str]| {
        let needed: Vec<Value> =
            arguments.iter().map(|it| json!({"name": it, "required": true})).collect();
        json!({"name": name, "description": "One of the suite's", "arguments": needed})
    };
    json!({"prompts": [
        one("test_simple_prompt", &[]),
        one("test_prompt_with_arguments", &["arg1", "arg2"]),
        one("test_prompt_with_embedded_resource", &["resourceUri"]),
        one("test_prompt_with_image", &[]),
        one("test_input_required_result_prompt", &[]),
    ]})
}

/// A prompt, or what it wants to know first.
pub(crate) fn prompt(asked: &GetPromptRequestParams) -> Result<Value, ErrorData> {
    let given = |name: &str| {
        let arguments = asked.arguments.as_ref();
        let value = arguments.and_then(|all| all.get(name)).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    Ok(match asked.name.as_str() {
        "test_simple_prompt" => says(&[words("This is a simple prompt for testing.")]),
        "test_prompt_with_arguments" => {
            let (first, second) = (given("arg1"), given("arg2"));
            says(&[words(&format!("Prompt with arguments: arg1='{first}', arg2='{second}'"))])
        }
        "test_prompt_with_embedded_resource" => {
            let text = "Embedded resource content for testing.";
            says(&[
                embedded(&given("resourceUri"), "text/plain", text),
                words("Please process the embedded resource above."),
            ])
        }
        "test_prompt_with_image" => says(&[picture(), words("Please analyze the image above.")]),
        "test_input_required_result_prompt" => {
            let answers = asked.input_responses.as_ref();
            let context = input::filled_in(answers, "user_context", "context");
            if let Some(context) = context.and_then(Value::as_str) {
                says(&[words(&format!("In the context of {context}."))])
            } else {
                let question = "What context should the prompt use?";
                let question = input::elicit(question, "context", "string");
                input::required(&[("user_context", question)], None)
            }
        }
        _ => return Err(ErrorData::invalid_params("there is no such prompt", None)),
    })
}

fn says(blocks: &[Value]) -> Value {
    let messages: Vec<Value> =
        blocks.iter().map(|block| json!({"role": "user", "content": block})).collect();
    json!({"messages": messages})
}
