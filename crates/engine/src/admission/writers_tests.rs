//! Several writers: each app has one, and they work side by side.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::{
    Admission, AdmissionLimits, AppKey, Executor, FullLimit, Job, Lane, MonotonicClock, Refused,
    Sealed, WriterDied,
};

/// A test that waits this long for an event has failed.
const PATIENCE: Duration = Duration::from_mins(1);
const WRITERS: usize = 4;

/// A job that says by whom it was executed, or that it was not.
struct Call {
    app: AppKey,
    number: u64,
    caller: Sender<Answer>,
    spreads: bool,
}

/// Of which app, which of its calls, and by whom it was executed.
type Answer = (AppKey, u64, Result<usize, Refused>);

impl Job for Call {
    fn abandoned(&self) -> bool {
        false
    }

    fn spreads(&self) -> bool {
        self.spreads
    }

    fn refuse(self, why: Refused) {
        let _gone = self.caller.send((self.app, self.number, Err(why)));
    }
}

/// One of the writers: says that it has begun, and goes on when it is told to.
struct Writer {
    number: usize,
    began: Sender<usize>,
    go_on: Receiver<()>,
}

impl Executor<Call> for Writer {
    fn execute(&mut self, batch: &mut Vec<Sealed<Call>>) {
        self.began.send(self.number).unwrap();
        // no sender left means that nobody holds anybody up any more
        let _over = self.go_on.recv_timeout(PATIENCE);
        for Sealed { job, .. } in batch.drain(..) {
            job.caller.send((job.app, job.number, Ok(self.number))).unwrap();
        }
    }
}

struct Bench {
    admission: Admission<Call>,
    began: Receiver<usize>,
    /// One for each writer.
    go_on: Vec<Sender<()>>,
    answers: Receiver<Answer>,
    caller: Sender<Answer>,
}

impl Bench {
    fn start(limits: AdmissionLimits) -> Self {
        let (began_sender, began) = channel();
        let (caller, answers) = channel();
        let (mut go_on, mut writers) = (Vec::new(), Vec::new());
        for number in 0..WRITERS {
            let (sender, receiver) = channel();
            go_on.push(sender);
            writers.push(Writer { number, began: began_sender.clone(), go_on: receiver });
        }
        let clock: MonotonicClock = Arc::new(|| 0);
        let admission = Admission::start(limits, &clock, writers).unwrap();
        Self { admission, began, go_on, answers, caller }
    }

    fn submit(&self, app: AppKey, number: u64) -> Result<(), FullLimit> {
        let call = Call { app, number, caller: self.caller.clone(), spreads: true };
        self.admission.submit(Lane::App(app), call).map_err(|(_, full)| full.limit)
    }

    fn began(&self) -> usize {
        self.began.recv_timeout(PATIENCE).unwrap()
    }
}

#[test]
fn writers_work_side_by_side_and_an_app_keeps_its_own() {
    let bench = Bench::start(AdmissionLimits::default());
    for app in 0..4 {
        bench.submit(app, 0).unwrap();
    }
    // none of them has gone on yet
    let mut began: Vec<usize> = (0..WRITERS).map(|_| bench.began()).collect();
    began.sort_unstable();
    assert_eq!(began, [0, 1, 2, 3]);
    for number in 0..100 {
        for app in 4..20 {
            bench.submit(app, number).unwrap();
        }
    }
    let Bench { admission, go_on, answers, caller, .. } = bench;
    drop((go_on, caller));
    admission.drain().unwrap();
    let mut writers = [None; 20];
    let mut next = [0; 20];
    for (app, number, by) in answers {
        let app = usize::try_from(app).unwrap();
        let by = by.unwrap();
        assert_eq!(*writers[app].get_or_insert(by), by, "app {app} went to another writer");
        assert_eq!(number, next[app], "the calls of app {app} keep their order");
        next[app] += 1;
    }
    assert_eq!((&next[..4], &next[4..]), (&[1; 4][..], &[100; 16][..]));
}

#[test]
fn the_limits_are_those_of_all_writers_together() {
    let limits = AdmissionLimits { queue: 16, per_app: 3, ..AdmissionLimits::default() };
    let bench = Bench::start(limits);
    // apps of one writer: it has a quarter of the places, and one app less than that
    bench.submit(0, 0).unwrap();
    assert_eq!(bench.began(), 0);
    for number in 1..=3 {
        bench.submit(4, number).unwrap();
    }
    assert_eq!(bench.submit(4, 4), Err(FullLimit::PerApp));
    bench.submit(8, 1).unwrap();
    assert_eq!(bench.submit(12, 1), Err(FullLimit::Queue));
    bench.submit(1, 1).unwrap();
    let queued = &bench.admission.stats().queued;
    // the one that another writer took waits no more
    assert_eq!(bench.began(), 1);
    assert_eq!(queued.load(std::sync::atomic::Ordering::Relaxed), 4);
    let Bench { admission, go_on, .. } = bench;
    drop(go_on);
    admission.drain().unwrap();
}

#[test]
fn a_writer_that_dies_is_noticed_and_nobody_waits_for_it() {
    let bench = Bench::start(AdmissionLimits::default());
    bench.submit(2, 0).unwrap();
    assert_eq!(bench.began(), 2);
    let Bench { admission, began, go_on, answers, caller } = bench;
    // the next one to begin finds nobody to tell, and panics
    drop(began);
    assert!(admission.is_alive());
    let call = Call { app: 3, number: 1, caller: caller.clone(), spreads: true };
    assert!(admission.submit(Lane::App(3), call).is_ok());
    let refused = answers.recv_timeout(PATIENCE).unwrap();
    assert_eq!(refused, (3, 1, Err(Refused::Unanswered)));
    assert!(!admission.is_alive());
    drop((go_on, caller));
    assert_eq!(admission.drain(), Err(WriterDied));
    assert_eq!(answers.recv_timeout(PATIENCE).unwrap(), (2, 0, Ok(2)), "the others end in order");
}

#[test]
fn what_others_wait_for_is_the_first_writers() {
    let bench = Bench::start(AdmissionLimits::default());
    for (number, lane) in [Lane::App(1), Lane::App(2), Lane::App(3), Lane::Reserved, Lane::Unknown]
        .into_iter()
        .enumerate()
    {
        let number = u64::try_from(number).unwrap();
        let call = Call { app: 0, number, caller: bench.caller.clone(), spreads: false };
        assert!(bench.admission.submit(lane, call).is_ok());
    }
    let Bench { admission, go_on, answers, caller, began: _began } = bench;
    drop((go_on, caller));
    admission.drain().unwrap();
    let answers: Vec<Answer> = answers.iter().collect();
    assert_eq!(answers.len(), 5);
    assert!(answers.iter().all(|(_, _, by)| *by == Ok(0)), "{answers:?}");
}
