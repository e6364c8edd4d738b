//! The path of a route as the discovery document writes it, `/orders/{order_id}`, and paths made of it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The longest template.
const MAX_LENGTH: usize = 512;
/// The most parameters of one.
const MAX_PARAMETERS: usize = 16;
/// The longest value of a parameter, in characters.
const MAX_VALUE: usize = 1_000;

/// What stands in a path as itself (RFC 3986 section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A path with parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Parameter { name: String, spans_segments: bool },
}

/// Why a value cannot stand in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadValue {
    /// Nothing would be left of the segment.
    #[error("must not be empty")]
    Empty,
    /// Longer than any path.
    #[error("must have at most {MAX_VALUE} characters")]
    Long,
    /// It would lead to another route.
    #[error("must not hold `/`, `\\` or control characters, and must not be `.` or `..`")]
    OtherRoute,
}

impl Template {
    /// Reads a template; nothing where it is none that a path can be made of.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\\?#\"<>^`|".contains(&byte);
        let is_path = text.starts_with('/') && !text.starts_with("//");
        if !is_path || text.len() > MAX_LENGTH || !text.bytes().all(is_plain) {
            return None;
        }
        let mut pieces = Vec::new();
        for (position, part) in text.split('{').enumerate() {
            if position == 0 {
                pieces.push(Piece::Text(part.to_owned()));
                continue;
            }
            let (name, behind) = part.split_once('}')?;
            pieces.push(parameter(name)?);
            pieces.push(Piece::Text(behind.to_owned()));
        }
        let template = Self { pieces };
        let has_no_rest = template.texts().all(|text| !text.contains('}'));
        let (mut names, count) =
            (template.parameters().collect::<Vec<_>>(), template.parameters().count());
        names.sort_unstable();
        names.dedup();
        let is_one_way = names.len() == count && count <= MAX_PARAMETERS;
        // a path made of it must be the same when a parser has read it
        (has_no_rest
            && is_one_way
            && template.with(|_| Ok::<_, ()>("x".to_owned())).is_ok_and(|path| stays(&path)))
        .then_some(template)
    }

    /// The names of its parameters, in their order.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Parameter { name, .. } => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// The template without the names of its parameters: two that are alike lead to the same places.
    pub fn shape(&self) -> String {
        let shape = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Parameter { .. } => "{}".to_owned(),
        };
        self.pieces.iter().map(shape).collect()
    }

    /// The path with these values, percent-encoded.
    ///
    /// # Errors
    /// The parameter, and what is wrong with its value.
    pub fn path(&self, value: impl Fn(&str) -> String) -> Result<String, (&str, BadValue)> {
        let path =
            self.with(|piece| encoded(&value(piece.0), piece.1).map_err(|bad| (piece.0, bad)))?;
        // values beside text can make a segment of dots only together
        let first = self.parameters().next().unwrap_or_default();
        if stays(&path) { Ok(path) } else { Err((first, BadValue::OtherRoute)) }
    }

    fn with<'t, E>(
        &'t self,
        value: impl Fn((&'t str, bool)) -> Result<String, E>,
    ) -> Result<String, E> {
        let mut path = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => path.push_str(text),
                Piece::Parameter { name, spans_segments } => {
                    path.push_str(&value((name, *spans_segments))?);
                }
            }
        }
        Ok(path)
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Parameter { .. } => None,
        })
    }
}

/// `{name}`, `{*name}` (axum) and `{name:path}` (Starlette); other converters say what a value may be,
/// which the app checks.
fn parameter(text: &str) -> Option<Piece> {
    let (name, converter) = text.split_once(':').unwrap_or((text, ""));
    let (name, is_rest) = name.strip_prefix('*').map_or((name, false), |name| (name, true));
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_name) {
        return None;
    }
    Some(Piece::Parameter { name: name.to_owned(), spans_segments: is_rest || converter == "path" })
}

fn encoded(value: &str, spans_segments: bool) -> Result<String, BadValue> {
    if value.is_empty() {
        return Err(BadValue::Empty);
    }
    if value.chars().nth(MAX_VALUE).is_some() {
        return Err(BadValue::Long);
    }
    if value.contains('\\') || value.contains(char::is_control) {
        return Err(BadValue::OtherRoute);
    }
    // servers decode `%2F` before they choose a route, so that encoding it is no help
    if !spans_segments && value.contains('/') {
        return Err(BadValue::OtherRoute);
    }
    let segments: Vec<String> =
        value.split('/').map(|segment| utf8_percent_encode(segment, ESCAPED).to_string()).collect();
    if segments.iter().any(|segment| segment.is_empty() || is_dots(segment)) {
        return Err(BadValue::OtherRoute);
    }
    Ok(segments.join("/"))
}

/// Whether no part of a path leads up or nowhere.
fn stays(path: &str) -> bool {
    !path.starts_with("//") && !path.split('/').any(is_dots)
}

/// `.` and `..`, encoded or not.
fn is_dots(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(template: &str, value: &str) -> Result<String, BadValue> {
        let template = Template::parse(template).unwrap();
        template.path(|_| value.to_owned()).map_err(|(_, bad)| bad)
    }

    #[test]
    fn values_become_parts_of_a_path() {
        let template = Template::parse("/orders/{order_id}/refunds/{*rest}").unwrap();
        assert_eq!(template.parameters().collect::<Vec<_>>(), ["order_id", "rest"]);
        assert_eq!(template.shape(), "/orders/{}/refunds/{}");
        let path = template.path(|name| if name == "rest" { "a/b c" } else { "ä?#%" }.to_owned());
        assert_eq!(path.unwrap(), "/orders/%C3%A4%3F%23%25/refunds/a/b%20c");
        assert_eq!(super::Template::parse("/x/{a:int}.json").unwrap().shape(), "/x/{}.json");
    }

    #[test]
    fn no_value_leads_to_another_route() {
        for value in ["..", ".", "a/b", "../admin", "a\\b", "a\nb", "/", "..\u{0}"] {
            assert_eq!(path("/orders/{id}", value), Err(BadValue::OtherRoute), "{value:?}");
        }
        for value in ["../x", "a/../b", "a//b", "/a", "a/", "."] {
            assert_eq!(path("/files/{*rest}", value), Err(BadValue::OtherRoute), "{value:?}");
        }
        assert_eq!(path("/files/{a}.", "."), Err(BadValue::OtherRoute));
        assert_eq!(path("/orders/{id}", ""), Err(BadValue::Empty));
        assert_eq!(path("/orders/{id}", &"x".repeat(1_001)), Err(BadValue::Long));
        // what is encoded once more is no way up
        assert_eq!(path("/orders/{id}", "%2e%2e").unwrap(), "/orders/%252e%252e");
        assert_eq!(path("/orders/{id}", "...").unwrap(), "/orders/...");
    }

    #[test]
    fn a_template_is_a_path_and_nothing_else() {
        for text in [
            "",
            "orders",
            "//evil.example/x",
            "https://evil.example/x",
            "/a?b",
            "/a#b",
            "/a b",
            "/a\\b",
            "/a/../b",
            "/a/%2E%2e/b",
            "/{",
            "/{}",
            "/}",
            "/{a}/{a}",
            "/{a b}",
            "/ä",
            "/\u{1b}[2J",
            &format!("/{}", "a".repeat(512)),
        ] {
            assert_eq!(Template::parse(text), None, "{text}");
        }
    }
}
