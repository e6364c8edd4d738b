-- What step 6 comes to where there are rows: its indexes are built while everybody writes, and take their
-- places in the transaction of the rest.

CREATE INDEX CONCURRENTLY connections_by_person ON connections (user_id, app_id, env, status, connection_id);
CREATE INDEX CONCURRENTLY connections_by_state ON connections (status, connection_id);
CREATE INDEX CONCURRENTLY consent_sessions_by_person ON consent_sessions (user_id, app_id, env, open_until, session_id)
  WHERE open_until IS NOT NULL;

DROP INDEX connections_by_user;
ALTER INDEX connections_by_person RENAME TO connections_by_user;

DROP INDEX consent_sessions_by_user;
ALTER INDEX consent_sessions_by_person RENAME TO consent_sessions_by_user;

CREATE TABLE refusals (
  app_id uuid     NOT NULL,
  env    smallint NOT NULL,
  day    integer  NOT NULL,
  code   text     COLLATE "C" NOT NULL,
  lane   integer  NOT NULL,
  count  bigint   NOT NULL,
  PRIMARY KEY (app_id, env, day, code, lane)
);
