//! What is told about a request once it is answered: metrics, a line in the log, a trace.
//!
//! The numbers are those that came back with the answer of admission ([`Trail`]); nothing is
//! measured for the log alone. No header, query, body or credential comes here.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use agentadmit_engine::trail::Trail;
use agentadmit_protocol::time::Timestamp;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::state::{RequestId, ServiceState};

/// Which answers leave a line in the log. Answers of 500 and above do in all but `Off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestLog {
    /// None.
    Off,
    /// Those of 500 and above.
    Errors,
    /// Those that took so long, too.
    Slow(Duration),
    /// One of so many, too; 0 is taken as 1.
    Sampled(u64),
    /// Every one.
    All,
}

impl Default for RequestLog {
    /// What is out of the ordinary: the audit log has a record of every answer already.
    fn default() -> Self {
        Self::Slow(Duration::from_millis(500))
    }
}

/// Lines a second, unless all are wanted: a service that must refuse thousands of calls a second
/// must not be busy with saying so.
pub const LINES_PER_SECOND: u64 = 100;

/// One request that was answered.
#[derive(Debug)]
pub struct Observed<'a> {
    /// Its method.
    pub method: &'a Method,
    /// The route that took it, as documented, such as `/v1/connections/{connection_id}`; `none`
    /// where there is no such path.
    pub route: &'a str,
    /// What it was answered.
    pub status: StatusCode,
    /// From its head to the beginning of its answer, in nanoseconds.
    pub elapsed_ns: u64,
    /// Its name in answers, records and the log.
    pub request_id: &'a str,
    /// How it went through admission, if it did, and of which app it was.
    pub trail: Trail,
    /// When it was answered.
    pub at: Timestamp,
    /// The trace that its caller has it belong to.
    pub context: Option<&'a TraceContext>,
}

/// The trace that a caller names (W3C Trace Context), as it was sent.
#[derive(Debug, Clone)]
pub struct TraceContext {
    /// `traceparent`.
    pub parent: HeaderValue,
    /// `tracestate`.
    pub state: Option<HeaderValue>,
}

/// Is told of every request that was answered, such as to write a trace. Must not block.
pub trait RequestObserver: fmt::Debug + Send + Sync {
    /// A request was answered.
    fn answered(&self, request: &Observed<'_>);
}

/// What a service has to tell about its requests, and to whom.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// Which answers leave a line in the log.
    pub log: RequestLog,
    /// Who else wants to know.
    pub observer: Option<Arc<dyn RequestObserver>>,
}

/// Decides which requests leave a line.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// Requests that a sample is taken of.
    seen: AtomicU64,
    /// The second of the lines that are counted, and how many these are.
    second: AtomicU64,
    written: AtomicU64,
    /// Lines that were due since the last one that was written.
    left_out: AtomicU64,
}

/// A request's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    /// It is out of the ordinary.
    is_warning: bool,
    /// So many lines before it were left out.
    left_out: u64,
}

const SECOND_NS: u64 = 1_000_000_000;

impl Lines {
    /// The line of an answer, if it leaves one.
    fn of(
        &self,
        log: RequestLog,
        status: StatusCode,
        elapsed_ns: u64,
        now_ns: u64,
    ) -> Option<Line> {
        let is_error = status.is_server_error();
        let is_slow = match log {
            RequestLog::Off => return None,
            RequestLog::All => return Some(Line { is_warning: is_error, left_out: 0 }),
            RequestLog::Errors => false,
            RequestLog::Slow(than) => u128::from(elapsed_ns) >= than.as_nanos(),
            RequestLog::Sampled(one_of) => {
                let is_chosen = self.seen.fetch_add(1, Relaxed).is_multiple_of(one_of.max(1));
                if !is_chosen && !is_error {
                    return None;
                }
                false
            }
        };
        let is_warning = is_error || is_slow;
        if !is_warning && !matches!(log, RequestLog::Sampled(_)) {
            return None;
        }
        self.is_within_budget(now_ns)
            .then(|| Line { is_warning, left_out: self.left_out.swap(0, Relaxed) })
    }

    /// Whether another line may be written in this second. Callers at the very turn of a second
    /// may write a few lines more: it is a budget, not a limit that somebody relies on.
    fn is_within_budget(&self, now_ns: u64) -> bool {
        let second = now_ns / SECOND_NS;
        if self.second.swap(second, Relaxed) != second {
            self.written.store(0, Relaxed);
        }
        let is_within = self.written.fetch_add(1, Relaxed) < LINES_PER_SECOND;
        if !is_within {
            self.left_out.fetch_add(1, Relaxed);
        }
        is_within
    }
}

