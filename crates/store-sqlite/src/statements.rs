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
    "WAITING_CODES",
    "FIRST_APPS",
    "FIRST_ACCOUNTS",
    "TENANTS",
    "ALL_COUNTS",
    "ALL_USAGE",
    "ALL_REFUSALS",
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
    ACTIVITY = "SELECT low, row FROM activity WHERE low <= ?1 ORDER BY low DESC LIMIT 1";
    /// The way of one verify: the live scopes.
    ENVIRONMENT = "SELECT state FROM environments WHERE tenant = ?1";
    /// Once per batch: whether another connection has committed since it was asked last.
    DATA_VERSION = "PRAGMA data_version";
    /// The newest record.
    LOG_TAIL = "SELECT pos, row FROM audit_log ORDER BY pos DESC LIMIT 1";
    /// Whether that is still the newest one.
    LOG_END = "SELECT pos FROM audit_log ORDER BY pos DESC LIMIT 1";
    /// Once per block of records.
    APPEND = "INSERT INTO audit_log (pos, row, records) VALUES (?1, ?2, ?3)";
    /// Once per tenant and day in some hundred records.
    ADD_USAGE = "INSERT INTO usage (tenant, day, allowed, refused) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (tenant, day) DO UPDATE SET
        allowed = allowed + excluded.allowed, refused = refused + excluded.refused";
    /// Once per chain in some hundred records: its head moved on.
    MOVE_CHAIN = "UPDATE chains SET row = ?2 WHERE chain = ?1 AND open = ?3";
    /// Once per tenant, until something else than the writer's own calls moves the log.
    WRITER_CHAIN = "SELECT chain, tenant, writer, open, row FROM chains
        WHERE tenant = ?1 AND writer = ?2 AND open = 1";
    /// Once per batch: how far the log is folded.
    FOLD = "SELECT generation, folded_to, window_to, window_after FROM fold WHERE one = 1";

    /// Up to where usage and chains have what the log says.
    COUNTED = "SELECT counted_to FROM fold WHERE one = 1";
    PUT_COUNTED = "UPDATE fold SET counted_to = ?1 WHERE one = 1";

    PUT_APP = "INSERT INTO apps (app_id, row) VALUES (?1, ?2)
        ON CONFLICT (app_id) DO UPDATE SET row = excluded.row";
    FIRST_APPS = "SELECT row FROM apps ORDER BY app_id LIMIT ?1";
    APPS_AFTER = "SELECT row FROM apps WHERE app_id > ?1 ORDER BY app_id LIMIT ?2";
    TENANTS = "SELECT tenant FROM environments ORDER BY tenant";
    PUT_ENVIRONMENT = "INSERT INTO environments (tenant, state) VALUES (?1, ?2)
        ON CONFLICT (tenant) DO UPDATE SET state = excluded.state";
    COUNTS = "SELECT pending, active, revoked, expired FROM environments WHERE tenant = ?1";
    /// Of all apps; of one environment where it is named.
    ALL_COUNTS = "SELECT coalesce(sum(pending), 0), coalesce(sum(active), 0),
        coalesce(sum(revoked), 0), coalesce(sum(expired), 0) FROM environments
        WHERE ?1 IS NULL OR substr(tenant, 17) = ?1";
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
    WAITING_CODE = "SELECT row FROM waiting_codes WHERE handle = ?1";
    WAITING_CODES = "SELECT row FROM waiting_codes ORDER BY expires_at, handle";
    PUT_WAITING_CODE = "INSERT INTO waiting_codes (handle, expires_at, row) VALUES (?1, ?2, ?3)
        ON CONFLICT (handle) DO UPDATE SET expires_at = excluded.expires_at, row = excluded.row";
    DROP_WAITING_CODE = "DELETE FROM waiting_codes WHERE handle = ?1";
    OVER_WAITING_CODES = "SELECT handle FROM waiting_codes WHERE expires_at <= ?1
        ORDER BY expires_at LIMIT ?2";
    SESSION = "SELECT row FROM dashboard_sessions WHERE token_key = ?1";
    SESSION_BY_ID = "SELECT row FROM dashboard_sessions WHERE session_id = ?1";
    SESSIONS_OF = "SELECT row FROM dashboard_sessions WHERE account = ?1 AND session_id < ?2
        ORDER BY session_id DESC LIMIT ?3";
    PUT_SESSION = "INSERT INTO dashboard_sessions (session_id, token_key, account, ends_at, row)
        VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (session_id) DO UPDATE SET ends_at = excluded.ends_at, row = excluded.row";
    OVER_SESSIONS = "SELECT session_id FROM dashboard_sessions WHERE ends_at <= ?1
        ORDER BY ends_at LIMIT ?2";
    FORGET_SESSION = "DELETE FROM dashboard_sessions WHERE session_id = ?1";
    MILESTONE = "SELECT at FROM milestones WHERE milestone = ?1";
    PUT_MILESTONE = "INSERT INTO milestones (milestone, at) VALUES (?1, ?2)
        ON CONFLICT (milestone) DO NOTHING";

    CONNECTION = "SELECT g.row FROM connections AS c JOIN grants AS g ON g.token_key = c.token_key
        WHERE c.connection_id = ?1";
    TOKEN_KEY = "SELECT token_key FROM connections WHERE connection_id = ?1";
    CONNECTION_OF_TOKEN = "SELECT connection_id FROM connection_tokens WHERE token_key = ?1";
    ALL_CONNECTIONS = "SELECT connection_id FROM connections WHERE connection_id < ?1
        ORDER BY connection_id DESC LIMIT ?2";
    CONNECTIONS_OF_STATUS = "SELECT connection_id FROM connections
        WHERE tenant = ?1 AND status = ?2 AND connection_id > ?3 AND connection_id < ?4
        ORDER BY connection_id DESC LIMIT ?5";
    /// Stepped through only as far as it is wanted.
    ALL_OF_STATUS = "SELECT connection_id, tenant FROM connections
        WHERE status = ?1 AND connection_id < ?2 ORDER BY connection_id DESC";
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
    /// One step of a walk through the environments of a user.
    TENANT_OF_USER = "SELECT tenant FROM connections WHERE user_id = ?1 AND tenant > ?2
        ORDER BY tenant LIMIT 1";
    TENANT_THAT_ASKS_USER = "SELECT tenant FROM consent_sessions
        WHERE user_id = ?1 AND tenant > ?2 AND open_until IS NOT NULL ORDER BY tenant LIMIT 1";
    /// One step of a walk through the users, from its beginning on.
    USER_FROM = "SELECT user_id FROM connections WHERE user_id >= ?1 ORDER BY user_id LIMIT 1";
    USER_AFTER = "SELECT user_id FROM connections WHERE user_id > ?1 ORDER BY user_id LIMIT 1";
    USER_COUNTS = "SELECT tenant, status, count(*) FROM connections WHERE user_id = ?1
        GROUP BY tenant, status";
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
    CONSENT_SESSION = "SELECT row FROM consent_sessions WHERE session_id = ?1";
    CONSENT_SESSIONS_OF = "SELECT row FROM consent_sessions
        WHERE tenant = ?1 AND user_id = ?2 AND open_until > ?3
        ORDER BY open_until, session_id LIMIT ?4";
    PUT_CONSENT_SESSION = "INSERT INTO consent_sessions
        (session_id, tenant, user_id, open_until, kept_until, row) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (session_id) DO UPDATE SET open_until = excluded.open_until,
        kept_until = excluded.kept_until, row = excluded.row";
    OVER_CONSENT_SESSIONS = "SELECT session_id FROM consent_sessions WHERE kept_until <= ?1
        ORDER BY kept_until LIMIT ?2";
    FORGET_CONSENT_SESSION = "DELETE FROM consent_sessions WHERE session_id = ?1";
    ACCOUNT = "SELECT row FROM accounts WHERE account_id = ?1";
    FIRST_ACCOUNTS = "SELECT row FROM accounts ORDER BY account_id LIMIT ?1";
    ACCOUNTS_AFTER = "SELECT row FROM accounts WHERE account_id > ?1 ORDER BY account_id LIMIT ?2";
    PUT_ACCOUNT = "INSERT INTO accounts (account_id, row) VALUES (?1, ?2)
        ON CONFLICT (account_id) DO UPDATE SET row = excluded.row";
    MEMBER = "SELECT row FROM members WHERE app_id = ?1 AND account_id = ?2";
    MEMBERS_OF = "SELECT row FROM members WHERE app_id = ?1 ORDER BY account_id";
    MEMBERSHIPS_OF = "SELECT row FROM members WHERE account_id = ?1 ORDER BY app_id";
    PUT_MEMBER = "INSERT INTO members (app_id, account_id, row) VALUES (?1, ?2, ?3)
        ON CONFLICT (app_id, account_id) DO UPDATE SET row = excluded.row";
    REMOVE_MEMBER = "DELETE FROM members WHERE app_id = ?1 AND account_id = ?2";
    INVITE = "SELECT row FROM invites WHERE token_key = ?1";
    INVITE_BY_ID = "SELECT row FROM invites WHERE invite_id = ?1";
    INVITES_OF = "SELECT row FROM invites WHERE app_id = ?1 ORDER BY invite_id";
    PUT_INVITE = "INSERT INTO invites (token_key, invite_id, app_id, expires_at, row)
        VALUES (?1, ?2, ?3, ?4, ?5)";
    REMOVE_INVITE = "DELETE FROM invites WHERE token_key = ?1";
    OVER_INVITES = "SELECT token_key FROM invites WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2";
    RESOURCE = "SELECT tenant FROM resources WHERE uri = ?1";
    PUT_RESOURCE = "INSERT INTO resources (uri, tenant) VALUES (?1, ?2)
        ON CONFLICT (uri) DO UPDATE SET tenant = excluded.tenant";
    REMOVE_RESOURCE = "DELETE FROM resources WHERE uri = ?1";
    AUTHORIZATION_REQUEST = "SELECT row FROM authorization_requests WHERE request_id = ?1";
    PUT_AUTHORIZATION_REQUEST = "INSERT INTO authorization_requests (request_id, kept_until, row)
        VALUES (?1, ?2, ?3) ON CONFLICT (request_id) DO UPDATE SET
        kept_until = excluded.kept_until, row = excluded.row";
    OVER_AUTHORIZATION_REQUESTS = "SELECT request_id FROM authorization_requests
        WHERE kept_until <= ?1 ORDER BY kept_until LIMIT ?2";
    FORGET_AUTHORIZATION_REQUEST = "DELETE FROM authorization_requests WHERE request_id = ?1";
    OAUTH_SECRET = "SELECT row FROM oauth_secrets WHERE token_key = ?1";
    PUT_OAUTH_SECRET = "INSERT INTO oauth_secrets (token_key, forget_at, row) VALUES (?1, ?2, ?3)
        ON CONFLICT (token_key) DO UPDATE SET forget_at = excluded.forget_at, row = excluded.row";
    REMOVE_OAUTH_SECRET = "DELETE FROM oauth_secrets WHERE token_key = ?1";
    OVER_OAUTH_SECRETS = "SELECT token_key FROM oauth_secrets WHERE forget_at <= ?1
        ORDER BY forget_at LIMIT ?2";
    OAUTH_GRANT = "SELECT row FROM oauth_grants WHERE connection_id = ?1";
    PUT_OAUTH_GRANT = "INSERT INTO oauth_grants (connection_id, row) VALUES (?1, ?2)";
    OAUTH_CLIENT = "SELECT row FROM oauth_clients WHERE client_id = ?1";
    DUE_OAUTH_CLIENTS = "SELECT client_id FROM oauth_clients WHERE reap_at <= ?1
        ORDER BY reap_at, client_id LIMIT ?2";
    COUNT_DUE_OAUTH_CLIENTS = "SELECT count(*) FROM oauth_clients WHERE reap_at <= ?1";
    PUT_OAUTH_CLIENT = "INSERT INTO oauth_clients (client_id, reap_at, row) VALUES (?1, ?2, ?3)
        ON CONFLICT (client_id) DO UPDATE SET reap_at = excluded.reap_at, row = excluded.row";
    REMOVE_OAUTH_CLIENT = "DELETE FROM oauth_clients WHERE client_id = ?1";
    PASSKEY = "SELECT row FROM passkeys WHERE passkey = ?1";
    PASSKEYS_OF = "SELECT row FROM passkeys WHERE account_id = ?1 ORDER BY created_at, passkey";
    PUT_PASSKEY = "INSERT INTO passkeys (passkey, account_id, created_at, row) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (passkey) DO UPDATE SET row = excluded.row";
    REMOVE_PASSKEY = "DELETE FROM passkeys WHERE passkey = ?1";
    CHALLENGE = "SELECT row FROM challenges WHERE challenge = ?1";
    PUT_CHALLENGE = "INSERT INTO challenges (challenge, expires_at, row) VALUES (?1, ?2, ?3)";
    REMOVE_CHALLENGE = "DELETE FROM challenges WHERE challenge = ?1";
    OVER_CHALLENGES = "SELECT challenge FROM challenges WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2";
    USAGE = "SELECT day, allowed, refused FROM usage WHERE tenant = ?1 AND day BETWEEN ?2 AND ?3
        ORDER BY day";
    /// Of all apps; of one environment where it is named.
    ALL_USAGE = "SELECT u.day, sum(u.allowed), sum(u.refused) FROM environments AS e
        CROSS JOIN usage AS u ON u.tenant = e.tenant AND u.day BETWEEN ?2 AND ?3
        WHERE ?1 IS NULL OR substr(e.tenant, 17) = ?1 GROUP BY u.day ORDER BY u.day";
    ALL_REFUSALS = "SELECT r.code, sum(r.count) AS refused FROM environments AS e
        CROSS JOIN refusals AS r ON r.tenant = e.tenant AND r.day BETWEEN ?2 AND ?3
        WHERE ?1 IS NULL OR substr(e.tenant, 17) = ?1
        GROUP BY r.code ORDER BY refused DESC, r.code";
    ADD_REFUSALS = "INSERT INTO refusals (tenant, day, code, count) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (tenant, day, code) DO UPDATE SET count = count + excluded.count";
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
    /// Stepped through only as far as it is wanted. A hit at the upper end may stand in a row that
    /// ends behind it.
    HITS_DOWN = "SELECT pos, others FROM audit_terms
        WHERE segment = ?1 AND term = ?2 AND pos >= ?3 AND pos <= coalesce(
        (SELECT pos FROM audit_terms WHERE segment = ?1 AND term = ?2 AND pos >= ?4
        ORDER BY pos LIMIT 1), ?4) ORDER BY pos DESC";
    /// Stepped through only as far as it is wanted.
    HITS_UP = "SELECT pos, others FROM audit_terms
        WHERE segment = ?1 AND term = ?2 AND pos >= ?3 ORDER BY pos";
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

    ACTIVITY_BEHIND = "SELECT low FROM activity WHERE low > ?1 ORDER BY low LIMIT 1";
    /// Of a bundle whose connections are the same as before.
    PUT_ACTIVITY = "UPDATE activity SET row = ?2 WHERE low = ?1";
    NEW_ACTIVITY = "INSERT INTO activity (low, connections, row) VALUES (?1, ?2, ?3)
        ON CONFLICT (low) DO UPDATE SET connections = excluded.connections, row = excluded.row";
    ADD_LABEL = "INSERT INTO usage_labels (tenant, day, label, calls) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (tenant, day, label) DO UPDATE SET calls = calls + excluded.calls";
    KEY_USE = "SELECT last_used_at FROM key_use WHERE key_id = ?1";
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
    ADD_TERM = "INSERT INTO audit_terms (segment, term, pos, others) VALUES (?1, ?2, ?3, ?4)";
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
