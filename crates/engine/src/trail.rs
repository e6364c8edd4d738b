//! What a request met on its way through admission, for logs, metrics and traces.
//!
//! The numbers come back with the answer of each batch. [`Trail::of`] runs a request and collects
//! what its calls brought back, so that no route has to hand anything on; what is noted outside of
//! one is lost.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

use agentadmit_protocol::id::AppId;
use pin_project_lite::pin_project;

/// How one call went through admission.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Admitted {
    /// Nanoseconds from its submission to the sealed batch.
    pub waited_ns: u64,
    /// Calls in its batch, itself included.
    pub batch: u32,
    /// Nanoseconds from the sealed batch until it was committed and flushed, or had failed.
    pub store_ns: u64,
}

/// What is known about a request when it is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trail {
    /// Its way through admission. Of several calls: the times are sums, the batch is the largest.
    pub admitted: Option<Admitted>,
    /// The app that its credential is remembered to be of, good or not: for a line in the log,
    /// never for a decision.
    pub app_id: Option<AppId>,
}

thread_local! {
    /// The trail of the request that this thread runs at this moment.
    static CURRENT: Cell<Trail> = const { Cell::new(Trail { admitted: None, app_id: None }) };
}

pin_project! {
    /// A request that is run by [`Trail::of`].
    #[derive(Debug)]
    pub struct Followed<F> {
        #[pin]
        request: F,
        trail: Trail,
    }
}

// tokio's task-local value does the same for several times the instructions, at every poll
impl<F: Future> Future for Followed<F> {
    type Output = (F::Output, Trail);

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outer = CURRENT.replace(*this.trail);
        let polled = this.request.poll(context);
        *this.trail = CURRENT.replace(outer);
        polled.map(|output| (output, *this.trail))
    }
}

impl Trail {
    /// Runs a request, and says what it met.
    pub fn of<F: Future>(request: F) -> Followed<F> {
        Followed { request, trail: Self::default() }
    }

    /// Notes of which app the credential of this request is.
    pub(crate) fn is_of(app_id: AppId) {
        CURRENT.set(Self { app_id: Some(app_id), ..CURRENT.get() });
    }

    /// Of which app the credential of this request is, where that was noted.
    pub(crate) fn app() -> Option<AppId> {
        CURRENT.get().app_id
    }

    /// Notes how a call of this request went.
    pub(crate) fn admitted(call: Admitted) {
        let trail = CURRENT.get();
        let before = trail.admitted.unwrap_or_default();
        let admitted = Admitted {
            waited_ns: before.waited_ns.saturating_add(call.waited_ns),
            batch: before.batch.max(call.batch),
            store_ns: before.store_ns.saturating_add(call.store_ns),
        };
        CURRENT.set(Self { admitted: Some(admitted), ..trail });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_of_one_request_add_up_and_others_do_not_count() {
        Trail::admitted(Admitted { waited_ns: 1, batch: 1, store_ns: 1 });
        let first = Admitted { waited_ns: 5, batch: 64, store_ns: 100 };
        let second = Admitted { waited_ns: 7, batch: 2, store_ns: 11 };
        let app_id = AppId::from_bytes([4; 16]);
        let request = async {
            Trail::admitted(first);
            // another request runs on this thread meanwhile
            let ((), other) = Trail::of(async { Trail::admitted(second) }).await;
            assert_eq!(other, Trail { admitted: Some(second), app_id: None });
            tokio::task::yield_now().await;
            Trail::is_of(app_id);
            Trail::admitted(second);
            "answer"
        };
        let (output, trail) = Trail::of(request).await;
        assert_eq!(output, "answer");
        let admitted = Some(Admitted { waited_ns: 12, batch: 64, store_ns: 111 });
        assert_eq!(trail, Trail { admitted, app_id: Some(app_id) });
        let ((), nothing) = Trail::of(async {}).await;
        assert_eq!(nothing, Trail::default());
    }
}
