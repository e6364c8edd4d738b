//! The form of the consent page, read. What people typed is put right where that changes nothing
//! they meant (blanks, Unicode form); what our own page could not have sent is refused.

use agentadmit_core::issue::{Lifetime, MAX_DURATION_SECONDS, MIN_DURATION_SECONDS};
use agentadmit_protocol::api::query;
use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::text::{InvalidText, Label, Text};
use unicode_normalization::UnicodeNormalization as _;

/// The value of the duration that has no end.
pub(crate) const UNTIL_REVOKED: &str = "until_revoked";

/// A form that the page could not have sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadForm;

/// What was sent, as it was typed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    /// The form's token.
    pub(crate) token: String,
    /// Whether it is a yes.
    pub(crate) is_yes: bool,
    /// The chosen scopes.
    pub(crate) scopes: Vec<ScopeName>,
    /// The chosen duration.
    pub(crate) duration: String,
    /// What the agent is called.
    pub(crate) agent_label: String,
    /// What the user says it is for.
    pub(crate) user_intent: String,
    /// The chosen text to start the agent with, by its place.
    pub(crate) template: Option<usize>,
    /// What its fields, and those of the others, were filled with: place, field, value.
    pub(crate) fields: Vec<(usize, String, String)>,
}

/// What is wrong with what a person filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// Nothing was chosen.
    NoScope,
    /// No duration, or one that is not offered.
    NoDuration,
    /// The agent's name is too long, or holds what no name may.
    AgentLabel,
    /// The intent is too long, or holds what no text may.
    UserIntent,
    /// A field of the text is empty, too long, or holds what no text may.
    TemplateField,
    /// The text needs scopes that were not chosen.
    TemplateScopes,
}

/// What a yes says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) lifetime: Lifetime,
    pub(crate) agent_label: Option<Label>,
    pub(crate) user_intent: Option<Text>,
}

impl Form {
    /// Reads the body.
    ///
    /// # Errors
    /// [`BadForm`] for bytes that are no form, and members that the page does not have or has once.
    pub(crate) fn read(body: &[u8]) -> Result<Self, BadForm> {
        let pairs = query::form_pairs(body).map_err(|_| BadForm)?;
        let mut form = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in &pairs {
            if name != "scope" {
                if seen.contains(&name.as_str()) {
                    return Err(BadForm);
                }
                seen.push(name);
            }
            match name.as_str() {
                "form_token" => form.token.clone_from(value),
                "decision" => form.is_yes = yes_or_no(value)?,
                "scope" => form.scopes.push(value.parse().map_err(|_| BadForm)?),
                "duration" => form.duration.clone_from(value),
                "agent_label" => form.agent_label.clone_from(value),
                "user_intent" => form.user_intent.clone_from(value),
                "template" if value == "none" => {}
                "template" => form.template = Some(value.parse().map_err(|_| BadForm)?),
                name => {
                    let (place, field) = name
                        .strip_prefix("field.")
                        .and_then(|rest| rest.split_once('.'))
                        .ok_or(BadForm)?;
                    let place = place.parse().map_err(|_| BadForm)?;
                    form.fields.push((place, field.to_owned(), value.clone()));
                }
            }
        }
        if seen.contains(&"decision") { Ok(form) } else { Err(BadForm) }
    }

