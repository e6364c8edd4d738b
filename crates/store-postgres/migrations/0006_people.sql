-- What the dashboard asks across apps: a person's connections, connections by status, refusals by code.
-- The indexes by user begin with the user, so that one serves both: an app's user, and a person.

DROP INDEX connections_by_user;
CREATE INDEX connections_by_user ON connections (user_id, app_id, env, status, connection_id);
CREATE INDEX connections_by_state ON connections (status, connection_id);

DROP INDEX consent_sessions_by_user;
CREATE INDEX consent_sessions_by_user ON consent_sessions (user_id, app_id, env, open_until, session_id)
  WHERE open_until IS NOT NULL;

-- Refusals as the log counts them; those from before this migration are in the log alone. One row per
-- writer, as in `usage`.
CREATE TABLE refusals (
  app_id uuid     NOT NULL,
  env    smallint NOT NULL,
  day    integer  NOT NULL,
  code   text     COLLATE "C" NOT NULL,
  lane   integer  NOT NULL,
  count  bigint   NOT NULL,
  PRIMARY KEY (app_id, env, day, code, lane)
);
