//! Usage by day, collected for one statement.

use agentadmit_core::app::{DayUsage, Tenant};
use agentadmit_store::tables::column::count;
use uuid::Uuid;

use crate::codec::tenant_key;
use crate::link::Waiting;
use crate::statements as st;

/// Calls that wait to be written, column by column.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    rows: Vec<((Uuid, i16), i32, DayUsage)>,
}

impl Usage {
    pub(crate) fn add(&mut self, tenant: Tenant, day: i32, usage: DayUsage) {
        let key = tenant_key(Some(tenant));
        match self.rows.iter_mut().find(|(known, on, _)| *known == key && *on == day) {
            Some((_, _, known)) => {
                known.allowed += usage.allowed;
                known.refused += usage.refused;
            }
            None => self.rows.push((key, day, usage)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The statement that writes them, in the order of their keys.
    pub(crate) fn take(&mut self, lane: i32) -> Option<Waiting> {
        if self.rows.is_empty() {
            return None;
        }
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_unstable_by_key(|(key, day, _)| (*key, *day));
        let column = |of: fn(&DayUsage) -> u64| -> Vec<i64> {
            rows.iter().map(|(_, _, usage)| count(of(usage))).collect()
        };
        Some(Waiting {
            sql: st::ADD_USAGE,
            params: vec![
                Box::new(lane),
                Box::new(rows.iter().map(|((app_id, _), _, _)| *app_id).collect::<Vec<_>>()),
                Box::new(rows.iter().map(|((_, env), _, _)| *env).collect::<Vec<_>>()),
                Box::new(rows.iter().map(|(_, day, _)| *day).collect::<Vec<_>>()),
                Box::new(column(|usage| usage.allowed)),
                Box::new(column(|usage| usage.refused)),
            ],
        })
    }
}
