//! The store as a whole, handed out table by table ([`agentadmit_store::copy`]).

use std::path::Path;
use std::time::Duration;

use agentadmit_core::app::App;
use agentadmit_core::oauth::request::AuthorizationRequest;
use agentadmit_core::oauth::secret::OAuthSecret;
use agentadmit_core::plan;
use agentadmit_protocol::audit::AuditRecord;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_store::copy::{
    Cell, Outline, SegmentRow, Source, Table, Take, chain_cells, optional, tenant_cells,
};
use agentadmit_store::tables::column::count;
use agentadmit_store::tables::{Grant, unpack};
use agentadmit_store::views::LogPosition;
use agentadmit_store::{Store as _, StoreError};
use rusqlite::{Connection, Row};

use crate::activity::Fold;
use crate::block::records_up;
use crate::bundle;
use crate::codec::{TenantKey, chain};
use crate::connect::{self, Purpose};
use crate::error::{OpenError, Stored};
use crate::lock::StoreLock;
use crate::options::{Access, StoreOptions};
use crate::sql;
use crate::store::SqliteStore;

/// How long one slice of folding may take.
const SLICE: Duration = Duration::from_secs(1);
/// Slices after which folding is given up.
const SLICES: usize = 100_000;
/// Records read at a time.
const PAGE: usize = 2_000;

/// A store that nobody else uses, read as of one moment.
pub struct Whole {
    conn: Connection,
    /// Keeps the lock.
    _store: SqliteStore,
}

impl SqliteStore {
    /// Opens a store to copy it. Nobody else may use it until the result is dropped, so what is copied
    /// is everything that was ever answered. The log is folded first, as the service would.
    ///
    /// # Errors
    /// [`OpenError`]: it is in use, is no store, or has another schema than this version needs.
    pub fn open_whole(path: impl AsRef<Path>, options: StoreOptions) -> Result<Whole, OpenError> {
        let path = path.as_ref().to_owned();
        if !path.exists() {
            return Err(OpenError::Missing(path));
        }
        let lock = StoreLock::alone(&path)?;
        let store = Self::open_locked(path.clone(), options, Access::Service, Some(lock))
            .map_err(OpenError::of(&path))?;
        for _ in 0..SLICES {
            let more = store.maintain(SLICE)?.more;
            let conn = &store.writer.lock().conn;
            if !more && Fold::read(conn)?.window.is_none() {
                break;
            }
        }
        let whole = Whole::read(&path, store)?;
        if Fold::read(&whole.conn)?.window.is_some() {
            let text = "a window of the log is still being folded: start and stop the service once";
            return Err(StoreError::Unavailable(text.to_owned()).into());
        }
        Ok(whole)
    }

    /// Opens a store to say what would be copied. Others may use it, and go on writing.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_outline(path: impl AsRef<Path>, options: StoreOptions) -> Result<Whole, OpenError> {
        let path = path.as_ref().to_owned();
        if !path.exists() {
            return Err(OpenError::Missing(path));
        }
        let store = Self::open(&path, options, Access::Command)?;
        Whole::read(&path, store)
    }
}

impl Whole {
    fn read(path: &Path, store: SqliteStore) -> Result<Self, OpenError> {
        let conn = connect::connect(path, &store.shared.options, Purpose::Maintenance)?;
        conn.execute_batch("BEGIN").stored()?;
        must_know_every_table(&conn)?;
        Ok(Self { conn, _store: store })
    }
}

impl Source for Whole {
    fn outline(&mut self) -> Result<Outline, StoreError> {
        let segments = sql::many(&self.conn, SEGMENTS, [], |row| {
            Ok(SegmentRow {
                segment: row.get(0)?,
                first_pos: row.get(1)?,
                last_pos: row.get(2)?,
                last_at: row.get(3)?,
                state: row.get(4)?,
            })
        })?;
        let end = sql::one(&self.conn, END, [], |row| row.get(0))?.unwrap_or(0);
        let newest = records_up(&self.conn, end, end, 1)?;
        let newest_at = newest.first().map(|(_, record)| record.occurred_at.as_millis());
        let folded_to = Fold::read(&self.conn)?.folded_to;
        Ok(Outline { segments, end, newest_at, folded_to })
    }

    fn count(&mut self, table: &Table) -> Result<u64, StoreError> {
        let sql = if table.name == ACTIVITY {
            "SELECT coalesce(sum(connections), 0) FROM activity".to_owned()
        } else {
            format!("SELECT count(*) FROM {}", reader(table)?.from)
        };
        let rows: Option<i64> = sql::one(&self.conn, &sql, [], |row| row.get(0))?;
        Ok(rows.unwrap_or(0).unsigned_abs())
    }

