use proptest::prelude::*;

use super::*;

const BODY: &str = r#"{"active":true}"#;

/// Feeds bytes in pieces, as sockets do, and ends the connection behind them.
fn read(bytes: &[u8], piece: usize) -> Result<Answer, Fault> {
    let mut reader = Reader::default();
    for piece in bytes.chunks(piece.max(1)) {
        reader.buffer().extend_from_slice(piece);
        if let Some(answer) = reader.advance()? {
            return Ok(answer);
        }
    }
    reader.end()
}

/// The same body behind each kind of end.
fn whole_answers() -> [Vec<u8>; 3] {
    let (one, two) = BODY.split_at(5);
    [
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len()),
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{one}\r\n{:X};a=b\r\n{two}\r\n\
             0\r\nx: y\r\n\r\n",
            two.len()
        ),
        format!("HTTP/1.0 200 OK\r\n\r\n{BODY}"),
    ]
    .map(String::into_bytes)
}

#[test]
fn an_answer_is_the_same_in_any_pieces() {
    for bytes in whole_answers() {
        for piece in 1..=bytes.len() {
            let answer = read(&bytes, piece).ok().unwrap();
            assert_eq!((answer.status(), answer.body()), (200, BODY.as_bytes()));
        }
    }
}

#[test]
fn a_part_of_an_answer_is_none() {
    for bytes in &whole_answers()[..2] {
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end], 7).is_err(), "{end}");
        }
    }
}

#[test]
fn only_a_whole_answer_leaves_a_connection_to_use() {
    let [sized, chunked, until_end] = whole_answers();
    for (bytes, is_reusable) in [
        (sized.clone(), true),
        (chunked.clone(), true),
        (until_end, false),
        ([&sized[..], b"H"].concat(), false),
        ([&chunked[..], b"H"].concat(), false),
    ] {
        assert_eq!(read(&bytes, usize::MAX).ok().unwrap().is_reusable, is_reusable);
    }
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let from = |value| RetryAfter::parse(value).map(|after| after.from(784_111_777_500));
    let after = |milliseconds| Some(Duration::from_millis(milliseconds));
    assert_eq!(from("120"), after(120_000));
    assert_eq!(from("0"), after(0));
    assert_eq!(from("Sun, 06 Nov 1994 08:49:40 GMT"), after(2_500));
    assert_eq!(from("Sun, 06 Nov 1994 08:49:30 GMT"), after(0));
    for bad in ["", "-1", "1.5", "soon", "99999999999999999999999", "Sun, 06 Nov"] {
        assert_eq!(from(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600), piece in 1..64_usize) {
        let _read = read(&bytes, piece);
    }

    /// A good answer with bytes changed, put in and taken out, and what a head may hold.
    #[test]
    fn what_is_almost_an_answer_does_not_panic_and_is_no_longer_than_its_bytes(
        kind in 0..3_usize,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..6),
        piece in 1..64_usize,
    ) {
        let mut bytes = whole_answers()[kind].clone();
        for (index, byte, edit) in edits {
            let at = index.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        if let Ok(answer) = read(&bytes, piece) {
            prop_assert!(answer.body().len() <= bytes.len());
            prop_assert!((200..=999).contains(&answer.status()), "{}", answer.status());
        }
    }

    #[test]
    fn chunks_of_any_size_are_put_together(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..8),
        piece in 1..64_usize,
    ) {
        let mut bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for chunk in &chunks {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        let answer = read(&bytes, piece).ok().unwrap();
        prop_assert_eq!(answer.body(), chunks.concat());
        prop_assert!(answer.is_reusable);
    }
}
