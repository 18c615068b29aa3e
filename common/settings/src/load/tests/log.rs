//! What is kept and where: storage, its room, a queue's limit, and what a Collector's storage extension means here.

use super::{MIB, SMALL, settings, text, warnings};
use crate::model::{DiskLog, QueueLimit, Settings, Storage, SyncPolicy};
use std::path::Path;
use std::time::Duration;

/// The small file with something more.
fn with(yaml: &str) -> Settings {
    settings(&[text(SMALL), text(yaml)])
}

fn disk(settings: &Settings) -> &DiskLog {
    match &settings.penstock.log.storage {
        Storage::Disk(disk) => disk,
        Storage::Memory => panic!("in memory"),
    }
}

fn queue(yaml: &str) -> (Option<QueueLimit>, Vec<String>) {
    let settings = with(&format!("exporters: {{debug: {{sending_queue: {yaml}}}}}"));
    let limit = settings.exporter("debug").unwrap().queue_limit;
    (limit, warnings(&settings))
}

#[test]
fn queue_limits_what_is_held_only_where_the_file_gives_a_size_that_may_overflow() {
    for (yaml, limit) in [
        ("{num_consumers: 5}", None),
        ("{queue_size: 50}", Some(QueueLimit::Requests(50))),
        (
            "{queue_size: 50, sizer: requests, block_on_overflow: false}",
            Some(QueueLimit::Requests(50)),
        ),
        (
            "{queue_size: 50, sizer: items}",
            Some(QueueLimit::Items(50)),
        ),
        (
            "{queue_size: 50, sizer: bytes}",
            Some(QueueLimit::Bytes(50)),
        ),
        ("{block_on_overflow: true}", None),
    ] {
        assert_eq!(queue(yaml), (limit, Vec::new()), "{yaml}");
    }
}

#[test]
fn queue_keys_without_effect_are_told() {
    let (limit, told) = queue("{queue_size: 50, block_on_overflow: true}");
    assert_eq!((limit, told.len()), (None, 1));
    assert!(told[0].contains(
        "exporters.debug.sending_queue.queue_size: has no effect here: with block_on_overflow"
    ));
    let (limit, told) = queue("{sizer: items}");
    assert_eq!((limit, told.len()), (None, 1));
    assert!(told[0].contains(
        "exporters.debug.sending_queue.sizer: has no effect here: there is no queue_size"
    ));
}

#[test]
fn file_storage_of_a_queue_is_where_the_log_is() {
    let extension = "extensions: {file_storage/q: {directory: /data/q, fsync: true, timeout: 10s}}
exporters: {debug: {sending_queue: {storage: file_storage/q}}}
service: {extensions: [file_storage/q]}";
    let settings = with(extension);
    assert_eq!(disk(&settings).directory, Path::new("/data/q"));
    assert_eq!(disk(&settings).sync, SyncPolicy::Commit);
    let rejected = settings.penstock.dead_letter.as_ref().unwrap();
    assert_eq!(rejected.directory, Path::new("/data/q/dead-letter"));
    assert_eq!(
        warnings(&settings),
        [
            "t.yaml:1:64: extensions.file_storage/q.timeout: has no effect here: no other process waits for the log's files",
        ]
    );
    let notes: Vec<_> = settings
        .notes
        .iter()
        .map(|note| note.key.as_str())
        .collect();
    assert_eq!(
        notes,
        [
            "extensions.file_storage/q.directory",
            "extensions.file_storage/q.fsync",
            "exporters.debug.sending_queue.storage",
        ]
    );

    let own = "penstock: {log: {directory: /data/own, sync: none}}";
    let settings = super::settings(&[text(SMALL), text(extension), text(own)]);
    assert_eq!(disk(&settings).directory, Path::new("/data/own"));
    assert_eq!(disk(&settings).sync, SyncPolicy::None);

    let settings = with(
        "extensions: {file_storage: }
exporters: {debug: {sending_queue: {storage: file_storage}}}",
    );
    let usual = Path::new("/var/lib/otelcol/file_storage");
    assert_eq!(disk(&settings).directory, usual);
    assert_eq!(disk(&settings).sync, DiskLog::default().sync);
}

