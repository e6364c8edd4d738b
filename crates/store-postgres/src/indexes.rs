//! Indexes of tables that have rows: built while everybody reads and writes, before the transaction of
//! the step that they belong to.
//!
//! A step says so by beginning with `CREATE INDEX CONCURRENTLY`. What breaks off leaves an index that
//! the database does not use: it is dropped and built anew.

use std::borrow::Cow;

use agentadmit_store::StoreError;
use agentadmit_store::tables::history::Migration;

use crate::codec::column;
use crate::error::Fault;
use crate::link::Link;

/// Steps whose texts are from before there was this way, as they are applied where there are rows. They
/// are known by the text that they always had, and come to the same.
const ONLINE: &[(i64, &str)] = &[(6, include_str!("../migrations/online/0006_people.sql"))];
const CONCURRENTLY: &str = "INDEX CONCURRENTLY ";
/// Of an index of this name, whether it may be used.
const IS_VALID: &str =
    "SELECT i.indisvalid FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
    WHERE c.relname = $1 AND c.relnamespace = current_schema()::regnamespace";
/// It takes as long as it takes, and nobody waits for it.
const NO_LIMITS: &str = "SET statement_timeout = 0; SET lock_timeout = 0";
const LIMITS: &str = "RESET statement_timeout; RESET lock_timeout";
/// How often an index is begun that somebody was in the way of.
const ATTEMPTS: usize = 3;

/// A step as it is applied to a database that has rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithRows {
    /// Indexes that are built first, one after the other, outside of any transaction.
    pub indexes: Vec<Index>,
    /// The rest, in one transaction.
    pub rest: &'static str,
}

/// An index that is built while everybody goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: &'static str,
    /// What makes it.
    pub sql: &'static str,
}

/// The text of a step for a database that has rows.
pub(crate) fn text_with_rows(step: &Migration) -> &'static str {
    let online = ONLINE.iter().find(|(version, _)| *version == step.version);
    online.map_or(step.sql, |(_, sql)| sql)
}

/// The text of a step where no table has a row yet: one transaction.
pub(crate) fn text_at_once(step: &Migration) -> Cow<'static, str> {
    if step.sql.contains(CONCURRENTLY) {
        Cow::Owned(step.sql.replace(CONCURRENTLY, "INDEX "))
    } else {
        Cow::Borrowed(step.sql)
    }
}

impl WithRows {
    /// Of a step.
    pub fn of(step: &Migration) -> Self {
        let mut rest = without_comments(text_with_rows(step));
        let mut indexes = Vec::new();
        while let Some((sql, after)) = rest.split_once(';')
            && let Some((kind, made)) = sql.split_once(CONCURRENTLY)
            && ["CREATE ", "CREATE UNIQUE "].contains(&kind)
        {
            let name = made.split_whitespace().next().unwrap_or_default();
            indexes.push(Index { name, sql });
            rest = without_comments(after);
        }
        Self { indexes, rest }
    }

    /// Whether its transaction may begin.
    pub(crate) fn is_prepared(&self, link: &Link) -> Result<bool, Fault> {
        for index in &self.indexes {
            if index.is_valid(link)? != Some(true) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Builds its indexes, those that are there already left alone.
    pub(crate) fn prepare(&self, link: &Link) -> Result<(), Fault> {
        link.script(NO_LIMITS)?;
        let built = self.indexes.iter().try_for_each(|index| index.build(link));
        // the session may be lent to somebody else
        let limited = link.script(LIMITS);
        built?;
        limited
    }
}

impl Index {
    /// `None`: there is none of this name.
    fn is_valid(&self, link: &Link) -> Result<Option<bool>, Fault> {
        let row = link.one(IS_VALID, &[&self.name])?;
        Ok(row.map(|row| column(&row, 0)).transpose()?)
    }

    fn build(&self, link: &Link) -> Result<(), Fault> {
        let Self { name, sql } = self;
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.is_valid(link)? {
                Some(true) => return Ok(()),
                Some(false) => {
                    tracing::info!(name, "an index that was not finished is built anew");
                    link.patient_script(&format!("DROP INDEX CONCURRENTLY {name}"))?;
                }
                None => {}
            }
            tracing::info!(name, "an index is built; nobody waits for it");
            match link.patient_script(sql) {
                Ok(()) if self.is_valid(link)? == Some(true) => return Ok(()),
                Ok(()) => {
                    let text = format!("the index {name} was built and is not there");
                    return Err(StoreError::Corrupt(text).into());
                }
                Err(Fault::Again(text)) if attempts < ATTEMPTS => {
                    tracing::info!(name, %text, "an index is begun again");
                }
                Err(fault) => return Err(fault),
            }
        }
    }
}

/// The text from its first statement on.
fn without_comments(mut text: &'static str) -> &'static str {
    loop {
        text = text.trim_start();
        if !text.starts_with("--") {
            return text;
        }
        text = text.split_once('\n').map_or("", |(_, after)| after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_stand_first_and_the_rest_stays_as_it_is() {
        const SQL: &str = "-- Two.\n-- needs: 3\nCREATE INDEX CONCURRENTLY a ON t (x)\n  WHERE x > 0;\n\
            -- unique\nCREATE UNIQUE INDEX CONCURRENTLY b ON t (y);\n\
            CREATE FUNCTION f() AS $$ BEGIN; END $$;";
        let step = Migration { version: 9, name: "nine", sql: SQL };
        let WithRows { indexes, rest } = WithRows::of(&step);
        let names: Vec<&str> = indexes.iter().map(|index| index.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(indexes[0].sql, "CREATE INDEX CONCURRENTLY a ON t (x)\n  WHERE x > 0");
        assert_eq!(rest, "CREATE FUNCTION f() AS $$ BEGIN; END $$;");
        assert!(!text_at_once(&step).contains("CONCURRENTLY"));
        for sql in ["CREATE TABLE t (x bigint);", "", "-- nothing"] {
            let step = Migration { version: 9, name: "nine", sql };
            assert_eq!(
                WithRows::of(&step),
                WithRows { indexes: vec![], rest: without_comments(sql) }
            );
        }
    }
}
