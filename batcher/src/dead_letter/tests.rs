//! What is kept of rejected items, and for how long.

use super::*;
use bytes::Bytes;
use penstock_hop::Origin;
use penstock_otlp::Signal;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use tempfile::{TempDir, tempdir};

fn batch(items: usize, chunks: &[&'static [u8]]) -> Batch {
    Batch {
        signal: Signal::Logs,
        chunks: chunks.iter().copied().map(Bytes::from_static).collect(),
        items,
        origin: Origin {
            log_id: "log".to_owned(),
            first_block: 1,
            last_block: 1,
            part: 0,
            parts: 1,
            share: None,
        },
    }
}

fn meta(error: &str) -> Meta {
    Meta::now(Signal::Logs, "logs/2", "otlp/a", "permanent", error)
}

fn letters(directory: &Path, max_bytes: u64) -> Arc<DeadLetters> {
    let directory = directory.to_owned();
    let settings = DeadLetter {
        directory,
        max_bytes,
    };
    DeadLetters::open(&settings, true)
}

/// The errors of all letters, in order.
fn errors(directory: &Path) -> Vec<String> {
    let files = files(directory).unwrap();
    let letters = files.iter().flat_map(|file| {
        let contents = file.read().unwrap();
        assert_eq!(contents.damage, Vec::<String>::new());
        contents.letters
    });
    letters.map(|letter| letter.meta.error).collect()
}

fn only(directory: &Path) -> DeadFile {
    let mut files = files(directory).unwrap();
    assert_eq!(files.len(), 1);
    files.remove(0)
}

/// A folder in which three letters were written, each with one item.
async fn three() -> TempDir {
    let folder = tempdir().unwrap();
    let letters = letters(folder.path(), 1 << 20);
    for error in ["one", "two", "three"] {
        letters.put(meta(error), &batch(1, &[b"request"])).await;
    }
    folder
}

#[tokio::test]
async fn a_letter_is_read_as_it_was_written() {
    let folder = tempdir().unwrap();
    let directory = folder.path().join("made/when/needed");
    let letters = letters(&directory, 1 << 20);
    let meta = meta("no such tenant");
    letters
        .put(meta.clone(), &batch(7, &[b"one ", b"request"]))
        .await;
    letters.put(meta.clone(), &batch(1, &[])).await;

    let contents = only(&directory).read().unwrap();
    let [first, second] = contents.letters.try_into().unwrap();
    assert_eq!((&first.meta, first.items), (&meta, 7));
    assert_eq!(first.request, "one request");
    assert_eq!((&second.meta, second.items), (&meta, 1));
    assert_eq!(second.request, "");
}

#[tokio::test]
async fn a_long_error_is_cut_between_characters() {
    let error = "ä".repeat(5000);
    let kept = meta(&error).error;
    assert!(
        kept.len() <= 4096 && error.starts_with(&kept),
        "{}",
        kept.len()
    );
}

#[tokio::test]
async fn all_files_stay_below_their_bound_and_the_oldest_goes_first() {
    let folder = tempdir().unwrap();
    let max = 8 << 10;
    let mut written = Vec::new();
    // Two processes in turn, as when one takes the place of the other.
    for process in 0..2 {
        let letters = letters(folder.path(), max);
        for number in 0..50 {
            let error = format!("{process}-{number}");
            letters.put(meta(&error), &batch(1, &[b"request"])).await;
            written.push(error);
            let sizes = files(folder.path()).unwrap();
            let held: u64 = sizes.iter().map(DeadFile::bytes).sum();
            assert!(held <= max, "{held}");
        }
    }
    let kept = errors(folder.path());
    assert!(kept.len() > 10, "{} kept", kept.len());
    assert_eq!(kept, written[written.len() - kept.len()..]);
}

#[tokio::test]
async fn a_letter_larger_than_all_of_them_costs_no_other() {
    let folder = tempdir().unwrap();
    let letters = letters(folder.path(), 1 << 10);
    letters.put(meta("small"), &batch(1, &[b"request"])).await;
    let large: &[u8] = &[7; 1 << 10];
    letters.put(meta("large"), &batch(1, &[large])).await;
    assert_eq!(errors(folder.path()), ["small"]);
}

#[tokio::test]
async fn a_disk_that_does_not_write_costs_the_letter_and_no_more() {
    let folder = tempdir().unwrap();
    let directory = folder.path().join("dead-letter");
    fs::write(&directory, "in the way").unwrap();
    let letters = letters(&directory, 1 << 20);
    letters.put(meta("lost"), &batch(1, &[b"request"])).await;
    fs::remove_file(&directory).unwrap();
    letters.put(meta("kept"), &batch(1, &[b"request"])).await;
    assert_eq!(errors(&directory), ["kept"]);
}

#[tokio::test]
async fn a_replay_goes_on_where_it_was_interrupted() {
    let folder = three().await;
    let file = only(folder.path());
    let mut marks = file.take().unwrap().unwrap();
    let first = marks.left().next().unwrap().offset;
    marks.mark(first).unwrap();
    drop(marks);
    // Killed while it wrote the next mark.
    let mut torn = OpenOptions::new();
    let path = file.path().with_extension("acked");
    let mut torn = torn.append(true).open(path).unwrap();
    let last = file.read().unwrap().letters[2].offset;
    torn.write_all(last.to_string().as_bytes()).unwrap();
    let mut marks = file.take().unwrap().unwrap();
    assert_eq!(marks.left().count(), 2);
    marks.mark(last).unwrap();
    drop(marks);

    let marks = file.take().unwrap().unwrap();
    let left: Vec<_> = marks
        .left()
        .map(|letter| letter.meta.error.clone())
        .collect();
    assert_eq!(left, ["two"]);
    marks.remove().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_file_has_one_user_at_a_time_and_rejected_items_wait_for_none() {
    let folder = tempdir().unwrap();
    let letters = letters(folder.path(), 1 << 20);
    letters.put(meta("one"), &batch(1, &[b"request"])).await;
    let file = only(folder.path());
    let taken = file.take().unwrap().unwrap();
    assert!(file.take().unwrap().is_none());
    letters.put(meta("two"), &batch(1, &[b"request"])).await;
    assert_eq!(errors(folder.path()), ["one", "two"]);
    assert_eq!(files(folder.path()).unwrap().len(), 2);

    taken.remove().unwrap();
    assert!(file.take().unwrap().is_none(), "it has gone");
    letters.put(meta("three"), &batch(1, &[b"request"])).await;
    assert_eq!(errors(folder.path()), ["two", "three"]);
}

#[tokio::test]
async fn damage_costs_no_letter_beside_it() {
    let folder = three().await;
    let file = only(folder.path());
    let second = file.read().unwrap().letters[1].offset;
    let mut bytes = fs::read(file.path()).unwrap();
    bytes[usize::try_from(second).unwrap() + 80] ^= 1;
    // And a process was killed while it wrote.
    bytes.truncate(bytes.len() - 1);
    fs::write(file.path(), bytes).unwrap();
    let contents = file.read().unwrap();
    let left: Vec<_> = contents
        .letters
        .iter()
        .map(|letter| &letter.meta.error)
        .collect();
    assert_eq!(left, ["one"]);
    assert_eq!(contents.damage.len(), 1, "{:?}", contents.damage);
}

#[tokio::test]
async fn a_file_with_a_torn_end_is_put_aside_until_there_is_need_for_room() {
    let folder = three().await;
    let file = only(folder.path());
    let bytes = fs::read(file.path()).unwrap();
    fs::write(file.path(), &bytes[..bytes.len() - 1]).unwrap();
    let aside = file.take().unwrap().unwrap().remove().unwrap().unwrap();
    assert_eq!(fs::read(&aside).unwrap(), bytes[..bytes.len() - 1]);
    assert_eq!(files(folder.path()).unwrap().len(), 0);

    let letters = letters(folder.path(), bytes.len() as u64);
    letters.put(meta("four"), &batch(1, &[b"request"])).await;
    assert!(!aside.exists());
    assert_eq!(errors(folder.path()), ["four"]);
}

#[tokio::test]
async fn what_is_not_of_dead_letters_is_never_touched() {
    let folder = tempdir().unwrap();
    let foreign = folder.path().join("0.seg");
    fs::write(&foreign, [7; 500]).unwrap();
    let letters = letters(folder.path(), 1 << 10);
    for number in 0..20 {
        letters
            .put(meta(&number.to_string()), &batch(1, &[b"request"]))
            .await;
    }
    let first = files(folder.path()).unwrap().remove(0);
    assert_eq!(first.path(), foreign);
    assert!(first.read().is_err() && first.take().is_err());
    assert_eq!(fs::read(&foreign).unwrap(), [7; 500]);
}
