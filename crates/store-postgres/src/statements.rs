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

/// What batches of verifies say again and again: prepared before the first one, all together.
pub const OF_BATCHES: &[&str] =
    &[BEGIN, LOCK_LANE, LOG_STATE, FORESEEN, FORESEEN_CHAINS, HOLD_SHORT, STANDINGS, ADMIT, COMMIT];

statements! {
    BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED";
    BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    COMMIT = "COMMIT";
    ROLLBACK = "ROLLBACK";
    /// What a node asks itself on behalf of whoever asks whether it is ready.
    TAKES_WRITES = "SELECT NOT pg_is_in_recovery()
        AND current_setting('default_transaction_read_only') = 'off'";
    /// Once per batch: its own row, held until the commit. Whoever must know that a batch is over
    /// waits for this lock.
    LOCK_LANE = "SELECT writer, batch FROM writers WHERE lane = $1 FOR NO KEY UPDATE";
    /// Once per batch, after [`LOCK_LANE`]: where records go, the end of the log, the time, and how many
    /// other nodes live.
    LOG_STATE = "SELECT s.part, s.lanes, w.last_pos, w.last_at,
        (extract(epoch FROM clock_timestamp()) * 1000)::bigint, n.others, n.is_counted
        FROM log_state AS s
        CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE node <> $1) AS others,
        bool_or(node = $1) AS is_counted FROM nodes
        WHERE seen_at > (extract(epoch FROM clock_timestamp()) * 1000)::bigint - $2) AS n
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
    /// Once per batch: all its records. In the list of what is selected each array is read as the row
    /// wants it; as a table, each would first be written to a store of its own.
    APPEND = "INSERT INTO audit_log
        (pos, part, env, app_id, chain, seq, at, calls, connection_id, key_id, user_id, event, label, row)
        SELECT unnest($1::bigint[]), $2, unnest($3::smallint[]), unnest($4::uuid[]), unnest($5::uuid[]),
        unnest($6::bigint[]), unnest($7::bigint[]), unnest($8::bigint[]), unnest($9::uuid[]),
        unnest($10::uuid[]), unnest($11::text[]), unnest($12::text[]), unnest($13::text[]),
        unnest($14::bytea[])";
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
    /// Once per batch of verifies: [`APPEND`], [`ADD_USAGE`], [`MOVE_CHAINS`] and [`MOVE_LANE`] as one,
    /// so that the server begins, answers and flushes once.
    ADMIT = "WITH appended AS (INSERT INTO audit_log
        (pos, part, env, app_id, chain, seq, at, calls, connection_id, key_id, user_id, event, label, row)
        SELECT unnest($1::bigint[]), $2, unnest($3::smallint[]), unnest($4::uuid[]), unnest($5::uuid[]),
        unnest($6::bigint[]), unnest($7::bigint[]), unnest($8::bigint[]), unnest($9::uuid[]),
        unnest($10::uuid[]), unnest($11::text[]), unnest($12::text[]), unnest($13::text[]),
        unnest($14::bytea[])),
        used AS (INSERT INTO usage AS u (app_id, env, day, lane, allowed, refused)
        SELECT n.app_id, n.env, n.day, $15::integer, n.allowed, n.refused
        FROM (SELECT unnest($16::uuid[]) AS app_id, unnest($17::smallint[]) AS env,
        unnest($18::integer[]) AS day, unnest($19::bigint[]) AS allowed, unnest($20::bigint[]) AS refused) AS n
        ON CONFLICT (app_id, env, day, lane) DO UPDATE SET
        allowed = u.allowed + excluded.allowed, refused = u.refused + excluded.refused),
        moved AS (UPDATE chains AS c SET open = m.open,
        tail_seq = coalesce(m.tail_seq, c.tail_seq), tail_hash = coalesce(m.tail_hash, c.tail_hash),
        head_seq = coalesce(m.head_seq, c.head_seq), head_hash = coalesce(m.head_hash, c.head_hash)
        FROM (SELECT unnest($21::uuid[]) AS chain, unnest($22::boolean[]) AS was_open,
        unnest($23::boolean[]) AS open, unnest($24::bigint[]) AS tail_seq,
        unnest($25::bytea[]) AS tail_hash, unnest($26::bigint[]) AS head_seq,
        unnest($27::bytea[]) AS head_hash, unnest($28::bigint[]) AS was_head) AS m
        WHERE c.chain = m.chain AND c.open = m.was_open
        AND (m.was_head IS NULL OR c.head_seq = m.was_head) RETURNING 1)
        UPDATE writers SET batch = $30, records = records + $31, last_pos = $32, last_at = $33
        WHERE lane = $15 AND (SELECT CASE WHEN count(*) = $29::bigint THEN $29::bigint
        ELSE must_be(count(*), $29::bigint) END FROM moved) = $29::bigint";
    NEW_CHAIN = "INSERT INTO chains
        (chain, app_id, env, writer, open, tail_seq, tail_hash, head_seq, head_hash)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    /// Once per batch and tenant.
    WRITER_CHAIN = "SELECT chain, app_id, env, writer, open, tail_seq, tail_hash, head_seq, head_hash
        FROM chains WHERE app_id = $1 AND env = $2 AND writer = $3 AND open";

    /// Once per batch: the keys of its calls, their apps and environments, and the grants that their
    /// tokens open, each by its key, the app's rows by the app. What no grant stands under may be the
    /// token of an OAuth client, and brings the grant that it is for.
    FORESEEN = "WITH calls AS (SELECT * FROM unnest($1::bigint[], $2::bigint[]) AS c (key, token)),
        keys AS (SELECT k.token_key, k.app_id, k.row FROM api_keys AS k
        WHERE k.token_key = ANY($1)),
        owners AS (SELECT DISTINCT app_id FROM keys),
        opened AS MATERIALIZED (SELECT g.token_key, g.app_id, g.row AS row FROM calls AS c
        JOIN keys AS k ON k.token_key = c.key
        JOIN grants AS g ON g.app_id = k.app_id AND g.token_key = c.token),
        by_clients AS MATERIALIZED (SELECT s.token_key, s.app_id, s.grant_key, s.row
        FROM unnest($2::bigint[]) AS t (token) JOIN oauth_secrets AS s ON s.token_key = t.token
        WHERE t.token NOT IN (SELECT token_key FROM opened))
        SELECT 0, token_key, app_id, 0::smallint, row FROM keys
        UNION ALL SELECT 1, 0::bigint, a.app_id, 0::smallint, a.row FROM owners AS o JOIN apps AS a USING (app_id)
        UNION ALL SELECT 2, 0::bigint, e.app_id, e.env, e.state FROM owners AS o
        JOIN environments AS e USING (app_id)
        UNION ALL SELECT 3, token_key, app_id, 0::smallint, row FROM opened
        UNION ALL SELECT 4, token_key, app_id, 0::smallint, row FROM by_clients
        UNION ALL SELECT 3, g.token_key, g.app_id, 0::smallint, g.row FROM by_clients AS s
        JOIN grants AS g ON g.app_id = s.app_id AND g.token_key = s.grant_key";
    /// Once per batch: the chains that the writer has for the apps of these keys.
    FORESEEN_CHAINS = "SELECT chain, app_id, env, writer, open, tail_seq, tail_hash, head_seq, head_hash
        FROM chains WHERE writer = $1 AND open
        AND app_id IN (SELECT app_id FROM api_keys WHERE token_key = ANY($2))";

    /// Once per batch with apps that have a limit, before anything of theirs is read: those whose lease
    /// is too small are held.
    HOLD_SHORT = "WITH calls AS (SELECT k.app_id, count(*) AS calls FROM unnest($1::bigint[]) AS c (key)
        JOIN api_keys AS k ON k.token_key = c.key GROUP BY k.app_id ORDER BY k.app_id)
        SELECT a.app_id FROM calls AS c
        LEFT JOIN plan_leases AS l ON l.app_id = c.app_id AND l.env = $2 AND l.lane = $3 AND l.month = $4
        CROSS JOIN LATERAL (SELECT app_id FROM apps WHERE app_id = c.app_id AND limited
        FOR NO KEY UPDATE) AS a WHERE coalesce(l.calls, 0) < c.calls";
    /// Once per batch with apps that have a limit: the lane's leases, and of those that are too small
    /// what all have used and keep.
    STANDINGS = "WITH calls AS (SELECT k.app_id, count(*) AS calls FROM unnest($1::bigint[]) AS c (key)
        JOIN api_keys AS k ON k.token_key = c.key GROUP BY k.app_id)
        SELECT c.app_id, coalesce(l.calls, 0), s.used, s.leased FROM calls AS c
        LEFT JOIN plan_leases AS l ON l.app_id = c.app_id AND l.env = $2 AND l.lane = $3 AND l.month = $4
        LEFT JOIN LATERAL (SELECT
        (SELECT coalesce(sum(u.allowed), 0)::bigint FROM usage AS u
        WHERE u.app_id = c.app_id AND u.env = $2 AND u.day BETWEEN $4 AND $5) AS used,
        (SELECT coalesce(sum(o.calls), 0)::bigint FROM plan_leases AS o
        WHERE o.app_id = c.app_id AND o.env = $2 AND o.month = $4 AND o.lane <> $3) AS leased
        ) AS s ON coalesce(l.calls, 0) < c.calls";
    /// Once per batch and app with a limit.
    SPEND_LEASE = "WITH spent AS (UPDATE plan_leases SET calls = $5
        WHERE app_id = $1 AND env = $2 AND lane = $3 AND month = $4 AND calls = $6 RETURNING 1)
        SELECT must_be(count(*), 1) FROM spent";
    /// As [`SPEND_LEASE`], by who holds the app.
    PUT_LEASE = "INSERT INTO plan_leases (app_id, env, lane, month, calls) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (app_id, env, lane) DO UPDATE SET month = excluded.month, calls = excluded.calls";
    LEASE = "SELECT calls FROM plan_leases
        WHERE app_id = $1 AND env = $2 AND lane = $3 AND month = $4";
    STANDING = "SELECT (SELECT coalesce(sum(allowed), 0)::bigint FROM usage
        WHERE app_id = $1 AND env = $2 AND day BETWEEN $4 AND $5),
        (SELECT coalesce(sum(calls), 0)::bigint FROM plan_leases
        WHERE app_id = $1 AND env = $2 AND month = $4 AND lane <> $3)";
    /// Lanes that keep some and have no batch under way; none can begin until the commit.
    IDLE_LEASES = "SELECT w.lane FROM plan_leases AS l JOIN writers AS w ON w.lane = l.lane
        WHERE l.app_id = $1 AND l.env = $2 AND l.lane <> $3 AND l.calls > 0
        FOR NO KEY UPDATE OF w SKIP LOCKED";
    TAKE_LEASES_BACK = "UPDATE plan_leases SET calls = 0
        WHERE app_id = $1 AND env = $2 AND lane = ANY($3) AND calls > 0";
    DROP_LEASES = "DELETE FROM plan_leases WHERE app_id = $1";
    BEAT = "INSERT INTO nodes (node, seen_at)
        VALUES ($1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
        ON CONFLICT (node) DO UPDATE SET seen_at = excluded.seen_at";
    FORGET_NODES = "DELETE FROM nodes WHERE node <> $1
        AND seen_at < (extract(epoch FROM clock_timestamp()) * 1000)::bigint - $2";
    LEAVE = "DELETE FROM nodes WHERE node = $1";

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
    /// Of all apps; of one environment where it is named.
    ALL_COUNTS = "SELECT coalesce(sum(pending), 0)::bigint, coalesce(sum(active), 0)::bigint,
        coalesce(sum(revoked), 0)::bigint, coalesce(sum(expired), 0)::bigint FROM environments
        WHERE $1::smallint IS NULL OR env = $1";
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
    CONSENT_SESSION = "SELECT row FROM consent_sessions WHERE session_id = $1";
    CONSENT_SESSIONS_OF = "SELECT row FROM consent_sessions
        WHERE app_id = $1 AND env = $2 AND user_id = $3 AND open_until > $4
        ORDER BY open_until, session_id LIMIT $5";
    PUT_CONSENT_SESSION = "INSERT INTO consent_sessions
        (session_id, app_id, env, user_id, open_until, kept_until, row)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (session_id) DO UPDATE SET open_until = excluded.open_until,
        kept_until = excluded.kept_until, row = excluded.row";
    FORGET_CONSENT_SESSIONS = "DELETE FROM consent_sessions AS s USING
        (SELECT session_id FROM consent_sessions WHERE kept_until <= $1 ORDER BY kept_until LIMIT $2
        FOR UPDATE SKIP LOCKED) AS o WHERE s.session_id = o.session_id";
    ACCOUNT = "SELECT row FROM accounts WHERE account_id = $1";
    FIRST_ACCOUNTS = "SELECT row FROM accounts ORDER BY account_id LIMIT $1";
    ACCOUNTS_AFTER = "SELECT row FROM accounts WHERE account_id > $1 ORDER BY account_id LIMIT $2";
    PUT_ACCOUNT = "INSERT INTO accounts (account_id, row) VALUES ($1, $2)
        ON CONFLICT (account_id) DO UPDATE SET row = excluded.row";
    MEMBER = "SELECT row FROM members WHERE app_id = $1 AND account_id = $2";
    MEMBERS_OF = "SELECT row FROM members WHERE app_id = $1 ORDER BY account_id";
    MEMBERSHIPS_OF = "SELECT row FROM members WHERE account_id = $1 ORDER BY app_id";
    PUT_MEMBER = "INSERT INTO members (app_id, account_id, row) VALUES ($1, $2, $3)
        ON CONFLICT (app_id, account_id) DO UPDATE SET row = excluded.row";
    REMOVE_MEMBER = "DELETE FROM members WHERE app_id = $1 AND account_id = $2";
    INVITE = "SELECT row FROM invites WHERE token_key = $1";
    INVITE_BY_ID = "SELECT row FROM invites WHERE invite_id = $1";
    INVITES_OF = "SELECT row FROM invites WHERE app_id = $1 ORDER BY invite_id";
    PUT_INVITE = "INSERT INTO invites (token_key, invite_id, app_id, expires_at, row)
        VALUES ($1, $2, $3, $4, $5)";
    REMOVE_INVITE = "DELETE FROM invites WHERE token_key = $1";
    FORGET_INVITES = "DELETE FROM invites AS i USING
        (SELECT token_key FROM invites WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2
        FOR UPDATE SKIP LOCKED) AS o WHERE i.token_key = o.token_key";
    RESOURCE = "SELECT app_id, env FROM resources WHERE uri = $1";
    /// Of two apps that take a resource at once, one has it.
    PUT_RESOURCE = "WITH put AS (INSERT INTO resources AS r (uri, app_id, env) VALUES ($1, $2, $3)
        ON CONFLICT (uri) DO UPDATE SET env = excluded.env WHERE r.app_id = excluded.app_id
        RETURNING 1) SELECT must_be(count(*), 1) FROM put";
    REMOVE_RESOURCE = "DELETE FROM resources WHERE uri = $1";
    AUTHORIZATION_REQUEST = "SELECT row FROM authorization_requests WHERE request_id = $1";
    PUT_AUTHORIZATION_REQUEST = "INSERT INTO authorization_requests
        (request_id, app_id, kept_until, row) VALUES ($1, $2, $3, $4)
        ON CONFLICT (request_id) DO UPDATE SET kept_until = excluded.kept_until, row = excluded.row";
    FORGET_AUTHORIZATION_REQUESTS = "DELETE FROM authorization_requests AS a USING
        (SELECT request_id FROM authorization_requests WHERE kept_until <= $1 ORDER BY kept_until LIMIT $2
        FOR UPDATE SKIP LOCKED) AS o WHERE a.request_id = o.request_id";
    OAUTH_SECRET = "SELECT row FROM oauth_secrets WHERE token_key = $1";
    PUT_OAUTH_SECRET = "WITH put AS (INSERT INTO oauth_secrets AS s
        (token_key, app_id, grant_key, forget_at, row) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (token_key) DO UPDATE SET forget_at = excluded.forget_at, row = excluded.row
        WHERE s.app_id = excluded.app_id RETURNING 1) SELECT must_be(count(*), 1) FROM put";
    REMOVE_OAUTH_SECRET = "DELETE FROM oauth_secrets WHERE token_key = $1";
    FORGET_OAUTH_SECRETS = "DELETE FROM oauth_secrets AS s USING
        (SELECT token_key FROM oauth_secrets WHERE forget_at <= $1 ORDER BY forget_at LIMIT $2
        FOR UPDATE SKIP LOCKED) AS o WHERE s.token_key = o.token_key";
    OAUTH_GRANT = "SELECT row FROM oauth_grants WHERE connection_id = $1";
    PUT_OAUTH_GRANT = "INSERT INTO oauth_grants (connection_id, row) VALUES ($1, $2)";
    OAUTH_CLIENT = "SELECT row FROM oauth_clients WHERE client_id = $1";
    DUE_OAUTH_CLIENTS = "SELECT client_id FROM oauth_clients WHERE reap_at <= $1
        ORDER BY reap_at, client_id LIMIT $2";
    COUNT_DUE_OAUTH_CLIENTS = "SELECT count(*) FROM
        (SELECT 1 FROM oauth_clients WHERE reap_at <= $1 LIMIT $2) AS due";
    PUT_OAUTH_CLIENT = "INSERT INTO oauth_clients (client_id, reap_at, row) VALUES ($1, $2, $3)
        ON CONFLICT (client_id) DO UPDATE SET reap_at = excluded.reap_at, row = excluded.row";
    REMOVE_OAUTH_CLIENT = "DELETE FROM oauth_clients WHERE client_id = $1";
    PASSKEY = "SELECT row FROM passkeys WHERE passkey = $1";
    PASSKEYS_OF = "SELECT row FROM passkeys WHERE account_id = $1 ORDER BY created_at, passkey";
    PUT_PASSKEY = "INSERT INTO passkeys (passkey, account_id, created_at, row) VALUES ($1, $2, $3, $4)
        ON CONFLICT (passkey) DO UPDATE SET row = excluded.row";
    REMOVE_PASSKEY = "DELETE FROM passkeys WHERE passkey = $1";
    CHALLENGE = "SELECT row FROM challenges WHERE challenge = $1";
    PUT_CHALLENGE = "INSERT INTO challenges (challenge, expires_at, row) VALUES ($1, $2, $3)";
    REMOVE_CHALLENGE = "DELETE FROM challenges WHERE challenge = $1";
    FORGET_CHALLENGES = "DELETE FROM challenges AS c USING
        (SELECT challenge FROM challenges WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2
        FOR UPDATE SKIP LOCKED) AS o WHERE c.challenge = o.challenge";
    OPERATOR = "SELECT row FROM operators WHERE token_key = $1";
    OPERATOR_BY_ID = "SELECT row FROM operators WHERE operator_id = $1";
    OPERATORS = "SELECT row FROM operators ORDER BY operator_id";
    PUT_OPERATOR = "WITH put AS (INSERT INTO operators AS o (token_key, operator_id, row)
        VALUES ($1, $2, $3) ON CONFLICT (token_key) DO UPDATE SET row = excluded.row
        WHERE o.operator_id = excluded.operator_id RETURNING 1) SELECT must_be(count(*), 1) FROM put";
    DROP_OPERATOR = "DELETE FROM operators WHERE operator_id = $1 AND token_key <> $2";
    WAITING_CODE = "SELECT row FROM waiting_codes WHERE handle = $1";
    WAITING_CODES = "SELECT row FROM waiting_codes ORDER BY expires_at, handle";
    PUT_WAITING_CODE = "INSERT INTO waiting_codes (handle, expires_at, row) VALUES ($1, $2, $3)
        ON CONFLICT (handle) DO UPDATE SET expires_at = excluded.expires_at, row = excluded.row";
    DROP_WAITING_CODE = "DELETE FROM waiting_codes WHERE handle = $1";
    FORGET_WAITING_CODES = "DELETE FROM waiting_codes AS c USING
        (SELECT handle FROM waiting_codes WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2
        FOR UPDATE SKIP LOCKED) AS o WHERE c.handle = o.handle";
    SESSION = "SELECT row FROM dashboard_sessions WHERE token_key = $1";
    SESSION_BY_ID = "SELECT row FROM dashboard_sessions WHERE session_id = $1";
    SESSIONS_OF = "SELECT row FROM dashboard_sessions WHERE account = $1 AND session_id < $2
        ORDER BY session_id DESC LIMIT $3";
    PUT_SESSION = "INSERT INTO dashboard_sessions (session_id, token_key, account, ends_at, row)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (session_id) DO UPDATE SET ends_at = excluded.ends_at, row = excluded.row";
    FORGET_SESSIONS = "DELETE FROM dashboard_sessions AS s USING
        (SELECT session_id FROM dashboard_sessions WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2
        FOR UPDATE SKIP LOCKED) AS o WHERE s.session_id = o.session_id";
    MILESTONE = "SELECT at FROM milestones WHERE milestone = $1";
    PUT_MILESTONE = "INSERT INTO milestones (milestone, at) VALUES ($1, $2)
        ON CONFLICT (milestone) DO NOTHING";

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
    ALL_OF_STATUS = "SELECT connection_id, app_id FROM connections WHERE status = $1
        AND ($2::uuid IS NULL OR connection_id < $2) ORDER BY connection_id DESC LIMIT $3";
    /// The apps of a page, in one go.
    APPS_OF = "SELECT row FROM apps WHERE app_id = ANY($1)";
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
    /// A walk through the environments of a user, one step each, however many connections stand
    /// between two of them.
    TENANTS_OF_USER = "WITH RECURSIVE connected AS (
        (SELECT app_id, env FROM connections
        WHERE user_id = $1 AND ($2::uuid IS NULL OR (app_id, env) > ($2, $3))
        ORDER BY app_id, env LIMIT 1)
        UNION ALL SELECT n.app_id, n.env FROM connected AS c CROSS JOIN LATERAL
        (SELECT app_id, env FROM connections
        WHERE user_id = $1 AND (app_id, env) > (c.app_id, c.env)
        ORDER BY app_id, env LIMIT 1) AS n)
        (SELECT app_id, env FROM connected LIMIT $4)
        UNION (SELECT app_id, env FROM consent_sessions WHERE user_id = $1 AND open_until IS NOT NULL
        AND ($2::uuid IS NULL OR (app_id, env) > ($2, $3)))
        ORDER BY app_id, env LIMIT $4";
    /// A walk through the users, one step each.
    USERS = "WITH RECURSIVE walk AS (
        (SELECT user_id FROM connections WHERE user_id >= $1 AND ($2::text IS NULL OR user_id > $2)
        ORDER BY user_id LIMIT 1)
        UNION ALL SELECT n.user_id FROM walk AS w CROSS JOIN LATERAL
        (SELECT user_id FROM connections WHERE user_id > w.user_id ORDER BY user_id LIMIT 1) AS n)
        SELECT user_id FROM walk LIMIT $3";
    USER_COUNTS = "SELECT user_id, app_id, env, status, count(*) FROM connections
        WHERE user_id = ANY($1) GROUP BY user_id, app_id, env, status
        ORDER BY user_id, app_id, env";
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
    /// Of all apps; of one environment where it is named.
    ALL_USAGE = "SELECT u.day, sum(u.allowed)::bigint, sum(u.refused)::bigint FROM environments AS e
        JOIN usage AS u ON u.app_id = e.app_id AND u.env = e.env AND u.day BETWEEN $2 AND $3
        WHERE $1::smallint IS NULL OR e.env = $1 GROUP BY u.day ORDER BY u.day";
    ALL_REFUSALS = "SELECT r.code, sum(r.count)::bigint AS refused FROM environments AS e
        JOIN refusals AS r ON r.app_id = e.app_id AND r.env = e.env AND r.day BETWEEN $2 AND $3
        WHERE $1::smallint IS NULL OR e.env = $1 GROUP BY r.code ORDER BY refused DESC, r.code";
    ADD_REFUSALS = "INSERT INTO refusals AS r (app_id, env, day, code, lane, count)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (app_id, env, day, code, lane) DO UPDATE SET count = r.count + excluded.count";
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
    /// As [`SETTLE`], for one lane.
    SETTLE_LANE = "SELECT lane FROM writers WHERE lane = $1 FOR SHARE";
    /// Waits until every batch under way is over.
    SETTLE = "SELECT lane FROM writers ORDER BY lane FOR SHARE";
    /// The lanes without a batch under way.
    IDLE_LANES = "SELECT lane FROM writers FOR SHARE SKIP LOCKED";
    /// Changes nothing where somebody else has added it meanwhile.
    NEW_LANE = "INSERT INTO writers (lane, writer, batch, records, last_pos, last_at)
        VALUES ($1, 0, 0, 0, 0, NULL) ON CONFLICT (lane) DO NOTHING";
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
    /// Adds up a window of the log, which is read once: by connection, key and label together, and those
    /// sums by each of the three.
    FOLD = "WITH settled AS (SELECT pos, at, calls, connection_id, key_id, app_id, env, label
        FROM audit_log WHERE part >= (SELECT max(part) FROM audit_parts WHERE first_pos <= $1::bigint + 1)
        AND pos > $1 AND pos <= $2 ORDER BY pos LIMIT $3),
        sums AS MATERIALIZED (SELECT connection_id, key_id, app_id, env,
        ((at + 62208000000000) / 86400000 - 720000)::integer AS day, coalesce(label, '') AS label,
        sum(calls)::bigint AS calls, max(at) AS at, max(at) FILTER (WHERE calls IS NOT NULL) AS used_at,
        max(pos) AS pos, count(*) AS records FROM settled GROUP BY 1, 2, 3, 4, 5, 6),
        uses AS (INSERT INTO activity AS a (connection_id, calls, last_used_at)
        SELECT connection_id, sum(calls), max(used_at) FROM sums
        WHERE connection_id IS NOT NULL AND used_at IS NOT NULL
        GROUP BY connection_id ORDER BY connection_id
        ON CONFLICT (connection_id) DO UPDATE SET calls = a.calls + excluded.calls,
        last_used_at = greatest(a.last_used_at, excluded.last_used_at)),
        labels AS (INSERT INTO usage_labels AS u (app_id, env, day, label, calls)
        SELECT app_id, env, day, label, sum(calls) FROM sums
        WHERE calls > 0 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        ON CONFLICT (app_id, env, day, label) DO UPDATE SET calls = u.calls + excluded.calls),
        keys AS (INSERT INTO key_use AS k (key_id, last_used_at)
        SELECT key_id, max(at) FROM sums WHERE key_id IS NOT NULL GROUP BY key_id ORDER BY key_id
        ON CONFLICT (key_id) DO UPDATE SET last_used_at = greatest(k.last_used_at, excluded.last_used_at))
        UPDATE fold SET folded_to = s.pos
        FROM (SELECT max(pos) AS pos, sum(records)::bigint AS records FROM sums) AS s
        WHERE one = 1 AND s.records > 0 RETURNING s.records";
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
