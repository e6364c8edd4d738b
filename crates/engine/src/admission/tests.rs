//! The writer thread under a scripted executor and a fake clock. Nothing sleeps: a test waits for
//! an event, and the executor waits for the test.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::*;

/// When a test gives up on an event that should have come, instead of hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Executed, in a batch of so many, after so many nanoseconds of waiting.
    Done {
        batch: usize,
        waited_ns: u64,
    },
    Refused(Refused),
    /// Dropped without an answer.
    Dropped,
}

struct Call {
    id: u64,
    gone: Arc<AtomicBool>,
    caller: Option<Sender<(u64, Answer)>>,
}

impl Call {
    fn answer(mut self, answer: Answer) {
        if let Some(caller) = self.caller.take() {
            caller.send((self.id, answer)).ok();
        }
    }
}

impl Job for Call {
    fn abandoned(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    fn refuse(self, why: Refused) {
        self.answer(Answer::Refused(why));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(caller) = self.caller.take() {
            caller.send((self.id, Answer::Dropped)).ok();
        }
    }
}

/// What the executor tells the test.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Batch(Vec<u64>),
    Maintain,
}

/// What the test tells the executor about the batch that it announced.
enum Order {
    Answer,
    LeaveUnanswered,
    Panic,
}

/// Announces each batch and waits for an order; without anybody to give one, it answers.
struct Script {
    events: Sender<Event>,
    orders: Receiver<Order>,
    /// What the next slices of maintenance return; `None` once it is empty.
    pauses: std::vec::IntoIter<Option<Duration>>,
    maintain_panics: bool,
    /// Each slice lets this much time pass on the fake clock.
    slice: Duration,
    now_ns: Arc<AtomicU64>,
}

impl Executor<Call> for Script {
    fn execute(&mut self, batch: &mut Vec<Sealed<Call>>) {
        self.events.send(Event::Batch(batch.iter().map(|s| s.job.id).collect())).ok();
        match self.orders.recv().unwrap_or(Order::Answer) {
            Order::Answer => answer_all(batch),
            Order::LeaveUnanswered => {}
            Order::Panic => panic!("the executor of a test panics as told"),
        }
    }

    fn maintain(&mut self) -> Option<Duration> {
        self.events.send(Event::Maintain).ok();
        assert!(!self.maintain_panics, "the maintenance of a test panics as told");
        advance(&self.now_ns, self.slice);
        self.pauses.next().flatten()
    }
}

fn advance(now_ns: &AtomicU64, by: Duration) {
    now_ns.fetch_add(u64::try_from(by.as_nanos()).unwrap(), Ordering::Relaxed);
}

fn answer_all(batch: &mut Vec<Sealed<Call>>) {
    let size = batch.len();
    for Sealed { job, waited_ns } in batch.drain(..) {
        job.answer(Answer::Done { batch: size, waited_ns });
    }
}

/// Admission with everything a test holds on to.
struct Bench {
    admission: Admission<Call>,
    now_ns: Arc<AtomicU64>,
    events: Receiver<Event>,
    orders: Sender<Order>,
    answers: Receiver<(u64, Answer)>,
    caller: Sender<(u64, Answer)>,
}

#[derive(Default)]
struct Setup {
    limits: AdmissionLimits,
    pauses: Vec<Option<Duration>>,
    maintain_panics: bool,
    slice: Duration,
}

impl Setup {
    fn start(self) -> Bench {
        let (event_sender, events) = channel();
        let (orders, order_receiver) = channel();
        let (caller, answers) = channel();
        let now_ns = Arc::new(AtomicU64::new(0));
        let script = Script {
            events: event_sender,
            orders: order_receiver,
            pauses: self.pauses.into_iter(),
            maintain_panics: self.maintain_panics,
            slice: self.slice,
            now_ns: Arc::clone(&now_ns),
        };
        let clock = Arc::clone(&now_ns);
        let clock: MonotonicClock = Arc::new(move || clock.load(Ordering::Relaxed));
        let admission = Admission::start(self.limits, &clock, [script]).unwrap();
        Bench { admission, now_ns, events, orders, answers, caller }
    }
}

impl Bench {
    /// Started, its first maintenance over.
    fn idle() -> Self {
        let bench = Setup::default().start();
        assert_eq!(bench.event(), Event::Maintain);
        bench
    }

