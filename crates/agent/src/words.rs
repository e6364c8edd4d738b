//! Texts of strangers. They are data, shown to people and to models: bounded, without what moves a
//! cursor or reorders text, and without anything that looks like a token.

use std::borrow::Cow;

use agentadmit_protocol::secret::SecretKind;

/// The fewest characters behind a prefix that are taken for a token: far fewer than one has.
const TOKEN_LIKE: usize = 20;

/// At most so many characters of a text, none of which controls a terminal or reorders text. Line ends
/// become blanks. Tokens are cut.
pub fn clean(text: &str, most: usize) -> String {
    // cut twice: what lies behind the end is not worth a search, and a cut token is shorter
    let longest = text.char_indices().nth(most.saturating_mul(4)).map_or(text.len(), |(at, _)| at);
    let text = without_tokens(text.get(..longest).unwrap_or_default());
    let spaced = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    spaced.filter(|c| !is_trick(*c)).take(most).collect()
}

/// Whether a character is none that is shown: control characters, the marks that reorder text, and
/// the tag characters, in which text can be written that nobody sees.
fn is_trick(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}')
        || matches!(c, '\u{FEFF}' | '\u{E0000}'..='\u{E007F}')
}

/// A text in which every token of ours is cut behind its prefix.
pub fn without_tokens(text: &str) -> Cow<'_, str> {
    let tokens = tokens_in(text);
    if tokens.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut clean, mut copied) = (String::with_capacity(text.len()), 0);
    for (start, prefix, end) in tokens {
        // one may begin in the middle of another
        clean.push_str(text.get(copied..start).unwrap_or_default());
        clean.push_str(prefix);
        clean.push('…');
        copied = end.max(copied);
    }
    clean.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(clean)
}

/// Whether something in a text looks like a token.
pub fn holds_token(text: &str) -> bool {
    !tokens_in(text).is_empty()
}

/// Where tokens begin and end, in order, and their prefixes.
fn tokens_in(text: &str) -> Vec<(usize, &'static str, usize)> {
    let mut tokens = Vec::new();
    for prefix in SecretKind::ALL.map(SecretKind::prefix) {
        tokens.extend(text.match_indices(prefix).filter_map(|(start, _)| {
            let behind = start.saturating_add(prefix.len());
            let rest = text.get(behind..).unwrap_or_default();
            let length = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
            (length >= TOKEN_LIKE).then_some((start, prefix, behind.saturating_add(length)))
        }));
    }
    tokens.sort_unstable();
    tokens
}

#[cfg(test)]
mod tests {
    use agentadmit_protocol::secret::Secret;

    use super::*;

    #[test]
    fn a_text_shows_what_it_says() {
        assert_eq!(clean("a\nb\u{1b}[31mc\u{202e}d\0\u{e0041}\u{200b}", 100), "a b[31mcd");
        assert_eq!(clean(&"é".repeat(1_001), 1_000).chars().count(), 1_000);
    }

    #[test]
    fn tokens_are_cut_wherever_they_stand() {
        let access = Secret::mint(SecretKind::AccessToken, [7; 32]);
        let connection = Secret::mint(SecretKind::ConnectionToken, [8; 32]);
        let (access, connection) = (access.expose(), connection.expose());
        let text = format!("x{access}, then \"{connection}\".");
        assert_eq!(without_tokens(&text), "xag_at_…, then \"ag_ct_…\".");
        assert!(holds_token(&text) && holds_token(access));
        assert!(!clean(&text, 300).contains(&access[6..20]));
        // where the text is cut in the middle of one
        assert_eq!(clean(&format!("{}{access}", "x".repeat(100)), 110).chars().count(), 107);
        // one behind the other, and one in another
        assert_eq!(without_tokens(&format!("{access}{access} x")), "ag_at_…ag_at_… x");
        let inside = format!("ag_ct_{}{access}", "y".repeat(30));
        assert_eq!(without_tokens(&inside), "ag_ct_…ag_at_…");
        for plain in ["ag_ct_…", "send your ag_at_ token", "flag_at_night"] {
            assert_eq!(without_tokens(plain), plain);
            assert!(!holds_token(plain));
        }
    }
}
