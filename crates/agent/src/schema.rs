//! A schema of an OpenAPI document as a schema that stands alone: references followed, cycles cut,
//! bounded, and with the words that describe values only.

use serde_json::{Map, Value};

use crate::words::clean;

/// How deep schemas may stand in each other.
const MAX_DEPTH: usize = 24;
/// Schemas that are read for one parameter or body; what is beyond them may be anything.
const MAX_SCHEMAS: usize = 600;
/// Schemas that are read of one document.
const MAX_ALL: usize = 40_000;
/// References that lead to references.
const MAX_HOPS: usize = 8;
/// Members of an object, values of an enumeration, alternatives.
const MAX_LISTED: usize = 200;
/// The most characters of a description, and of any other text.
const MAX_TEXT: usize = 500;

/// Reads the schemas of one document.
#[derive(Debug)]
pub(crate) struct Reader<'d> {
    document: &'d Value,
    /// Schemas that may still be read of it.
    left: usize,
    /// Of the one that is being read.
    left_here: usize,
}

impl<'d> Reader<'d> {
    pub(crate) const fn new(document: &'d Value) -> Self {
        Self { document, left: MAX_ALL, left_here: 0 }
    }

    /// What a value stands for: itself, or what it refers to inside of the document.
    pub(crate) fn resolve<'v>(&self, value: &'v Value) -> Option<&'v Value>
    where
        'd: 'v,
    {
        let mut found = value;
        for _ in 0..MAX_HOPS {
            match found.get("$ref") {
                None => return Some(found),
                Some(reference) => found = self.document.pointer(&pointer(reference)?)?,
            }
        }
        None
    }

    /// A schema that stands alone.
    pub(crate) fn read(&mut self, schema: &Value) -> Value {
        self.left_here = MAX_SCHEMAS.min(self.left);
        let before = self.left_here;
        let read = self.schema(schema, &mut Vec::new());
        self.left = self.left.saturating_sub(before.saturating_sub(self.left_here));
        read
    }

    /// `open`: the references that led here, so that none is followed in a circle.
    fn schema(&mut self, schema: &Value, open: &mut Vec<String>) -> Value {
        if self.left_here == 0 || open.len() > MAX_DEPTH {
            return Value::Object(Map::new());
        }
        self.left_here = self.left_here.saturating_sub(1);
        let Some(members) = schema.as_object() else {
            // `true`, `false`; anything else is no schema
            return schema.as_bool().map_or_else(|| Value::Object(Map::new()), Value::Bool);
        };
        if let Some(reference) = members.get("$ref") {
            return self.referred(reference, open);
        }
        open.push(String::new());
        let mut read = Map::new();
        for (word, value) in members {
            if let Some(value) = self.word(word, value, open) {
                read.insert(word.clone(), value);
            }
        }
        open.pop();
        if members.get("nullable").and_then(Value::as_bool) == Some(true) {
            nullable(&mut read);
        }
        Value::Object(read)
    }

    fn referred(&mut self, reference: &Value, open: &mut Vec<String>) -> Value {
        let found = pointer(reference).filter(|pointer| !open.contains(pointer));
        let target = found.and_then(|pointer| Some((self.document.pointer(&pointer)?, pointer)));
        let Some((target, pointer)) = target else { return Value::Object(Map::new()) };
        open.push(pointer);
        let read = self.schema(target, open);
        open.pop();
        read
    }

    /// The value of a word of JSON Schema that describes values; nothing for every other word.
    fn word(&mut self, word: &str, value: &Value, open: &mut Vec<String>) -> Option<Value> {
        match word {
            "title" | "description" | "format" | "pattern" => {
                Some(clean(value.as_str()?, MAX_TEXT).into())
            }
            "type" => types(value),
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => {
                // booleans there are OpenAPI 3.0's
                value.is_number().then(|| value.clone())
            }
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
            | "maxProperties" => value.is_u64().then(|| value.clone()),
            "uniqueItems" | "deprecated" => value.is_boolean().then(|| value.clone()),
            "enum" => {
                let values = value.as_array()?.iter().take(MAX_LISTED);
                Some(values.filter_map(plain).collect())
            }
            "const" | "default" => plain(value),
            "required" => {
                let names = value.as_array()?.iter().take(MAX_LISTED);
                Some(names.filter(|name| is_name(name.as_str())).cloned().collect())
            }
            "properties" => {
                let members = value.as_object()?.iter().take(MAX_LISTED);
                let members = members.filter(|(name, _)| is_name(Some(name)));
                let read = members.map(|(name, value)| (name.clone(), self.schema(value, open)));
                Some(Value::Object(read.collect()))
            }
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
                let all = value.as_array().filter(|all| !all.is_empty())?;
                let all = all.iter().take(MAX_LISTED).map(|schema| self.schema(schema, open));
                Some(all.collect())
            }
            "items" | "additionalProperties" | "not" => Some(self.schema(value, open)),
            _ => None,
        }
    }
}