    fn rows(&mut self, table: &Table, take: Take<'_>) -> Result<(), StoreError> {
        if table.name == ACTIVITY {
            return self.activity(take);
        }
        let reader = reader(table)?;
        let sql = format!("SELECT {} FROM {}", reader.columns, reader.from);
        let mut statement = self.conn.prepare(&sql).stored()?;
        let mut rows = statement.query([]).stored()?;
        while let Some(row) = rows.next().stored()? {
            take((reader.cells)(row)?)?;
        }
        Ok(())
    }

    fn records(
        &mut self,
        segment: &SegmentRow,
        take: &mut dyn FnMut(LogPosition, AuditRecord) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let last = segment.last_pos.unwrap_or(LogPosition::MAX);
        let mut next = segment.first_pos;
        loop {
            let records = records_up(&self.conn, next, last, PAGE)?;
            let Some((newest, _)) = records.last() else { return Ok(()) };
            next = newest.saturating_add(1);
            for (position, record) in records {
                take(position, record)?;
            }
        }
    }
}

impl Whole {
    /// One row for each connection of each bundle.
    fn activity(&self, take: Take<'_>) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare("SELECT row FROM activity ORDER BY low").stored()?;
        let mut rows = statement.query([]).stored()?;
        while let Some(row) = rows.next().stored()? {
            let row: Vec<u8> = row.get(0).stored()?;
            for entry in bundle::entries(&row)? {
                let id = Cell::Uuid(*entry.id.as_bytes());
                take(vec![id, Cell::Big(count(entry.calls)), Cell::Big(entry.at)])?;
            }
        }
        Ok(())
    }
}

/// A table that was added and forgotten here must not be left behind in silence.
fn must_know_every_table(conn: &Connection) -> Result<(), StoreError> {
    let names: Vec<String> = sql::many(conn, ALL_TABLES, [], |row| row.get(0))?;
    let is_known = |name: &&String| {
        READERS.iter().any(|(known, _)| known == *name)
            || *name == ACTIVITY
            || OF_THE_LOG.contains(&name.as_str())
    };
    match names.iter().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => {
            Err(StoreError::Corrupt(format!("nobody knows how to copy the table {name}")))
        }
    }
}

const ALL_TABLES: &str =
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
/// What is not copied row by row: the log, which is copied by records, what is derived from it, and
/// what belongs to the file.
const OF_THE_LOG: &[&str] =
    &["audit_log", "audit_runs", "audit_segments", "audit_terms", "fold", "migrations", "repairs"];
/// The one table whose rows hold several of those that are copied.
const ACTIVITY: &str = "activity";
const SEGMENTS: &str = "SELECT segment, first_pos, last_pos, last_at, state FROM audit_segments
    WHERE state <> 3 ORDER BY segment";
const END: &str = "SELECT max(pos) FROM audit_log";

/// How a table is read.
struct Reader {
    columns: &'static str,
    /// The table, and which of its rows.
    from: &'static str,
    cells: fn(&Row<'_>) -> Result<Vec<Cell>, StoreError>,
}

fn reader(table: &Table) -> Result<&'static Reader, StoreError> {
    READERS
        .iter()
        .find(|(name, _)| *name == table.name)
        .map(|(_, reader)| reader)
        .ok_or_else(|| StoreError::Corrupt(format!("there is no table {}", table.name)))
}

