//! Room on the store's disk: what is let in when there is none.
//!
//! With a full disk no call can be recorded, so none is let through: verifies are 503. A revocation
//! must still work then, so the store keeps a reserve for it. While room is short only the reserved
//! lane runs (revocations and operators), from what is left and then from the reserve; all others
//! are refused before they touch the store. It ends by itself when there is room again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use agentadmit_store::StoreError;

/// Whether room is short, as the writer last saw it; shared with whoever asks for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Space {
    is_short: Arc<AtomicBool>,
}

impl Space {
    pub(crate) fn is_short(&self) -> bool {
        self.is_short.load(Ordering::Acquire)
    }

    /// A write found no room.
    pub(crate) fn ran_out(&self) {
        self.is_short.store(true, Ordering::Release);
        tracing::error!(
            "the disk is full: every agent is refused until there is room; revocations and \
             operators go on from a reserve"
        );
    }

    /// The store has its reserve, and room beside it.
    pub(crate) fn is_back(&self) {
        self.is_short.store(false, Ordering::Release);
        tracing::info!("the disk has room again: calls are let in");
    }
}

/// Whether the store takes writes, as the writer last saw it; shared with whoever asks for it.
///
/// A service that can only read still answers questions; whoever spreads calls over several must
/// be told that it decides nothing any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Writes {
    fail: Arc<AtomicBool>,
}

impl Writes {
    pub(crate) fn fail(&self) -> bool {
        self.fail.load(Ordering::Acquire)
    }

    /// A batch could not be written.
    pub(crate) fn failed(&self) {
        self.fail.store(true, Ordering::Release);
    }

    /// A batch was written.
    pub(crate) fn succeeded(&self) {
        if self.fail() {
            self.fail.store(false, Ordering::Release);
            tracing::info!("the store takes writes again");
        }
    }
}

/// What a call hears that is refused before it touches the store.
pub(crate) fn no_room() -> StoreError {
    StoreError::Full("nothing was tried; room is kept for revocations".to_owned())
}
