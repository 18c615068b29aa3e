//! Tests of the real files.

use super::*;

fn slices<'a>(bufs: &'a [&'a [u8]]) -> Vec<IoSlice<'a>> {
    bufs.iter().map(|buf| IoSlice::new(buf)).collect()
}

#[test]
fn buffers_are_written_one_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let file = Files.create(&path).unwrap();
    let mut bufs = slices(&[b"0123", b"", b"45"]);
    write_all_at(&*file, &mut bufs, 2).unwrap();
    // More than one call takes.
    let many = vec![&b"ab"[..]; MAX_SLICES * 2 + 1];
    let mut bufs = slices(&many);
    write_all_at(&*file, &mut bufs, 8).unwrap();
    file.sync().unwrap();
    Files.sync_dir(dir.path()).unwrap();
    let expected = [&[0, 0][..], b"012345", &b"ab".repeat(MAX_SLICES * 2 + 1)].concat();
    assert_eq!(fs::read(&path).unwrap(), expected);
    let mut read = [0; 3];
    assert!(read_exact_at(&*file, &mut read, 3).unwrap());
    assert_eq!(&read, b"123");
    assert!(!read_exact_at(&*file, &mut read, file.len().unwrap() - 2).unwrap());
}

#[test]
fn a_file_that_is_created_again_is_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let old = Files.create(&path).unwrap();
    write_all_at(&*old, &mut slices(&[b"old"]), 0).unwrap();
    let new = Files.create(&path).unwrap();
    assert_eq!(new.len().unwrap(), 0);
    assert_eq!(old.len().unwrap(), 3);
}

#[test]
fn a_lock_is_held_by_one_and_tells_who() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let Lock::Ours(lock) = Files.try_lock(&path, "41").unwrap() else {
        panic!("nobody else has it");
    };
    let Lock::Held(by) = Files.try_lock(&path, "42").unwrap() else {
        panic!("it is taken");
    };
    assert_eq!(by, "41");
    drop(lock);
    assert!(matches!(
        Files.try_lock(&path, "42").unwrap(),
        Lock::Ours(_)
    ));
    assert_eq!(fs::read_to_string(&path).unwrap().trim(), "42");
}

#[test]
fn the_boot_stays_the_same() {
    assert_eq!(Files.boot(), Files.boot());
}