/// A request under way: what is known at its beginning.
pub(crate) struct Begun {
    pub(crate) began_ns: u64,
    pub(crate) context: Option<TraceContext>,
}

impl Begun {
    /// The headers are looked at only where somebody wants to know of traces.
    pub(crate) fn now(state: &ServiceState, headers: &HeaderMap) -> Self {
        let wanted = state.options().observation.observer.is_some();
        let context = wanted.then(|| TraceContext::of(headers)).flatten();
        Self { began_ns: state.engine().monotonic_ns(), context }
    }
}

impl TraceContext {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let parent = headers.get("traceparent")?.clone();
        Some(Self { parent, state: headers.get("tracestate").cloned() })
    }
}

/// Tells everybody about a request that was answered: whichever way it took, it ends here.
pub(crate) fn answered(
    state: &ServiceState,
    begun: &Begun,
    (method, route): (&Method, &str),
    status: StatusCode,
    request_id: &RequestId,
    trail: Trail,
) {
    let now_ns = state.engine().monotonic_ns();
    let elapsed_ns = now_ns.saturating_sub(begun.began_ns);
    state.metrics().request(method, route, status, Duration::from_nanos(elapsed_ns));
    let Observation { log, observer } = &state.options().observation;
    let line = state.lines().of(*log, status, elapsed_ns, now_ns);
    if line.is_none() && observer.is_none() {
        return;
    }
    let observed = Observed {
        method,
        route,
        status,
        elapsed_ns,
        request_id: request_id.as_str(),
        trail,
        at: state.engine().wall(),
        context: begun.context.as_ref(),
    };
    if let Some(line) = line {
        write(&observed, line);
    }
    if let Some(observer) = observer {
        observer.answered(&observed);
    }
}

/// The line; what is not known is not in it.
fn write(request: &Observed<'_>, line: Line) {
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(
                target: "agentadmit::request",
                method = %request.method,
                route = request.route,
                status = request.status.as_u16(),
                elapsed_us = request.elapsed_ns / 1_000,
                queue_wait_us = request.trail.admitted.map(|it| it.waited_ns / 1_000),
                batch_size = request.trail.admitted.map(|it| it.batch),
                store_us = request.trail.admitted.map(|it| it.store_ns / 1_000),
                app_id = request.trail.app_id.map(tracing::field::display),
                request_id = request.request_id,
                left_out = (line.left_out > 0).then_some(line.left_out),
                "request"
            )
        };
    }
    if line.is_warning {
        event!(warn);
    } else {
        event!(info);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: StatusCode = StatusCode::OK;
    const BUSY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
    const MS: u64 = 1_000_000;

    /// How many of these answers, one a millisecond, leave a line.
    fn lines(log: RequestLog, answers: &[(StatusCode, u64)]) -> usize {
        let lines = Lines::default();
        let written = (0..).zip(answers).filter(|(at_ms, (status, elapsed_ms))| {
            lines.of(log, *status, elapsed_ms * MS, at_ms * MS).is_some()
        });
        written.count()
    }

    #[test]
    fn each_setting_chooses_its_answers() {
        let answers = [(OK, 1), (OK, 500), (BUSY, 1), (StatusCode::FORBIDDEN, 1), (OK, 499)];
        for (log, expected) in [
            (RequestLog::Off, 0),
            (RequestLog::Errors, 1),
            (RequestLog::default(), 2),
            (RequestLog::Sampled(2), 3),
            (RequestLog::Sampled(0), 5),
            (RequestLog::All, 5),
        ] {
            assert_eq!(lines(log, &answers), expected, "{log:?}");
        }
    }

    #[test]
    fn a_flood_of_errors_writes_no_flood_of_lines_and_says_how_many_are_missing() {
        let lines = Lines::default();
        let mut written = Vec::new();
        for second in 1..=2 {
            for _ in 0..1_000 {
                written.extend(lines.of(RequestLog::Errors, BUSY, 1, second * SECOND_NS));
            }
        }
        assert_eq!(written.len(), 200);
        assert_eq!(written[99], Line { is_warning: true, left_out: 0 });
        assert_eq!(written[100], Line { is_warning: true, left_out: 900 });
        let all = (0..1_000).filter_map(|_| lines.of(RequestLog::All, BUSY, 1, SECOND_NS));
        assert_eq!(all.count(), 1_000);
    }
}
