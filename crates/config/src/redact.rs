//! Secrets out of words: a complaint about what was typed shows what was typed, and somebody may
//! have typed a secret where none belongs.

use std::borrow::Cow;

use agentadmit_protocol::secret::SecretKind;

/// The words with everything behind a secret's prefix taken out.
pub fn without_secrets(words: Cow<'static, str>) -> Cow<'static, str> {
    let prefixes = SecretKind::ALL.map(SecretKind::prefix);
    let mut shown = String::new();
    let mut rest: &str = &words;
    while let Some((at, prefix)) = first_of(rest, &prefixes) {
        let (before, behind) = rest.split_at(at + prefix.len());
        shown.push_str(before);
        rest = behind.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
        if rest.len() < behind.len() {
            shown.push('…');
        }
    }
    if shown.is_empty() {
        return words;
    }
    shown.push_str(rest);
    shown.into()
}

/// Where the first of the prefixes stands, and which it is.
fn first_of<'p>(text: &str, prefixes: &[&'p str]) -> Option<(usize, &'p str)> {
    let places = prefixes.iter().filter_map(|prefix| Some((text.find(prefix)?, *prefix)));
    places.min_by_key(|(at, _)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_prefix_of_a_secret_is_left() {
        let shown = |words: &'static str| without_secrets(words.into()).into_owned();
        assert_eq!(shown("`ag_at_0aZ9` is no address"), "`ag_at_…` is no address");
        assert_eq!(shown("aa_op_a=ag_ct_b, aa_test_"), "aa_op_…=ag_ct_…, aa_test_");
        assert_eq!(shown("aa_op_aa_live_x"), "aa_op_…_live_x");
        assert_eq!(shown("nothing here"), "nothing here");
    }
}
