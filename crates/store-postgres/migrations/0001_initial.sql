-- The first schema. What each table, key and index is for: docs/POSTGRES.md.
-- An app's rows are found by `app_id`, the service's own by the nil UUID with environment -1.
-- A `row` is one byte of version and a postcard text of the struct of the same name.

-- Ends a statement, and with it the transaction, when what was expected is not so. In this way a
-- batch of statements that is sent without waiting still stops at the first surprise.
CREATE FUNCTION must_be(touched bigint, expected bigint) RETURNS bigint
  LANGUAGE plpgsql AS $$
BEGIN
  IF touched IS DISTINCT FROM expected THEN
    RAISE EXCEPTION 'somebody else changed a row meanwhile' USING ERRCODE = '40001';
  END IF;
  RETURN touched;
END $$;

CREATE TABLE apps (
  app_id  uuid    PRIMARY KEY,
  limited boolean NOT NULL,
  row     bytea   NOT NULL
);

CREATE TABLE environments (
  app_id  uuid     NOT NULL,
  env     smallint NOT NULL,
  state   bytea,
  pending bigint   NOT NULL DEFAULT 0 CHECK (pending >= 0),
  active  bigint   NOT NULL DEFAULT 0 CHECK (active >= 0),
  revoked bigint   NOT NULL DEFAULT 0 CHECK (revoked >= 0),
  expired bigint   NOT NULL DEFAULT 0 CHECK (expired >= 0),
  PRIMARY KEY (app_id, env)
);

CREATE TABLE scopes (
  app_id   uuid     NOT NULL,
  env      smallint NOT NULL,
  scope_id bigint   NOT NULL,
  name     text     NOT NULL,
  holders  bigint   NOT NULL DEFAULT 0 CHECK (holders >= 0),
  row      bytea    NOT NULL,
  PRIMARY KEY (app_id, env, scope_id)
);

CREATE TABLE api_keys (
  token_key bigint PRIMARY KEY,
  app_id    uuid   NOT NULL,
  key_id    uuid   NOT NULL,
  row       bytea  NOT NULL
);
CREATE UNIQUE INDEX api_keys_by_app ON api_keys (app_id, key_id);

CREATE TABLE public_keys (
  app_id   uuid   NOT NULL,
  position bigint NOT NULL,
  row      bytea  NOT NULL,
  PRIMARY KEY (app_id, position)
);

CREATE TABLE spent_assertions (
  app_id uuid   NOT NULL,
  jti    bytea  NOT NULL,
  until  bigint NOT NULL,
  PRIMARY KEY (app_id, jti)
);
CREATE INDEX spent_assertions_by_end ON spent_assertions (until);

CREATE TABLE operators (
  token_key   bigint PRIMARY KEY,
  operator_id uuid   NOT NULL,
  row         bytea  NOT NULL
);
CREATE UNIQUE INDEX operators_by_id ON operators (operator_id);

CREATE TABLE grants (
  app_id    uuid   NOT NULL,
  token_key bigint NOT NULL,
  row       bytea  NOT NULL,
  PRIMARY KEY (app_id, token_key)
);
CREATE UNIQUE INDEX grants_by_token ON grants (token_key);

CREATE TABLE connections (
  app_id        uuid     NOT NULL,
  env           smallint NOT NULL,
  connection_id uuid     NOT NULL,
  user_id       text     COLLATE "C" NOT NULL,
  status        smallint NOT NULL,
  token_key     bigint   NOT NULL,
  due_at        bigint,
  PRIMARY KEY (connection_id)
);
CREATE INDEX connections_by_user ON connections (app_id, env, user_id, status, connection_id);
CREATE INDEX connections_by_status ON connections (app_id, env, status, connection_id);
CREATE INDEX connections_by_end ON connections (due_at, connection_id) WHERE due_at IS NOT NULL;

CREATE TABLE connection_tokens (
  token_key     bigint PRIMARY KEY,
  connection_id uuid   NOT NULL
);

CREATE TABLE activity (
  connection_id uuid   PRIMARY KEY,
  calls         bigint NOT NULL,
  last_used_at  bigint
);

