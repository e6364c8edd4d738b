//! What is answered is on the disk: a session waits for the flush of its commits, and the database
//! flushes.

use deadpool_postgres::{Hook, HookError};

/// Keeps a session's own `synchronous_commit`, so that a change of the server's configuration no
/// longer reaches it, and makes `off` `on`; says whether the server flushes at all.
const PIN: &str = "SELECT current_setting('fsync') = 'on', set_config('synchronous_commit',
    CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
    ELSE current_setting('synchronous_commit') END, false)";

/// What to do about a database that does not flush.
const NO_FLUSH: &str = "the database runs with fsync = off: a power cut would lose what was answered, \
                        revocations included; switch it on, or, where nothing of it matters, say \
                        fsync=off in the address";

/// What every new connection goes through before it is lent.
pub(crate) fn on_every_connection(may_lose: bool) -> Hook {
    Hook::async_fn(move |client, _| {
        Box::pin(async move {
            let row = client.query_one(PIN, &[]).await.map_err(HookError::Backend)?;
            let flushes: bool = row.try_get(0).map_err(HookError::Backend)?;
            if flushes || may_lose { Ok(()) } else { Err(HookError::message(NO_FLUSH)) }
        })
    })
}

#[cfg(test)]
mod tests {
    use agentadmit_testkit::postgres::Cluster;

    use crate::options::PostgresOptions;
    use crate::store::{PostgresStore, Shared};

    #[test]
    fn a_database_that_does_not_flush_is_refused_unless_that_is_accepted() {
        let server = Cluster::start();
        let accepts = server.url();
        let demands = accepts.replace("fsync=off", "fsync=on");
        for refused in [demands.as_str(), accepts.split('?').next().unwrap()] {
            let opened = PostgresStore::open(refused, PostgresOptions::new());
            let error = opened.err().unwrap().to_string();
            assert!(error.contains("fsync = off: a power cut would lose"), "{error}");
        }
        PostgresStore::open(&accepts, PostgresOptions::new()).unwrap();
    }

    #[test]
    fn a_session_waits_for_its_flush_whatever_is_set_before_or_later() {
        let server = Cluster::start();
        let shown = |shared: &Shared| -> String {
            let row = shared.link().unwrap().one("SHOW synchronous_commit", &[]).unwrap();
            row.unwrap().get(0)
        };
        for (set, is) in [("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")] {
            server.sql(&format!("ALTER DATABASE agentadmit SET synchronous_commit = {set}"));
            let shared = Shared::new(&server.url(), PostgresOptions::new(), 0).unwrap();
            assert_eq!(shown(&shared), is, "set before");
            // the session is the same: the pool lends what it has
            server.sql("ALTER DATABASE agentadmit RESET synchronous_commit");
            server.sql("ALTER SYSTEM SET synchronous_commit = off");
            server.sql("SELECT pg_reload_conf()");
            while server.sql("SHOW synchronous_commit") != "off" {
                std::thread::yield_now();
            }
            assert_eq!(shown(&shared), is, "set while it runs");
            server.sql("ALTER SYSTEM RESET synchronous_commit");
            server.sql("SELECT pg_reload_conf()");
        }
    }
}
