//! The promises of the fair queue, each on its own and then all of them under random use.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

/// A job that is known by its lane and a number, and knows whether its caller is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Call {
    lane: Lane,
    id: u64,
    gone: bool,
}

impl Job for Call {
    fn abandoned(&self) -> bool {
        self.gone
    }

    fn refuse(self, _why: Refused) {}
}

const fn app(key: AppKey) -> Lane {
    Lane::App(key)
}

fn call(lane: Lane, id: u64) -> Call {
    Call { lane, id, gone: false }
}

/// Small limits that tests reach quickly; a wait of one microsecond.
fn limits() -> AdmissionLimits {
    AdmissionLimits {
        queue: 40,
        per_app: 20,
        unknown: 4,
        reserved: 30,
        batch: 8,
        wait: Duration::from_micros(1),
    }
}

fn fill(queue: &mut FairQueue<Call>, lane: Lane, ids: std::ops::Range<u64>) {
    for id in ids {
        queue.push(lane, call(lane, id), 0).unwrap();
    }
}

/// Seals at `now_ns` and gives back (jobs of the batch, ended jobs).
fn seal(queue: &mut FairQueue<Call>, now_ns: u64) -> (Vec<Call>, Vec<(Call, Refused)>) {
    let (mut batch, mut ended) = (Vec::new(), Vec::new());
    queue.seal(now_ns, &mut batch, &mut ended);
    (batch.into_iter().map(|sealed| sealed.job).collect(), ended)
}

fn ids(batch: &[Call]) -> Vec<u64> {
    batch.iter().map(|call| call.id).collect()
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let limits = AdmissionLimits::default();
    assert_eq!(limits.per_app * 8, limits.queue);
    assert_eq!((limits.queue, limits.unknown, limits.batch), (8192, 64, 512));
    assert_eq!((limits.reserved, limits.wait), (65_536, Duration::from_secs(1)));
}

#[test]
fn a_quiet_app_is_in_the_next_batch_whatever_a_noisy_one_queued() {
    let mut queue = FairQueue::new(AdmissionLimits::default());
    fill(&mut queue, app(1), 0..1000);
    fill(&mut queue, app(2), 5000..5001);
    let (batch, _) = seal(&mut queue, 0);
    assert_eq!(batch.len(), 512);
    assert_eq!(ids(&batch[..3]), [0, 5000, 1], "the quiet one has the second turn");
}

#[test]
fn the_rotation_goes_on_where_the_last_batch_ended() {
    let mut queue = FairQueue::new(AdmissionLimits { batch: 2, ..limits() });
    for key in 0..5 {
        let id = u64::try_from(key).unwrap() * 10;
        fill(&mut queue, app(key), id..id + 2);
    }
    let batches: Vec<_> = (0..5).map(|_| ids(&seal(&mut queue, 0).0)).collect();
    assert_eq!(batches, [[0, 10], [20, 30], [40, 1], [11, 21], [31, 41]]);
}

#[test]
fn unknown_keys_share_one_lane_with_one_turn() {
    let mut queue = FairQueue::new(limits());
    fill(&mut queue, Lane::Unknown, 0..4);
    fill(&mut queue, app(1), 10..12);
    let (job, full) = queue.push(Lane::Unknown, call(Lane::Unknown, 4), 0).unwrap_err();
    assert_eq!((job.id, full.limit), (4, FullLimit::Unknown));
    assert_eq!(ids(&seal(&mut queue, 0).0), [0, 10, 1, 11, 2, 3]);
}