    /// What a yes says; `is_for_ever_allowed` is the app's setting.
    ///
    /// # Errors
    /// What the person must mend.
    pub(crate) fn said(&self, is_for_ever_allowed: bool) -> Result<Said, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if self.scopes.is_empty() {
            mistakes.push(Mistake::NoScope);
        }
        let lifetime = self.lifetime(is_for_ever_allowed);
        if lifetime.is_none() {
            mistakes.push(Mistake::NoDuration);
        }
        let agent_label = typed(&self.agent_label, Label::new);
        let user_intent = typed(&self.user_intent, Text::new);
        mistakes.extend(agent_label.is_err().then_some(Mistake::AgentLabel));
        mistakes.extend(user_intent.is_err().then_some(Mistake::UserIntent));
        match (lifetime, agent_label, user_intent) {
            (Some(lifetime), Ok(agent_label), Ok(user_intent)) if mistakes.is_empty() => {
                Ok(Said { lifetime, agent_label, user_intent })
            }
            _ => Err(mistakes),
        }
    }

    fn lifetime(&self, is_for_ever_allowed: bool) -> Option<Lifetime> {
        if self.duration == UNTIL_REVOKED {
            return is_for_ever_allowed.then_some(Lifetime::UntilRevoked);
        }
        let seconds: i64 = self.duration.parse().ok()?;
        let bounds = MIN_DURATION_SECONDS..=MAX_DURATION_SECONDS;
        bounds.contains(&seconds).then_some(Lifetime::Seconds(seconds))
    }

    /// What a field of a text was filled with, put right.
    ///
    /// # Errors
    /// It is too long, or holds what no text may.
    pub(crate) fn field(&self, place: usize, name: &str) -> Result<Option<Text>, InvalidText> {
        let is_it = |(of, known, _): &&(usize, String, String)| *of == place && known == name;
        match self.fields.iter().find(is_it) {
            Some((_, _, value)) => typed(value, Text::new),
            None => Ok(None),
        }
    }
}

fn yes_or_no(value: &str) -> Result<bool, BadForm> {
    match value {
        "grant" => Ok(true),
        "deny" => Ok(false),
        _ => Err(BadForm),
    }
}

/// What a person typed: blanks and line ends are one blank each, and the Unicode form is NFC.
fn typed<T>(
    text: &str,
    make: impl Fn(String) -> Result<T, InvalidText>,
) -> Result<Option<T>, InvalidText> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text: String = words.join(" ").nfc().collect();
    if text.is_empty() { Ok(None) } else { make(text).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_page_cannot_send_is_refused() {
        for body in [
            &b""[..],
            b"decision=maybe",
            b"decision=grant&decision=deny",
            b"decision=grant&scope=NOSCOPE",
            b"decision=grant&duration=1&duration=2",
            b"decision=grant&template=x",
            b"decision=grant&field.x.y=1",
            b"decision=grant&admin=1",
            b"decision=%ff",
            b"decision=grant&agent_label=%zz",
            b"\xff\xfe",
        ] {
            assert_eq!(Form::read(body), Err(BadForm), "{}", String::from_utf8_lossy(body));
        }
        let form =
            Form::read(b"decision=grant&scope=a:b&scope=c:d&template=none&field.0.x=y").unwrap();
        assert!(form.is_yes && form.template.is_none());
        assert_eq!(form.scopes.len(), 2);
        assert_eq!(form.field(0, "x").unwrap().unwrap().as_str(), "y");
        assert_eq!(form.field(1, "x"), Ok(None));
    }

    #[test]
    fn what_people_type_is_put_right() {
        let form = Form {
            scopes: vec!["a:b".parse().unwrap()],
            duration: "3600".to_owned(),
            agent_label: "  My\r\n agent\t".to_owned(),
            user_intent: "cafe\u{301}".to_owned(),
            ..Form::default()
        };
        let said = form.said(true).unwrap();
        assert_eq!(said.agent_label.unwrap().as_str(), "My agent");
        assert_eq!(said.user_intent.unwrap().as_str(), "caf\u{e9}");
        assert_eq!(said.lifetime, Lifetime::Seconds(3_600));
    }

    #[test]
    fn each_mistake_has_its_name() {
        let form = Form {
            agent_label: "a".repeat(101),
            user_intent: "\u{202e}".to_owned(),
            ..Form::default()
        };
        let all = [Mistake::NoScope, Mistake::NoDuration, Mistake::AgentLabel, Mistake::UserIntent];
        assert_eq!(form.said(true), Err(all.to_vec()));
        for (duration, is_allowed) in [
            ("59", true),
            ("31536001", true),
            ("-1", true),
            ("1e3", true),
            ("", true),
            (UNTIL_REVOKED, false),
        ] {
            let form = Form { duration: duration.to_owned(), ..Form::default() };
            assert_eq!(form.lifetime(is_allowed), None, "{duration}");
        }
        let ever = Form { duration: UNTIL_REVOKED.to_owned(), ..Form::default() };
        assert_eq!(ever.lifetime(true), Some(Lifetime::UntilRevoked));
    }
}
