-- The first schema. What each table, key and index is for: docs/STORAGE.md.
-- A `tenant` is 17 bytes, the app's id and one byte for the environment; empty for the service's own.
-- A `row` is one byte of version and a postcard text of the struct of the same name.

CREATE TABLE apps (
  app_id BLOB NOT NULL PRIMARY KEY,
  row    BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE environments (
  tenant  BLOB    NOT NULL PRIMARY KEY,
  state   BLOB,
  pending INTEGER NOT NULL DEFAULT 0 CHECK (pending >= 0),
  active  INTEGER NOT NULL DEFAULT 0 CHECK (active >= 0),
  revoked INTEGER NOT NULL DEFAULT 0 CHECK (revoked >= 0),
  expired INTEGER NOT NULL DEFAULT 0 CHECK (expired >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE scopes (
  tenant   BLOB    NOT NULL,
  scope_id INTEGER NOT NULL,
  name     TEXT    NOT NULL,
  holders  INTEGER NOT NULL DEFAULT 0 CHECK (holders >= 0),
  row      BLOB    NOT NULL,
  PRIMARY KEY (tenant, scope_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
  token_key INTEGER PRIMARY KEY,
  app_id    BLOB NOT NULL,
  key_id    BLOB NOT NULL,
  row       BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX api_keys_by_app ON api_keys (app_id, key_id);

CREATE TABLE public_keys (
  app_id   BLOB    NOT NULL,
  position INTEGER NOT NULL,
  row      BLOB    NOT NULL,
  PRIMARY KEY (app_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE spent_assertions (
  app_id BLOB    NOT NULL,
  jti    BLOB    NOT NULL,
  until  INTEGER NOT NULL,
  PRIMARY KEY (app_id, jti)
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_assertions_by_end ON spent_assertions (until);

CREATE TABLE operators (
  token_key   INTEGER PRIMARY KEY,
  operator_id BLOB NOT NULL,
  row         BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX operators_by_id ON operators (operator_id);

CREATE TABLE grants (
  token_key INTEGER PRIMARY KEY,
  row       BLOB NOT NULL
) STRICT;

CREATE TABLE connections (
  connection_id BLOB    NOT NULL PRIMARY KEY,
  tenant        BLOB    NOT NULL,
  user_id       TEXT    NOT NULL,
  status        INTEGER NOT NULL,
  token_key     INTEGER NOT NULL,
  due_at        INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX connections_by_user ON connections (tenant, user_id, status, connection_id);
CREATE INDEX connections_by_status ON connections (tenant, status, connection_id);
CREATE INDEX connections_by_end ON connections (due_at, connection_id) WHERE due_at IS NOT NULL;

CREATE TABLE connection_tokens (
  token_key     INTEGER PRIMARY KEY,
  connection_id BLOB NOT NULL
) STRICT;

CREATE TABLE activity (
  connection_id BLOB    NOT NULL PRIMARY KEY,
  calls         INTEGER NOT NULL,
  last_used_at  INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE usage (
  tenant  BLOB    NOT NULL,
  day     INTEGER NOT NULL,
  allowed INTEGER NOT NULL,
  refused INTEGER NOT NULL,
  PRIMARY KEY (tenant, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_labels (
  tenant BLOB    NOT NULL,
  day    INTEGER NOT NULL,
  label  TEXT    NOT NULL,
  calls  INTEGER NOT NULL,
  PRIMARY KEY (tenant, day, label)
) STRICT, WITHOUT ROWID;

-- Up to where the log was folded into `activity` and `usage_labels`. While a window is being
-- folded, keys up to `window_after` have it already.
CREATE TABLE fold (
  one          INTEGER PRIMARY KEY CHECK (one = 1),
  generation   INTEGER NOT NULL,
  folded_to    INTEGER NOT NULL,
  window_to    INTEGER,
  window_after BLOB
) STRICT;
INSERT INTO fold VALUES (1, 0, 0, NULL, NULL);

CREATE TABLE audit_log (
  pos INTEGER PRIMARY KEY,
  row BLOB NOT NULL
) STRICT;

-- Where the times of the log begin anew: an operator accepted a clock that had been set back.
CREATE TABLE audit_runs (
  first_pos INTEGER PRIMARY KEY
) STRICT;

-- state: 0 open, 1 closing (its index is being built), 2 closed, 3 dropped (its rows are going)
CREATE TABLE audit_segments (
  segment   INTEGER PRIMARY KEY,
  first_pos INTEGER NOT NULL,
  last_pos  INTEGER,
  last_at   INTEGER,
  state     INTEGER NOT NULL
) STRICT;
INSERT INTO audit_segments VALUES (1, 1, NULL, NULL, 0);

CREATE TABLE audit_segment_chains (
  segment   INTEGER NOT NULL,
  tenant    BLOB    NOT NULL,
  chain     BLOB    NOT NULL,
  first_seq INTEGER NOT NULL,
  last_seq  INTEGER NOT NULL,
  last_hash BLOB    NOT NULL,
  PRIMARY KEY (segment, tenant, chain)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_terms (
  segment INTEGER NOT NULL,
  term    INTEGER NOT NULL,
  pos     INTEGER NOT NULL,
  PRIMARY KEY (segment, term, pos)
) STRICT, WITHOUT ROWID;

-- writer: NULL for a register
CREATE TABLE chains (
  chain  BLOB    NOT NULL PRIMARY KEY,
  tenant BLOB    NOT NULL,
  writer INTEGER,
  open   INTEGER NOT NULL,
  row    BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX chains_by_tenant ON chains (tenant, writer);
CREATE INDEX chains_by_writer ON chains (writer, chain) WHERE open = 1 AND writer IS NOT NULL;

CREATE TABLE sealed_secrets (
  name   TEXT NOT NULL PRIMARY KEY,
  sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Counts how often the writer had to be opened anew after a failed write. The write itself is the
-- point: it covers what a failed commit may have left in the write-ahead log.
CREATE TABLE repairs (
  one   INTEGER PRIMARY KEY CHECK (one = 1),
  count INTEGER NOT NULL
) STRICT;
INSERT INTO repairs VALUES (1, 0);
