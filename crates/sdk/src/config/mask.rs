//! Texts without the secrets in them: what is printed comes from files that hold some.

use agentadmit_protocol::secret::SecretKind;

/// The text with every secret cut after its prefix, and every password in an address left out.
pub(super) fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((prefix, after)) = secret(rest) {
            shown.push_str(prefix);
            shown.push('…');
            rest = after;
        } else if let Some(after) = rest.strip_prefix("://") {
            shown.push_str("://");
            rest = without_password(after, &mut shown);
        } else {
            shown.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    shown
}

/// A secret at the beginning of a text: its prefix, and what stands behind it.
fn secret(text: &str) -> Option<(&'static str, &str)> {
    let prefix = SecretKind::ALL.iter().map(|kind| kind.prefix()).find(|p| text.starts_with(p))?;
    let behind = text.get(prefix.len()..)?;
    let end = behind.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(behind.len());
    // a placeholder such as `aa_test_yourkey` is shown: people look for it
    (end > 20).then(|| (prefix, behind.get(end..).unwrap_or_default()))
}

/// Passes over `user:password@`; what stands before it is kept.
fn without_password<'a>(after: &'a str, shown: &mut String) -> &'a str {
    let end = after.find(['/', '?', '#', ' ', '"', '\'', '\n']).unwrap_or(after.len());
    let authority = after.get(..end).unwrap_or_default();
    let Some((person, _)) = authority.rsplit_once('@') else { return after };
    match person.split_once(':') {
        Some((user, _)) => {
            shown.push_str(user);
            shown.push_str(":…");
            after.get(person.len()..).unwrap_or_default()
        }
        None => after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_passwords_are_cut_and_the_rest_stays() {
        let key = format!("aa_live_{}", "0".repeat(49));
        assert_eq!(masked(&format!("api_key: {key} # é")), "api_key: aa_live_… # é");
        assert_eq!(masked("postgres://u:p@ss@h/db?x"), "postgres://u:…@h/db?x");
        assert_eq!(masked("https://a.example/b@c"), "https://a.example/b@c");
        assert_eq!(masked("aa_test_yourkey"), "aa_test_yourkey");
    }
}
