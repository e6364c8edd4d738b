//! Bundles: the rows of `activity`.
//!
//! What was done with connections whose ids are neighbours stands together in one row: a row for
//! each was a row at random to read and to write for nearly every call of a store with many. A bundle
//! holds the connections from its own key up to the next bundle's. It is bounded, so that two fill a
//! page. Its entries are in order and equally wide, so that one is found by halving, and changed where
//! it stands; the row then keeps its length, and SQLite overwrites it in its page. What all ids begin
//! with, and the earliest time, stand in front once. Integers are big-endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | version |
//! | 1, 1, 1 | how many bytes all ids begin with; how wide calls and times are |
//! | 8 | the earliest time |
//! | | what all ids begin with |
//! | for each | the rest of the id, calls, milliseconds after the earliest time |

use agentadmit_core::connection::Activity;
use agentadmit_protocol::id::ConnectionId;
use agentadmit_protocol::time::Timestamp;
use agentadmit_store::StoreError;

/// Most bytes of a bundle, as of a block of the log: two fill a page of 4 KiB.
const MOST: usize = 1_980;
const VERSION: u8 = 1;
/// Bytes before what the ids begin with.
const HEAD: usize = 12;
/// Least widths: 65,535 calls, and the times of four and a half hours.
const LEAST_CALLS: usize = 2;
const LEAST_TIME: usize = 3;

/// The key under which a bundle may begin with this connection: the first eight bytes of its id, in
/// their order.
pub(crate) fn key_of(id: ConnectionId) -> i64 {
    let first = id.as_bytes().first_chunk::<8>().copied().unwrap_or_default();
    // as a number without a sign, moved to where the least one with a sign is the first
    (u64::from_be_bytes(first) ^ (1 << 63)).cast_signed()
}

/// What was done with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: ConnectionId,
    pub(crate) calls: u64,
    /// The newest call.
    pub(crate) at: i64,
}

impl Entry {
    /// Nothing for what was never used.
    pub(crate) fn new(id: ConnectionId, activity: Activity) -> Option<Self> {
        let at = activity.last_used_at?.as_millis();
        Some(Self { id, calls: activity.calls, at })
    }

    fn activity(self) -> Activity {
        let last_used_at = Some(Timestamp::from_millis(self.at));
        Activity { calls: self.calls, last_used_at }
    }

    fn and(self, newer: Self) -> Self {
        let calls = self.calls.saturating_add(newer.calls);
        Self { id: self.id, calls, at: self.at.max(newer.at) }
    }
}

/// How the entries of a bundle are written.
#[derive(Debug, Clone, Copy)]
struct Layout {
    /// How many bytes all ids begin with.
    prefix: [u8; 16],
    shared: usize,
    calls: usize,
    time: usize,
    /// The earliest time.
    from: i64,
}

impl Layout {
    /// Of one entry.
    fn of(entry: &Entry) -> Self {
        Self {
            prefix: *entry.id.as_bytes(),
            shared: 16,
            calls: LEAST_CALLS.max(width(entry.calls)),
            time: LEAST_TIME,
            from: entry.at,
        }
    }

    /// Of all entries in order.
    fn of_all(entries: &[Entry]) -> Option<Self> {
        let (first, others) = entries.split_first()?;
        let from = entries.iter().map(|entry| entry.at).min()?;
        let mut layout = Self { from, ..Self::of(first) };
        for entry in others.iter().chain([first]) {
            layout.take(entry);
        }
        Some(layout)
    }

    /// Widens it so that it takes an entry that is not earlier than all.
    fn take(&mut self, entry: &Entry) {
        let alike = self.prefix.iter().zip(entry.id.as_bytes()).take_while(|(a, b)| a == b);
        self.shared = self.shared.min(alike.count());
        self.calls = self.calls.max(width(entry.calls));
        self.time = self.time.max(width(entry.at.abs_diff(self.from)));
    }

    /// Bytes of an entry.
    fn stride(&self) -> usize {
        16 - self.shared + self.calls + self.time
    }

    /// Bytes of a bundle.
    fn size(&self, entries: usize) -> usize {
        HEAD + self.shared + entries * self.stride()
    }