#[test]
fn who_would_wait_too_long_is_told_at_once() {
    // batches of 8, and half of the wait is 500 ns
    let mut queue = FairQueue::new(limits());
    let takes = |queue: &mut FairQueue<Call>, lane| {
        let taken = (0..100).find(|id| queue.push(lane, call(lane, *id), 0).is_err()).unwrap();
        let (_, full) = queue.push(lane, call(lane, 99), 0).unwrap_err();
        while !seal(queue, 0).0.is_empty() {}
        (taken, full.limit)
    };
    assert_eq!(takes(&mut queue, app(1)), (20, FullLimit::PerApp), "nothing is known yet");
    for _ in 0..100 {
        queue.note_batch(200);
    }
    assert_eq!(
        takes(&mut queue, app(1)),
        (20, FullLimit::PerApp),
        "two batches before it are little"
    );
    for _ in 0..100 {
        queue.note_batch(600);
    }
    assert_eq!(
        takes(&mut queue, app(1)),
        (8, FullLimit::Wait),
        "a batch that waits is never too much"
    );
    // a lane of its own is a turn of its own: what a noisy app queued does not make this hopeless
    fill(&mut queue, app(1), 0..8);
    fill(&mut queue, app(2), 10..14);
    fill(&mut queue, Lane::Reserved, 20..50);
    let (_, full) = queue.push(app(2), call(app(2), 14), 0).unwrap_err();
    assert_eq!(full.limit, FullLimit::Wait, "eight go before it: four of each");
    fill(&mut queue, app(3), 30..31);
    while !seal(&mut queue, 0).0.is_empty() {}
    // fast again
    for _ in 0..100 {
        queue.note_batch(10);
    }
    assert_eq!(takes(&mut queue, app(1)), (20, FullLimit::PerApp));
}

#[test]
fn a_lane_whose_first_has_waited_long_takes_nobody_more() {
    let mut queue = FairQueue::new(limits());
    fill(&mut queue, app(1), 0..8);
    let mut push =
        |now_ns, id| queue.push(app(1), call(app(1), id), now_ns).map_err(|(_, full)| full.limit);
    assert_eq!(push(500, 8), Ok(()));
    assert_eq!(push(501, 9), Err(FullLimit::Wait));
    // seven before it are less than a batch
    let mut queue = FairQueue::new(limits());
    fill(&mut queue, app(1), 0..7);
    queue.push(app(1), call(app(1), 7), 999).unwrap();
    queue.push(app(2), call(app(2), 9), 999).unwrap();
}

#[test]
fn every_limit_says_its_name_and_gives_the_job_back() {
    let mut queue = FairQueue::new(limits());
    let refused = |queue: &mut FairQueue<Call>, lane| {
        let (job, full) = queue.push(lane, call(lane, 99), 0).unwrap_err();
        assert_eq!((job, full.retry_after_seconds), (call(lane, 99), 1));
        full.limit
    };
    fill(&mut queue, app(1), 0..20);
    assert_eq!(refused(&mut queue, app(1)), FullLimit::PerApp);
    fill(&mut queue, app(2), 0..20);
    assert_eq!(refused(&mut queue, app(3)), FullLimit::Queue);
    assert_eq!(refused(&mut queue, Lane::Unknown), FullLimit::Queue);
    fill(&mut queue, Lane::Reserved, 0..30);
    assert_eq!(refused(&mut queue, Lane::Reserved), FullLimit::Reserved);
    assert_eq!((queue.waiting(), queue.reserved()), (40, 30), "a refusal counts nothing");
}

#[test]
fn retry_after_is_the_wait_rounded_up() {
    for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (2500, 3)] {
        let wait = Duration::from_millis(millis);
        let mut queue = FairQueue::new(AdmissionLimits { queue: 0, wait, ..limits() });
        let (_, full) = queue.push(app(1), call(app(1), 0), 0).unwrap_err();
        assert_eq!(full.retry_after_seconds, seconds, "wait of {millis} ms");
    }
}

#[test]
fn the_reserved_lane_goes_first_into_a_full_queue() {
    let mut queue = FairQueue::new(limits());
    fill(&mut queue, app(1), 0..20);
    fill(&mut queue, app(2), 100..120);
    fill(&mut queue, Lane::Reserved, 500..502);
    assert_eq!(ids(&seal(&mut queue, 0).0), [500, 501, 0, 100, 1, 101, 2, 102]);
}

