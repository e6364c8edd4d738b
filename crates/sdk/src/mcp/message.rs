//! What a message of MCP asks for, as far as a guard must know it: the method, and the tool.
//!
//! The server behind the guard reads the same bytes once more. What two readers could understand
//! differently (a member that is there twice, params that are a list) is therefore no message here.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::endpoint_of;

/// The methods that hold no data of anybody's, beside notifications.
const HARMLESS: [&str; 5] =
    ["initialize", "ping", "logging/setLevel", "server/discover", "tools/list"];

/// The call of a tool.
const CALL: &str = "tools/call";

/// What a request asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Asked {
    /// No message: a stream is opened, or a session ended.
    Stream(&'static str),
    /// A tool is called.
    Tool { name: String, id: Value },
    /// A tool is called, and nobody can say which.
    NoTool { id: Value },
    /// Any other method.
    Method { name: String, id: Option<Value> },
    /// An answer to a question of the server's, or nothing that anybody knows.
    Other,
    /// Several messages.
    Batch,
    /// No JSON, or JSON that says two things at once.
    Unreadable,
}

impl Asked {
    /// Reads a body.
    pub(super) fn of(body: &[u8]) -> Self {
        if body.trim_ascii_start().starts_with(b"[") {
            return Self::Batch;
        }
        let Ok(Object(message)) = serde_json::from_slice::<Object<Message<'_>>>(body) else {
            return Self::Unreadable;
        };
        let Message { id, method, params } = message;
        let Some(method) = method else { return Self::Other };
        if method != CALL {
            return Self::Method { name: method.into_owned(), id };
        }
        let id = id.unwrap_or_default();
        match params.and_then(|Object(params)| params.name) {
            Some(Value::String(name)) if !name.is_empty() => Self::Tool { name, id },
            _ => Self::NoTool { id },
        }
    }

    /// What the service is told.
    pub(super) fn endpoint(&self) -> Cow<'static, str> {
        match self {
            Self::Stream(endpoint) => Cow::Borrowed(endpoint),
            Self::Tool { name, .. } => endpoint_of(name).into(),
            Self::NoTool { .. } => format!("mcp:{CALL}").into(),
            Self::Method { name, .. } if !name.is_empty() => format!("mcp:{name}").into(),
            _ => Cow::Borrowed("mcp:POST"),
        }
    }

    /// Whether the answer may be a list of tools, or one that is sent once more.
    pub(super) fn may_list_tools(&self) -> bool {
        match self {
            Self::Stream(_) => true,
            Self::Method { name, .. } => name == "tools/list",
            _ => false,
        }
    }
}

/// Whether a method's answer is nobody's data.
pub(super) fn is_harmless(method: &str, id: Option<&Value>) -> bool {
    HARMLESS.contains(&method) || (id.is_none() && method.starts_with("notifications/"))
}

/// A message of JSON-RPC 2.0. A member that is there twice is an error of serde's.
#[derive(serde::Deserialize)]
struct Message<'a> {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default, borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(default)]
    params: Option<Object<Params>>,
}

#[derive(serde::Deserialize)]
struct Params {
    #[serde(default)]
    name: Option<Value>,
}

/// An object, where serde would take a list for it too.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Object<T>, M::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tool(name: &str) -> Asked {
        Asked::Tool { name: name.to_owned(), id: json!(1) }
    }

    #[test]
    fn a_message_is_read_as_the_server_reads_it() {
        let call = |params: &str| {
            Asked::of(format!(r#"{{"id":1,"method":"tools/call","params":{params}}}"#).as_bytes())
        };
        assert_eq!(call(r#"{"name":"add_note","arguments":{"name":"x"}}"#), tool("add_note"));
        assert_eq!(call(r#"{"name":"add\u005fnote"}"#), tool("add_note"));
        for bad in [r"{}", r#"{"name":1}"#, r#"{"name":""}"#, r#"{"name":null}"#, "null"] {
            assert_eq!(call(bad), Asked::NoTool { id: json!(1) }, "{bad}");
        }
        let list = Asked::of(br#" {"jsonrpc":"2.0","id":"a","method":"tools/list"} "#);
        assert_eq!(list, Asked::Method { name: "tools/list".to_owned(), id: Some(json!("a")) });
        assert_eq!(Asked::of(br#"{"jsonrpc":"2.0","id":1,"result":{}}"#), Asked::Other);
    }

    #[test]
    fn what_two_readers_could_take_for_two_things_is_no_message() {
        for body in [
            r#"{"method":"tools/list","method":"tools/call","params":{"name":"a"}}"#,
            r#"{"method":"tools/call","params":{"name":"a","name":"b"}}"#,
            r#"{"method":"tools/call","params":{"name":"a"},"params":{"name":"b"}}"#,
            r#"{"method":"tools/call","params":["a"]}"#,
            r#"{"id":1,"id":2,"method":"tools/list"}"#,
            r#"{"method":1}"#,
            r#""tools/call""#,
            "",
            "{",
            "{} {}",
        ] {
            assert_eq!(Asked::of(body.as_bytes()), Asked::Unreadable, "{body}");
        }
        assert_eq!(Asked::of(b"{\"method\":\"tools/\xc3\x28\"}"), Asked::Unreadable);
        assert_eq!(Asked::of(br#" [{"method":"tools/list"}]"#), Asked::Batch);
    }

    #[test]
    fn only_notifications_without_an_id_are_harmless() {
        assert!(is_harmless("notifications/initialized", None));
        assert!(!is_harmless("notifications/initialized", Some(&json!(1))));
        assert!(!is_harmless("resources/read", None));
        assert!(!is_harmless(CALL, None));
    }
}
