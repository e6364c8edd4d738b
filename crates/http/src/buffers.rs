//! Buffers for answers, used again by every connection of a thread: an answer is written into one and
//! sent, again and again, and an allocation of its size takes longer than the writing of its head.

use std::cell::RefCell;

/// Buffers that a thread keeps. Of each connection that waits for room to write in, one is out.
const KEPT: usize = 16;
/// The most room of one that is kept.
const MOST_BYTES: usize = 8 * 1_024;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with this room, or about so much.
pub(crate) fn take(room: usize) -> Vec<u8> {
    let spare = SPARE.with_borrow_mut(Vec::pop);
    spare.unwrap_or_else(|| Vec::with_capacity(room))
}

/// Keeps a buffer for the next answer. What was in it is gone for whoever takes it.
pub(crate) fn give_back(mut buffer: Vec<u8>) {
    if buffer.capacity() > MOST_BYTES {
        return;
    }
    buffer.clear();
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < KEPT {
            spare.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_and_neither_many_nor_large_ones_are_kept() {
        let mut first = take(64);
        first.extend_from_slice(b"an answer");
        let place = first.as_ptr();
        give_back(first);
        let again = take(64);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        give_back(vec![0; MOST_BYTES + 1]);
        for _ in 0..100 {
            give_back(vec![0; 10]);
        }
        let kept = SPARE.with_borrow(|spare| spare.iter().map(Vec::capacity).collect::<Vec<_>>());
        assert_eq!(kept, [10; KEPT]);
    }
}