#[test]
fn storages_beside_the_first_and_unused_ones_are_told() {
    let settings = with("extensions: {file_storage/a: {directory: /a}, file_storage/b: {directory: /b}, file_storage/c: }
exporters:
  debug: {sending_queue: {storage: file_storage/b}}
  debug/other: {sending_queue: {storage: file_storage/a}}");
    assert_eq!(disk(&settings).directory, Path::new("/b"));
    let told = warnings(&settings).join("\n");
    assert!(
        told.contains("extensions.file_storage/a: has no effect here: there is one log"),
        "{told}"
    );
    assert!(
        told.contains("extensions.file_storage/c: has no effect here: no exporter's"),
        "{told}"
    );
    assert!(!told.contains("extensions.file_storage/b"), "{told}");
}

#[test]
fn log_in_memory_uses_nothing_of_the_disk_and_says_so() {
    let settings = with(
        "penstock:
  log: {storage: memory, directory: /d, max_bytes: 1GiB, segment_size: 8MiB, sync: commit, sync_interval: 2s, linger: 0, on_full: hold, new_exporter: oldest}
  dead_letter: {max_bytes: 1GiB}",
    );
    assert_eq!(settings.penstock.log.storage, Storage::Memory);
    assert_eq!(settings.penstock.dead_letter, None);
    let told = warnings(&settings);
    assert_eq!(told.len(), 9, "{told:#?}");
    assert!(
        told.iter()
            .all(|told| told.contains("penstock.log.storage is memory"))
    );

    let rejected = "penstock: {log: {storage: memory}, dead_letter: {directory: /d}}";
    let settings = with(rejected);
    assert_eq!(warnings(&settings), Vec::<String>::new());
    let rejected = settings.penstock.dead_letter.as_ref().unwrap();
    assert_eq!(rejected.directory, Path::new("/d"));

    let settings = with(
        "extensions: {file_storage: }
exporters: {debug: {sending_queue: {storage: file_storage}}}
penstock: {log: {storage: memory}}",
    );
    let told = warnings(&settings);
    assert!(
        told.iter()
            .any(|told| told.contains("is lost when the process ends")),
        "{told:#?}"
    );
}

#[test]
fn segments_are_smaller_where_a_log_has_little_room() {
    let segment = |penstock: &str| disk(&with(&format!("penstock: {{{penstock}}}"))).segment_bytes;
    assert_eq!(segment("shards: 8"), 32 << 20);
    assert_eq!(segment("shards: 32"), 16 << 20, "a fourth of its part");
    assert_eq!(segment("shards: 8, log: {max_bytes: 64MiB}"), 2 << 20);
    assert_eq!(
        segment("log: {block_size: 64MiB}"),
        64 << 20,
        "a block fits"
    );
    let two = "receivers: {otlp/b: {protocols: {grpc: {endpoint: 127.0.0.1:0}}}}
service: {pipelines: {traces: {receivers: [otlp, otlp/b]}, logs: {receivers: [otlp], exporters: [debug]}}}
penstock: {shards: 32}";
    let least = disk(&with(two)).segment_bytes as usize;
    assert_eq!(least, 4 * MIB, "half of the signals, half of the receivers");
}

#[test]
fn linger_may_be_nothing_and_rejected_items_be_kept_nowhere() {
    let settings = with("penstock: {log: {linger: 0}, dead_letter: {max_bytes: 0}}");
    assert_eq!(disk(&settings).linger, Duration::ZERO);
    assert_eq!(settings.penstock.dead_letter, None);
}

#[test]
fn sync_interval_without_interval_and_a_short_hand_over_are_told() {
    let settings = with(
        "penstock:
  log: {sync: commit, sync_interval: 2s}
  drain: {deadline: 6s, hand_over: {endpoint: other:4317}}",
    );
    assert_eq!(disk(&settings).sync, SyncPolicy::Commit);
    assert_eq!(
        warnings(&settings),
        [
            "t.yaml:2:23: penstock.log.sync_interval: has no effect here: penstock.log.sync is not `interval`",
            "t.yaml:3:37: penstock.drain.hand_over.endpoint: what is still held is handed over in the last third of \
             penstock.drain.deadline (6s), which is not more than penstock.hop.connect_timeout (3s): make the deadline \
             longer",
        ]
    );
}

#[test]
fn a_hand_over_that_no_receiver_of_the_kind_can_take_is_told() {
    let hand_over = "penstock: {drain: {hand_over: {endpoint: other:4317}}}";
    let with_tls = |also: &str| {
        let tls = "{protocols: {grpc: {tls: {cert_file: a, key_file: b}}}}";
        warnings(&with(&format!(
            "receivers: {{otlp: {tls}{also}}}\n{hand_over}"
        )))
    };
    let told = |warnings: Vec<String>| warnings.iter().any(|w| w.contains("without TLS"));
    assert!(told(with_tls("")));
    assert!(!told(with_tls(
        ", otlp/plain: {protocols: {grpc: {endpoint: \"localhost:5317\"}}}"
    )));
    assert!(!told(warnings(&with(hand_over))));
}
