//! The words of the consent page, one place per language. They are for people who are no developers:
//! what happens, in the words that they would use. `{app}` and the like are filled in.

mod ar;
mod en;

use agentadmit_protocol::time::Timestamp;
use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;
use jiff::tz::TimeZone;

pub(crate) use ar::AR;
pub(crate) use en::EN;

/// Everything that the page says in one language.
#[derive(Debug)]
pub(crate) struct Words {
    /// The language tag.
    pub(crate) lang: &'static str,
    /// `ltr` or `rtl`.
    pub(crate) dir: &'static str,

    pub(crate) title: &'static str,
    pub(crate) heading: &'static str,
    pub(crate) as_whom: &'static str,
    pub(crate) test_app: &'static str,
    pub(crate) verified: &'static str,
    pub(crate) not_verified: &'static str,
    pub(crate) purpose: &'static str,
    pub(crate) scopes: &'static str,
    pub(crate) scopes_hint: &'static str,
    pub(crate) other_scopes: &'static str,
    pub(crate) sensitive: &'static str,
    pub(crate) sensitive_hint: &'static str,
    pub(crate) duration: &'static str,
    pub(crate) duration_hint: &'static str,
    pub(crate) until: &'static str,
    pub(crate) until_i_end_it: &'static str,
    pub(crate) until_i_end_it_hint: &'static str,
    /// An hour, a day, a week, 30 days, 90 days, a year.
    pub(crate) durations: [&'static str; 6],
    /// Any other duration, in whole days, hours or minutes.
    pub(crate) other_durations: [&'static str; 3],
    pub(crate) agent_label: &'static str,
    pub(crate) agent_label_hint: &'static str,
    pub(crate) user_intent: &'static str,
    pub(crate) user_intent_hint: &'static str,
    pub(crate) templates: &'static str,
    pub(crate) templates_hint: &'static str,
    pub(crate) no_template: &'static str,
    pub(crate) template_needs: &'static str,
    pub(crate) connections: &'static str,
    pub(crate) no_connections: &'static str,
    pub(crate) unnamed_agent: &'static str,
    pub(crate) connected: &'static str,
    pub(crate) not_connected: &'static str,
    pub(crate) last_used: &'static str,
    pub(crate) never_used: &'static str,
    pub(crate) allow: &'static str,
    pub(crate) deny: &'static str,
    pub(crate) what_next: &'static str,
    pub(crate) page_ends: &'static str,

    pub(crate) mistakes: &'static str,
    pub(crate) mistake_no_scope: &'static str,
    pub(crate) mistake_no_duration: &'static str,
    pub(crate) mistake_agent_label: &'static str,
    pub(crate) mistake_user_intent: &'static str,
    pub(crate) mistake_template_field: &'static str,
    pub(crate) mistake_template_scopes: &'static str,
    pub(crate) mistake_changed: &'static str,
    pub(crate) mistake_too_many: &'static str,

    pub(crate) widen_title: &'static str,
    pub(crate) widen_heading: &'static str,
    pub(crate) widen_which: &'static str,
    pub(crate) widen_now: &'static str,
    pub(crate) widen_then: &'static str,
    pub(crate) widen_ends: &'static str,
    pub(crate) widen_never_ends: &'static str,
    pub(crate) widen_more: &'static str,
    pub(crate) widen_more_hint: &'static str,
    pub(crate) widen_end: &'static str,
    pub(crate) widen_next: &'static str,
    pub(crate) widened_title: &'static str,
    pub(crate) widened_text: &'static str,

    pub(crate) granted_title: &'static str,
    pub(crate) granted_once: &'static str,
    pub(crate) prompt: &'static str,
    pub(crate) prompt_hint: &'static str,
    pub(crate) token: &'static str,
    pub(crate) token_hint: &'static str,
    pub(crate) copy: &'static str,
    pub(crate) copied: &'static str,
    pub(crate) next_title: &'static str,
    pub(crate) next_steps: [&'static str; 3],
    pub(crate) token_ends: &'static str,
    pub(crate) access_ends: &'static str,
    pub(crate) access_never_ends: &'static str,
    pub(crate) allowed_title: &'static str,
    pub(crate) back: &'static str,
    pub(crate) wiped: &'static str,

    pub(crate) was_granted_title: &'static str,
    pub(crate) was_granted_text: &'static str,
    pub(crate) denied_title: &'static str,
    pub(crate) denied_text: &'static str,
    pub(crate) over_title: &'static str,
    pub(crate) over_text: &'static str,
    pub(crate) other_browser_title: &'static str,
    pub(crate) other_browser_text: &'static str,
    pub(crate) not_found_title: &'static str,
    pub(crate) not_found_text: &'static str,
    pub(crate) bad_form_title: &'static str,
    pub(crate) bad_form_text: &'static str,
    pub(crate) trouble_title: &'static str,
    pub(crate) trouble_text: &'static str,
    pub(crate) going_on_title: &'static str,
    pub(crate) going_on: &'static str,

    pub(crate) weekdays: [&'static str; 7],
    pub(crate) months: [&'static str; 12],
    /// `{weekday} {day} {month} {year} {time}`.
    pub(crate) date: &'static str,
}

/// The durations that the page offers by itself, in seconds; their names are [`Words::durations`].
pub(crate) const DURATIONS: [i64; 6] = [3_600, 86_400, 604_800, 2_592_000, 7_776_000, 31_536_000];

impl Words {
    /// The language for a request: the one that was asked for, else the browser's, else English.
    pub(crate) fn of(asked: Option<&str>, headers: &HeaderMap) -> &'static Self {
        asked.and_then(Self::named).unwrap_or_else(|| Self::preferred(headers))
    }

    fn named(tag: &str) -> Option<&'static Self> {
        let language = tag.split('-').next().unwrap_or_default();
        [&EN, &AR].into_iter().find(|words| words.lang.eq_ignore_ascii_case(language))
    }

    /// The language that `Accept-Language` weighs most (RFC 9110 section 12.5.4).
    fn preferred(headers: &HeaderMap) -> &'static Self {
        let header = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let mut best: (u32, &'static Self) = (0, &EN);
        for range in header.unwrap_or_default().split(',') {
            let mut parts = range.split(';');
            let tag = parts.next().unwrap_or_default().trim();
            let weight = parts.find_map(|part| part.trim().strip_prefix("q="));
            let weight = weight.map_or(1_000, thousandths);
            if let Some(words) = Self::named(tag)
                && weight > best.0
            {
                best = (weight, words);
            }
        }
        best.1
    }

    /// A duration, in words: rounded down to whole days, hours or minutes.
    pub(crate) fn duration_of(&self, seconds: i64) -> String {
        let known = DURATIONS.iter().position(|known| *known == seconds);
        if let Some(name) = known.and_then(|place| self.durations.get(place)) {
            return (*name).to_owned();
        }
        let [days, hours, minutes] = self.other_durations;
        let (sentence, unit) = match seconds {
            _ if seconds % 86_400 == 0 => (days, 86_400),
            _ if seconds % 3_600 == 0 => (hours, 3_600),
            _ => (minutes, 60),
        };
        fill(sentence, &[("count", &(seconds / unit).to_string())])
    }

    /// A moment, in words, in UTC.
    pub(crate) fn moment(&self, at: Timestamp) -> String {
        let Ok(moment) = jiff::Timestamp::from_millisecond(at.as_millis()) else {
            return at.to_string();
        };
        let moment = moment.to_zoned(TimeZone::UTC);
        let (day, year) = (moment.day().to_string(), moment.year().to_string());
        let time = format!("{:02}:{:02}", moment.hour(), moment.minute());
        let weekday = name_at(&self.weekdays, moment.weekday().to_monday_zero_offset());
        let month = name_at(&self.months, moment.month() - 1);
        fill(
            self.date,
            &[
                ("weekday", weekday),
                ("day", &day),
                ("month", month),
                ("year", &year),
                ("time", &time),
            ],
        )
    }
}

fn name_at(names: &[&'static str], place: i8) -> &'static str {
    usize::try_from(place).ok().and_then(|place| names.get(place)).copied().unwrap_or_default()
}

/// `0.8` as thousandths; nonsense weighs nothing.
fn thousandths(weight: &str) -> u32 {
    let weight: f32 = weight.trim().parse().unwrap_or(0.0);
    // between 0 and 1000
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped")]
    let weight = (weight.clamp(0.0, 1.0) * 1_000.0) as u32;
    weight
}

/// Fills `{name}` in a sentence, each piece once: what is filled in is not looked at again.
pub(crate) fn fill(sentence: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(sentence.len());
    for (position, piece) in sentence.split('{').enumerate() {
        match piece.split_once('}') {
            Some((name, rest)) if position > 0 => {
                let value = values.iter().find(|(known, _)| *known == name);
                text.push_str(value.map_or("", |(_, value)| value));
                text.push_str(rest);
            }
            _ => text.push_str(piece),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(header: &'static str) -> &'static str {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, http::HeaderValue::from_static(header));
        Words::of(None, &headers).lang
    }

    #[test]
    fn the_app_is_asked_first_then_the_browser() {
        assert_eq!(Words::of(Some("ar-EG"), &HeaderMap::new()).lang, "ar");
        assert_eq!(Words::of(Some("EN"), &HeaderMap::new()).lang, "en");
        assert_eq!(Words::of(Some("fr"), &HeaderMap::new()).lang, "en");
        for (header, lang) in [
            ("ar", "ar"),
            ("fr, ar;q=0.5, en;q=0.4", "ar"),
            ("ar;q=0.5, en", "en"),
            ("ar;q=0", "en"),
            ("ar;q=nonsense", "en"),
            (";;,,", "en"),
            ("arz", "en"),
        ] {
            assert_eq!(accepting(header), lang, "{header}");
        }
    }

    #[test]
    fn moments_are_said_in_words() {
        let at = "2026-12-29T12:26:41.000Z".parse().unwrap();
        assert_eq!(EN.moment(at), "Tuesday 29 December 2026, 12:26 UTC");
        assert_eq!(AR.moment(at), "الثلاثاء 29 ديسمبر 2026، الساعة 12:26 بالتوقيت العالمي");
    }

    #[test]
    fn what_is_filled_in_is_not_filled_again() {
        assert_eq!(fill("{a} to {b}", &[("a", "{b}"), ("b", "x")]), "{b} to x");
        assert_eq!(fill("{nothing}.", &[]), ".");
    }

    /// The names in braces of every sentence: a language that lost one would not say it.
    #[test]
    fn both_languages_say_the_same() {
        let names = |words: &Words| -> Vec<Vec<String>> {
            // one member after the other, in the order of the struct
            let text = format!("{words:?}");
            let named = text.split("\", ").map(|member| {
                let pieces = member.split('{').skip(1);
                let mut names: Vec<String> = pieces
                    .filter_map(|piece| piece.split_once('}').map(|(name, _)| name.to_owned()))
                    .collect();
                // what is printed escaped has digits
                names.retain(|name| name.bytes().all(|byte| byte.is_ascii_lowercase()));
                names.sort();
                names
            });
            named.collect()
        };
        assert_eq!(names(&EN), names(&AR));
        assert!(names(&EN).len() > 100);
        assert!(!format!("{AR:?}").contains("\"\""), "every sentence is there");
    }
}
