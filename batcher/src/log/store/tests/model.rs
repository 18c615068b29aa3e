//! The store against a simple model of it: whatever is done to it, and whatever happens to the disk.

use super::super::{Removal, StoreLimits, SyncJob};
use super::rig::{Rig, SEGMENT_BYTES, blocks, books, number, open, read_all};
use crate::log::disk::sim::{Faults, Leaves, SimDisk};
use crate::log::format::{Lost, Record, Totals, Why};
use crate::log::segments::Found;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Something that is done or happens.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Append(Vec<usize>, bool),
    Books,
    Sync,
    /// A sync that runs beside what comes between the two.
    SyncBegins,
    SyncEnds,
    Seal,
    RemoveOldest(Removal),
    Fail(Faults),
    /// So many more bytes, then the disk is full.
    Full(u64),
    Corrupt {
        file: usize,
        at: usize,
        bit: u8,
    },
    Check,
    Kill,
    Crash(Leaves, u64),
}

/// What should be.
#[derive(Debug, Default)]
struct Model {
    /// What was ever given to the store under a number.
    given: BTreeMap<u64, Vec<Record>>,
    /// What is held, as far as is known.
    held: BTreeMap<u64, Record>,
    /// The oldest held.
    first: Totals,
    /// Blocks before this were removed; they may be back after a stop, for a while.
    removed: u64,
    /// Blocks before this are durable.
    synced: u64,
    any_synced: bool,
    /// Never to be given to others.
    highest: Option<u64>,
    books: u64,
    books_synced: u64,
    books_given: u64,
    corrupted: usize,
}

/// A sync that is under way, and what it covers.
struct Asked {
    job: SyncJob,
    seq: u64,
    books: u64,
    /// There is anything at all.
    any: bool,
}

struct Run {
    rig: Option<Rig>,
    job: Option<Asked>,
    model: Model,
    fill: u8,
    /// Blocks that could not be appended: tried again before any others, as they are.
    refused: Vec<Record>,
}

/// Does it all, and checks after each stop and at the end.
pub(crate) fn run(actions: &[Action], keep_unsynced: bool) {
    let limits = StoreLimits {
        segment_bytes: SEGMENT_BYTES,
        keep_unsynced,
    };
    let rig = open(&SimDisk::default(), limits).expect("a new log");
    let mut run = Run {
        rig: Some(rig),
        job: None,
        model: Model::default(),
        fill: 0,
        refused: Vec::new(),
    };
    for action in actions {
        run.act(action);
    }
    run.act(&Action::Check);
    run.act(&Action::Kill);
}

