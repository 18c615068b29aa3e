//! The bytes of segments: headers, records, the index. `docs/log-format.md` is the normative text.
//!
//! *Invariant:* decoding never panics and never allocates by a number that it read; what it gives has passed a check sum.

use bytes::Bytes;
use penstock_otlp::Signal;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(test)]
mod tests;

/// The version that this program writes, and the latest that it reads.
pub(crate) const VERSION: u16 = 1;
/// Bytes of a segment header.
pub(crate) const SEGMENT_HEADER: usize = 96;
/// Bytes of a record header.
pub(crate) const RECORD_HEADER: usize = 64;
/// Numbers left out when others may have had them.
pub(crate) const SKIPPED_SEQS: u64 = 1 << 20;
/// The first bytes of every record.
pub(crate) const RECORD_MAGIC: [u8; 4] = *b"PREC";
/// Bytes at the end of a sealed segment that say where its index begins.
pub(crate) const TRAILER: usize = 8;

const SEGMENT_MAGIC: [u8; 8] = *b"PENSTOCK";
const TRAILER_MAGIC: [u8; 4] = *b"PEND";
const MARK: usize = 32;
/// One mark for so many bytes of a segment.
const MARK_EVERY: u64 = 256 << 10;

/// A place in a log, with what lies before it since the log exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Number of the block that begins here.
    pub(crate) seq: u64,
    /// Items of the blocks before.
    pub(crate) items: u64,
    /// Payload bytes of the blocks before.
    pub(crate) bytes: u64,
}

/// A block, to write or as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) seq: u64,
    pub(crate) items: u32,
    /// Items of the log's blocks before this one.
    pub(crate) items_before: u64,
    /// Payload bytes of the same.
    pub(crate) bytes_before: u64,
    /// When its first item came: nanoseconds since 1970.
    pub(crate) since_ns: u64,
    pub(crate) payload: Bytes,
}

/// Blocks that are not there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) seqs: RangeInclusive<u64>,
    /// Their items: 0 for numbers that no block ever had.
    pub(crate) items: u64,
    /// Their payload bytes.
    pub(crate) bytes: u64,
    /// Where the log goes on.
    pub(crate) end: Totals,
    pub(crate) why: Why,
}

/// Why blocks are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Their bytes are not what was written; they are in quarantine, as far as there is room.
    Damaged,
    /// The disk does not give them.
    Unreadable,
    /// A segment or a part of one is not there.
    Missing,
    /// Nothing is lost: the numbers were left out after the machine stopped, as others may have had them before.
    Skipped,
}

/// What tells a log from all others.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LogId([u8; 16]);

/// The beginning of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) version: u16,
    /// `None` for dead letters, which are of any signal.
    pub(crate) signal: Option<Signal>,
    pub(crate) purpose: Purpose,
    pub(crate) log_id: LogId,
    pub(crate) first: Totals,
    pub(crate) created_ns: u64,
    pub(crate) boot: u64,
}

/// What a segment is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Log,
    DeadLetters,
    /// Not known to this version.
    Other(u8),
}

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Block = 1,
    Books = 2,
    Index = 3,
    DeadLetter = 4,
}

/// The beginning of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) kind: Kind,
    pub(crate) payload_len: u32,
    pub(crate) items: u32,
    pub(crate) at: Totals,
    pub(crate) since_ns: u64,
    /// [`LogId::tag`] of the log that it belongs to.
    pub(crate) tag: u32,
    pub(crate) payload_crc: u32,
}

/// Where a block lies in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) at: Totals,
    pub(crate) offset: u64,
}

/// What a sealed segment says of itself at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    /// Where its last books are.
    pub(crate) books_at: u64,
    pub(crate) marks: Vec<Mark>,
}

/// Now, as the log writes it.
pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Adds a mark for a block if it is time for one.
pub(crate) fn mark(marks: &mut Vec<Mark>, at: Totals, offset: u64) {
    if marks
        .last()
        .is_none_or(|last| offset >= last.offset + MARK_EVERY)
    {
        marks.push(Mark { at, offset });
    }
}

impl Totals {
    /// The loss of everything from here to `end`, which comes later.
    pub(crate) fn lost_to(self, end: Self, why: Why) -> Lost {
        let items = end.items.saturating_sub(self.items);
        let bytes = end.bytes.saturating_sub(self.bytes);
        Lost {
            seqs: self.seq..=end.seq.saturating_sub(1),
            items,
            bytes,
            end,
            why: if (items, bytes) == (0, 0) {
                Why::Skipped
            } else {
                why
            },
        }
    }