    /// Started, and executing job 0 until an order comes; what is submitted now waits.
    fn busy(limits: AdmissionLimits) -> Self {
        let bench = Setup { limits, ..Setup::default() }.start();
        assert_eq!(bench.event(), Event::Maintain);
        bench.submit(app(0), 0).unwrap();
        assert_eq!(bench.event(), Event::Batch(vec![0]));
        bench
    }

    fn call(&self, id: u64) -> Call {
        Call { id, gone: Arc::default(), caller: Some(self.caller.clone()) }
    }

    fn submit(&self, lane: Lane, id: u64) -> Result<(), QueueFull> {
        self.admission.submit(lane, self.call(id)).map_err(|(mut job, full)| {
            job.caller = None;
            full
        })
    }

    fn event(&self) -> Event {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    /// The next batch, whatever maintenance runs before it.
    fn batch(&self) -> Vec<u64> {
        loop {
            if let Event::Batch(ids) = self.event() {
                return ids;
            }
        }
    }

    fn order(&self, order: Order) {
        self.orders.send(order).unwrap();
    }

    fn advance(&self, by: Duration) {
        advance(&self.now_ns, by);
    }

    fn answer(&self) -> (u64, Answer) {
        self.answers.recv_timeout(PATIENCE).unwrap()
    }

    fn until_parked(&self) {
        while !self.admission.handle.shards[0].state.lock().parked {
            thread::yield_now();
        }
    }

    /// Lets everything run, waits for the end, and gives back what became of each job.
    fn finish(self) -> (HashMap<u64, Answer>, Result<(), WriterDied>) {
        drop(self.orders);
        let end = self.admission.drain();
        drop(self.caller);
        let mut answers = HashMap::new();
        for (id, answer) in self.answers {
            assert_eq!(answers.insert(id, answer), None, "job {id} was answered twice");
        }
        (answers, end)
    }
}

const fn app(key: AppKey) -> Lane {
    Lane::App(key)
}

const fn done(batch: usize, waited_ns: u64) -> Answer {
    Answer::Done { batch, waited_ns }
}

fn stat(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[test]
fn a_job_learns_its_wait_and_the_size_of_its_batch() {
    let bench = Bench::busy(AdmissionLimits::default());
    bench.submit(app(1), 1).unwrap();
    bench.advance(Duration::from_nanos(70));
    bench.submit(app(1), 2).unwrap();
    bench.advance(Duration::from_nanos(30));
    bench.order(Order::Answer);
    assert_eq!(bench.batch(), [1, 2]);
    let stats = bench.admission.stats();
    assert_eq!((stat(&stats.batches), stat(&stats.jobs), stat(&stats.queued)), (2, 3, 0));
    assert_eq!(stats.batch_size.snapshot().max, 2);
    assert_eq!(stats.queue_wait_ns.snapshot().sum, 130);
    let (answers, end) = bench.finish();
    assert_eq!(answers, HashMap::from([(0, done(1, 0)), (1, done(2, 100)), (2, done(2, 30))]));
    assert_eq!(end, Ok(()));
}

#[test]
fn nobody_joins_a_sealed_batch() {
    let bench = Bench::busy(AdmissionLimits::default());
    bench.submit(app(1), 1).unwrap();
    bench.submit(Lane::Reserved, 2).unwrap();
    bench.order(Order::Answer);
    assert_eq!(bench.answer(), (0, done(1, 0)), "it was alone to the end");
    assert_eq!(bench.batch(), [2, 1]);
}

#[test]
fn a_revoke_sent_into_a_full_queue_is_first_in_the_next_batch() {
    let bench = Bench::busy(AdmissionLimits::default());
    for key in 0..8_u64 {
        for n in 0..1024 {
            bench.submit(app(u128::from(key)), 10_000 + key * 1024 + n).unwrap();
        }
    }
    let full = QueueFull { limit: FullLimit::Queue, retry_after_seconds: 1 };
    assert_eq!(bench.submit(app(9), 1), Err(full));
    assert_eq!(bench.submit(Lane::Unknown, 2), Err(full));
    bench.submit(Lane::Reserved, 3).unwrap();
    let stats = bench.admission.stats();
    assert_eq!((stat(&stats.queued), stat(&stats.reserved_queued)), (8192, 1));
    assert_eq!(stat(&stats.refused_full), 2);
    bench.order(Order::Answer);
    let batch = bench.batch();
    assert_eq!((batch[0], batch.len()), (3, 512));
}

#[test]
fn a_quiet_app_does_not_wait_for_a_noisy_one() {
    let bench = Bench::busy(AdmissionLimits::default());
    for id in 1..=1000 {
        bench.submit(app(1), id).unwrap();
    }
    bench.submit(app(2), 5000).unwrap();
    bench.order(Order::Answer);
    let batch = bench.batch();
    assert!(batch.contains(&5000), "the quiet app is in the next batch");
    assert_eq!(batch.len(), 512);
}

#[test]
fn the_dead_are_told_before_the_transaction() {
    let bench = Bench::busy(AdmissionLimits::default());
    bench.submit(app(1), 1).unwrap();
    bench.submit(Lane::Reserved, 2).unwrap();
    bench.advance(Duration::from_secs(1));
    let call = bench.call(3);
    call.gone.store(true, Ordering::Relaxed);
    assert!(bench.admission.submit(app(1), call).is_ok());
    bench.submit(app(1), 4).unwrap();
    bench.order(Order::Answer);
    assert_eq!(bench.answer(), (0, done(1, 0)));
    assert_eq!(bench.answer(), (1, Answer::Refused(Refused::WaitedTooLong)));
    assert_eq!(bench.answer(), (3, Answer::Refused(Refused::Abandoned)));
    assert_eq!(bench.batch(), [2, 4]);
    let stats = bench.admission.stats();
    assert_eq!((stat(&stats.timed_out), stat(&stats.abandoned)), (1, 1));
    assert_eq!(stat(&stats.jobs), 3, "the dead are in no batch");
}

#[test]
fn only_the_dead_make_no_batch() {
    let bench = Bench::busy(AdmissionLimits::default());
    bench.submit(app(1), 1).unwrap();
    bench.advance(Duration::from_secs(2));
    bench.order(Order::Answer);
    bench.until_parked();
    assert_eq!(stat(&bench.admission.stats().batches), 1);
    let (answers, end) = bench.finish();
    assert_eq!(answers[&1], Answer::Refused(Refused::WaitedTooLong));
    assert_eq!(end, Ok(()));
}

#[test]
fn the_writer_is_woken_once_per_change_from_idle_to_busy() {
    let bench = Bench::idle();
    for round in 1..=3_u64 {
        bench.until_parked();
        bench.submit(app(1), round * 1000).unwrap();
        bench.batch();
        for n in 1..=100 {
            bench.submit(app(1), round * 1000 + n).unwrap();
        }
        bench.order(Order::Answer);
        assert_eq!(bench.batch().len(), 100);
        bench.order(Order::Answer);
        for _ in 0..101 {
            bench.answer();
        }
        assert_eq!(stat(&bench.admission.stats().wake_ups), round);
    }
}

#[test]
fn a_waiting_batch_goes_before_maintenance() {
    let hour = Duration::from_hours(1);
    let bench = Setup { pauses: vec![Some(hour); 2], ..Setup::default() }.start();
    assert_eq!(bench.event(), Event::Maintain, "the first slice is due at the start");
    bench.until_parked();
    bench.advance(hour);
    bench.submit(app(1), 1).unwrap();
    assert_eq!(bench.event(), Event::Batch(vec![1]), "both were due");
    bench.order(Order::Answer);
    assert_eq!(bench.event(), Event::Maintain);
    for id in 2..4 {
        bench.submit(app(1), id).unwrap();
        assert_eq!(bench.event(), Event::Batch(vec![id]), "not due again for an hour");
        bench.order(Order::Answer);
    }
}

#[test]
fn at_most_one_slice_runs_between_two_batches() {
    let limits = AdmissionLimits { batch: 2, ..AdmissionLimits::default() };
    let at_once = Some(Duration::ZERO);
    let pauses = vec![None, at_once, at_once, at_once, None];
    let bench = Setup { limits, pauses, ..Setup::default() }.start();
    assert_eq!(bench.event(), Event::Maintain);
    bench.submit(app(1), 0).unwrap();
    assert_eq!(bench.event(), Event::Batch(vec![0]));
    for id in 1..=4 {
        bench.submit(app(1), id).unwrap();
    }
    for _ in 0..3 {
        bench.order(Order::Answer);
    }
    let events: Vec<_> = (0..6).map(|_| bench.event()).collect();
    let expected = [
        Event::Maintain,
        Event::Batch(vec![1, 2]),
        Event::Maintain,
        Event::Batch(vec![3, 4]),
        Event::Maintain,
        Event::Maintain,
    ];
    assert_eq!(events, expected, "idle at last, the slice that wants to go on goes on");
    bench.until_parked();
    assert_eq!(stat(&bench.admission.stats().maintenance_slices), 5);
}

#[test]
fn maintenance_with_nothing_to_do_is_asked_again_after_a_batch_only() {
    let bench = Bench::idle();
    bench.until_parked();
    bench.advance(Duration::from_hours(24));
    bench.submit(app(1), 1).unwrap();
    assert_eq!(bench.event(), Event::Batch(vec![1]));
    bench.order(Order::Answer);
    assert_eq!(bench.event(), Event::Maintain);
}

#[test]
fn maintenance_runs_by_itself_when_it_is_due() {
    let soon = Some(Duration::from_nanos(1));
    let bench = Setup { pauses: vec![soon], ..Setup::default() }.start();
    assert_eq!(bench.event(), Event::Maintain);
    bench.until_parked(); // only then is it settled when the next one is due
    bench.advance(Duration::from_nanos(1));
    assert_eq!(bench.event(), Event::Maintain, "nobody submitted anything");
}

#[test]
fn the_slowest_slice_is_known() {
    let slice = Duration::from_millis(7);
    let bench = Setup { slice, ..Setup::default() }.start();
    bench.until_parked();
    assert_eq!(stat(&bench.admission.stats().maintenance_max_ns), 7_000_000);
}

#[test]
fn a_panic_of_the_executor_releases_everybody_and_says_so() {
    let bench = Bench::busy(AdmissionLimits::default());
    let other = bench.admission.clone();
    bench.submit(app(1), 1).unwrap();
    bench.submit(Lane::Unknown, 2).unwrap();
    bench.submit(Lane::Reserved, 3).unwrap();
    assert!(other.is_alive());
    bench.order(Order::Panic);
    assert_eq!(bench.answer(), (0, Answer::Refused(Refused::Unanswered)), "its fate is unknown");
    assert!(!other.is_alive(), "known before anybody is refused");
    bench.submit(Lane::Reserved, 4).unwrap();
    let (answers, end) = bench.finish();
    let stopped = Answer::Refused(Refused::Stopped);
    assert_eq!(answers, HashMap::from([1, 2, 3, 4].map(|id| (id, stopped))));
    assert_eq!(end, Err(WriterDied));
    assert_eq!(stat(&other.stats().queued), 0);
    assert_eq!(other.drain(), Err(WriterDied), "every drain says the same");
}

#[test]
fn a_panic_of_maintenance_ends_admission_too() {
    let bench = Setup { maintain_panics: true, ..Setup::default() }.start();
    assert_eq!(bench.event(), Event::Maintain);
    // taken before or after the stop, the job is refused the same
    bench.submit(app(1), 1).unwrap();
    let alive = bench.admission.clone();
    let (answers, end) = bench.finish();
    assert_eq!(answers, HashMap::from([(1, Answer::Refused(Refused::Stopped))]));
    assert_eq!(end, Err(WriterDied));
    assert!(!alive.is_alive());
}

#[test]
fn jobs_that_the_executor_left_behind_are_refused() {
    let bench = Bench::busy(AdmissionLimits::default());
    bench.order(Order::LeaveUnanswered);
    assert_eq!(bench.answer(), (0, Answer::Refused(Refused::Unanswered)));
    bench.submit(app(1), 1).unwrap();
    assert_eq!(bench.batch(), [1], "and it goes on");
}

#[test]
fn a_drain_executes_what_is_queued_and_takes_nothing_more() {
    let limits = AdmissionLimits { batch: 4, ..AdmissionLimits::default() };
    let bench = Bench::busy(limits);
    for id in 1..=10 {
        bench.submit(app(u128::from(id % 3)), id).unwrap();
    }
    let draining = bench.admission.clone();
    let drained = thread::spawn(move || draining.drain());
    while !bench.admission.handle.shards[0].state.lock().closed {
        thread::yield_now();
    }
    bench.submit(Lane::Reserved, 11).unwrap();
    assert_eq!(bench.answer(), (11, Answer::Refused(Refused::Stopped)));
    assert!(bench.admission.is_alive(), "it still works on what it took");
    let other = bench.admission.clone();
    let (answers, end) = bench.finish();
    assert_eq!((drained.join().unwrap(), end), (Ok(()), Ok(())));
    assert_eq!(answers.len(), 11);
    assert!(answers.values().all(|answer| matches!(answer, Answer::Done { .. })), "{answers:?}");
    assert!(!other.is_alive());
}

#[test]
fn dropping_the_last_handle_executes_what_is_queued() {
    let bench = Bench::busy(AdmissionLimits::default());
    bench.submit(app(1), 1).unwrap();
    drop(bench.admission);
    drop(bench.orders);
    drop(bench.caller);
    let answers: Vec<_> = bench.answers.iter().collect();
    assert_eq!(answers, [(0, done(1, 0)), (1, done(1, 0))]);
}

const THREADS: u64 = 8;
const EACH: u64 = 20_000;

/// Answers at once.
struct Quick;

impl Executor<Call> for Quick {
    fn execute(&mut self, batch: &mut Vec<Sealed<Call>>) {
        answer_all(batch);
    }
}

/// Submits [`EACH`] jobs; when its lane is full, waits for one of its own answers first. Counts
/// the answers of each job, and says how often it met a full lane.
fn submit_many(admission: &Admission<Call>, lane: Lane, first: u64, counts: &[AtomicU8]) -> u64 {
    let (caller, answers) = channel();
    let count = |(id, answer): (u64, Answer)| {
        assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");
        counts[usize::try_from(id).unwrap()].fetch_add(1, Ordering::Relaxed);
    };
    let mut full = 0;
    for id in first..first + EACH {
        let mut job = Call { id, gone: Arc::default(), caller: Some(caller.clone()) };
        while let Err((back, _)) = admission.submit(lane, job) {
            full += 1;
            // its lane is full of its own jobs: an answer must come
            count(answers.recv().unwrap());
            job = back;
        }
    }
    drop(caller);
    answers.iter().for_each(count);
    full
}

#[test]
fn a_store_that_has_become_slow_takes_fewer_at_a_time() {
    let limits = AdmissionLimits { batch: 2, ..AdmissionLimits::default() };
    let bench = Bench::busy(limits);
    (1..=2).for_each(|id| bench.submit(app(0), id).unwrap());
    // the next batch is sealed 640 ms later, of which an eighth counts
    bench.advance(Duration::from_millis(640));
    bench.order(Order::Answer);
    assert_eq!(bench.batch(), [1, 2]);
    // seven batches of 80 ms before it are too long for the next
    (3..=16).for_each(|id| bench.submit(app(0), id).unwrap());
    let quiet = bench.submit(app(1), 100);
    assert_eq!(quiet, Ok(()), "whoever has less than a batch before him is taken");
    let full = bench.submit(app(0), 17).unwrap_err();
    assert_eq!(full, QueueFull { limit: FullLimit::Wait, retry_after_seconds: 1 });
    let (answers, end) = bench.finish();
    assert_eq!((answers.len(), end), (18, Ok(())));
}

#[test]
fn under_stress_every_job_is_answered_exactly_once() {
    let limits = AdmissionLimits {
        queue: 8 * 256,
        per_app: 256,
        unknown: 256,
        reserved: 256,
        ..AdmissionLimits::default()
    };
    let clock: MonotonicClock = Arc::new(|| 0);
    let admission = Admission::start(limits, &clock, [Quick]).unwrap();
    let counts: Vec<AtomicU8> = (0..THREADS * EACH).map(|_| AtomicU8::new(0)).collect();
    let full: u64 = thread::scope(|scope| {
        let submitters: Vec<_> = (0..THREADS)
            .map(|n| {
                let (admission, counts) = (&admission, &counts);
                let lane = match n {
                    0 => Lane::Reserved,
                    1 => Lane::Unknown,
                    n => app(u128::from(n)),
                };
                scope.spawn(move || submit_many(admission, lane, n * EACH, counts))
            })
            .collect();
        submitters.into_iter().map(|submitter| submitter.join().unwrap()).sum()
    });
    assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
    let stats = admission.stats();
    assert_eq!(stat(&stats.jobs), THREADS * EACH);
    assert_eq!(stat(&stats.refused_full), full);
    assert_eq!((stat(&stats.queued), stat(&stats.reserved_queued)), (0, 0));
    assert!(stat(&stats.wake_ups) <= stat(&stats.batches));
    assert_eq!(admission.drain(), Ok(()));
}
