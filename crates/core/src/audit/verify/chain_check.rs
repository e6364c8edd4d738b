//! The check of one chain, record by record, in memory that does not grow with the chain.

use agentadmit_protocol::audit::AuditHash;

use super::super::chain::ChainHead;
use super::super::export::ChainBounds;
use super::super::register::TrimmedChain;
use super::report::FindingKind;

/// Gaps that may be open at once in a chain; beyond it the oldest is reported as missing.
const MAX_GAPS: usize = 16;

/// What of a record matters to its chain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) prev_hash: AuditHash,
    /// `hash` as the record shows it.
    pub(super) hash: AuditHash,
    /// The hash of its visible members; another than `hash` in an altered record.
    pub(super) computed: AuditHash,
    /// The line is exactly a record and its hash is right: what it says can be believed.
    pub(super) sound: bool,
}

/// A finding about a chain, before it is given its place in the file.
pub(super) type Problem = (FindingKind, String);

/// Who says that a chain reached a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Header,
    Closed,
    Signed,
    Kept,
}

impl Source {
    const ALL: [Self; 4] = [Self::Header, Self::Closed, Self::Signed, Self::Kept];

    const fn phrase(self) -> &'static str {
        match self {
            Self::Header => "the header",
            Self::Closed => "the register's chain_closed",
            Self::Signed => "a signed checkpoint in the register",
            Self::Kept => "the kept checkpoint",
        }
    }
}

/// Numbers that were passed over, and the hashes on both sides of them.
#[derive(Debug, Clone, Copy)]
struct Gap {
    from: u64,
    to: u64,
    /// What `prev_hash` of `from` may be.
    left: Tip,
    /// What `hash` of `to` must be, where the record after it can be believed.
    right: Option<AuditHash>,
}

/// The newest record taken. It has two possible hashes when it was altered (shown and computed)
/// or is there twice: the next record may link to either without being a finding of its own.
#[derive(Debug, Clone, Copy)]
struct Tip {
    seq: u64,
    hashes: [AuditHash; 2],
}

impl Tip {
    const fn new(seq: u64, hash: AuditHash) -> Self {
        Self { seq, hashes: [hash; 2] }
    }

    const fn of(seq: u64, link: &Link) -> Self {
        Self { seq, hashes: [link.hash, link.computed] }
    }

    fn links(&self, prev_hash: &AuditHash) -> bool {
        self.hashes.contains(prev_hash)
    }
}

/// All that is known of one chain.
#[derive(Debug, Default)]
pub(super) struct ChainCheck {
    bounds: Option<ChainBounds>,
    trim: Option<TrimmedChain>,
    heads: [Option<ChainHead>; 4],
    opened: bool,
    /// Where the file's records of this chain begin: number and `prev_hash` of the first.
    start: Option<(u64, AuditHash)>,
    tip: Option<Tip>,
    gaps: Vec<Gap>,
    gap_forgotten: bool,
    /// The record under the number that the kept checkpoint names is another one.
    kept_differs: bool,
    said: Said,
}

/// Findings that are made once a chain.
#[derive(Debug, Default)]
struct Said {
    past_end: bool,
    foreign: bool,
}

/// How far the register's silence is evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RegisterState {
    /// Records of it are missing or altered: what it does not say may still have happened.
    Incomplete,
    /// It was trimmed, and is whole from there: it may no longer say who opened a chain.
    WholeFromLater,
    /// Every record from 1 is there: what it does not say did not happen.
    WholeFromStart,
}

/// How the end of a file bears on its chains.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    /// The file ends with its trailer: a chain that stops early was cut off by itself.
    pub(super) complete: bool,
    pub(super) register: RegisterState,
    /// This chain is the register.
    pub(super) is_register: bool,
}

impl ChainCheck {
    pub(super) fn set_bounds(&mut self, bounds: &ChainBounds) {
        self.bounds = Some(*bounds);
        let head = ChainHead { seq: bounds.last_seq, hash: bounds.last_hash };
        self.expect_head(Source::Header, head);
    }

    pub(super) fn set_opened(&mut self) {
        self.opened = true;
    }

    /// Of several records of trimming the furthest counts.
    pub(super) fn set_trim(&mut self, trim: &TrimmedChain) {
        if self.trim.is_none_or(|known| known.first_kept_seq < trim.first_kept_seq) {
            self.trim = Some(*trim);
        }
    }