#[test]
fn a_burst_of_reserved_jobs_leaves_the_others_half_of_the_batch() {
    let mut queue = FairQueue::new(limits());
    fill(&mut queue, Lane::Reserved, 500..520);
    fill(&mut queue, app(1), 0..6);
    assert_eq!(ids(&seal(&mut queue, 0).0), [500, 501, 502, 503, 0, 1, 2, 3]);
    let rest = ids(&seal(&mut queue, 0).0);
    assert_eq!(rest, [504, 505, 506, 507, 508, 509, 4, 5], "places nobody else uses are theirs");
    assert_eq!(ids(&seal(&mut queue, 0).0), (510..518).collect::<Vec<_>>());
}

#[test]
fn the_smallest_batch_has_a_place_for_each_side() {
    let mut queue = FairQueue::new(AdmissionLimits { batch: 0, ..limits() });
    fill(&mut queue, Lane::Reserved, 500..503);
    fill(&mut queue, app(1), 0..3);
    assert_eq!(ids(&seal(&mut queue, 0).0), [500, 0]);
}

#[test]
fn a_job_that_waited_too_long_is_ended_and_a_reserved_one_is_not() {
    let mut queue = FairQueue::new(limits());
    fill(&mut queue, app(1), 0..1);
    fill(&mut queue, Lane::Unknown, 1..2);
    fill(&mut queue, Lane::Reserved, 2..3);
    queue.push(app(1), call(app(1), 3), 1).unwrap();
    let (mut batch, mut ended) = (Vec::new(), Vec::new());
    queue.seal(1000, &mut batch, &mut ended);
    let sealed: Vec<_> = batch.iter().map(|sealed| (sealed.job.id, sealed.waited_ns)).collect();
    assert_eq!(sealed, [(2, 1000), (3, 999)], "999 ns is not yet a wait of 1 us");
    let ended: Vec<_> = ended.iter().map(|(call, why)| (call.id, *why)).collect();
    assert_eq!(ended, [(0, Refused::WaitedTooLong), (1, Refused::WaitedTooLong)]);
}

#[test]
fn an_abandoned_job_is_ended_in_every_lane() {
    let mut queue = FairQueue::new(limits());
    for lane in [app(1), Lane::Unknown, Lane::Reserved] {
        queue.push(lane, Call { gone: true, ..call(lane, 1) }, 0).unwrap();
        queue.push(lane, call(lane, 2), 0).unwrap();
    }
    let (batch, ended) = seal(&mut queue, 0);
    assert_eq!(ids(&batch), [2, 2, 2]);
    assert!(ended.iter().all(|(call, why)| call.id == 1 && *why == Refused::Abandoned));
    assert_eq!(ended.len(), 3);
}

#[test]
fn dead_jobs_cost_neither_a_place_nor_the_turn_of_their_app() {
    let mut queue = FairQueue::new(limits());
    for id in 0..15 {
        queue.push(app(1), Call { gone: true, ..call(app(1), id) }, 0).unwrap();
    }
    fill(&mut queue, app(1), 50..51);
    fill(&mut queue, app(2), 60..80);
    let (batch, ended) = seal(&mut queue, 0);
    assert_eq!(ended.len(), 15);
    assert_eq!(ids(&batch), [50, 60, 61, 62, 63, 64, 65, 66]);
}

#[test]
fn one_sealing_takes_out_a_bounded_number_of_dead_jobs() {
    let mut queue = FairQueue::new(AdmissionLimits { queue: 100, per_app: 100, ..limits() });
    fill(&mut queue, app(1), 0..40);
    let (batch, ended) = seal(&mut queue, 1000);
    assert_eq!((batch.len(), ended.len(), queue.waiting()), (0, 32, 8));
    let (batch, ended) = seal(&mut queue, 1000);
    assert_eq!((batch.len(), ended.len(), queue.waiting()), (0, 8, 0));
}

#[test]
fn a_clock_read_late_is_a_wait_of_zero() {
    let mut queue = FairQueue::new(limits());
    queue.push(app(1), call(app(1), 0), 500).unwrap();
    let (mut batch, mut ended) = (Vec::new(), Vec::new());
    queue.seal(400, &mut batch, &mut ended);
    assert_eq!(batch[0].waited_ns, 0);
}

