//! What every store in SQL says of its tables in the same way: rows that are blobs, numbers in
//! columns, what a record means for folding, the schema's history.
//!
//! The statements are each backend's own. `docs/STORAGE.md` names the tables.

pub mod blob;
pub mod column;
pub mod grant;
pub mod history;
pub mod log;

pub use blob::{BadRow, pack, pack_behind, unpack, unpack_many};
pub use grant::Grant;
