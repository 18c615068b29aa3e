//! Tests of slots and their locks.

use super::*;
use crate::log::disk::Files;
use crate::log::disk::sim::SimDisk;
use proptest::prelude::*;
use std::path::Path;

fn folders(disk: &SimDisk) -> Folders {
    Folders::new(PathBuf::from("/log/otlp/traces"), disk.shared())
}

fn segment(disk: &SimDisk, slot: u64) {
    let path = format!("/log/otlp/traces/{slot}/0000000000000000.seg");
    disk.put(Path::new(&path), b"");
}

fn slot(folder: &Folder) -> &str {
    folder.path.file_name().unwrap().to_str().unwrap()
}

fn slots(folders: &[Folder]) -> Vec<&str> {
    folders.iter().map(slot).collect()
}

#[test]
fn the_lowest_slot_that_nobody_has_is_claimed_and_then_a_new_one() {
    let disk = SimDisk::default();
    let folders = folders(&disk);
    let first = folders.claim().unwrap();
    let second = folders.claim().unwrap();
    assert_eq!((slot(&first), slot(&second)), ("0", "1"));
    drop(first);
    assert_eq!(slot(&folders.claim().unwrap()), "0");
    segment(&disk, 7);
    let again = [folders.claim().unwrap(), folders.claim().unwrap()];
    assert_eq!(slots(&again), ["0", "7"]);
}

#[test]
fn logs_that_nobody_has_are_found_for_adoption() {
    let disk = SimDisk::default();
    let folders = folders(&disk);
    assert!(folders.unlocked(|_| true).is_empty());
    for slot in 0..6 {
        segment(&disk, slot);
    }
    let _own = folders.claim().unwrap();
    // A lock without a log.
    disk.put(Path::new("/log/otlp/traces/8/lock"), b"");
    disk.put(Path::new("/log/otlp/traces/for/x"), b"");
    let found = folders.unlocked(|slot| slot % 2 == 0);
    assert_eq!(slots(&found), ["2", "4"]);
    assert!(folders.unlocked(|slot| slot % 2 == 0).is_empty());
}

#[test]
fn a_removed_log_is_gone_but_for_its_quarantine() {
    let disk = SimDisk::default();
    let folders = folders(&disk);
    for slot in 0..2 {
        segment(&disk, slot);
    }
    disk.put(
        Path::new("/log/otlp/traces/1/quarantine/a.bad"),
        b"to look at",
    );
    for folder in folders.unlocked(|_| true) {
        folder.remove().unwrap();
    }
    assert_eq!(
        disk.paths(),
        [Path::new("/log/otlp/traces/1/quarantine/a.bad")]
    );
    assert!(folders.unlocked(|_| true).is_empty());
}

#[test]
fn a_second_writer_is_told_which_folder_and_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let folders = Folders::new(dir.path().join("log"), Files::shared());
    let folder = folders.claim().unwrap();
    let error = Folder::lock(folder.path.clone(), Files::shared()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&folder.path.display().to_string()), "{text}");
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    let path = folder.path.clone();
    folder.remove().unwrap();
    assert!(!path.try_exists().unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_id_has_a_name_of_its_own(id in "\\PC{0,12}|otlp/[a-z.%+ ]{1,8}|[.]{1,3}") {
        let name = escaped(&id);
        prop_assert!(!name.contains('/') && name != "." && name != "..");
        prop_assert_eq!(unescaped(&name), id);
    }
}