    /// Reads the head of a row; the rest are entries.
    fn read(row: &[u8]) -> Result<(Self, &[u8]), StoreError> {
        let damaged = || StoreError::Corrupt("a row of activity cannot be read".to_owned());
        let (&[version, shared, calls, time], rest) =
            row.split_first_chunk().ok_or_else(damaged)?;
        let (from, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        let shared = usize::from(shared);
        let (calls, time) = (usize::from(calls), usize::from(time));
        let is_known = version == VERSION && shared <= 16 && calls <= 8 && (1..=8).contains(&time);
        let (begin, entries) = rest.split_at_checked(shared).ok_or_else(damaged)?;
        let mut prefix = [0; 16];
        let known = prefix.get_mut(..shared).filter(|_| is_known).ok_or_else(damaged)?;
        known.copy_from_slice(begin);
        let layout = Self { prefix, shared, calls, time, from: i64::from_be_bytes(*from) };
        let is_whole = entries.len().is_multiple_of(layout.stride());
        if is_whole { Ok((layout, entries)) } else { Err(damaged()) }
    }

    /// The row of these entries.
    fn write(&self, entries: &[Entry]) -> Vec<u8> {
        let mut row = Vec::with_capacity(self.size(entries.len()));
        let narrow = |width: usize| u8::try_from(width).unwrap_or(u8::MAX);
        row.extend([VERSION, narrow(self.shared), narrow(self.calls), narrow(self.time)]);
        row.extend(self.from.to_be_bytes());
        row.extend_from_slice(self.prefix.get(..self.shared).unwrap_or_default());
        for entry in entries {
            row.extend_from_slice(entry.id.as_bytes().get(self.shared..).unwrap_or_default());
            push(&mut row, entry.calls, self.calls);
            push(&mut row, entry.at.abs_diff(self.from), self.time);
        }
        row
    }

    /// Where an id stands among the entries, or would stand.
    fn find(&self, entries: &[u8], id: ConnectionId) -> Result<usize, usize> {
        let (stride, bytes) = (self.stride(), id.as_bytes());
        let (begin, rest) = bytes.split_at_checked(self.shared).unwrap_or((bytes, &[]));
        let (mut low, mut high) = (0, entries.len() / stride);
        match begin.cmp(self.prefix.get(..self.shared).unwrap_or_default()) {
            std::cmp::Ordering::Less => return Err(low),
            std::cmp::Ordering::Greater => return Err(high),
            std::cmp::Ordering::Equal => {}
        }
        while low < high {
            let middle = usize::midpoint(low, high);
            let at = middle * stride;
            let known = entries.get(at..at + rest.len()).unwrap_or_default();
            match known.cmp(rest) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// The entry of these bytes.
    fn entry(&self, bytes: &[u8]) -> Entry {
        let mut id = self.prefix;
        let (rest, numbers) = bytes.split_at_checked(16 - self.shared).unwrap_or_default();
        if let Some(known) = id.get_mut(self.shared..) {
            known.copy_from_slice(rest);
        }
        let (calls, time) = numbers.split_at_checked(self.calls).unwrap_or_default();
        let at = self.from.saturating_add_unsigned(number(time));
        Entry { id: ConnectionId::from_bytes(id), calls: number(calls), at }
    }

    /// Whether an entry can stand among the others as they are written.
    fn fits(&self, entry: &Entry) -> bool {
        entry.at >= self.from
            && width(entry.calls) <= self.calls
            && width(entry.at.abs_diff(self.from)) <= self.time
    }
}

/// Bytes that a number needs.
fn width(number: u64) -> usize {
    usize::try_from(u64::BITS - number.leading_zeros()).unwrap_or(64).div_ceil(8)
}

fn push(row: &mut Vec<u8>, number: u64, width: usize) {
    row.extend_from_slice(number.to_be_bytes().get(8 - width..).unwrap_or_default());
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// What a row says of one connection.
pub(crate) fn find(row: &[u8], id: ConnectionId) -> Result<Activity, StoreError> {
    let (layout, entries) = Layout::read(row)?;
    let found = layout.find(entries, id).ok();
    let found = found.and_then(|at| entries.chunks_exact(layout.stride()).nth(at));
    Ok(found.map(|bytes| layout.entry(bytes).activity()).unwrap_or_default())
}

/// Everything that a row says, in the order of the ids.
pub(crate) fn entries(row: &[u8]) -> Result<Vec<Entry>, StoreError> {
    let (layout, entries) = Layout::read(row)?;
    Ok(entries.chunks_exact(layout.stride()).map(|bytes| layout.entry(bytes)).collect())
}

/// A bundle that is added to.
#[derive(Debug)]
pub(crate) enum Bundle {
    /// As its row has it.
    Written(Vec<u8>),
    /// Something was added that does not fit where it should stand.
    Loose(Vec<Entry>),
}

impl Bundle {
    /// The newest id in it.
    pub(crate) fn last(&self) -> Result<Option<ConnectionId>, StoreError> {
        match self {
            Self::Written(row) => {
                let (layout, entries) = Layout::read(row)?;
                let last = entries.chunks_exact(layout.stride()).next_back();
                Ok(last.map(|bytes| layout.entry(bytes).id))
            }
            Self::Loose(entries) => Ok(entries.last().map(|entry| entry.id)),
        }
    }

    /// Adds to what is known of a connection.
    pub(crate) fn add(&mut self, newer: Entry) -> Result<(), StoreError> {
        if let Self::Written(row) = self {
            if add_in_place(row, newer)? {
                return Ok(());
            }
            *self = Self::Loose(entries(row)?);
        }
        if let Self::Loose(entries) = self {
            match entries.binary_search_by_key(&newer.id, |entry| entry.id) {
                Ok(at) => {
                    if let Some(known) = entries.get_mut(at) {
                        *known = known.and(newer);
                    }
                }
                Err(at) => entries.insert(at, newer),
            }
        }
        Ok(())
    }
}

/// Adds where an entry stands; `false` where there is none, or no room in it.
fn add_in_place(row: &mut [u8], newer: Entry) -> Result<bool, StoreError> {
    let (layout, entries) = Layout::read(row)?;
    let Ok(at) = layout.find(entries, newer.id) else { return Ok(false) };
    let (stride, begin) = (layout.stride(), row.len() - entries.len());
    let place = begin + at * stride..begin + (at + 1) * stride;
    let Some(bytes) = row.get_mut(place) else { return Ok(false) };
    let entry = layout.entry(bytes).and(newer);
    if !layout.fits(&entry) {
        return Ok(false);
    }
    let (calls, time) = (entry.calls.to_be_bytes(), entry.at.abs_diff(layout.from).to_be_bytes());
    let numbers = bytes.iter_mut().skip(16 - layout.shared);
    let new = calls.iter().skip(8 - layout.calls).chain(time.iter().skip(8 - layout.time));
    for (byte, new) in numbers.zip(new) {
        *byte = *new;
    }
    Ok(true)
}

/// A row that is to be written.
#[derive(Debug)]
pub(crate) struct Piece {
    /// The key under which it may begin.
    pub(crate) key: i64,
    pub(crate) connections: usize,
    pub(crate) row: Vec<u8>,
}

/// The rows of entries in order. Behind the last bundle new connections come, so that it is cut into
/// full ones; any other is cut into halves, for what comes between.
pub(crate) fn pieces(entries: &[Entry], is_last: bool) -> Vec<Piece> {
    let fitting = fitting(entries);
    let wanted = if is_last { fitting } else { entries.len() / 2 };
    if fitting < entries.len()
        && let Some(cut) = cut(entries, wanted)
    {
        let (first, rest) = entries.split_at(cut);
        let mut both = pieces(first, false);
        both.extend(pieces(rest, is_last));
        return both;
    }
    let piece = entries.first().zip(Layout::of_all(entries));
    let written = piece.map(|(first, layout)| {
        let (key, row) = (key_of(first.id), layout.write(entries));
        Piece { key, connections: entries.len(), row }
    });
    written.into_iter().collect()
}

/// How many of the entries one row takes, from the first one on.
fn fitting(entries: &[Entry]) -> usize {
    let Some(mut layout) = entries.first().map(Layout::of) else { return 0 };
    let mut latest = layout.from;
    for (taken, entry) in entries.iter().enumerate() {
        latest = latest.max(entry.at);
        layout.from = layout.from.min(entry.at);
        layout.take(entry);
        layout.time = layout.time.max(width(latest.abs_diff(layout.from)));
        if layout.size(taken + 1) > MOST {
            return taken;
        }
    }
    entries.len()
}

/// Where entries can be cut, as near as may be to where it is wanted: those of one key stay together.
fn cut(entries: &[Entry], wanted: usize) -> Option<usize> {
    let key = |at: usize| entries.get(at).map(|entry| key_of(entry.id));
    let is_between = |at: &usize| key(at - 1) != key(*at);
    let (before, behind) = (1..=wanted, wanted.max(1)..entries.len());
    before.rev().find(is_between).or_else(|| behind.into_iter().find(is_between))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the millisecond `at`, told apart by a number.
    fn entry(at: u64, number: u16, calls: u64) -> Entry {
        let mut id = [7; 16];
        id[..6].copy_from_slice(&at.to_be_bytes()[2..]);
        id[6..8].copy_from_slice(&number.to_be_bytes());
        let at = 1_767_225_600_000 + i64::from(number % 997);
        Entry { id: ConnectionId::from_bytes(id), calls, at }
    }

    fn written(entries: &[Entry]) -> Vec<u8> {
        let mut pieces = pieces(entries, true);
        assert_eq!(pieces.len(), 1);
        pieces.pop().unwrap().row
    }

    fn added(bundle: &mut Bundle, newer: Entry) -> Vec<Entry> {
        bundle.add(newer).unwrap();
        let all = match bundle {
            Bundle::Written(row) => entries(row).unwrap(),
            Bundle::Loose(entries) => entries.clone(),
        };
        assert!(all.is_sorted_by_key(|entry| entry.id));
        all
    }

    #[test]
    fn what_is_written_is_read_and_found() {
        for step in [0, 1, 1 << 20, 1 << 40] {
            let all: Vec<_> =
                (0..40).map(|at| entry(step * at, u16::try_from(at).unwrap(), at)).collect();
            let row = written(&all);
            assert_eq!(entries(&row).unwrap(), all);
            for known in &all {
                assert_eq!(find(&row, known.id).unwrap(), known.activity());
            }
            for stranger in [entry(0, 99, 1), entry(step * 7, 900, 1), entry(1 << 47, 0, 1)] {
                assert_eq!(find(&row, stranger.id).unwrap(), Activity::default());
            }
        }
    }

    #[test]
    fn what_fits_is_added_in_place_and_the_rest_makes_it_loose() {
        let all: Vec<_> = (0..60).map(|number| entry(9, number, 1)).collect();
        let row = written(&all);
        let mut bundle = Bundle::Written(row.clone());
        let more = Entry { calls: 65_534, at: all[3].at + 16_000_000, ..all[3] };
        let sum = all[3].and(more);
        assert_eq!(added(&mut bundle, more)[3], sum);
        assert!(matches!(&bundle, Bundle::Written(now) if now.len() == row.len()));
        // an older call counts, and is not the newest
        let older = Entry { calls: 0, at: 5, ..all[3] };
        assert_eq!(added(&mut bundle, older)[3], sum);
        assert!(matches!(bundle, Bundle::Written(_)));
        for newer in [
            Entry { calls: 1, ..all[3] },
            Entry { at: all[3].at + 17_000_000, ..all[3] },
            Entry { calls: u64::MAX, at: i64::MAX, ..all[3] },
        ] {
            let mut bundle = Bundle::Written(written(&added(&mut bundle, newer)[..]));
            assert!(matches!(added(&mut bundle, all[0])[..], [first, ..] if first.calls == 2));
        }
        let mut bundle = Bundle::Written(row);
        assert_eq!(added(&mut bundle, entry(8, 3, 1)).len(), 61, "before all others");
        assert_eq!(added(&mut bundle, entry(9, 200, 1)).len(), 62);
        assert_eq!(added(&mut bundle, entry(9, 200, 1)).len(), 62);
        assert_eq!(bundle.last().unwrap(), Some(entry(9, 200, 1).id));
    }

    #[test]
    fn bundles_are_cut_where_their_keys_differ_and_two_fill_a_page() {
        let all: Vec<_> = (0..5_000).map(|at| entry(1_000 + at, 0, at)).collect();
        for (is_last, least) in [(true, 1_850), (false, 900)] {
            let pieces = pieces(&all, is_last);
            let (_, full) = pieces.split_last().unwrap();
            for piece in &pieces {
                assert!(piece.row.len() <= MOST, "{}", piece.row.len());
            }
            assert!(full.iter().all(|piece| piece.row.len() >= least));
            let together: Vec<_> =
                pieces.iter().flat_map(|piece| entries(&piece.row).unwrap()).collect();
            assert_eq!(together, all);
            assert!(pieces.is_sorted_by(|one, next| one.key < next.key));
        }
        // connections of one key are never told apart by it
        let mut alike: Vec<_> = (0..600_u16)
            .map(|number| {
                let mut id = *entry(1 + u64::from(number / 400), 0, 1).id.as_bytes();
                id[8..10].copy_from_slice(&number.to_be_bytes());
                Entry { id: ConnectionId::from_bytes(id), calls: 1, at: 1 }
            })
            .collect();
        alike.sort_by_key(|entry| entry.id);
        for is_last in [true, false] {
            let pieces = pieces(&alike, is_last);
            let counts: Vec<_> = pieces.iter().map(|piece| piece.connections).collect();
            assert_eq!(counts, [400, 200]);
        }
    }

    #[test]
    fn keys_are_in_the_order_of_the_ids() {
        let ids = [[0; 16], [1; 16], [0x7f; 16], [0x80; 16], [0xff; 16]];
        assert!(ids.map(|id| key_of(ConnectionId::from_bytes(id))).is_sorted());
    }

    #[test]
    fn a_damaged_row_is_an_error_and_no_zero() {
        let row = written(&[entry(1, 1, 1), entry(2, 2, 2)]);
        for cut in 0..row.len() {
            assert!(
                find(&row[..cut], entry(1, 1, 1).id).is_err() || [17, 33].contains(&cut),
                "{cut}"
            );
        }
        for (at, byte) in [(0, 2), (1, 17), (2, 9), (3, 0), (3, 9)] {
            let mut row = row.clone();
            row[at] = byte;
            assert!(entries(&row).is_err(), "{at}");
            assert!(Bundle::Written(row).add(entry(1, 1, 1)).is_err());
        }
    }
}
