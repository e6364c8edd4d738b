//! The TOML file of `serve`.

use agentadmit_cli::check_configuration;

use super::shows_a_secret;

/// The input as a configuration file: it is read, or refused in words that show no secret.
pub fn configuration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Err(words) = check_configuration(&text) {
        assert!(!words.is_empty());
        assert!(!shows_a_secret(&words), "{words}");
    }
}
