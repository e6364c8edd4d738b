//! The statements with a fixed text, in one place; searches of the log put theirs together
//! (`search`). Hot statements come first.
#![expect(missing_docs, reason = "a statement says itself what it does")]

/// Declares the statements and the list of them.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:literal;)+) => {
        $($(#[$doc])* pub const $name: &str = $sql;)+
        /// Name and text of every statement.
        pub const ALL: &[(&str, &str)] = &[$((stringify!($name), $sql)),+];
    };
}

statements! {
    BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED";
    BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    COMMIT = "COMMIT";
    ROLLBACK = "ROLLBACK";
    /// Once per batch: its own row, held until the commit. Whoever must know that a batch is over
    /// waits for this lock.
    LOCK_LANE = "SELECT writer, batch FROM writers WHERE lane = $1 FOR NO KEY UPDATE";
    /// Once per batch, after [`LOCK_LANE`]: where records go, and the end of the log.
    LOG_STATE = "SELECT s.part, s.lanes, w.last_pos, w.last_at,
        (extract(epoch FROM clock_timestamp()) * 1000)::bigint
        FROM log_state AS s
        LEFT JOIN LATERAL (SELECT last_pos, last_at FROM writers ORDER BY last_pos DESC LIMIT 1)
        AS w ON true WHERE s.one = 1";
    /// Once per batch: how far this lane came.
    MOVE_LANE = "UPDATE writers SET batch = $2, records = records + $3,
        last_pos = coalesce($4, last_pos), last_at = CASE WHEN $4::bigint IS NULL THEN last_at ELSE $5 END
        WHERE lane = $1";
    /// The way of one verify: the key.
    API_KEY = "SELECT row FROM api_keys WHERE token_key = $1";
    /// The way of one verify: the app.
    APP = "SELECT row FROM apps WHERE app_id = $1";
    /// The way of one verify: the live scopes.
    ENVIRONMENT = "SELECT state FROM environments WHERE app_id = $1 AND env = $2";
    /// The way of one verify: the grant.
    GRANT = "SELECT token_key, row FROM grants WHERE token_key = $1";
    /// Once per batch: all its records.
    APPEND = "INSERT INTO audit_log
        (pos, part, env, app_id, chain, seq, at, calls, connection_id, key_id, user_id, event, label, row)
        SELECT l.pos, $2, l.env, l.app_id, l.chain, l.seq, l.at, l.calls, l.connection_id, l.key_id,
        l.user_id, l.event, l.label, l.row FROM unnest($1::bigint[], $3::smallint[], $4::uuid[],
        $5::uuid[], $6::bigint[], $7::bigint[], $8::bigint[], $9::uuid[], $10::uuid[], $11::text[],
        $12::text[], $13::text[], $14::bytea[])
        AS l (pos, env, app_id, chain, seq, at, calls, connection_id, key_id, user_id, event, label, row)";
    /// Once per batch: its tenants' usage.
    ADD_USAGE = "INSERT INTO usage AS u (app_id, env, day, lane, allowed, refused)
        SELECT n.app_id, n.env, n.day, $1, n.allowed, n.refused
        FROM unnest($2::uuid[], $3::smallint[], $4::integer[], $5::bigint[], $6::bigint[])
        AS n (app_id, env, day, allowed, refused)
        ON CONFLICT (app_id, env, day, lane) DO UPDATE SET
        allowed = u.allowed + excluded.allowed, refused = u.refused + excluded.refused";
    /// Once per batch: the chains that moved. A chain that somebody else closed or moved meanwhile
    /// ends the transaction.
    MOVE_CHAINS = "WITH moved AS (UPDATE chains AS c SET open = m.open,
        tail_seq = coalesce(m.tail_seq, c.tail_seq), tail_hash = coalesce(m.tail_hash, c.tail_hash),
        head_seq = coalesce(m.head_seq, c.head_seq), head_hash = coalesce(m.head_hash, c.head_hash)
        FROM unnest($1::uuid[], $2::boolean[], $3::boolean[], $4::bigint[], $5::bytea[], $6::bigint[],
        $7::bytea[], $8::bigint[])
        AS m (chain, was_open, open, tail_seq, tail_hash, head_seq, head_hash, was_head)
        WHERE c.chain = m.chain AND c.open = m.was_open
        AND (m.was_head IS NULL OR c.head_seq = m.was_head) RETURNING 1)
        SELECT must_be(count(*), $9) FROM moved";
    NEW_CHAIN = "INSERT INTO chains
        (chain, app_id, env, writer, open, tail_seq, tail_hash, head_seq, head_hash)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    /// Once per batch and tenant.
    WRITER_CHAIN = "SELECT chain, app_id, env, writer, open, tail_seq, tail_hash, head_seq, head_hash
        FROM chains WHERE app_id = $1 AND env = $2 AND writer = $3 AND open";

    /// Once per batch: the keys of its calls, their apps and environments, and the grants that their
    /// tokens open, each by its key, the app's rows by the app.
    FORESEEN = "WITH calls AS (SELECT * FROM unnest($1::bigint[], $2::bigint[]) AS c (key, token)),
        keys AS (SELECT k.token_key, k.app_id, k.row FROM api_keys AS k
        WHERE k.token_key = ANY($1)),
        owners AS (SELECT DISTINCT app_id FROM keys)
        SELECT 0, token_key, app_id, 0::smallint, row FROM keys
        UNION ALL SELECT 1, 0::bigint, a.app_id, 0::smallint, a.row FROM owners AS o JOIN apps AS a USING (app_id)
        UNION ALL SELECT 2, 0::bigint, e.app_id, e.env, e.state FROM owners AS o
        JOIN environments AS e USING (app_id)
        UNION ALL SELECT 3, g.token_key, g.app_id, 0::smallint, g.row FROM calls AS c
        JOIN keys AS k ON k.token_key = c.key
        JOIN grants AS g ON g.app_id = k.app_id AND g.token_key = c.token";
    /// Once per batch: the chains that the writer has for the apps of these keys.
    FORESEEN_CHAINS = "SELECT chain, app_id, env, writer, open, tail_seq, tail_hash, head_seq, head_hash
        FROM chains WHERE writer = $1 AND open
        AND app_id IN (SELECT app_id FROM api_keys WHERE token_key = ANY($2))";

    LOCK_APP = "SELECT row FROM apps WHERE app_id = $1 FOR NO KEY UPDATE";
    LOCK_SERVICE = "SELECT pg_advisory_xact_lock(16743, -1)";
    LOCK_UPKEEP = "SELECT pg_advisory_xact_lock(16743, -2)";
    TRY_UPKEEP = "SELECT pg_try_advisory_xact_lock(16743, -2)";

    PUT_APP = "INSERT INTO apps (app_id, limited, row) VALUES ($1, $2, $3)
        ON CONFLICT (app_id) DO UPDATE SET limited = excluded.limited, row = excluded.row";
    FIRST_APPS = "SELECT row FROM apps ORDER BY app_id LIMIT $1";
    APPS_AFTER = "SELECT row FROM apps WHERE app_id > $1 ORDER BY app_id LIMIT $2";
    TENANTS = "SELECT app_id, env FROM environments ORDER BY app_id, env";
    PUT_ENVIRONMENT = "INSERT INTO environments (app_id, env, state) VALUES ($1, $2, $3)
        ON CONFLICT (app_id, env) DO UPDATE SET state = excluded.state";
    COUNTS = "SELECT pending, active, revoked, expired FROM environments
        WHERE app_id = $1 AND env = $2";
    ADD_COUNTS = "INSERT INTO environments AS e (app_id, env, pending, active, revoked, expired)
        VALUES ($1, $2, greatest($3::bigint, 0), greatest($4::bigint, 0), greatest($5::bigint, 0),
        greatest($6::bigint, 0))
        ON CONFLICT (app_id, env) DO UPDATE SET pending = e.pending + $3, active = e.active + $4,
        revoked = e.revoked + $5, expired = e.expired + $6";
    CATALOGUE = "SELECT row FROM scopes WHERE app_id = $1 AND env = $2 ORDER BY scope_id";
    HOLDERS = "SELECT holders FROM scopes WHERE app_id = $1 AND env = $2 AND scope_id = $3";
    PUT_SCOPE = "INSERT INTO scopes (app_id, env, scope_id, name, row) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (app_id, env, scope_id) DO UPDATE SET name = excluded.name, row = excluded.row";
    REMOVE_SCOPE = "DELETE FROM scopes WHERE app_id = $1 AND env = $2 AND name = $3";
    COUNT_HOLDERS = "UPDATE scopes SET holders = holders + $4
        WHERE app_id = $1 AND env = $2 AND scope_id = $3";
    CLEAR_HOLDERS = "UPDATE scopes SET holders = 0 WHERE app_id = $1 AND env = $2";

    API_KEY_BY_ID = "SELECT row FROM api_keys WHERE app_id = $1 AND key_id = $2";
    API_KEYS = "SELECT row FROM api_keys WHERE app_id = $1 ORDER BY key_id";
    PUT_API_KEY = "WITH put AS (INSERT INTO api_keys AS k (token_key, app_id, key_id, row)
        VALUES ($1, $2, $3, $4) ON CONFLICT (token_key) DO UPDATE SET row = excluded.row
        WHERE k.key_id = excluded.key_id RETURNING 1) SELECT must_be(count(*), 1) FROM put";
    DROP_API_KEY = "DELETE FROM api_keys WHERE app_id = $1 AND key_id = $2 AND token_key <> $3";
    PUBLIC_KEYS = "SELECT row FROM public_keys WHERE app_id = $1 ORDER BY position";
    DROP_PUBLIC_KEYS = "DELETE FROM public_keys WHERE app_id = $1";
    PUT_PUBLIC_KEY = "INSERT INTO public_keys (app_id, position, row) VALUES ($1, $2, $3)";
    SPEND_ASSERTION = "INSERT INTO spent_assertions (app_id, jti, until) VALUES ($1, $2, $3)
        ON CONFLICT (app_id, jti) DO NOTHING";
    FORGET_ASSERTIONS = "DELETE FROM spent_assertions AS s USING
        (SELECT app_id, jti FROM spent_assertions WHERE until <= $1 ORDER BY until LIMIT $2
        FOR UPDATE SKIP LOCKED) AS o WHERE s.app_id = o.app_id AND s.jti = o.jti";
    OPERATOR = "SELECT row FROM operators WHERE token_key = $1";
    OPERATOR_BY_ID = "SELECT row FROM operators WHERE operator_id = $1";
    OPERATORS = "SELECT row FROM operators ORDER BY operator_id";
    PUT_OPERATOR = "WITH put AS (INSERT INTO operators AS o (token_key, operator_id, row)
        VALUES ($1, $2, $3) ON CONFLICT (token_key) DO UPDATE SET row = excluded.row
        WHERE o.operator_id = excluded.operator_id RETURNING 1) SELECT must_be(count(*), 1) FROM put";
    DROP_OPERATOR = "DELETE FROM operators WHERE operator_id = $1 AND token_key <> $2";

    CONNECTION = "SELECT g.token_key, g.row FROM connections AS c
        JOIN grants AS g ON g.app_id = c.app_id AND g.token_key = c.token_key
        WHERE c.connection_id = $1";
    CONNECTIONS = "SELECT g.token_key, g.row FROM connections AS c
        JOIN grants AS g ON g.app_id = c.app_id AND g.token_key = c.token_key
        WHERE c.connection_id = ANY($1)";
    CONNECTION_OF_TOKEN = "SELECT connection_id FROM connection_tokens WHERE token_key = $1";
    ALL_CONNECTIONS = "SELECT connection_id FROM connections
        WHERE $1::uuid IS NULL OR connection_id < $1 ORDER BY connection_id DESC LIMIT $2";
    CONNECTIONS_OF_STATUS = "SELECT connection_id FROM connections
        WHERE app_id = $1 AND env = $2 AND status = $3
        AND ($4::uuid IS NULL OR connection_id > $4) AND ($5::uuid IS NULL OR connection_id <= $5)
        AND ($6::uuid IS NULL OR connection_id < $6) ORDER BY connection_id DESC LIMIT $7";
    CONNECTIONS_OF_USER = "SELECT connection_id FROM connections
        WHERE app_id = $1 AND env = $2 AND user_id = $8 AND status = $3
        AND ($4::uuid IS NULL OR connection_id > $4) AND ($5::uuid IS NULL OR connection_id <= $5)
        AND ($6::uuid IS NULL OR connection_id < $6) ORDER BY connection_id DESC LIMIT $7";
    COUNT_OF_USER = "SELECT count(*) FROM connections
        WHERE app_id = $1 AND env = $2 AND user_id = $3 AND status = $4
        AND ($5::uuid IS NULL OR connection_id > $5) AND ($6::uuid IS NULL OR connection_id <= $6)";
    LIVE_OF_USER = "SELECT connection_id FROM connections
        WHERE app_id = $1 AND env = $2 AND user_id = $3 AND status = $4
        AND ($5::uuid IS NULL OR connection_id > $5) ORDER BY connection_id LIMIT $6";
    DUE_CONNECTIONS = "SELECT connection_id FROM connections WHERE due_at <= $1
        ORDER BY due_at, connection_id LIMIT $2";
    NEW_CONNECTION = "INSERT INTO connections
        (app_id, env, connection_id, user_id, status, token_key, due_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    MOVE_CONNECTION = "UPDATE connections SET status = $2, token_key = $3, due_at = $4
        WHERE connection_id = $1";
    PUT_GRANT = "UPDATE grants SET row = $3 WHERE app_id = $1 AND token_key = $2";
    NEW_GRANT = "INSERT INTO grants (app_id, token_key, row) VALUES ($1, $2, $3)";
    /// A one-time token is spent by this: its row count decides.
    DROP_GRANT = "WITH gone AS (DELETE FROM grants WHERE app_id = $1 AND token_key = $2 RETURNING 1)
        SELECT must_be(count(*), 1) FROM gone";
    NEW_CONNECTION_TOKEN = "INSERT INTO connection_tokens (token_key, connection_id)
        VALUES ($1, $2)";
    USAGE = "SELECT day, sum(allowed)::bigint, sum(refused)::bigint FROM usage
        WHERE app_id = $1 AND env = $2 AND day BETWEEN $3 AND $4 GROUP BY day ORDER BY day";
    USAGE_LABELS = "SELECT label, sum(calls)::bigint AS calls FROM usage_labels
        WHERE app_id = $1 AND env = $2 AND day BETWEEN $3 AND $4
        GROUP BY label ORDER BY calls DESC, label LIMIT $5";
    /// What is folded, and what the records since then say, in one statement and so as of one
    /// moment.
    ACTIVITY = "SELECT a.calls, a.last_used_at, l.calls, l.at
        FROM (SELECT count(*) FROM fold) AS one
        LEFT JOIN activity AS a ON a.connection_id = $1
        LEFT JOIN LATERAL (SELECT sum(calls)::bigint AS calls, max(at) AS at FROM audit_log
        WHERE part >= (SELECT max(part) FROM audit_parts, fold WHERE first_pos <= folded_to + 1)
        AND pos > (SELECT folded_to FROM fold) AND connection_id = $1 AND calls IS NOT NULL)
        AS l ON true";
    KEY_USE = "SELECT 0::bigint, a.last_used_at, 0::bigint, l.at
        FROM (SELECT count(*) FROM fold) AS one
        LEFT JOIN key_use AS a ON a.key_id = $1
        LEFT JOIN LATERAL (SELECT max(at) AS at FROM audit_log
        WHERE part >= (SELECT max(part) FROM audit_parts, fold WHERE first_pos <= folded_to + 1)
        AND pos > (SELECT folded_to FROM fold) AND key_id = $1) AS l ON true";

    REGISTER = "SELECT chain, app_id, env, writer, open, tail_seq, tail_hash, head_seq, head_hash
        FROM chains WHERE app_id = $1 AND env = $2 AND writer IS NULL";
    LOCK_REGISTER = "SELECT chain, app_id, env, writer, open, tail_seq, tail_hash, head_seq, head_hash
        FROM chains WHERE app_id = $1 AND env = $2 AND writer IS NULL FOR NO KEY UPDATE";
    CHAINS = "SELECT chain, app_id, env, writer, open, tail_seq, tail_hash, head_seq, head_hash
        FROM chains WHERE app_id = $1 AND env = $2 ORDER BY chain";
    CHAIN_OWNER = "SELECT app_id, env FROM chains WHERE chain = $1";
    OPEN_CHAINS_OF = "SELECT chain, app_id, env, writer, open, tail_seq, tail_hash, head_seq, head_hash
        FROM chains WHERE open AND writer = $1 ORDER BY chain LIMIT $2 FOR NO KEY UPDATE";
    /// Those of writers that live are not among them: a writer that lives holds its lane.
    OPEN_CHAINS_OF_OTHERS = "SELECT chain, app_id, env, writer, open, tail_seq, tail_hash, head_seq,
        head_hash FROM chains AS c WHERE open AND writer IS NOT NULL AND writer <> $1
        AND NOT EXISTS (SELECT 1 FROM writers AS w JOIN pg_locks AS l ON l.locktype = 'advisory'
        AND l.classid = 16743 AND l.objid = w.lane::oid AND l.objsubid = 2 AND l.granted
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        WHERE w.writer = c.writer)
        ORDER BY chain LIMIT $2 FOR NO KEY UPDATE OF c";
    DROP_CHAIN = "DELETE FROM chains WHERE chain = $1";
    SEALED_SECRET = "SELECT sealed FROM sealed_secrets WHERE name = $1";
    PUT_SEALED_SECRET = "INSERT INTO sealed_secrets (name, sealed) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed";

    TAIL = "SELECT last_pos, last_at FROM writers ORDER BY last_pos DESC LIMIT 1";
    LANES = "SELECT lane FROM writers ORDER BY lane";
    TAKE_LANE = "SELECT pg_try_advisory_lock(16743, $1)";
    /// Waits until every batch under way is over, and lets none begin until the commit.
    FENCE = "SELECT lane FROM writers ORDER BY lane FOR UPDATE";
    /// Waits until every batch under way is over.
    SETTLE = "SELECT lane FROM writers ORDER BY lane FOR SHARE";
    /// The lanes without a batch under way.
    IDLE_LANES = "SELECT lane FROM writers FOR SHARE SKIP LOCKED";
    NEW_LANE = "INSERT INTO writers (lane, writer, batch, records, last_pos, last_at)
        VALUES ($1, 0, 0, 0, 0, NULL)";
    OWN_LANE = "UPDATE writers SET writer = $2 WHERE lane = $1";
    SHARE_POSITIONS = "UPDATE log_state SET lanes = $1 WHERE one = 1 AND lanes < $1";
    RECORD_OF_CHAIN = "SELECT 1 FROM audit_log WHERE pos = $1 AND chain = $2";
    BATCH_OF_LANE = "SELECT batch, writer FROM writers WHERE lane = $1 FOR NO KEY UPDATE";

    SEGMENTS = "SELECT segment, first_pos, last_pos, last_at, state, records FROM audit_segments
        ORDER BY segment";
    OLDEST_SEGMENT = "SELECT segment, first_pos, last_pos, last_at, state, records FROM audit_segments
        WHERE state <> 3 ORDER BY segment LIMIT 1";
    PARTS = "SELECT part, first_pos, last_pos, indexed FROM audit_parts ORDER BY part";
    IS_IN_SEGMENT = "SELECT 1 FROM audit_segment_chains
        WHERE segment = $1 AND app_id = $2 AND env = $3 LIMIT 1";
    FOLDED_TO = "SELECT folded_to FROM fold WHERE one = 1";
    /// But for the service's own.
    TENANTS_IN_SEGMENT = "SELECT DISTINCT app_id, env FROM audit_segment_chains
        WHERE segment = $1 AND env >= 0 ORDER BY app_id, env LIMIT $2";
    SEGMENT_CHAINS = "SELECT c.chain, c.app_id, c.env, c.writer, c.open, c.tail_seq, c.tail_hash,
        c.head_seq, c.head_hash, s.last_seq, s.last_hash
        FROM audit_segment_chains AS s JOIN chains AS c ON c.chain = s.chain
        WHERE s.segment = $1 AND s.app_id = $2 AND s.env = $3 ORDER BY c.chain";
    LET_GO_OF_SEGMENT = "DELETE FROM audit_segment_chains
        WHERE segment = $1 AND app_id = $2 AND env = $3";
    DROP_SEGMENT = "UPDATE audit_segments SET state = 3 WHERE segment = $1";

    HOLD_FOLD = "SELECT folded_to FROM fold WHERE one = 1 FOR UPDATE SKIP LOCKED";
    FOLD_WINDOW = "SELECT max(pos), count(*) FROM (SELECT pos FROM audit_log
        WHERE part >= (SELECT max(part) FROM audit_parts WHERE first_pos <= $1::bigint + 1)
        AND pos > $1 AND pos <= $2 ORDER BY pos LIMIT $3) AS w";
    FOLD_ACTIVITY = "INSERT INTO activity AS a (connection_id, calls, last_used_at)
        SELECT connection_id, sum(calls), max(at) FROM audit_log
        WHERE part >= (SELECT max(part) FROM audit_parts WHERE first_pos <= $1::bigint + 1)
        AND pos > $1 AND pos <= $2 AND connection_id IS NOT NULL AND calls IS NOT NULL
        GROUP BY connection_id ORDER BY connection_id
        ON CONFLICT (connection_id) DO UPDATE SET calls = a.calls + excluded.calls,
        last_used_at = greatest(a.last_used_at, excluded.last_used_at)";
    FOLD_LABELS = "INSERT INTO usage_labels AS u (app_id, env, day, label, calls)
        SELECT app_id, env, (floor(at / 86400000.0))::integer AS day, coalesce(label, ''), sum(calls)
        FROM audit_log WHERE part >= (SELECT max(part) FROM audit_parts WHERE first_pos <= $1::bigint + 1)
        AND pos > $1 AND pos <= $2 AND calls > 0 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        ON CONFLICT (app_id, env, day, label) DO UPDATE SET calls = u.calls + excluded.calls";
    FOLD_KEYS = "INSERT INTO key_use AS k (key_id, last_used_at)
        SELECT key_id, max(at) FROM audit_log
        WHERE part >= (SELECT max(part) FROM audit_parts WHERE first_pos <= $1::bigint + 1)
        AND pos > $1 AND pos <= $2 AND key_id IS NOT NULL GROUP BY key_id ORDER BY key_id
        ON CONFLICT (key_id) DO UPDATE SET last_used_at = greatest(k.last_used_at, excluded.last_used_at)";
    PUT_FOLD = "UPDATE fold SET folded_to = $1 WHERE one = 1";

    LOG_TOTALS = "SELECT coalesce(sum(records), 0)::bigint, coalesce(max(last_pos), 0) FROM writers";
    FIRST_AT = "SELECT at FROM audit_log WHERE pos >= $1 ORDER BY pos LIMIT 1";
    NTH_RECORD = "SELECT pos FROM audit_log WHERE pos >= $1 AND pos <= $2
        ORDER BY pos OFFSET $3 LIMIT 1";
    COUNT_RECORDS = "SELECT count(*) FROM audit_log WHERE pos BETWEEN $1 AND $2";
    CLOSE_PART = "UPDATE audit_parts SET last_pos = $2 WHERE part = $1";
    NEW_PART = "INSERT INTO audit_parts (part, first_pos, last_pos, indexed)
        VALUES ($1, $2, NULL, false)";
    OPEN_PART = "UPDATE log_state SET part = $1 WHERE one = 1";
    INDEXED_PART = "UPDATE audit_parts SET indexed = true WHERE part = $1";
    FORGET_PART = "DELETE FROM audit_parts WHERE part = $1";
    CLOSE_SEGMENT = "UPDATE audit_segments SET last_pos = $2, state = 1 WHERE segment = $1";
    NEW_SEGMENT = "INSERT INTO audit_segments (segment, first_pos, last_pos, last_at, state, records)
        VALUES ($1, $2, NULL, NULL, 0, $3)";
    LAST_OF_CHAINS = "SELECT DISTINCT ON (chain) chain, app_id, env, seq, row FROM audit_log
        WHERE pos BETWEEN $1 AND $2 ORDER BY chain, seq DESC";
    NEWEST_AT = "SELECT max(at) FROM audit_log WHERE pos BETWEEN $1 AND $2";
    ADD_SEGMENT_CHAIN = "INSERT INTO audit_segment_chains
        (segment, app_id, env, chain, last_seq, last_hash) VALUES ($1, $2, $3, $4, $5, $6)";
    CLOSED_SEGMENT = "UPDATE audit_segments SET last_at = $2, state = 2 WHERE segment = $1";
    FORGET_SEGMENT_CHAINS = "DELETE FROM audit_segment_chains WHERE segment = $1";
    FORGET_SEGMENT = "DELETE FROM audit_segments WHERE segment = $1";
}
