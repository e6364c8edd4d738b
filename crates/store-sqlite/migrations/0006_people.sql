-- What the dashboard asks across apps: a person's connections, connections by status, refusals by code.
-- The indexes by user begin with the user, so that one serves both: an app's user, and a person.

DROP INDEX connections_by_user;
CREATE INDEX connections_by_user ON connections (user_id, tenant, status, connection_id);
CREATE INDEX connections_by_state ON connections (status, connection_id);

DROP INDEX consent_sessions_by_user;
CREATE INDEX consent_sessions_by_user ON consent_sessions (user_id, tenant, open_until, session_id)
  WHERE open_until IS NOT NULL;

-- Refusals as the log counts them; those from before this migration are in the log alone.
CREATE TABLE refusals (
  tenant BLOB    NOT NULL,
  day    INTEGER NOT NULL,
  code   TEXT    NOT NULL,
  count  INTEGER NOT NULL,
  PRIMARY KEY (tenant, day, code)
) STRICT, WITHOUT ROWID;