#[test]
fn memory_stays_bounded_when_a_million_apps_come_and_go() {
    let limits = AdmissionLimits::default();
    let mut queue = FairQueue::new(limits);
    let (mut batch, mut ended) = (Vec::new(), Vec::new());
    let mut out = 0;
    for key in 0..1_000_000_u64 {
        let lane = app(u128::from(key) << 64);
        queue.push(lane, call(lane, key), 0).unwrap();
        if queue.waiting() == limits.queue {
            while queue.waiting() > 0 {
                queue.seal(0, &mut batch, &mut ended);
                out += batch.drain(..).count();
            }
        }
    }
    assert_eq!(out + queue.waiting(), 1_000_000);
    assert_eq!((queue.lanes.len(), queue.turns.len()), (queue.waiting(), queue.waiting()));
    assert!(queue.lanes.capacity() <= 4 * limits.queue, "{}", queue.lanes.capacity());
    assert!(queue.turns.capacity() <= 2 * limits.queue, "{}", queue.turns.capacity());
    assert!(queue.spare.len() <= SPARE_LANES);
}

#[test]
fn everything_can_be_taken_out_at_once() {
    let mut queue = FairQueue::new(limits());
    fill(&mut queue, app(1), 0..3);
    fill(&mut queue, Lane::Unknown, 3..5);
    fill(&mut queue, Lane::Reserved, 5..7);
    let mut all: Vec<_> = queue.take_all().iter().map(|call| call.id).collect();
    all.sort_unstable();
    assert_eq!(all, (0..7).collect::<Vec<_>>());
    assert_eq!((queue.waiting(), queue.reserved()), (0, 0));
    assert_eq!(seal(&mut queue, 0), (vec![], vec![]));
    fill(&mut queue, app(1), 0..1);
    assert_eq!(ids(&seal(&mut queue, 0).0), [0], "an emptied queue works on");
}

/// One step of random use.
#[derive(Clone, Debug)]
enum Step {
    Push(Lane, bool),
    Advance(u64),
    Seal,
}

fn any_step() -> impl Strategy<Value = Step> {
    let lane = prop_oneof![
        2 => Just(Lane::Reserved),
        1 => Just(Lane::Unknown),
        6 => (0..5_u128).prop_map(app),
    ];
    prop_oneof![
        30 => (lane, prop::bool::weighted(0.1)).prop_map(|(lane, gone)| Step::Push(lane, gone)),
        2 => (0..600_u64).prop_map(Step::Advance),
        3 => Just(Step::Seal),
    ]
}

/// What must be true whatever was done: the jobs that wait, in plain lists.
#[derive(Default)]
struct Model {
    waiting: HashMap<Lane, VecDeque<(u64, u64)>>,
    gone: HashSet<u64>,
}

impl Model {
    fn len(&self, lane: Lane) -> usize {
        self.waiting.get(&lane).map_or(0, VecDeque::len)
    }

    fn others(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum::<usize>() - self.len(Lane::Reserved)
    }

    /// The limit that a push must meet now.
    fn full(&self, lane: Lane, limits: &AdmissionLimits, now: u64) -> Option<FullLimit> {
        let limit = match lane {
            Lane::Reserved => (self.len(lane) >= limits.reserved).then_some(FullLimit::Reserved),
            _ if self.others() >= limits.queue => Some(FullLimit::Queue),
            Lane::App(_) => (self.len(lane) >= limits.per_app).then_some(FullLimit::PerApp),
            Lane::Unknown => (self.len(lane) >= limits.unknown).then_some(FullLimit::Unknown),
        };
        let first = self.waiting.get(&lane).and_then(VecDeque::front);
        let is_old = first.is_some_and(|(_, since)| now - since > 500);
        let is_long = self.len(lane) * self.lanes() >= limits.batch;
        limit.or((lane != Lane::Reserved && is_old && is_long).then_some(FullLimit::Wait))
    }

    /// Lanes with a job, but for the reserved one.
    fn lanes(&self) -> usize {
        let busy =
            |(lane, jobs): &(&Lane, &VecDeque<_>)| **lane != Lane::Reserved && !jobs.is_empty();
        self.waiting.iter().filter(busy).count()
    }