/// A reference into the document itself, as a JSON pointer (RFC 6901 section 6).
fn pointer(reference: &Value) -> Option<String> {
    let fragment = reference.as_str()?.strip_prefix('#')?;
    let pointer = percent_encoding::percent_decode_str(fragment).decode_utf8().ok()?;
    (pointer.starts_with('/') && pointer.len() <= 500).then(|| pointer.into_owned())
}

/// Names of members are shown to models too.
fn is_name(name: Option<&str>) -> bool {
    name.is_some_and(|name| !name.is_empty() && name.len() <= 100 && clean(name, 100) == name)
}

fn types(value: &Value) -> Option<Value> {
    let is_type = |value: &&Value| {
        let known = ["string", "number", "integer", "boolean", "array", "object", "null"];
        value.as_str().is_some_and(|name| known.contains(&name))
    };
    match value {
        Value::String(_) => Some(value).filter(is_type).cloned(),
        Value::Array(all) => Some(all.iter().filter(is_type).cloned().collect()),
        _ => None,
    }
}

/// A value that is shown as it is: no object, no list.
fn plain(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => Some(clean(text, MAX_TEXT).into()),
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(value.clone()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// OpenAPI 3.0's `nullable` in words of JSON Schema.
fn nullable(schema: &mut Map<String, Value>) {
    if let Some(Value::String(one)) = schema.get("type").cloned() {
        schema.insert("type".to_owned(), Value::Array(vec![one.into(), "null".into()]));
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_stands_alone() {
        let document = json!({"components": {"schemas": {
            "Order": {"type": "object", "title": "Order", "x-evil": "IGNORE", "example": {"a": 1},
                "required": ["id", "to"], "properties": {
                    "id": {"$ref": "#/components/schemas/Id"},
                    "to": {"type": "string", "nullable": true, "enum": ["a"]},
                    "parent": {"$ref": "#/components/schemas/Order"},
                    "away": {"$ref": "https://evil.example/schema.json"},
                    "gone": {"$ref": "#/nowhere"},
                }},
            "Id": {"type": "integer", "exclusiveMinimum": true, "minimum": 1,
                "description": "line\nend \u{202e}"},
        }}});
        let mut reader = Reader::new(&document);
        let read = reader.read(&json!({"$ref": "#/components/schemas/Order"}));
        assert_eq!(
            read,
            json!({"type": "object", "title": "Order", "required": ["id", "to"], "properties": {
                "id": {"type": "integer", "minimum": 1, "description": "line end "},
                "to": {"type": ["string", "null"], "enum": ["a", null]},
                "parent": {}, "away": {}, "gone": {},
            }})
        );
    }

    #[test]
    fn size_and_depth_are_limited() {
        // each of them doubles: 2^30 schemas if nobody counted
        let mut schemas = Map::new();
        for n in 0..30 {
            let next = json!({"$ref": format!("#/s/{}", n + 1)});
            schemas.insert(n.to_string(), json!({"properties": {"a": next, "b": next}}));
        }
        let document = json!({"s": schemas});
        let mut reader = Reader::new(&document);
        let read = reader.read(&json!({"$ref": "#/s/0"}));
        assert!(read.to_string().len() < 100_000);
        assert!(reader.left >= MAX_ALL - MAX_SCHEMAS);

        let deep = (0..100).fold(json!({"type": "string"}), |inner, _| json!({"items": inner}));
        let read = Reader::new(&json!({})).read(&deep).to_string();
        assert_eq!(read.matches("items").count(), MAX_DEPTH + 1);

        let wide: Map<String, Value> =
            (0..1_000).map(|n| (format!("p{n}"), json!({"type": "string"}))).collect();
        let read = Reader::new(&json!({})).read(&json!({"properties": wide}));
        assert_eq!(read["properties"].as_object().unwrap().len(), MAX_LISTED);
    }
}
