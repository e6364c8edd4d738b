//! The bundled SQLite is compiled as `.cargo/config.toml` says, wherever this workspace is built.

use rusqlite::Connection;

#[test]
fn sqlite_is_compiled_without_what_nobody_uses() {
    let conn = Connection::open_in_memory().unwrap();
    let mut statement = conn.prepare("PRAGMA compile_options").unwrap();
    let options: Vec<String> =
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let has = |wanted: &str| options.iter().any(|option| option == wanted);
    // SQLite does not tell whether it flushes with fdatasync: it stands in the same list of flags
    assert!(has("OMIT_SHARED_CACHE") && has("DEFAULT_MEMSTATUS=0"), "{options:?}");
    assert!(!has("ENABLE_API_ARMOR"), "{options:?}");
}
