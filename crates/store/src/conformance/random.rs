//! Random sequences: the books stay right, and the model answers the same.

use std::sync::Arc;

use proptest::test_runner::{Config, TestRunner};

use super::player::{Player, Side, same_answers};
use super::sequence::{Op, ops};
use super::world::World;
use super::{Backend, Options, check, export};
use crate::model::ModelStore;
use crate::store::Store;
use crate::writer::WriterOptions;

/// Steps of the longest sequence.
const LONGEST: usize = 80;
/// Records of a segment: a sequence has several.
const SEGMENT: usize = 40;

/// Sequences that a case plays: more in the long run of the tests.
fn sequences() -> u32 {
    if std::env::var_os("AGENTADMIT_FULL").is_some() { 1_000 } else { 32 }
}

fn for_each_sequence(play: impl Fn(&[Op])) {
    let config = Config { failure_persistence: None, ..Config::with_cases(sequences()) };
    let played = TestRunner::new(config).run(&ops(LONGEST), |ops| {
        play(&ops);
        Ok(())
    });
    if let Err(failure) = played {
        panic!("{failure}");
    }
}

fn open(backend: &Backend<'_>) -> World {
    World::with(backend, WriterOptions::default(), SEGMENT)
}

/// The referee.
pub(super) fn model(options: Options) -> Arc<dyn Store> {
    let store = ModelStore::new(options.seed, options.writer, options.clock);
    Arc::new(store.with_segments_of(options.segment_records))
}

pub(super) fn any_sequence_keeps_the_books(backend: &Backend<'_>) {
    for_each_sequence(|ops| {
        let world = open(backend);
        let mut player = Player::begin(&world);
        for run in ops.chunk_by(|a, b| !a.stands_alone() && !b.stands_alone()) {
            player.play(&Side { world: &world, batch: 4 }, run);
        }
        check::everything(&world);
        export::assert_sound(&world);
    });
}

pub(super) fn the_model_gives_the_same_answers(backend: &Backend<'_>) {
    for_each_sequence(|ops| {
        let (world, referee) = (open(backend), open(&Backend { open: &model }));
        let left = Side { world: &world, batch: 5 };
        let right = Side { world: &referee, batch: 1 };
        same_answers(&left, &right, ops);
    });
}

pub(super) fn one_transaction_or_many_give_the_same_answers(backend: &Backend<'_>) {
    for_each_sequence(|ops| {
        let (one, many) = (open(backend), open(backend));
        let left = Side { world: &one, batch: usize::MAX };
        let right = Side { world: &many, batch: 1 };
        same_answers(&left, &right, ops);
    });
}