-- One row per writer, so that no row is written by two nodes.
CREATE TABLE usage (
  app_id  uuid     NOT NULL,
  env     smallint NOT NULL,
  day     integer  NOT NULL,
  lane    integer  NOT NULL,
  allowed bigint   NOT NULL,
  refused bigint   NOT NULL,
  PRIMARY KEY (app_id, env, day, lane)
) WITH (fillfactor = 50);

CREATE TABLE usage_labels (
  app_id uuid     NOT NULL,
  env    smallint NOT NULL,
  day    integer  NOT NULL,
  label  text     COLLATE "C" NOT NULL,
  calls  bigint   NOT NULL,
  PRIMARY KEY (app_id, env, day, label)
);

-- Up to where the log was folded into `activity`, `usage_labels` and `key_use`.
CREATE TABLE fold (
  one       integer PRIMARY KEY CHECK (one = 1),
  folded_to bigint  NOT NULL
);
INSERT INTO fold VALUES (1, 0);

-- Who writes: one row per lane, written by nobody else. Its lock is held while a batch is under way.
CREATE TABLE writers (
  lane     integer PRIMARY KEY,
  writer   bigint  NOT NULL,
  batch    bigint  NOT NULL,
  records  bigint  NOT NULL,
  last_pos bigint  NOT NULL,
  last_at  bigint
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

-- Read by every batch, written hardly ever: the partition that records go to, and how many lanes
-- share the positions.
CREATE TABLE log_state (
  one   integer PRIMARY KEY CHECK (one = 1),
  part  integer NOT NULL,
  lanes integer NOT NULL
);
INSERT INTO log_state VALUES (1, 1, 1);

-- The parts of the log as they lie in the database, oldest first. `last_pos`: no record will come.
CREATE TABLE audit_parts (
  part      integer PRIMARY KEY,
  first_pos bigint  NOT NULL,
  last_pos  bigint,
  indexed   boolean NOT NULL
);
INSERT INTO audit_parts VALUES (1, 1, NULL, false);

-- `calls`: NULL where the record is no use of a live connection. `event`: NULL is `verified`.
CREATE TABLE audit_log (
  pos           bigint   NOT NULL,
  part          integer  NOT NULL,
  env           smallint NOT NULL,
  app_id        uuid     NOT NULL,
  chain         uuid     NOT NULL,
  seq           bigint   NOT NULL,
  at            bigint   NOT NULL,
  calls         bigint,
  connection_id uuid,
  key_id        uuid,
  user_id       text     COLLATE "C",
  event         text     COLLATE "C",
  label         text     COLLATE "C",
  row           bytea    NOT NULL,
  PRIMARY KEY (pos, part)
) PARTITION BY LIST (part);
CREATE TABLE audit_log_1 PARTITION OF audit_log FOR VALUES IN (1);

-- The stretches of the log by which retention goes. state: 0 open, 2 closed, 3 dropped
CREATE TABLE audit_segments (
  segment   bigint   PRIMARY KEY,
  first_pos bigint   NOT NULL,
  last_pos  bigint,
  last_at   bigint,
  state     smallint NOT NULL,
  records   bigint   NOT NULL
);
INSERT INTO audit_segments VALUES (1, 1, NULL, NULL, 0, 0);

CREATE TABLE audit_segment_chains (
  segment   bigint   NOT NULL,
  app_id    uuid     NOT NULL,
  env       smallint NOT NULL,
  chain     uuid     NOT NULL,
  last_seq  bigint   NOT NULL,
  last_hash bytea    NOT NULL,
  PRIMARY KEY (segment, app_id, env, chain)
);

-- writer: NULL for a register
CREATE TABLE chains (
  chain     uuid     PRIMARY KEY,
  app_id    uuid     NOT NULL,
  env       smallint NOT NULL,
  writer    bigint,
  open      boolean  NOT NULL,
  tail_seq  bigint   NOT NULL,
  tail_hash bytea    NOT NULL,
  head_seq  bigint   NOT NULL,
  head_hash bytea    NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX chains_by_tenant ON chains (app_id, env, writer);
CREATE UNIQUE INDEX registers ON chains (app_id, env) WHERE writer IS NULL;
CREATE INDEX chains_by_writer ON chains (writer, chain) WHERE open AND writer IS NOT NULL;

CREATE TABLE sealed_secrets (
  name   text  COLLATE "C" PRIMARY KEY,
  sealed bytea NOT NULL
);