    /// The place after a block that begins here; `None` if there can be no such block.
    pub(crate) fn after(self, items: u32, bytes: u32) -> Option<Self> {
        Some(Self {
            seq: self.seq.checked_add(1)?,
            items: self.items.checked_add(u64::from(items))?,
            bytes: self.bytes.checked_add(u64::from(bytes))?,
        })
    }
}

impl Record {
    /// Where the block begins.
    pub(crate) fn begin(&self) -> Totals {
        Totals {
            seq: self.seq,
            items: self.items_before,
            bytes: self.bytes_before,
        }
    }

    /// Where the next one begins.
    pub(crate) fn end(&self) -> Totals {
        Totals {
            seq: self.seq + 1,
            items: self.items_before + u64::from(self.items),
            bytes: self.bytes_before + self.payload.len() as u64,
        }
    }
}

impl LogId {
    /// One that no other log has, of whatever shard, process or start.
    pub(crate) fn new() -> Self {
        // Both are seeded by the system; the time and the process only tell apart what a bad seed would not.
        let seed = (now_ns(), std::process::id());
        let halves = [
            RandomState::new().hash_one(seed),
            RandomState::new().hash_one(seed),
        ];
        let mut id = [0; 16];
        id[..8].copy_from_slice(&halves[0].to_le_bytes());
        id[8..].copy_from_slice(&halves[1].to_le_bytes());
        Self(id)
    }

    /// What records carry of it.
    pub(crate) fn tag(self) -> u32 {
        crc32fast::hash(&self.0)
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LogId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.len() != 32 {
            return Err(());
        }
        let id = u128::from_str_radix(text, 16).map_err(|_| ())?;
        Ok(Self(id.to_be_bytes()))
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log => f.write_str("a log"),
            Self::DeadLetters => f.write_str("dead letters"),
            Self::Other(code) => write!(f, "something unknown ({code})"),
        }
    }
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut out = [0; SEGMENT_HEADER];
        out[..8].copy_from_slice(&SEGMENT_MAGIC);
        out[8..10].copy_from_slice(&self.version.to_le_bytes());
        out[10] = self.signal.map_or(0, signal_code);
        out[11] = match self.purpose {
            Purpose::Log => 0,
            Purpose::DeadLetters => 1,
            Purpose::Other(code) => code,
        };
        out[16..32].copy_from_slice(&self.log_id.0);
        put_totals(&mut out, 32, self.first);
        put_u64(&mut out, 56, self.created_ns);
        put_u64(&mut out, 64, self.boot);
        let crc = crc32fast::hash(&out[..92]);
        put_u32(&mut out, 92, crc);
        out
    }

    /// `None` if this is not a whole header. The version may be any.
    pub(crate) fn decode(bytes: &[u8; SEGMENT_HEADER]) -> Option<Self> {
        if bytes[..8] != SEGMENT_MAGIC || u32_at(bytes, 92) != crc32fast::hash(&bytes[..92]) {
            return None;
        }
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[16..32]);
        Some(Self {
            version: u16::from_le_bytes([bytes[8], bytes[9]]),
            signal: Signal::ALL
                .into_iter()
                .find(|signal| signal_code(*signal) == bytes[10]),
            purpose: match bytes[11] {
                0 => Purpose::Log,
                1 => Purpose::DeadLetters,
                code => Purpose::Other(code),
            },
            log_id: LogId(id),
            first: totals_at(bytes, 32),
            created_ns: u64_at(bytes, 56),
            boot: u64_at(bytes, 64),
        })
    }
}

impl RecordHeader {
    pub(crate) fn encode(&self) -> [u8; RECORD_HEADER] {
        let mut out = [0; RECORD_HEADER];
        out[..4].copy_from_slice(&RECORD_MAGIC);
        out[4] = self.kind as u8;
        put_u32(&mut out, 8, self.payload_len);
        put_u32(&mut out, 12, self.items);
        put_totals(&mut out, 16, self.at);
        put_u64(&mut out, 40, self.since_ns);
        put_u32(&mut out, 48, self.tag);
        put_u32(&mut out, 52, self.payload_crc);
        let crc = crc32fast::hash(&out[..60]);
        put_u32(&mut out, 60, crc);
        out
    }