const READERS: &[(&str, Reader)] = &[
    ("apps", Reader { columns: "app_id, row", from: "apps", cells: app }),
    (
        "environments",
        Reader {
            columns: "tenant, state, pending, active, revoked, expired",
            from: "environments",
            cells: |row| {
                let [app_id, env] = tenant(row, 0)?;
                let state: Option<Vec<u8>> = row.get(1).stored()?;
                let state = state.map_or(Cell::Null, Cell::Bytes);
                Ok(vec![app_id, env, state, big(row, 2)?, big(row, 3)?, big(row, 4)?, big(row, 5)?])
            },
        },
    ),
    (
        "scopes",
        Reader {
            columns: "tenant, scope_id, name, holders, row",
            from: "scopes",
            cells: |row| {
                let [app_id, env] = tenant(row, 0)?;
                Ok(vec![app_id, env, big(row, 1)?, text(row, 2)?, big(row, 3)?, bytes(row, 4)?])
            },
        },
    ),
    (
        "api_keys",
        Reader {
            columns: "token_key, app_id, key_id, row",
            from: "api_keys",
            cells: |row| Ok(vec![big(row, 0)?, id(row, 1)?, id(row, 2)?, bytes(row, 3)?]),
        },
    ),
    (
        "public_keys",
        Reader {
            columns: "app_id, position, row",
            from: "public_keys",
            cells: |row| Ok(vec![id(row, 0)?, big(row, 1)?, bytes(row, 2)?]),
        },
    ),
    (
        "spent_assertions",
        Reader {
            columns: "app_id, jti, until",
            from: "spent_assertions",
            cells: |row| Ok(vec![id(row, 0)?, bytes(row, 1)?, big(row, 2)?]),
        },
    ),
    (
        "operators",
        Reader {
            columns: "token_key, operator_id, row",
            from: "operators",
            cells: |row| Ok(vec![big(row, 0)?, id(row, 1)?, bytes(row, 2)?]),
        },
    ),
    ("grants", Reader { columns: "token_key, row", from: "grants", cells: grant }),
    (
        "connections",
        Reader {
            columns: "tenant, connection_id, user_id, status, token_key, due_at",
            from: "connections",
            cells: |row| {
                let [app_id, env] = tenant(row, 0)?;
                let status = Cell::Small(row.get(3).stored()?);
                let due = optional(row.get(5).stored()?);
                Ok(vec![app_id, env, id(row, 1)?, text(row, 2)?, status, big(row, 4)?, due])
            },
        },
    ),
    (
        "connection_tokens",
        Reader {
            columns: "token_key, connection_id",
            from: "connection_tokens",
            cells: |row| Ok(vec![big(row, 0)?, id(row, 1)?]),
        },
    ),
    (
        "usage",
        Reader {
            columns: "tenant, day, allowed, refused",
            from: "usage",
            cells: |row| {
                let [app_id, env] = tenant(row, 0)?;
                let day = Cell::Int(row.get(1).stored()?);
                Ok(vec![app_id, env, day, Cell::Int(0), big(row, 2)?, big(row, 3)?])
            },
        },
    ),
    (
        "usage_labels",
        Reader {
            columns: "tenant, day, label, calls",
            from: "usage_labels",
            cells: |row| {
                let [app_id, env] = tenant(row, 0)?;
                Ok(vec![app_id, env, Cell::Int(row.get(1).stored()?), text(row, 2)?, big(row, 3)?])
            },
        },
    ),
    (
        "key_use",
        Reader {
            columns: "key_id, last_used_at",
            from: "key_use",
            cells: |row| Ok(vec![id(row, 0)?, big(row, 1)?]),
        },
    ),
    (
        "consent_sessions",
        Reader {
            columns: "session_id, tenant, user_id, open_until, kept_until, row",
            from: "consent_sessions",
            cells: |row| {
                let [app_id, env] = tenant(row, 1)?;
                let open_until = optional(row.get(3).stored()?);
                let (user_id, kept_until) = (text(row, 2)?, big(row, 4)?);
                let session = id(row, 0)?;
                Ok(vec![session, app_id, env, user_id, open_until, kept_until, bytes(row, 5)?])
            },
        },
    ),
    (
        "accounts",
        Reader {
            columns: "account_id, row",
            from: "accounts",
            cells: |row| Ok(vec![id(row, 0)?, bytes(row, 1)?]),
        },
    ),
    (
        "members",
        Reader {
            columns: "app_id, account_id, row",
            from: "members",
            cells: |row| Ok(vec![id(row, 0)?, id(row, 1)?, bytes(row, 2)?]),
        },
    ),
    (
        "invites",
        Reader {
            columns: "token_key, invite_id, app_id, expires_at, row",
            from: "invites",
            cells: |row| {
                Ok(vec![big(row, 0)?, id(row, 1)?, id(row, 2)?, big(row, 3)?, bytes(row, 4)?])
            },
        },
    ),
    (
        "resources",
        Reader {
            columns: "uri, tenant",
            from: "resources",
            cells: |row| {
                let [app_id, env] = tenant(row, 1)?;
                Ok(vec![text(row, 0)?, app_id, env])
            },
        },
    ),
    (
        "authorization_requests",
        Reader {
            columns: "request_id, kept_until, row",
            from: "authorization_requests",
            cells: |row| {
                let packed: Vec<u8> = row.get(2).stored()?;
                let request: AuthorizationRequest = unpack(&packed)?;
                let [app_id, _] = tenant_cells(Some(request.tenant));
                Ok(vec![id(row, 0)?, app_id, big(row, 1)?, Cell::Bytes(packed)])
            },
        },
    ),
    (
        "oauth_secrets",
        Reader {
            columns: "token_key, forget_at, row",
            from: "oauth_secrets",
            cells: |row| {
                let packed: Vec<u8> = row.get(2).stored()?;
                let secret: OAuthSecret = unpack(&packed)?;
                let [app_id, _] = tenant_cells(Some(secret.tenant));
                let grant_key = optional(secret.handle().map(SecretHash::key));
                let (key, forget_at) = (big(row, 0)?, big(row, 1)?);
                Ok(vec![key, app_id, grant_key, forget_at, Cell::Bytes(packed)])
            },
        },
    ),
    (
        "oauth_grants",
        Reader {
            columns: "connection_id, row",
            from: "oauth_grants",
            cells: |row| Ok(vec![id(row, 0)?, bytes(row, 1)?]),
        },
    ),
    (
        "oauth_clients",
        Reader {
            columns: "client_id, reap_at, row",
            from: "oauth_clients",
            cells: |row| Ok(vec![id(row, 0)?, big(row, 1)?, bytes(row, 2)?]),
        },
    ),
    (
        "passkeys",
        Reader {
            columns: "passkey, account_id, created_at, row",
            from: "passkeys",
            cells: |row| Ok(vec![bytes(row, 0)?, id(row, 1)?, big(row, 2)?, bytes(row, 3)?]),
        },
    ),
    (
        "challenges",
        Reader {
            columns: "challenge, expires_at, row",
            from: "challenges",
            cells: |row| Ok(vec![bytes(row, 0)?, big(row, 1)?, bytes(row, 2)?]),
        },
    ),
    (
        "waiting_codes",
        Reader {
            columns: "handle, expires_at, row",
            from: "waiting_codes",
            cells: |row| Ok(vec![big(row, 0)?, big(row, 1)?, bytes(row, 2)?]),
        },
    ),
    (
        "dashboard_sessions",
        Reader {
            columns: "session_id, token_key, account, ends_at, row",
            from: "dashboard_sessions",
            cells: |row| {
                let account: Vec<u8> = row.get(2).stored()?;
                // none for an operator's: the nil UUID there
                let account = Cell::Uuid(account.try_into().unwrap_or_default());
                Ok(vec![id(row, 0)?, big(row, 1)?, account, big(row, 3)?, bytes(row, 4)?])
            },
        },
    ),
    (
        "milestones",
        Reader {
            columns: "milestone, at",
            from: "milestones",
            cells: |row| Ok(vec![Cell::Small(row.get(0).stored()?), big(row, 1)?]),
        },
    ),
    (
        "refusals",
        Reader {
            columns: "tenant, day, code, count",
            from: "refusals",
            cells: |row| {
                let [app_id, env] = tenant(row, 0)?;
                let day = Cell::Int(row.get(1).stored()?);
                Ok(vec![app_id, env, day, text(row, 2)?, Cell::Int(0), big(row, 3)?])
            },
        },
    ),
    (
        "sealed_secrets",
        Reader {
            columns: "name, sealed",
            from: "sealed_secrets",
            cells: |row| Ok(vec![text(row, 0)?, bytes(row, 1)?]),
        },
    ),
    (
        "audit_segment_chains",
        Reader {
            columns: "segment, tenant, chain, last_seq, last_hash",
            // of one that is being closed not all are there yet: whoever gets it gathers them
            from: "audit_segment_chains
                WHERE segment IN (SELECT segment FROM audit_segments WHERE state = 2)",
            cells: |row| {
                let [app_id, env] = tenant(row, 1)?;
                Ok(vec![big(row, 0)?, app_id, env, id(row, 2)?, big(row, 3)?, bytes(row, 4)?])
            },
        },
    ),
    (
        "chains",
        Reader {
            columns: "chain, tenant, writer, open, row",
            from: "chains",
            cells: |row| Ok(chain_cells(&chain(row).stored()?)),
        },
    ),
];

