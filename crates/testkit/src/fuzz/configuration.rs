//! The TOML file of `serve`.

use agentadmit_config::{ServeConfig, ServeOptions};

use super::shows_a_secret;

/// The input as a configuration file: it is read, or refused in words that show no secret.
pub fn configuration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Err(bad) = ServeOptions::from_toml(&text, "the file").and_then(ServeConfig::check) {
        let words = bad.to_string();
        assert!(!words.is_empty());
        assert!(!shows_a_secret(&words), "{words}");
    }
}
