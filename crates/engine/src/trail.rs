//! What a request met on its way through admission, for logs, metrics and traces.
//!
//! The numbers come back with the answer of each batch. [`Trail::of`] runs a request and collects
//! what its calls brought back, so that no route has to hand anything on; a call outside of one
//! collects nothing.

use std::cell::Cell;
use std::pin::pin;

use agentadmit_protocol::id::AppId;
use agentadmit_protocol::secret::SecretHash;
use agentadmit_store::verbs::auth::AppCredential;

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
    /// Whom it says it is from, which the log may repeat and nothing else may believe;
    /// [`crate::Engine::app_of`] names the app.
    pub caller: Option<Caller>,
}

/// Under which credential a request was made, good or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// An API key.
    Key(SecretHash),
    /// A client assertion of this app.
    Assertion(AppId),
}

tokio::task_local! {
    static TRAIL: Cell<Trail>;
}

impl Trail {
    /// Runs a request, and says what it met.
    pub async fn of<F: Future>(request: F) -> (F::Output, Self) {
        let mut request = pin!(TRAIL.scope(Cell::default(), request));
        let output = request.as_mut().await;
        (output, request.take_value().map(Cell::into_inner).unwrap_or_default())
    }

    /// Notes under which credential the request of this task is made.
    pub fn is_under(credential: &AppCredential) {
        let caller = match credential {
            AppCredential::ApiKey(hash) => Caller::Key(*hash),
            AppCredential::Assertion(assertion) => Caller::Assertion(assertion.app_id),
        };
        Self::note(|trail| trail.caller = Some(caller));
    }

    /// Notes how a call of this task's request went.
    pub(crate) fn admitted(call: Admitted) {
        Self::note(|trail| {
            let before = trail.admitted.unwrap_or_default();
            trail.admitted = Some(Admitted {
                waited_ns: before.waited_ns.saturating_add(call.waited_ns),
                batch: before.batch.max(call.batch),
                store_ns: before.store_ns.saturating_add(call.store_ns),
            });
        });
    }

    fn note(change: impl FnOnce(&mut Self)) {
        // outside of a request nobody collects
        let _nobody = TRAIL.try_with(|cell| {
            let mut trail = cell.get();
            change(&mut trail);
            cell.set(trail);
        });
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
        let (output, trail) = Trail::of(async {
            Trail::admitted(first);
            tokio::task::yield_now().await;
            Trail::is_under(&AppCredential::ApiKey(SecretHash::from_bytes([4; 32])));
            Trail::admitted(second);
            "answer"
        })
        .await;
        assert_eq!(output, "answer");
        assert_eq!(trail.admitted, Some(Admitted { waited_ns: 12, batch: 64, store_ns: 111 }));
        assert_eq!(trail.caller, Some(Caller::Key(SecretHash::from_bytes([4; 32]))));
        let (_, nothing) = Trail::of(async {}).await;
        assert_eq!(nothing, Trail::default());
    }
}