fn app(row: &Row<'_>) -> Result<Vec<Cell>, StoreError> {
    let packed: Vec<u8> = row.get(1).stored()?;
    let app: App = unpack(&packed)?;
    let limited = plan::refusal_limit(&app.plan).is_some();
    Ok(vec![id(row, 0)?, Cell::Bool(limited), Cell::Bytes(packed)])
}

fn grant(row: &Row<'_>) -> Result<Vec<Cell>, StoreError> {
    let packed: Vec<u8> = row.get(1).stored()?;
    let grant: Grant = unpack(&packed)?;
    let app_id = *grant.connection.tenant.app_id.as_bytes();
    Ok(vec![Cell::Uuid(app_id), big(row, 0)?, Cell::Bytes(packed)])
}

fn tenant(row: &Row<'_>, column: usize) -> Result<[Cell; 2], StoreError> {
    let TenantKey(tenant) = row.get(column).stored()?;
    Ok(tenant_cells(tenant))
}

fn big(row: &Row<'_>, column: usize) -> Result<Cell, StoreError> {
    Ok(Cell::Big(row.get(column).stored()?))
}

fn text(row: &Row<'_>, column: usize) -> Result<Cell, StoreError> {
    Ok(Cell::Text(row.get(column).stored()?))
}

fn bytes(row: &Row<'_>, column: usize) -> Result<Cell, StoreError> {
    Ok(Cell::Bytes(row.get(column).stored()?))
}

fn id(row: &Row<'_>, column: usize) -> Result<Cell, StoreError> {
    Ok(Cell::Uuid(row.get(column).stored()?))
}
