//! The JSON Schema of `agentadmit.yaml`, from the table of keys.

use serde_json::{Map, Value, json};

use super::table::{KEYS, Key, Kind, variable};

/// The schema (JSON Schema 2020-12), for editors: `contract/agentadmit.schema.json`.
pub fn schema() -> Value {
    let mut root = object(KEYS);
    if let Value::Object(members) = &mut root {
        let about = "The configuration of an app that lets its users' AI agents in (AgentAdmit).";
        members.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        members.insert("title".into(), json!("agentadmit.yaml"));
        members.insert("description".into(), json!(about));
    }
    for key in KEYS {
        if let Some(property) = root.pointer_mut(&format!("/properties/{}", key.name)) {
            property["x-variable"] = json!(variable(key.name));
        }
    }
    root
}

fn object(keys: &[Key]) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let mut property = kind(&key.kind);
        if let Value::Object(members) = &mut property {
            let without = key.default.map(|default| format!(" Without it: {default}."));
            let about = format!("{}{}", key.about, without.unwrap_or_default());
            members.insert("description".into(), json!(about));
        }
        properties.insert(key.name.to_owned(), property);
    }
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut object =
        json!({"type": "object", "additionalProperties": false, "properties": properties});
    if let (Value::Object(members), false) = (&mut object, required.is_empty()) {
        members.insert("required".into(), json!(required));
    }
    object
}

fn kind(kind: &Kind) -> Value {
    let url = || json!({"type": "string", "format": "uri", "pattern": "^https?://"});
    match kind {
        Kind::AppId => json!({"type": "string", "pattern": "^app_"}),
        Kind::Label => json!({"type": "string", "minLength": 1, "maxLength": 100}),
        Kind::Text => json!({"type": "string", "minLength": 1, "maxLength": 300}),
        Kind::Url | Kind::Origin => url(),
        Kind::VerifyUrl => json!({"type": "string", "format": "uri", "pattern": "/v1/verify$"}),
        Kind::ApiKey => json!({"type": "string", "pattern": "^aa_(test|live)_"}),
        Kind::Count(least, most) => {
            json!({"type": "integer", "minimum": least, "maximum": most})
        }
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Prefix => json!({"type": "string", "pattern": "^(/[A-Za-z0-9._~-]+)+$"}),
        Kind::Path | Kind::StorageUrl | Kind::Network => json!({"type": "string", "minLength": 1}),
        Kind::Field => json!({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,62}$"}),
        Kind::ScopeName => json!({
            "type": "string", "maxLength": 64, "pattern": "^[a-z0-9_.-]+:[a-z0-9_.:-]+$",
        }),
        Kind::Allowed => json!({"enum": ["allowed"]}),
        Kind::List(of, most) => {
            json!({"type": "array", "items": self::kind(of), "maxItems": most})
        }
        Kind::Object(keys) => object(keys),
    }
}
