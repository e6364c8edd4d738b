//! Chains: each is moved by its writer alone, but for the registers, whose row is locked by whoever
//! appends to one.

use agentadmit_core::app::Tenant;
use agentadmit_core::audit::chain::ChainHead;
use agentadmit_store::StoreError;
use agentadmit_store::tables::column::{count, limit, writer};
use agentadmit_store::views::{Chain, Found};
use uuid::Uuid;

use crate::codec::{self, tenant_key, uuid};
use crate::link::{Params, Waiting};
use crate::session::Session;
use crate::statements as st;

/// Chains that moved, and wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Moves(Vec<Move>);

#[derive(Debug)]
struct Move {
    chain: Uuid,
    was_open: bool,
    open: bool,
    tail: Option<ChainHead>,
    /// The head now, and the number that it had.
    head: Option<(ChainHead, u64)>,
}

impl Moves {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The statement that writes them, in the order of their keys.
    pub(crate) fn take(&mut self) -> Option<Waiting> {
        if self.0.is_empty() {
            return None;
        }
        let mut moves = std::mem::take(&mut self.0);
        moves.sort_by_key(|one| one.chain);
        let seqs = |of: &dyn Fn(&Move) -> Option<u64>| -> Vec<Option<i64>> {
            moves.iter().map(|one| of(one).map(count)).collect()
        };
        let hashes = |of: &dyn Fn(&Move) -> Option<ChainHead>| -> Vec<Option<Vec<u8>>> {
            moves.iter().map(|one| of(one).map(|head| head.hash.as_bytes().to_vec())).collect()
        };
        Some(Waiting {
            sql: st::MOVE_CHAINS,
            params: vec![
                Box::new(moves.iter().map(|one| one.chain).collect::<Vec<_>>()),
                Box::new(moves.iter().map(|one| one.was_open).collect::<Vec<_>>()),
                Box::new(moves.iter().map(|one| one.open).collect::<Vec<_>>()),
                Box::new(seqs(&|one| one.tail.map(|tail| tail.seq))),
                Box::new(hashes(&|one| one.tail)),
                Box::new(seqs(&|one| one.head.map(|(head, _)| head.seq))),
                Box::new(hashes(&|one| one.head.map(|(head, _)| head))),
                Box::new(seqs(&|one| one.head.map(|(_, was)| was))),
                Box::new(limit(moves.len())),
            ],
        })
    }
}

impl Session<'_> {
    /// Chains that a statement finds. A writer remembers them as they were.
    pub(crate) fn find_chains(
        &mut self,
        sql: &'static str,
        params: Params<'_>,
    ) -> Result<Vec<Chain>, StoreError> {
        self.send_moves()?;
        let rows = self.many(sql, params)?;
        let chains = rows.iter().map(codec::chain).collect::<Result<Vec<_>, _>>()?;
        if self.is_writer() {
            let known = &mut self.pending()?.known_chains;
            for chain in &chains {
                known.insert(chain.id, chain.clone());
            }
        }
        Ok(chains)
    }

    pub(crate) fn find_register(&mut self, tenant: Option<Tenant>) -> Found<Chain> {
        let (app_id, env) = tenant_key(tenant);
        if !self.is_writer() {
            return Ok(self.find_chains(st::REGISTER, &[&app_id, &env])?.pop());
        }
        let register = self.find_chains(st::LOCK_REGISTER, &[&app_id, &env])?.pop();
        self.look_at_tail()?;
        Ok(register)
    }

    pub(crate) fn write_chain(&mut self, chain: &Chain) -> Result<(), StoreError> {
        let id = uuid(chain.id.as_bytes());
        let was = self.pending()?.known_chains.insert(chain.id, chain.clone());
        let Some(was) = was else {
            let (app_id, env) = tenant_key(chain.tenant);
            return self.later_still(
                st::NEW_CHAIN,
                vec![
                    Box::new(id),
                    Box::new(app_id),
                    Box::new(env),
                    Box::new(writer(chain)),
                    Box::new(chain.open),
                    Box::new(count(chain.tail.seq)),
                    Box::new(chain.tail.hash.as_bytes().to_vec()),
                    Box::new(count(chain.head.seq)),
                    Box::new(chain.head.hash.as_bytes().to_vec()),
                ],
            );
        };
        if !chain.is_live() {
            // no record of it is left, and none will come
            self.send_moves()?;
            return self.later_still(st::DROP_CHAIN, vec![Box::new(id)]);
        }
        let moves = &mut self.pending()?.moves.0;
        let tail = (was.tail != chain.tail).then_some(chain.tail);
        let head = (was.head != chain.head).then_some((chain.head, was.head.seq));
        match moves.iter_mut().find(|one| one.chain == id) {
            Some(known) => {
                known.open = chain.open;
                known.tail = tail.or(known.tail);
                // the number that the row has is the one before the first move
                known.head = match (known.head, head) {
                    (Some((_, first)), Some((head, _))) => Some((head, first)),
                    (known, new) => new.or(known),
                };
            }
            None => {
                moves.push(Move { chain: id, was_open: was.open, open: chain.open, tail, head });
            }
        }
        Ok(())
    }

    fn send_moves(&mut self) -> Result<(), StoreError> {
        if self.is_writer() {
            let pending = self.pending()?;
            if let Some(waiting) = pending.moves.take() {
                pending.has_written = true;
                pending.waiting.push(waiting);
            }
        }
        self.send_rows()
    }
}
