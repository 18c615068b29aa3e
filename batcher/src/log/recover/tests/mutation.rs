//! Whatever becomes of the files: no panic, no block that was not written, and every item is found or known to be lost.

use super::*;
use crate::log::format::Record;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Mutation {
    Flip(usize, u8),
    Zero(usize, usize),
    Cut(usize),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    /// The file goes.
    Unlink,
    /// Under another name too.
    Copy(u64),
    /// In place of another.
    Swap(usize),
    /// A part of a file within it once more.
    Repeat(usize, usize, usize),
}

fn any_mutation() -> impl Strategy<Value = Mutation> {
    let at = || any::<usize>();
    prop_oneof![
        6 => (at(), any::<u8>()).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        2 => (at(), 1..600_usize).prop_map(|(at, len)| Mutation::Zero(at, len)),
        2 => at().prop_map(Mutation::Cut),
        2 => (at(), prop::collection::vec(any::<u8>(), 1..200))
            .prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        2 => (at(), 1..600_usize).prop_map(|(at, len)| Mutation::Remove(at, len)),
        1 => Just(Mutation::Unlink),
        1 => (0..40_u64).prop_map(Mutation::Copy),
        1 => at().prop_map(Mutation::Swap),
        2 => (at(), at(), 64..600_usize).prop_map(|(from, to, len)| Mutation::Repeat(from, to, len)),
    ]
}

fn mutate(disk: &SimDisk, files: &[PathBuf], path: &Path, mutation: &Mutation) {
    if !disk.paths().contains(&path.to_owned()) {
        return;
    }
    let mut bytes = disk.bytes(path);
    let len = bytes.len();
    let within = |at: usize| at % len.max(1);
    match mutation {
        _ if len == 0 => {}
        Mutation::Flip(at, bit) => bytes[within(*at)] ^= 1 << (bit % 8),
        Mutation::Zero(at, count) => {
            let at = within(*at);
            bytes[at..(at + count).min(len)].fill(0);
        }
        Mutation::Cut(at) => bytes.truncate(within(*at)),
        Mutation::Insert(at, more) => {
            let at = within(*at);
            bytes.splice(at..at, more.iter().copied());
        }
        Mutation::Remove(at, count) => {
            let at = within(*at);
            bytes.drain(at..(at + count).min(len));
        }
        Mutation::Unlink => return disk.remove_file(path).unwrap(),
        Mutation::Copy(name) => {
            let copy = path.with_file_name(format!("{name:016x}.seg"));
            return disk.put(&copy, &bytes);
        }
        Mutation::Swap(with) => {
            let with = &files[with % files.len()];
            let other = disk.bytes(with);
            disk.put(with, &bytes);
            bytes = other;
        }
        Mutation::Repeat(from, to, count) => {
            let (from, to) = (within(*from), within(*to));
            let part = bytes[from..(from + count).min(len)].to_vec();
            bytes.splice(to..to, part);
        }
    }
    disk.put(path, &bytes);
}

/// Reads all of a log that was made of `written`.
fn check(rig: &Rig, written: &[Record]) {
    let end = rig.store.end();
    let mut at = Totals::default();
    let (mut found_items, mut lost_items) = (0, 0);
    for found in read_all(&rig.segments, at) {
        match found {
            Found::Block(block) => {
                assert_eq!(Some(&block), written.get(block.seq as usize));
                assert_eq!(block.begin(), at);
                at = block.end();
                found_items += u64::from(block.items);
            }
            Found::Lost(lost) => {
                assert_eq!(*lost.seqs.start(), at.seq);
                at = lost.end;
                lost_items += lost.items;
            }
        }
    }
    assert_eq!(at, end);
    assert_eq!(found_items + lost_items, end.items);
    assert!(end.items <= written.last().unwrap().end().items);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_becomes_of_the_files(
        mutations in prop::collection::vec((any::<usize>(), any_mutation()), 1..6),
        restarted in any::<bool>(),
    ) {
        let (rig, written) = log();
        let rig = if restarted { rig.killed() } else { rig };
        let files = rig.files();
        for (file, mutation) in &mutations {
            mutate(&rig.disk, &files, &files[file % files.len()], mutation);
        }
        let mut rig = rig.killed();
        check(&rig, &written);
        let more = rig.append(&[100, 3]);
        prop_assert_eq!(read_all(&rig.segments, more[0].begin()), of_blocks(&more));
        let (id, first) = (rig.recovered.log_id.clone(), more[0].begin());
        let rig = rig.killed();
        prop_assert_eq!(&rig.recovered.log_id, &id);
        prop_assert_eq!(read_all(&rig.segments, first), of_blocks(&more));
    }
}
