//! The version after this one, played in a test: a column of `grants` gets another name, in a step that
//! adds and one that takes away, while two nodes are replaced one after the other under load. No
//! caller sees an error, and wherever it stops, what runs goes on.
//!
//! The next version is this code with other migrations and statements; `cargo xtask upgrade` does the
//! same with the binaries of two versions.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::sync::OnceLock;

use agentadmit_store_postgres::migrations::MIGRATIONS;
use agentadmit_store_postgres::{
    Migrated, NextVersion, OpenError, PostgresOptions, PostgresStore, statements,
};
use agentadmit_testkit::fleet::Fleet;
use agentadmit_testkit::postgres::{Database, PostgresServer};
use agentadmit_testkit::process::ServiceProcess;
use agentadmit_testkit::service::TestService;
use agentadmit_testkit::store::tables::history::Migration;
use agentadmit_testkit::world::{App, no_rate_limits};

/// A test that looks so often has failed.
const LOOKS: usize = 1_000;
/// Adds the new column and keeps both alike, whichever of them is written.
const EXPAND: &str = "
ALTER TABLE grants ADD COLUMN body bytea;
CREATE FUNCTION both_grants() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.row IS DISTINCT FROM OLD.row OR NEW.body IS NULL THEN
    NEW.body := NEW.row;
  ELSE
    NEW.row := NEW.body;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER alike BEFORE INSERT OR UPDATE ON grants FOR EACH ROW EXECUTE FUNCTION both_grants();
UPDATE grants SET body = row;";
/// Takes the old one away.
const CONTRACT: &str = "-- needs: 9001
DROP TRIGGER alike ON grants;
DROP FUNCTION both_grants();
ALTER TABLE grants DROP COLUMN row;";

/// All migrations of the next version.
fn history() -> &'static [Migration] {
    static HISTORY: OnceLock<Vec<Migration>> = OnceLock::new();
    HISTORY.get_or_init(|| {
        let mut all = MIGRATIONS.to_vec();
        all.push(Migration { version: 9001, name: "grants_body", sql: EXPAND });
        all.push(Migration { version: 9002, name: "grants_without_row", sql: CONTRACT });
        all
    })
}

/// What the next version says: it knows nothing of the old column.
fn says(sql: &str) -> Option<&'static str> {
    static LATER: OnceLock<HashMap<&str, String>> = OnceLock::new();
    let later = LATER.get_or_init(|| {
        let of_grants = statements::ALL.iter().filter(|(_, sql)| sql.contains("grants"));
        let later = of_grants.map(|(_, sql)| {
            let text = sql
                .replace("g.row", "g.body")
                .replace("SELECT token_key, row FROM grants", "SELECT token_key, body FROM grants")
                .replace("UPDATE grants SET row", "UPDATE grants SET body")
                .replace(
                    "INTO grants (app_id, token_key, row)",
                    "INTO grants (app_id, token_key, body)",
                );
            (*sql, text)
        });
        later.collect()
    });
    later.get(sql).map(String::as_str)
}

fn next() -> PostgresOptions {
    let next = Some(NextVersion { history: history(), statements: says });
    PostgresOptions { next, ..PostgresOptions::new() }
}

/// Which version a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    This,
    Next,
}

/// Two nodes of this version and their database.
struct Upgrade {
    database: Database,
    fleet: Fleet<TestService>,
    app: App,
}

impl Upgrade {
    fn begin() -> Self {
        let database = PostgresServer::shared().database();
        let fleet = Fleet::new([(); 2].map(|()| node(&database, Version::This)));
        let app = ServiceProcess::operator_at(fleet.address(0)).app(&no_rate_limits());
        Self { database, fleet, app }
    }

    /// Does something under load; afterwards no caller has seen an error, and everything that was
    /// answered is there.
    fn under_load(&self, work: impl FnOnce()) {
        let evidence = self.fleet.under_load(&self.app, work);
        assert!(evidence.records() > 50 && evidence.connections() > 10);
    }

    fn replace(&self, number: usize, version: Version) {
        self.fleet.replace(number, || node(&self.database, version));
        self.fleet.check(&self.app);
    }

    /// As `agentadmit migrate` of the next version.
    fn migrate(&self) -> Migrated {
        let migrated = PostgresStore::migrate(&self.database.url(), next()).unwrap();
        self.fleet.go_on();
        migrated
    }

    /// Migrates until nothing waits: the server notices in its own time that a node is gone.
    fn migrate_to_the_end(&self) {
        for _ in 0..LOOKS {
            if self.migrate().waiting.is_none() {
                return;
            }
        }
        panic!("{:?}", self.migrate());
    }

    fn open(&self, version: Version) -> OpenError {
        PostgresStore::open(&self.database.url(), options(version)).err().unwrap()
    }
}

fn options(version: Version) -> PostgresOptions {
    if version == Version::This { PostgresOptions::new() } else { next() }
}

fn node(database: &Database, version: Version) -> TestService {
    TestService::on_postgres_with(&database.url(), options(version))
}

#[test]
fn nodes_are_replaced_after_the_step_that_adds_and_before_the_one_that_takes_away() {
    if PostgresServer::is_left_out() {
        return;
    }
    let upgrade = Upgrade::begin();
    upgrade.under_load(|| {
        let migrated = upgrade.migrate();
        assert_eq!(migrated.applied, 1);
        assert_eq!(migrated.waiting.unwrap().version, 9002, "this version still runs");
        // stopped here: this version goes on, and starts, on what was added
        upgrade.replace(0, Version::This);
        upgrade.replace(0, Version::Next);
        // stopped here: one of each, and then the other way round
        assert_eq!(upgrade.migrate().applied, 0);
        upgrade.replace(1, Version::Next);
        upgrade.replace(0, Version::This);
        let migrated = upgrade.migrate();
        assert!(migrated.applied == 0 && migrated.waiting.is_some(), "somebody went back");
        upgrade.replace(0, Version::Next);
        upgrade.migrate_to_the_end();
        upgrade.fleet.check(&upgrade.app);
        // and now there is no way back, which is said
        let error = upgrade.open(Version::This);
        assert!(matches!(error, OpenError::History(_)), "{error}");
        upgrade.replace(1, Version::Next);
    });
}

#[test]
fn a_node_that_comes_before_the_step_it_needs_does_not_start_and_nobody_notices() {
    if PostgresServer::is_left_out() {
        return;
    }
    let upgrade = Upgrade::begin();
    upgrade.under_load(|| {
        let error = upgrade.open(Version::Next);
        assert!(matches!(error, OpenError::SchemaTooOld { .. }), "{error}");
        assert!(error.to_string().contains("agentadmit migrate"), "{error}");
        upgrade.fleet.check(&upgrade.app);
        // the other node first, this time
        assert_eq!(upgrade.migrate().applied, 1);
        upgrade.replace(1, Version::Next);
        upgrade.replace(0, Version::Next);
        upgrade.migrate_to_the_end();
        upgrade.fleet.check(&upgrade.app);
    });
}