impl Run {
    fn rig(&mut self) -> &mut Rig {
        self.rig.as_mut().expect("open between actions")
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Append(sizes, with_books) => self.append(sizes, *with_books),
            Action::Books => self.append(&[], true),
            Action::Sync => {
                self.act(&Action::SyncEnds);
                self.act(&Action::SyncBegins);
                self.act(&Action::SyncEnds);
            }
            Action::SyncBegins if self.job.is_none() => {
                let seq = self.rig().store.end().seq;
                let books = self.model.books;
                let any = !self.rig().segments.list().is_empty();
                let job = self.rig().store.sync_job();
                self.job = job.ok().map(|job| Asked {
                    job,
                    seq,
                    books,
                    any,
                });
            }
            Action::SyncBegins => {}
            Action::SyncEnds => self.sync_ends(),
            Action::Seal => self.rig().store.seal(),
            Action::RemoveOldest(when) => self.remove_oldest(*when),
            Action::Fail(faults) => self.rig().disk.fail(faults.clone()),
            Action::Full(more) => {
                let capacity = Some(self.rig().disk.used() + more);
                self.rig().disk.fail(Faults {
                    capacity,
                    ..Faults::default()
                });
            }
            Action::Corrupt { file, at, bit } => self.corrupt(*file, *at, *bit),
            Action::Check => {
                self.rig().disk.fail(Faults::default());
                self.check(false);
            }
            Action::Kill => self.restart(None),
            Action::Crash(leaves, seed) => self.restart(Some((*leaves, *seed))),
        }
    }

    fn append(&mut self, sizes: &[usize], with_books: bool) {
        self.fill = self.fill.wrapping_add(1);
        let fill = self.fill;
        let begin = self.rig().store.end();
        let blocks = match std::mem::take(&mut self.refused) {
            refused if refused.is_empty() => blocks(begin, sizes, fill),
            refused => refused,
        };
        for block in &blocks {
            let given = self.model.given.entry(block.seq).or_default();
            given.push(block.clone());
        }
        let books = with_books.then(|| {
            self.model.books_given += 1;
            books(self.model.books_given)
        });
        let done = self.rig().store.append(&blocks, books.as_ref());
        let end = self.rig().store.end();
        if done.is_err() {
            assert_eq!(end, begin, "an append that failed is not there");
            self.refused = blocks;
            return;
        }
        assert_eq!(end, blocks.last().map_or(begin, Record::end));
        self.model.highest = blocks.last().map(|block| block.seq).or(self.model.highest);
        let held = blocks.into_iter().map(|block| (block.seq, block));
        self.model.held.extend(held);
        if books.is_some() {
            self.model.books = self.model.books_given;
        }
    }

    fn sync_ends(&mut self) {
        let Some(asked) = self.job.take() else {
            return;
        };
        let done = asked.job.run();
        if self.rig().store.synced(done).is_ok() {
            self.model.synced = asked.seq;
            self.model.books_synced = asked.books;
            self.model.any_synced |= asked.any;
        }
    }

    fn remove_oldest(&mut self, when: Removal) {
        let segments = self.rig().segments.list();
        let [oldest, next, ..] = &segments[..] else {
            return;
        };
        let (oldest, next) = (oldest.first.seq, next.first);
        // An error is a file that goes later.
        let _later = self.rig().store.remove_segments(&[oldest], when);
        self.model.first = next;
        self.model.removed = next.seq;
        self.model.held.retain(|seq, _| *seq >= next.seq);
    }

    fn corrupt(&mut self, file: usize, at: usize, bit: u8) {
        let files = self.rig().files();
        let Some(path) = files.get(file % files.len().max(1)) else {
            return;
        };
        let len = self.rig().disk.bytes(path).len();
        if len > 0 {
            self.model.corrupted += 1;
            let disk = self.rig().disk.clone();
            disk.tamper(path, |bytes| bytes[at % len] ^= 1 << (bit % 8));
        }
    }

    fn restart(&mut self, crash: Option<(Leaves, u64)>) {
        self.job = None;
        self.refused.clear();
        let Rig {
            disk,
            limits,
            recovered,
            ..
        } = self.rig.take().expect("open between actions");
        match crash {
            None => disk.kill(),
            Some((leaves, seed)) => {
                let mut state = seed | 1;
                disk.crash(leaves, &mut |below| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    (state % below as u64) as usize
                });
            }
        }
        self.rig = Some(open(&disk, limits).expect("a log can always be opened again"));
        if self.rig().recovered.log_id != recovered.log_id {
            let nothing_written = self.model.highest.is_none() && self.model.books == 0;
            let all_lost = crash.is_some() && !self.model.any_synced;
            let unknown = self.model.corrupted > 1;
            assert!(
                nothing_written || all_lost || unknown,
                "the log begins anew"
            );
            // A part of the old one may come back, if it was never acked.
            self.model = Model {
                given: std::mem::take(&mut self.model.given),
                books_given: self.model.books_given,
                corrupted: self.model.corrupted,
                ..Model::default()
            };
        }
        self.check(crash.is_some());
        self.check_books(crash.is_some());
        if let Some(highest) = self.model.highest {
            let end = self.rig().store.end();
            let tail_may_be_cut = self.model.corrupted > 1;
            assert!(
                end.seq > highest || tail_may_be_cut,
                "number {highest} may be used again: the log ends at {end:?}"
            );
        }
    }

    /// Compares what is read with the model; after a stop, brings the model to what there is now.
    fn check(&mut self, machine_stopped: bool) {
        let first = self.rig().segments.list().first().map(|found| found.first);
        // Removed ones may be back.
        let first = first.filter(|first| first.seq < self.model.first.seq);
        let from = first.unwrap_or(self.model.first);
        let found = read_all(&self.rig().segments, from);
        let mut at = from;
        let mut there = BTreeMap::new();
        let mut lost_blocks = 0;
        for found in found {
            match found {
                Found::Block(block) => {
                    assert_eq!(block.begin(), at, "no gap is left out");
                    self.check_block(&block, machine_stopped);
                    at = block.end();
                    there.insert(block.seq, block);
                }
                Found::Lost(lost) => {
                    assert_eq!(*lost.seqs.start(), at.seq, "no gap is left out");
                    at = lost.end;
                    lost_blocks += self.check_lost(&lost, machine_stopped);
                }
            }
        }
        assert_eq!(at, self.rig().store.end(), "all is accounted for");
        let gone = self.model.held.range(at.seq..).count();
        for (seq, _) in self.model.held.range(at.seq..) {
            assert!(self.may_lose(*seq, machine_stopped), "block {seq} is gone");
        }
        // The end of the log may lie further on than the last block that is there.
        let unaccounted = self
            .model
            .held
            .keys()
            .filter(|seq| !there.contains_key(seq));
        let unaccounted = unaccounted.count();
        if self.model.corrupted <= 1 && !machine_stopped {
            assert!(
                lost_blocks.max(gone).max(unaccounted) <= self.model.corrupted,
                "one bad byte costs one block"
            );
        }
        self.model.held = there;
        self.model.first = from;
    }

    fn check_block(&self, block: &Record, machine_stopped: bool) {
        let given = self.model.given.get(&block.seq);
        assert!(
            given.is_some_and(|given| given.contains(block)),
            "block {} was never written so: {block:?}",
            block.seq
        );
        if let Some(held) = self.model.held.get(&block.seq)
            && !(machine_stopped && self.may_lose(block.seq, true))
        {
            assert_eq!(block, held, "what was acked is what is there");
        }
    }

    /// Gives how many blocks are lost that were held.
    fn check_lost(&self, lost: &Lost, machine_stopped: bool) -> usize {
        let held: Vec<_> = self.model.held.range(lost.seqs.clone()).collect();
        for (seq, _) in &held {
            assert!(
                self.may_lose(**seq, machine_stopped),
                "block {seq} is lost: {lost:?}"
            );
        }
        let numbers = lost.seqs.end() - lost.seqs.start() + 1;
        let items: u64 = held.iter().map(|(_, block)| u64::from(block.items)).sum();
        if held.len() as u64 == numbers && !machine_stopped {
            assert_eq!(lost.items, items, "a loss is exact: {lost:?}");
            assert_ne!(lost.why, Why::Skipped);
        }
        held.len()
    }

    fn may_lose(&self, seq: u64, machine_stopped: bool) -> bool {
        let durable = (self.model.removed..self.model.synced).contains(&seq);
        self.model.corrupted > 0 || machine_stopped && !durable
    }

    fn check_books(&mut self, machine_stopped: bool) {
        let found = self.rig().recovered.books.as_ref().map_or(0, number);
        let least = if machine_stopped {
            self.model.books_synced
        } else {
            self.model.books
        };
        assert!(found <= self.model.books_given);
        assert!(
            found >= least || self.model.corrupted > 0,
            "books {found} are older than {least}"
        );
        self.model.books = found;
        self.model.books_synced = self.model.books_synced.min(found);
    }
}