    /// Of several heads from one source the furthest counts: a chain that passes through it has
    /// the right records before it too.
    pub(super) fn expect_head(&mut self, source: Source, head: ChainHead) {
        if let Some(slot) = self.heads.get_mut(source as usize)
            && slot.is_none_or(|known| known.seq < head.seq)
        {
            *slot = Some(head);
        }
    }

    /// The kept checkpoint's head is explained: nobody looks for it any more.
    pub(super) fn forget_kept(&mut self) {
        if let Some(slot) = self.heads.get_mut(Source::Kept as usize) {
            *slot = None;
        }
        self.kept_differs = false;
    }

    /// Whether the chain misses the head that the kept checkpoint names: it ends before it, or has
    /// another record there.
    pub(super) fn misses_kept(&self) -> bool {
        let reached = self.tip.map_or(0, |tip| tip.seq);
        self.kept_differs || self.head(Source::Kept).is_some_and(|head| head.seq > reached)
    }

    /// Whether the file says anything of this chain.
    pub(super) fn is_known(&self) -> bool {
        let is_said = |source: &Source| *source != Source::Kept && self.head(*source).is_some();
        self.opened
            || self.tip.is_some()
            || self.trim.is_some()
            || self.is_in_header()
            || Source::ALL.iter().any(is_said)
    }

    pub(super) fn has_records(&self) -> bool {
        self.tip.is_some()
    }

    pub(super) fn is_in_header(&self) -> bool {
        self.bounds.is_some()
    }

    /// Whether the records here begin after the chain's first.
    pub(super) fn begins_late(&self) -> bool {
        self.start.is_some_and(|(seq, _)| seq > 1)
    }

    /// Whether every number that the header promised was there.
    pub(super) fn is_whole(&self) -> bool {
        let reached = self.tip.map(|tip| tip.seq);
        let last = self.bounds.map(|bounds| bounds.last_seq);
        self.gaps.is_empty() && !self.gap_forgotten && reached.is_some() && reached >= last
    }

    /// True once: for a finding that would otherwise repeat with every record.
    pub(super) fn say_foreign(&mut self) -> bool {
        !core::mem::replace(&mut self.said.foreign, true)
    }

    /// Takes the next record of this chain in the file.
    ///
    /// `problems` receives what is wrong with its place; that an altered record is one is for the
    /// caller to say.
    pub(super) fn take(&mut self, link: &Link, problems: &mut Vec<Problem>) {
        let tip = self.tip_before(link);
        if !link.sound {
            self.take_altered(&tip, link, problems);
            return;
        }
        if link.seq <= tip.seq {
            self.take_earlier(&tip, link, problems);
            return;
        }
        if let Some(source) = self.ended_before(link.seq) {
            self.tip = Some(tip);
            if !core::mem::replace(&mut self.said.past_end, true) {
                let text = format!("the chain ends before this record, says {}", source.phrase());
                problems.push((FindingKind::Inserted, text));
            }
            return;
        }
        if link.seq > tip.seq.saturating_add(1) {
            self.open_gap(&tip, link, Some(link.prev_hash), problems);
        } else if !tip.links(&link.prev_hash) {
            problems.push((
                FindingKind::Inserted,
                "prev_hash is not the hash of the record before it".to_owned(),
            ));
        }
        self.tip = Some(Tip::of(link.seq, link));
        self.compare_with_heads(link, problems);
    }

    /// The newest record, or what stands before the first one.
    fn tip_before(&mut self, link: &Link) -> Tip {
        if let Some(tip) = self.tip {
            return tip;
        }
        // A chain that the header does not name is a finding by itself and begins anywhere.
        let (seq, prev_hash) = self.bounds.map_or((link.seq, link.prev_hash), |bounds| {
            (bounds.first_seq, bounds.first_prev_hash)
        });
        self.start = Some((seq, prev_hash));
        Tip::new(seq.saturating_sub(1), prev_hash)
    }

    /// An altered record keeps its place when its number or its link says which one it is, so
    /// that one altered record is one finding.
    fn take_altered(&mut self, tip: &Tip, link: &Link, problems: &mut Vec<Problem>) {
        let next = tip.seq.saturating_add(1);
        if link.seq == next || tip.links(&link.prev_hash) {
            self.tip = Some(Tip::of(next, link));
        } else if link.seq > next && self.ended_before(link.seq).is_none() {
            self.open_gap(tip, link, None, problems);
            self.tip = Some(Tip::of(link.seq, link));
        } else {
            self.tip = Some(*tip);
            self.fill_gap(link);
        }
    }

