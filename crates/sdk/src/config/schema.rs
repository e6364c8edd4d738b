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
        let property = root.pointer_mut(&format!("/properties/{}", key.name));
        if let Some(Value::Object(members)) = property {
            members.insert("x-variable".into(), json!(variable(key.name)));
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
        Kind::Url | Kind::PublicUrl | Kind::Resource | Kind::Origin => url(),
        Kind::VerifyUrl => json!({"type": "string", "format": "uri", "pattern": "/v1/verify$"}),
        Kind::ApiKey => json!({"type": "string", "pattern": "^aa_(test|live)_"}),
        Kind::Count(least, most) => {
            json!({"type": "integer", "minimum": least, "maximum": most})
        }
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Prefix => json!({"type": "string", "pattern": "^(/[A-Za-z0-9._~-]+)+$"}),
        Kind::LoginPath => json!({"type": "string", "pattern": "^/([^/\\\\].*)?$"}),
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

#[cfg(test)]
mod tests {
    use agentadmit_protocol::text::Label;

    use super::super::source::{From, Source};
    use super::super::yaml::parse;
    use super::*;

    /// What the schema's keywords say of a value, but for patterns.
    fn faults(schema: &Value, value: &Value, path: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |text: &str| faults.push(format!("{path}: {text}"));
        let is_of_type = match schema["type"].as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64(),
            Some("boolean") => value.is_boolean(),
            _ => schema["enum"].as_array().is_some_and(|words| words.contains(value)),
        };
        if !is_of_type {
            fault("type");
        }
        let number = value.as_i64().unwrap_or_default();
        if schema["minimum"].as_i64().is_some_and(|least| number < least)
            || schema["maximum"].as_i64().is_some_and(|most| number > most)
        {
            fault("range");
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            if value.get(name.as_str().unwrap()).is_none() {
                fault("required");
            }
        }
        for (name, member) in value.as_object().into_iter().flatten() {
            let inner = &schema["properties"][name];
            if inner.is_null() {
                faults.push(format!("{path}: {name} is unknown"));
            } else {
                faults.extend(self::faults(inner, member, &format!("{path}/{name}")));
            }
        }
        for item in value.as_array().into_iter().flatten() {
            faults.extend(self::faults(&schema["items"], item, &format!("{path}[]")));
        }
        faults
    }

    fn read(text: &str) -> Value {
        let source = Source::new(From::File, "agentadmit.yaml", text);
        parse(text, &source, &mut Vec::new()).unwrap().to_json()
    }

    #[test]
    fn what_init_writes_keeps_the_schema() {
        let text = super::super::template(&Label::new("Joe's \"shop\"").unwrap());
        assert_eq!(faults(&schema(), &read(&text), ""), Vec::<String>::new());
        for wrong in ["max_retries: '5'", "scopes: [{name: 'a:b'}]", "nmae: x", "max_retries: 99"] {
            assert_eq!(faults(&schema(), &read(wrong), "").len(), 1, "{wrong}");
        }
    }

    #[test]
    fn the_schema_has_the_keys_of_the_reader_and_no_other() {
        fn paths(schema: &Value, path: &str, found: &mut Vec<String>) {
            for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
                found.push(format!("{path}{name}"));
                paths(inner, &format!("{path}{name}."), found);
                paths(&inner["items"], &format!("{path}{name}[]."), found);
            }
        }
        let mut found = Vec::new();
        paths(&schema(), "", &mut found);
        found.sort();
        let mut known: Vec<String> = super::super::keys().into_iter().map(|key| key.path).collect();
        known.sort();
        assert_eq!(found, known);
    }
}
