//! `agentadmit public-keys`.

use agentadmit_protocol::id::AppId;
use serde_json::{Value, json};

use super::{json_file, text, words};
use crate::args::{PublicKeysCommand, PutPublicKeys};
use crate::client::{Request, Transport};
use crate::exit::{Exit, Failure};
use crate::output::{Output, table};

const COLUMNS: &[(&str, &str)] = &[
    ("KEY", "key_id"),
    ("KID", "kid"),
    ("ENVIRONMENT", "environment"),
    ("PERMISSIONS", "permissions"),
    ("CREATED", "created_at"),
];

pub(super) async fn run(
    at: &Transport,
    command: PublicKeysCommand,
    output: Output,
) -> Result<Exit, Failure> {
    let answer = match command {
        PublicKeysCommand::Put(put) => {
            let keys = entries(json_file(&put.file)?, &put)?;
            at.call(Request::put(keys_of(put.app), json!({ "keys": keys }))).await?
        }
        PublicKeysCommand::List { app } => at.call(Request::get(keys_of(app))).await?,
    };
    output.result(&answer, |answer| table(&answer["keys"], COLUMNS))?;
    Ok(Exit::Done)
}

fn keys_of(app: AppId) -> String {
    format!("/v1/operator/apps/{app}/public-keys")
}

/// The keys of a JWK set, a list or a single JWK, with what the flags say where they say nothing.
fn entries(mut file: Value, put: &PutPublicKeys) -> Result<Value, Failure> {
    let keys = match file.get_mut("keys") {
        Some(keys) => keys.take(),
        None => file,
    };
    let mut keys = match keys {
        Value::Array(keys) => keys,
        key @ Value::Object(_) => vec![key],
        _ => return Err(Failure::usage("the file holds neither a JWK set nor JWKs")),
    };
    for key in &mut keys {
        let Some(key) = key.as_object_mut() else {
            return Err(Failure::usage("a key in the file is no JSON object"));
        };
        if key.contains_key("d") {
            return Err(Failure::usage("a key in the file is private: nothing was sent"));
        }
        let said =
            [("environment", text(put.environment)), ("permissions", words(&put.permissions))];
        for (name, value) in said {
            if let (Some(value), false) = (value, key.contains_key(name)) {
                key.insert(name.to_owned(), value);
            }
        }
        if !key.contains_key("environment") {
            return Err(Failure::usage(
                "a key in the file names no environment: add --environment",
            ));
        }
    }
    Ok(Value::Array(keys))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use agentadmit_protocol::environment::Environment;
    use agentadmit_protocol::permission::Permission;

    use super::*;

    #[test]
    fn what_the_file_does_not_say_the_flags_do() {
        let put = PutPublicKeys {
            app: AppId::from_bytes([1; 16]),
            environment: Some(Environment::Test),
            permissions: vec![Permission::Verify],
            file: PathBuf::new(),
        };
        let key = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"});
        let expected = json!([{
            "kty": "RSA", "n": "AQAB", "e": "AQAB", "environment": "test", "permissions": ["verify"],
        }]);
        for file in [json!({"keys": [key]}), json!([key]), key.clone()] {
            assert_eq!(entries(file, &put).unwrap(), expected);
        }
        let mut said = key.clone();
        said["environment"] = json!("live");
        assert_eq!(entries(said, &put).unwrap()[0]["environment"], "live");
        let mut private = key.clone();
        private["d"] = json!("AQAB");
        assert!(entries(private, &put).is_err());
        assert!(entries(json!("x"), &put).is_err());
        assert!(entries(key, &PutPublicKeys { environment: None, ..put }).is_err());
    }
}