fn some_faults() -> impl Strategy<Value = Faults> {
    let few = || prop_oneof![4 => Just(0), 1 => 1..3_u32];
    let counts = (few(), few(), few(), few(), few(), few(), few());
    let stop = prop_oneof![3 => Just(None), 1 => (0..3000_u64).prop_map(Some)];
    (counts, stop).prop_map(|(counts, stop_after)| {
        let (writes, short_writes, syncs, dir_syncs, truncates, renames, removes) = counts;
        Faults {
            writes,
            short_writes,
            syncs,
            dir_syncs,
            truncates,
            renames,
            removes,
            stop_after,
            ..Faults::default()
        }
    })
}

fn any_action() -> impl Strategy<Value = Action> {
    let size = prop_oneof![4 => 1..300_usize, 1 => 300..2000_usize];
    let leaves = prop_oneof![Just(Leaves::First), Just(Leaves::Any)];
    let when = prop_oneof![Just(Removal::Now), Just(Removal::Synced)];
    prop_oneof![
        12 => (prop::collection::vec(size, 1..5), any::<bool>())
            .prop_map(|(sizes, books)| Action::Append(sizes, books)),
        2 => Just(Action::Books),
        4 => Just(Action::Sync),
        2 => Just(Action::SyncBegins),
        2 => Just(Action::SyncEnds),
        1 => Just(Action::Seal),
        1 => when.prop_map(Action::RemoveOldest),
        2 => some_faults().prop_map(Action::Fail),
        1 => (0..1500_u64).prop_map(Action::Full),
        1 => (any::<usize>(), any::<usize>(), any::<u8>())
            .prop_map(|(file, at, bit)| Action::Corrupt { file, at, bit }),
        2 => Just(Action::Check),
        2 => Just(Action::Kill),
        2 => (leaves, any::<u64>()).prop_map(|(leaves, seed)| Action::Crash(leaves, seed)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_invented(
        actions in prop::collection::vec(any_action(), 1..40),
        keep_unsynced in any::<bool>(),
    ) {
        run(&actions, keep_unsynced);
    }
}