    /// `None` if this is not a whole header of a known kind.
    pub(crate) fn decode(bytes: &[u8; RECORD_HEADER]) -> Option<Self> {
        if bytes[..4] != RECORD_MAGIC || u32_at(bytes, 60) != crc32fast::hash(&bytes[..60]) {
            return None;
        }
        let kind = match bytes[4] {
            1 => Kind::Block,
            2 => Kind::Books,
            3 => Kind::Index,
            4 => Kind::DeadLetter,
            _ => return None,
        };
        let header = Self {
            kind,
            payload_len: u32_at(bytes, 8),
            items: u32_at(bytes, 12),
            at: totals_at(bytes, 16),
            since_ns: u64_at(bytes, 40),
            tag: u32_at(bytes, 48),
            payload_crc: u32_at(bytes, 52),
        };
        // So that nobody after this has to fear an overflow.
        header.at.after(header.items, header.payload_len)?;
        Some(header)
    }

    /// Bytes of the whole record.
    pub(crate) fn record_len(&self) -> u64 {
        RECORD_HEADER as u64 + u64::from(self.payload_len)
    }

    /// The place after the record.
    pub(crate) fn end(&self) -> Totals {
        match self.kind {
            // Checked by `decode`.
            Kind::Block => self
                .at
                .after(self.items, self.payload_len)
                .unwrap_or(self.at),
            Kind::Books | Kind::Index | Kind::DeadLetter => self.at,
        }
    }
}

impl Index {
    /// The payload of the record.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let len = 12 + self.marks.len() * MARK + TRAILER;
        let mut out = Vec::with_capacity(len);
        out.extend(self.books_at.to_le_bytes());
        out.extend((self.marks.len() as u32).to_le_bytes());
        for mark in &self.marks {
            for number in [mark.at.seq, mark.offset, mark.at.items, mark.at.bytes] {
                out.extend(number.to_le_bytes());
            }
        }
        out.extend(((RECORD_HEADER + len) as u32).to_le_bytes());
        out.extend(TRAILER_MAGIC);
        out
    }

    /// `None` if this is not an index.
    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        let (body, _trailer) = payload.split_at_checked(payload.len().checked_sub(TRAILER)?)?;
        let (head, marks) = body.split_at_checked(12)?;
        let (marks, rest) = marks.as_chunks::<MARK>();
        if marks.len() != u32_at(head, 8) as usize || !rest.is_empty() {
            return None;
        }
        let mark = |bytes: &[u8; MARK]| Mark {
            at: Totals {
                seq: u64_at(bytes, 0),
                items: u64_at(bytes, 16),
                bytes: u64_at(bytes, 24),
            },
            offset: u64_at(bytes, 8),
        };
        let marks: Vec<_> = marks.iter().map(mark).collect();
        let rises =
            |pair: &[Mark]| pair[0].offset < pair[1].offset && pair[0].at.seq < pair[1].at.seq;
        marks.windows(2).all(rises).then_some(Self {
            books_at: u64_at(head, 0),
            marks,
        })
    }

    /// Length of the index record that ends with these bytes.
    pub(crate) fn record_len(trailer: &[u8; TRAILER]) -> Option<u64> {
        (trailer[4..] == TRAILER_MAGIC).then(|| u64::from(u32_at(trailer, 0)))
    }
}

fn signal_code(signal: Signal) -> u8 {
    match signal {
        Signal::Traces => 1,
        Signal::Metrics => 2,
        Signal::Logs => 3,
    }
}

fn put_u32(out: &mut [u8], at: usize, number: u32) {
    out[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

fn put_u64(out: &mut [u8], at: usize, number: u64) {
    out[at..at + 8].copy_from_slice(&number.to_le_bytes());
}

fn put_totals(out: &mut [u8], at: usize, totals: Totals) {
    put_u64(out, at, totals.seq);
    put_u64(out, at + 8, totals.items);
    put_u64(out, at + 16, totals.bytes);
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

fn totals_at(bytes: &[u8], at: usize) -> Totals {
    Totals {
        seq: u64_at(bytes, at),
        items: u64_at(bytes, at + 8),
        bytes: u64_at(bytes, at + 16),
    }
}
