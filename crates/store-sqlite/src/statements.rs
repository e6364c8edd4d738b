//! Every statement of the store, in one place (but for the counts of `soundness`).
//!
//! A test asks SQLite for the plan of each: all but those named in [`SMALL_TABLES`] go by a key or
//! an index. Hot statements come first.
#![expect(missing_docs, reason = "a statement says itself what it does")]

/// Declares the statements and the list of them.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:literal;)+) => {
        $($(#[$doc])* pub const $name: &str = $sql;)+
        /// Name and text of every statement.
        pub const ALL: &[(&str, &str)] = &[$((stringify!($name), $sql)),+];
    };
}

/// Statements that read a whole table, because the table is small and all of it is wanted.
pub const SMALL_TABLES: &[&str] = &[
    "OPERATORS",
    "FIRST_APPS",
    "TENANTS",
    "SEGMENTS",
    "RUNS",
    "LOG_TAIL",
    "LOG_END",
    "CHAIN_COUNT",
];

statements! {
    /// The way of one verify: the key.
    API_KEY = "SELECT row FROM api_keys WHERE token_key = ?1";
    /// The way of one verify: the app.
    APP = "SELECT row FROM apps WHERE app_id = ?1";
    /// The way of one verify: the grant.
    GRANT = "SELECT row FROM grants WHERE token_key = ?1";
    /// The way of one verify: what was folded of the connection's calls.
    ACTIVITY = "SELECT calls, last_used_at FROM activity WHERE connection_id = ?1";
    /// The way of one verify: the live scopes.
    ENVIRONMENT = "SELECT state FROM environments WHERE tenant = ?1";
    /// The newest record.
    LOG_TAIL = "SELECT pos, row FROM audit_log ORDER BY pos DESC LIMIT 1";
    /// Once per batch: whether that is still the newest one.
    LOG_END = "SELECT pos FROM audit_log ORDER BY pos DESC LIMIT 1";
    /// Once per block of records.
    APPEND = "INSERT INTO audit_log (pos, row, records) VALUES (?1, ?2, ?3)";
    /// Once per batch and tenant.
    ADD_USAGE = "INSERT INTO usage (tenant, day, allowed, refused) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (tenant, day) DO UPDATE SET
        allowed = allowed + excluded.allowed, refused = refused + excluded.refused";
    /// Once per batch and tenant: the head of the chain moved on.
    MOVE_CHAIN = "UPDATE chains SET row = ?2 WHERE chain = ?1 AND open = ?3";
    /// Once per batch and tenant.
    WRITER_CHAIN = "SELECT chain, tenant, writer, open, row FROM chains
        WHERE tenant = ?1 AND writer = ?2 AND open = 1";
    /// Once per batch: how far the log is folded.
    FOLD = "SELECT generation, folded_to, window_to, window_after FROM fold WHERE one = 1";

    PUT_APP = "INSERT INTO apps (app_id, row) VALUES (?1, ?2)
        ON CONFLICT (app_id) DO UPDATE SET row = excluded.row";
    FIRST_APPS = "SELECT row FROM apps ORDER BY app_id LIMIT ?1";
    APPS_AFTER = "SELECT row FROM apps WHERE app_id > ?1 ORDER BY app_id LIMIT ?2";
    TENANTS = "SELECT tenant FROM environments ORDER BY tenant";
    PUT_ENVIRONMENT = "INSERT INTO environments (tenant, state) VALUES (?1, ?2)
        ON CONFLICT (tenant) DO UPDATE SET state = excluded.state";
    COUNTS = "SELECT pending, active, revoked, expired FROM environments WHERE tenant = ?1";
    ADD_COUNTS = "INSERT INTO environments (tenant, pending, active, revoked, expired)
        VALUES (?1, max(?2, 0), max(?3, 0), max(?4, 0), max(?5, 0))
        ON CONFLICT (tenant) DO UPDATE SET
        pending = pending + ?2, active = active + ?3, revoked = revoked + ?4, expired = expired + ?5";
    CATALOGUE = "SELECT row FROM scopes WHERE tenant = ?1 ORDER BY scope_id";
    HOLDERS = "SELECT holders FROM scopes WHERE tenant = ?1 AND scope_id = ?2";
    PUT_SCOPE = "INSERT INTO scopes (tenant, scope_id, name, row) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (tenant, scope_id) DO UPDATE SET name = excluded.name, row = excluded.row";
    REMOVE_SCOPE = "DELETE FROM scopes WHERE tenant = ?1 AND name = ?2";
    COUNT_HOLDERS = "UPDATE scopes SET holders = holders + ?3 WHERE tenant = ?1 AND scope_id = ?2";
    CLEAR_HOLDERS = "UPDATE scopes SET holders = 0 WHERE tenant = ?1";

    API_KEY_BY_ID = "SELECT row FROM api_keys WHERE app_id = ?1 AND key_id = ?2";
    API_KEYS = "SELECT row FROM api_keys WHERE app_id = ?1 ORDER BY key_id";
    PUT_API_KEY = "INSERT INTO api_keys (token_key, app_id, key_id, row) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (token_key) DO UPDATE SET row = excluded.row";
    DROP_API_KEY = "DELETE FROM api_keys WHERE app_id = ?1 AND key_id = ?2 AND token_key <> ?3";
    PUBLIC_KEYS = "SELECT row FROM public_keys WHERE app_id = ?1 ORDER BY position";
    DROP_PUBLIC_KEYS = "DELETE FROM public_keys WHERE app_id = ?1";
    PUT_PUBLIC_KEY = "INSERT INTO public_keys (app_id, position, row) VALUES (?1, ?2, ?3)";
    SPEND_ASSERTION = "INSERT INTO spent_assertions (app_id, jti, until) VALUES (?1, ?2, ?3)
        ON CONFLICT (app_id, jti) DO NOTHING";
    OVER_ASSERTIONS = "SELECT app_id, jti FROM spent_assertions WHERE until <= ?1
        ORDER BY until LIMIT ?2";
    FORGET_ASSERTION = "DELETE FROM spent_assertions WHERE app_id = ?1 AND jti = ?2";
    OPERATOR = "SELECT row FROM operators WHERE token_key = ?1";
    OPERATOR_BY_ID = "SELECT row FROM operators WHERE operator_id = ?1";
    OPERATORS = "SELECT row FROM operators ORDER BY operator_id";
    PUT_OPERATOR = "INSERT INTO operators (token_key, operator_id, row) VALUES (?1, ?2, ?3)
        ON CONFLICT (token_key) DO UPDATE SET row = excluded.row";
    DROP_OPERATOR = "DELETE FROM operators WHERE operator_id = ?1 AND token_key <> ?2";

    CONNECTION = "SELECT g.row FROM connections AS c JOIN grants AS g ON g.token_key = c.token_key
        WHERE c.connection_id = ?1";
    TOKEN_KEY = "SELECT token_key FROM connections WHERE connection_id = ?1";
    CONNECTION_OF_TOKEN = "SELECT connection_id FROM connection_tokens WHERE token_key = ?1";
    ALL_CONNECTIONS = "SELECT connection_id FROM connections WHERE connection_id < ?1
        ORDER BY connection_id DESC LIMIT ?2";
    CONNECTIONS_OF_STATUS = "SELECT connection_id FROM connections
        WHERE tenant = ?1 AND status = ?2 AND connection_id > ?3 AND connection_id < ?4
        ORDER BY connection_id DESC LIMIT ?5";
    CONNECTIONS_OF_USER = "SELECT connection_id FROM connections
        WHERE tenant = ?1 AND user_id = ?2 AND status = ?3
        AND connection_id > ?4 AND connection_id < ?5
        ORDER BY connection_id DESC LIMIT ?6";
    COUNT_OF_USER = "SELECT count(*) FROM connections
        WHERE tenant = ?1 AND user_id = ?2 AND status = ?3
        AND connection_id > ?4 AND connection_id < ?5";
    LIVE_OF_USER = "SELECT connection_id FROM connections
        WHERE tenant = ?1 AND user_id = ?2 AND status = ?3 AND connection_id > ?4
        ORDER BY connection_id LIMIT ?5";
    DUE_CONNECTIONS = "SELECT connection_id FROM connections WHERE due_at <= ?1
        ORDER BY due_at, connection_id LIMIT ?2";
    NEW_CONNECTION = "INSERT INTO connections
        (connection_id, tenant, user_id, status, token_key, due_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    MOVE_CONNECTION = "UPDATE connections SET status = ?2, token_key = ?3, due_at = ?4
        WHERE connection_id = ?1";
    PUT_GRANT = "UPDATE grants SET row = ?2 WHERE token_key = ?1";
    NEW_GRANT = "INSERT INTO grants (token_key, row) VALUES (?1, ?2)";
    DROP_GRANT = "DELETE FROM grants WHERE token_key = ?1";
    NEW_CONNECTION_TOKEN = "INSERT INTO connection_tokens (token_key, connection_id)
        VALUES (?1, ?2)";
    USAGE = "SELECT day, allowed, refused FROM usage WHERE tenant = ?1 AND day BETWEEN ?2 AND ?3
        ORDER BY day";
    USAGE_LABELS = "SELECT label, sum(calls) AS calls FROM usage_labels
        WHERE tenant = ?1 AND day BETWEEN ?2 AND ?3 GROUP BY label ORDER BY calls DESC, label LIMIT ?4";

    REGISTER = "SELECT chain, tenant, writer, open, row FROM chains
        WHERE tenant = ?1 AND writer IS NULL";
    CHAIN = "SELECT chain, tenant, writer, open, row FROM chains WHERE chain = ?1";
    CHAINS = "SELECT chain, tenant, writer, open, row FROM chains WHERE tenant = ?1 ORDER BY chain";
    CHAIN_COUNT = "SELECT chain, tenant, writer, open, row FROM chains";
    OPEN_CHAINS_OF = "SELECT chain, tenant, writer, open, row FROM chains
        WHERE open = 1 AND writer = ?1 ORDER BY chain LIMIT ?2";
    OPEN_CHAINS_BELOW = "SELECT chain, tenant, writer, open, row FROM chains
        WHERE open = 1 AND writer < ?1 ORDER BY writer, chain LIMIT ?2";
    OPEN_CHAINS_ABOVE = "SELECT chain, tenant, writer, open, row FROM chains
        WHERE open = 1 AND writer > ?1 ORDER BY writer, chain LIMIT ?2";
    PUT_CHAIN = "INSERT INTO chains (chain, tenant, writer, open, row) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (chain) DO UPDATE SET open = excluded.open, row = excluded.row";
    DROP_CHAIN = "DELETE FROM chains WHERE chain = ?1";
    SEALED_SECRET = "SELECT sealed FROM sealed_secrets WHERE name = ?1";
    PUT_SEALED_SECRET = "INSERT INTO sealed_secrets (name, sealed) VALUES (?1, ?2)
        ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed";

    /// The block that holds the record at a position.
    BLOCK = "SELECT pos, row FROM audit_log WHERE pos >= ?1 ORDER BY pos LIMIT 1";
    BLOCK_END = "SELECT pos FROM audit_log WHERE pos >= ?1 ORDER BY pos LIMIT 1";
    /// Stepped through only as far as it is wanted. The record at the upper end may stand in a block
    /// that ends behind it.
    BLOCKS_DOWN = "SELECT pos, row FROM audit_log WHERE pos >= ?1 AND pos <= coalesce(
        (SELECT pos FROM audit_log WHERE pos >= ?2 ORDER BY pos LIMIT 1), ?2) ORDER BY pos DESC";
    /// Stepped through only as far as it is wanted.
    BLOCKS_UP = "SELECT pos, row FROM audit_log WHERE pos >= ?1 ORDER BY pos";
    HITS_DOWN = "SELECT pos FROM audit_terms
        WHERE segment = ?1 AND term = ?2 AND pos BETWEEN ?3 AND ?4 ORDER BY pos DESC LIMIT ?5";
    HITS_UP = "SELECT pos FROM audit_terms
        WHERE segment = ?1 AND term = ?2 AND pos BETWEEN ?3 AND ?4 ORDER BY pos LIMIT ?5";
    SEGMENTS = "SELECT segment, first_pos, last_pos, last_at, state FROM audit_segments
        ORDER BY segment";
    SEGMENT_TENANTS = "SELECT DISTINCT tenant FROM audit_segment_chains WHERE segment = ?1";
    SEGMENT_CHAINS = "SELECT chain, first_seq, last_seq, last_hash FROM audit_segment_chains
        WHERE segment = ?1 AND tenant = ?2";
    /// But for the service's own, whose key is empty.
    TENANTS_IN_SEGMENT = "SELECT DISTINCT tenant FROM audit_segment_chains
        WHERE segment = ?1 AND tenant > x'' ORDER BY tenant LIMIT ?2";
    LET_GO_OF_SEGMENT = "DELETE FROM audit_segment_chains WHERE segment = ?1 AND tenant = ?2";
    SEGMENT_CHAIN = "SELECT 1 FROM audit_segment_chains
        WHERE segment = ?1 AND tenant = ?2 AND chain = ?3";
    RUNS = "SELECT first_pos FROM audit_runs ORDER BY first_pos";
    NEW_RUN = "INSERT INTO audit_runs (first_pos) VALUES (?1)";

    ADD_ACTIVITY = "INSERT INTO activity (connection_id, calls, last_used_at) VALUES (?1, ?2, ?3)
        ON CONFLICT (connection_id) DO UPDATE SET calls = calls + excluded.calls,
        last_used_at = max(coalesce(last_used_at, excluded.last_used_at), excluded.last_used_at)";
    ADD_LABEL = "INSERT INTO usage_labels (tenant, day, label, calls) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (tenant, day, label) DO UPDATE SET calls = calls + excluded.calls";
    /// No calls, as [`ACTIVITY`] has them: a key's are in its app's usage.
    KEY_USE = "SELECT 0, last_used_at FROM key_use WHERE key_id = ?1";
    ADD_KEY_USE = "INSERT INTO key_use (key_id, last_used_at) VALUES (?1, ?2)
        ON CONFLICT (key_id) DO UPDATE SET last_used_at = max(last_used_at, excluded.last_used_at)";
    PUT_FOLD = "UPDATE fold SET generation = ?1, folded_to = ?2, window_to = ?3, window_after = ?4
        WHERE one = 1";
    CLOSE_SEGMENT = "UPDATE audit_segments SET last_pos = ?2, state = 1 WHERE segment = ?1";
    OPEN_SEGMENT = "INSERT INTO audit_segments (segment, first_pos, last_pos, last_at, state)
        VALUES (?1, ?2, NULL, NULL, 0)";
    INDEXED_SEGMENT = "UPDATE audit_segments SET last_at = ?2, state = 2 WHERE segment = ?1";
    DROP_SEGMENT = "UPDATE audit_segments SET state = 3 WHERE segment = ?1";
    FORGET_SEGMENT = "DELETE FROM audit_segments WHERE segment = ?1";
    LAST_TERM = "SELECT term, pos FROM audit_terms WHERE segment = ?1
        ORDER BY term DESC, pos DESC LIMIT 1";
    ADD_TERM = "INSERT INTO audit_terms (segment, term, pos) VALUES (?1, ?2, ?3)";
    ADD_SEGMENT_CHAIN = "INSERT INTO audit_segment_chains
        (segment, tenant, chain, first_seq, last_seq, last_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (segment, tenant, chain) DO NOTHING";
    DELETE_RECORDS = "DELETE FROM audit_log WHERE pos BETWEEN ?1 AND ?2";
    FIRST_RECORD = "SELECT pos FROM audit_log WHERE pos BETWEEN ?1 AND ?2 ORDER BY pos LIMIT 1";
    TERMS_OF = "SELECT term, pos FROM audit_terms WHERE segment = ?1 ORDER BY term, pos LIMIT ?2";
    DELETE_TERMS = "DELETE FROM audit_terms
        WHERE segment = ?1 AND (term, pos) <= (?2, ?3)";
    DELETE_SEGMENT_CHAINS = "DELETE FROM audit_segment_chains WHERE segment = ?1";
    REPAIR = "UPDATE repairs SET count = count + 1 WHERE one = 1";
}