    /// A record whose number was passed already: late, or there twice.
    fn take_earlier(&mut self, tip: &Tip, link: &Link, problems: &mut Vec<Problem>) {
        self.tip = Some(*tip);
        match self.fill_gap(link) {
            Some(true) => {
                problems.push((
                    FindingKind::Reordered,
                    "the record stands after a later one of its chain".to_owned(),
                ));
                self.compare_with_heads(link, problems);
            }
            Some(false) => problems.push((
                FindingKind::Inserted,
                "the record does not link to those around its number".to_owned(),
            )),
            None => {
                if link.seq == tip.seq {
                    let [first, _] = tip.hashes;
                    self.tip = Some(Tip { seq: tip.seq, hashes: [first, link.hash] });
                }
                problems.push((
                    FindingKind::Inserted,
                    "the chain already has a record of this number, or begins after it".to_owned(),
                ));
            }
        }
    }

    /// Puts a record into the gap that waits for its number: whether it links there, or `None`
    /// when no gap does.
    fn fill_gap(&mut self, link: &Link) -> Option<bool> {
        let position = self.gaps.iter().position(|gap| (gap.from..=gap.to).contains(&link.seq))?;
        let gap = self.gaps.swap_remove(position);
        let links_left = link.seq != gap.from || gap.left.links(&link.prev_hash);
        let links_right = link.seq != gap.to || gap.right.is_none_or(|hash| hash == link.hash);
        if link.seq > gap.from {
            let right = link.sound.then_some(link.prev_hash);
            self.gaps.push(Gap { to: link.seq.saturating_sub(1), right, ..gap });
        }
        if link.seq < gap.to {
            let left = Tip::of(link.seq, link);
            self.gaps.push(Gap { from: link.seq.saturating_add(1), left, ..gap });
        }
        Some(links_left && links_right)
    }

    fn open_gap(
        &mut self,
        tip: &Tip,
        link: &Link,
        right: Option<AuditHash>,
        problems: &mut Vec<Problem>,
    ) {
        if self.gaps.len() >= MAX_GAPS {
            problems.push(missing(&self.gaps.remove(0)));
            self.gap_forgotten = true;
        }
        let from = tip.seq.saturating_add(1);
        self.gaps.push(Gap { from, to: link.seq.saturating_sub(1), left: *tip, right });
    }

    /// Who says that the chain has no record `seq`.
    fn ended_before(&self, seq: u64) -> Option<Source> {
        [Source::Closed, Source::Header]
            .into_iter()
            .find(|source| self.head(*source).is_some_and(|head| head.seq < seq))
    }

    fn head(&self, source: Source) -> Option<ChainHead> {
        self.heads.get(source as usize).copied().flatten()
    }

    /// The record must be the one that was closed, signed or promised under its number, and the
    /// first one that trimming kept.
    fn compare_with_heads(&mut self, link: &Link, problems: &mut Vec<Problem>) {
        for source in Source::ALL {
            if self.head(source).is_some_and(|head| head.seq == link.seq && head.hash != link.hash)
            {
                if source == Source::Kept {
                    // a restore may explain it: that shows in the end
                    self.kept_differs = true;
                    return;
                }
                let text = format!("{} names another record under this number", source.phrase());
                problems.push((FindingKind::Altered, text));
                return;
            }
        }
        // Where it is also the first one here, `finish_start` compares.
        let is_start = self.start.is_some_and(|(start, _)| start == link.seq);
        if let Some(trim) = self.trim.filter(|trim| trim.first_kept_seq == link.seq && !is_start)
            && trim.prev_hash != link.prev_hash
        {
            problems.push((
                FindingKind::Inserted,
                "prev_hash is not the hash of the last record that was trimmed".to_owned(),
            ));
        }
    }

