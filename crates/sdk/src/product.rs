//! How a client names itself to the service.

use std::fmt;

use crate::error::ConfigurationError;

/// A product, as it stands in `User-Agent`: `name/version`, or a name alone (RFC 9110 section
/// 10.1.5).
///
/// ```
/// use agentadmit::settings::Product;
///
/// let ours = Product::new("shop-worker", "2.1")?;
/// assert_eq!(ours.to_string(), "shop-worker/2.1");
/// assert!(Product::new("shop worker", "2.1").is_err());
/// # Ok::<(), agentadmit::error::ConfigurationError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product(String);

impl Product {
    /// `version` may be empty.
    ///
    /// # Errors
    /// One of the two is no token (RFC 9110 section 5.6.2): it would end the field, or be a
    /// comment.
    pub fn new(name: &str, version: &str) -> Result<Self, ConfigurationError> {
        if !is_token(name) || !(version.is_empty() || is_token(version)) {
            let text = format!("`{name}` and `{version}` are no name and version of a product");
            return Err(ConfigurationError(text));
        }
        Ok(Self(if version.is_empty() { name.to_owned() } else { format!("{name}/{version}") }))
    }

    /// This crate.
    pub(crate) fn ours() -> Self {
        Self(concat!("agentadmit-rust/", env!("CARGO_PKG_VERSION")).to_owned())
    }

    /// The token as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_one_or_two_tokens() {
        assert_eq!(Product::new("a!#$%&'*+-.^_`|~9", "").unwrap().as_str(), "a!#$%&'*+-.^_`|~9");
        assert_eq!(Product::new("shop", "1.2-rc.1+x").unwrap().as_str(), "shop/1.2-rc.1+x");
        assert!(Product::new(Product::ours().as_str(), "").is_err(), "a slash is no part of it");
        for wrong in ["", "a b", "a/b", "a\r\nb: c", "a(b)", "\u{e9}", "a\0", "a,b", "a;b", "a\"b"]
        {
            assert!(Product::new(wrong, "1").is_err(), "{wrong:?}");
            assert!(wrong.is_empty() || Product::new("a", wrong).is_err(), "{wrong:?}");
        }
    }
}