    /// Takes a job out of the front of its lane and says since when it waited.
    fn take(&mut self, call: Call) -> u64 {
        let (id, since) = self.waiting.get_mut(&call.lane).unwrap().pop_front().unwrap();
        assert_eq!(id, call.id, "a lane is first in, first out");
        since
    }
}

/// Seals and checks every promise about what came out.
fn check_seal(queue: &mut FairQueue<Call>, model: &mut Model, limits: &AdmissionLimits, now: u64) {
    let others_before = model.others();
    let (batch, ended) = {
        let (mut batch, mut ended) = (Vec::new(), Vec::new());
        queue.seal(now, &mut batch, &mut ended);
        (batch, ended)
    };
    let wait = 1000;
    // jobs of one lane leave in order, dead and living ones mixed
    let mut out: Vec<(Call, Option<Refused>)> = ended.iter().map(|(c, w)| (*c, Some(*w))).collect();
    out.extend(batch.iter().map(|sealed| (sealed.job, None)));
    out.sort_by_key(|(call, _)| call.id);
    for (call, why) in out {
        let waited = now - model.take(call);
        let expired = waited >= wait && call.lane != Lane::Reserved;
        let expected = match (model.gone.contains(&call.id), expired) {
            (true, _) => Some(Refused::Abandoned),
            (false, true) => Some(Refused::WaitedTooLong),
            (false, false) => None,
        };
        assert_eq!(why, expected, "{call:?} after {waited} ns");
    }

    assert!(batch.len() <= limits.batch);
    assert!(batch.is_sorted_by_key(|sealed| sealed.job.lane != Lane::Reserved), "reserved first");
    let mut served: HashMap<Lane, usize> = HashMap::new();
    for sealed in &batch {
        *served.entry(sealed.job.lane).or_default() += 1;
    }
    let reserved = served.remove(&Lane::Reserved).unwrap_or(0);
    let others_share = others_before.min(limits.batch - limits.batch / 2);
    assert!(reserved <= limits.batch - others_share, "{reserved} reserved");
    if ended.len() < limits.batch * DEAD_PER_BATCH {
        assert!(batch.len() == limits.batch || model.others() == 0, "places were left unused");
        let most = served.values().copied().max().unwrap_or(0);
        for (lane, _) in
            model.waiting.iter().filter(|(lane, jobs)| **lane != Lane::Reserved && !jobs.is_empty())
        {
            let own = served.get(lane).copied().unwrap_or(0);
            assert!(own + 1 >= most, "{lane:?} waits with {own} served, another had {most}");
        }
    }
}

fn check_shape(queue: &FairQueue<Call>, model: &Model) {
    assert_eq!(queue.waiting(), model.others());
    assert_eq!(queue.reserved(), model.len(Lane::Reserved));
    let turns: HashSet<_> = queue.turns.iter().copied().collect();
    assert_eq!(turns.len(), queue.turns.len(), "one turn per lane");
    assert_eq!(turns, queue.lanes.keys().copied().collect());
    assert!(queue.lanes.values().all(|lane| !lane.is_empty()), "empty lanes are removed");
    assert!(queue.spare.iter().all(VecDeque::is_empty));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_use_keeps_every_promise(steps in prop::collection::vec(any_step(), 1..400)) {
        let limits = limits();
        let mut queue = FairQueue::new(limits);
        let mut model = Model::default();
        let mut now = 0;
        for (id, step) in (0_u64..).zip(steps) {
            match step {
                Step::Advance(nanos) => now += nanos,
                Step::Seal => check_seal(&mut queue, &mut model, &limits, now),
                Step::Push(lane, gone) => {
                    let expected = model.full(lane, &limits, now);
                    let got = queue.push(lane, Call { lane, id, gone }, now);
                    prop_assert_eq!(got.err().map(|(_, full)| full.limit), expected);
                    if expected.is_none() {
                        model.waiting.entry(lane).or_default().push_back((id, now));
                        if gone {
                            model.gone.insert(id);
                        }
                    }
                }
            }
            check_shape(&queue, &model);
        }
        // in the end everybody comes out
        while queue.waiting() + queue.reserved() > 0 {
            check_seal(&mut queue, &mut model, &limits, now);
        }
        check_shape(&queue, &model);
    }
}
