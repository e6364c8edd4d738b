//! Rows as blobs: one byte of version, then postcard.
//!
//! Structs are written as the core crate defines them, so a change of a stored struct needs a new
//! version here and a migration that rewrites the rows.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::StoreError;

/// The version of every row so far.
const VERSION: u8 = 1;

/// A row or column that says what none may say.
#[derive(Debug, thiserror::Error)]
pub enum BadRow {
    /// A later version wrote it.
    #[error("a row of version {0} is not known to this version of AgentAdmit")]
    Version(u8),
    /// Not even a version.
    #[error("an empty row")]
    Empty,
    /// Not what stands in rows of this kind.
    #[error("a row that cannot be read: {0}")]
    Postcard(#[from] postcard::Error),
    /// A number that names no environment.
    #[error("there is no environment {0}")]
    Environment(i64),
    /// A number that names no status.
    #[error("there is no status {0}")]
    Status(i64),
    /// A tenant's key of a wrong length.
    #[error("a key of a tenant has {0} bytes")]
    Tenant(usize),
}

impl From<BadRow> for StoreError {
    fn from(bad: BadRow) -> Self {
        Self::Corrupt(bad.to_string())
    }
}

/// The blob of a value.
///
/// # Errors
/// A value that cannot be written, which none of ours is.
pub fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>, BadRow> {
    let mut row = Vec::with_capacity(320);
    row.push(VERSION);
    postcard::serialize_with_flavor(value, Behind(&mut row))?;
    Ok(row)
}

/// Appends a value to a blob of several.
///
/// # Errors
/// As [`pack`]; the blob is empty then.
pub fn pack_behind<T: Serialize>(value: &T, row: &mut Vec<u8>) -> Result<(), BadRow> {
    if row.is_empty() {
        row.reserve(2_048);
        row.push(VERSION);
    }
    let written = postcard::serialize_with_flavor(value, Behind(row));
    if written.is_err() {
        // the transaction is rolled back
        row.clear();
    }
    Ok(written?)
}

/// Where postcard writes: behind what a buffer has, each piece in one piece.
struct Behind<'b>(&'b mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Behind<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// The value of a blob.
///
/// # Errors
/// [`BadRow`].
pub fn unpack<T: DeserializeOwned>(row: &[u8]) -> Result<T, BadRow> {
    Ok(postcard::from_bytes(versioned(row)?)?)
}

/// The values of a blob of several; at least one.
///
/// # Errors
/// [`BadRow`].
pub fn unpack_many<T: DeserializeOwned>(row: &[u8]) -> Result<Vec<T>, BadRow> {
    let mut rest = versioned(row)?;
    let mut values = Vec::new();
    while values.is_empty() || !rest.is_empty() {
        let (value, behind) = postcard::take_from_bytes(rest)?;
        values.push(value);
        rest = behind;
    }
    Ok(values)
}

/// What stands behind the version of a row.
#[inline]
fn versioned(row: &[u8]) -> Result<&[u8], BadRow> {
    match row.split_first() {
        Some((&VERSION, row)) => Ok(row),
        Some((version, _)) => Err(BadRow::Version(*version)),
        None => Err(BadRow::Empty),
    }
}

#[cfg(test)]
mod tests {
    use agentadmit_core::app::App;
    use agentadmit_protocol::id::AppId;
    use agentadmit_protocol::settings::{Plan, Settings, SettingsPatch};
    use agentadmit_protocol::time::Timestamp;

    use super::*;

    /// An app as it was before it had resources: its members one behind the other.
    type FormerApp = (
        (AppId, String, Option<String>, Settings, Plan),
        (Timestamp, Option<Timestamp>, Option<Timestamp>),
    );

    #[test]
    fn apps_are_read_by_those_before_and_after_they_had_resources() {
        let at = Timestamp::from_millis(1_000);
        let id = AppId::from_bytes([7; 16]);
        let (settings, plan) = (Settings::default(), Plan::default());
        let former: FormerApp =
            ((id, "Shop".to_owned(), None, settings, plan), (at, None, Some(at)));
        let mut app: App = unpack(&pack(&former).unwrap()).unwrap();
        assert_eq!((app.id, app.name.as_str(), app.revoked_before), (id, "Shop", Some(at)));
        assert_eq!(app.settings, Settings::default());

        let patch = r#"{"resources":[{"uri":"https://a.example/mcp","environment":"live"}]}"#;
        let patch: SettingsPatch = serde_json::from_str(patch).unwrap();
        app.settings = patch.apply(&app.settings);
        let row = pack(&app).unwrap();
        assert_eq!(unpack::<App>(&row).unwrap(), app);
        assert_eq!(unpack::<FormerApp>(&row).unwrap(), former, "and by nodes of before");
    }

    #[test]
    fn what_is_packed_is_unpacked_and_nothing_else_is() {
        let row = pack(&(7_u32, "text".to_owned())).unwrap();
        assert_eq!(unpack::<(u32, String)>(&row).unwrap(), (7, "text".to_owned()));
        let mut many = Vec::new();
        for value in [1_u64, 300, 5] {
            pack_behind(&value, &mut many).unwrap();
        }
        assert_eq!(unpack_many::<u64>(&many).unwrap(), [1, 300, 5]);

        let mut later = row.clone();
        later[0] = 2;
        assert!(matches!(unpack::<(u32, String)>(&later), Err(BadRow::Version(2))));
        assert!(matches!(unpack::<(u32, String)>(&[]), Err(BadRow::Empty)));
        assert!(matches!(unpack_many::<u64>(&[VERSION]), Err(BadRow::Postcard(_))));
        let cut = &row[..row.len() - 1];
        assert!(matches!(unpack::<(u32, String)>(cut), Err(BadRow::Postcard(_))));
    }
}