    /// What the end of the file shows about this chain.
    pub(super) fn finish(&self, ending: Ending, problems: &mut Vec<Problem>) {
        if self.tip.is_none() {
            self.finish_without_records(ending, problems);
            return;
        }
        problems.extend(self.gaps.iter().map(missing));
        if let Some(head) = self.head(Source::Kept).filter(|_| self.kept_differs) {
            let phrase = Source::Kept.phrase();
            let text = format!("{phrase} names another record under the number {}", head.seq);
            problems.push((FindingKind::Altered, text));
        }
        self.finish_start(ending, problems);
        self.finish_end(ending, problems);
        let says_all = ending.register == RegisterState::WholeFromStart && !ending.is_register;
        if says_all && !self.opened && self.is_in_header() {
            problems
                .push((FindingKind::Inserted, "the register never opened this chain".to_owned()));
        }
    }

    fn finish_without_records(&self, ending: Ending, problems: &mut Vec<Problem>) {
        if !ending.complete && self.is_in_header() {
            return;
        }
        let last = Source::ALL.into_iter().filter_map(|source| self.head(source));
        let last = last.max_by_key(|head| head.seq);
        let last_seq = last.map_or(0, |head| head.seq);
        if let Some(trim) = self.trim.filter(|trim| trim.first_kept_seq > last_seq) {
            let end = trim.first_kept_seq.saturating_sub(1);
            if last.is_some_and(|head| head.seq == end && head.hash != trim.prev_hash) {
                let text = "the record of its trimming names another last record".to_owned();
                problems.push((FindingKind::Altered, text));
            }
            return;
        }
        if self.head(Source::Closed).is_some() && last_seq == 0 {
            return;
        }
        let says = Source::ALL.into_iter().find(|source| self.head(*source).is_some());
        let says = says.map_or(
            if self.opened { "the register's chain_opened" } else { "the header" },
            Source::phrase,
        );
        problems.push((
            FindingKind::ChainLeftOut,
            format!("{says} names this chain, but none of its records are here"),
        ));
    }

    /// A chain that does not begin at 1 needs the register's word that it was trimmed to there:
    /// the header alone is nobody's evidence.
    fn finish_start(&self, ending: Ending, problems: &mut Vec<Problem>) {
        let Some((start, prev_hash)) = self.start.filter(|_| self.is_in_header()) else { return };
        if start == 1 && prev_hash != ChainHead::START.hash {
            let text = "the header gives the chain a predecessor of its first record".to_owned();
            problems.push((FindingKind::Altered, text));
        }
        if start <= 1 {
            return;
        }
        let trim = self.trim.filter(|trim| trim.first_kept_seq >= start);
        match trim {
            Some(trim) if trim.first_kept_seq == start && trim.prev_hash != prev_hash => {
                let text = "the record of its trimming names another predecessor".to_owned();
                problems.push((FindingKind::Altered, text));
            }
            None if ending.register != RegisterState::Incomplete => {
                let kept = self.trim.map_or(1, |trim| trim.first_kept_seq);
                problems.push((
                    FindingKind::Missing,
                    format!("records {kept} to {} were not trimmed, but are not here", start - 1),
                ));
            }
            _ => {}
        }
        let before = Source::ALL.into_iter().filter_map(|source| self.head(source));
        if before.clone().any(|head| head.seq == start - 1 && head.hash != prev_hash) {
            let text = "the chain does not continue the record that was closed or signed";
            problems.push((FindingKind::Altered, text.to_owned()));
        }
    }

    fn finish_end(&self, ending: Ending, problems: &mut Vec<Problem>) {
        let reached = self.tip.map_or(0, |tip| tip.seq);
        let ends_early = |source: &Source| {
            // The header may promise what was found to stand after the chain's end.
            let refused = self.said.past_end && *source == Source::Header;
            !refused && self.head(*source).is_some_and(|head| head.seq > reached)
        };
        // What the header promised is not cut off from the chain when the file itself ends early.
        let promised = !ending.complete && self.is_in_header();
        let Some(source) = Source::ALL.into_iter().find(ends_early).filter(|_| !promised) else {
            return;
        };
        let last = self.head(source).map_or(0, |head| head.seq);
        problems.push((
            FindingKind::CutOff,
            format!("the chain ends at {reached}, but {} names record {last}", source.phrase()),
        ));
    }
}

fn missing(gap: &Gap) -> Problem {
    let text = if gap.from == gap.to {
        format!("record {} is not here", gap.from)
    } else {
        format!("records {} to {} are not here", gap.from, gap.to)
    };
    (FindingKind::Missing, text)
}
