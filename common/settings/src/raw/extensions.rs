//! The extensions of which something is used.

use super::{Note, differs, ignored, ignored_but};
use serde::Deserialize;

/// `extensions.file_storage`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FileStorage {
    pub(crate) directory: Option<String>,
    pub(crate) fsync: Option<bool>,
}

const FOLDER: &str = "the log makes its folders itself";

/// What is known of the Collector's `file_storage` and is no field above.
pub(crate) const FILE_STORAGE_NOTES: &[Note] = &[
    differs(
        "directory",
        "the receiver's own log is kept there; data that a Collector has left is neither read nor touched",
    ),
    differs(
        "fsync",
        "with `true` an acknowledgement waits until its data is synced, with that of others (penstock.log.sync: commit)",
    ),
    ignored("timeout", "no other process waits for the log's files"),
    ignored(
        "compaction",
        "space is given back segment by segment, as data is delivered",
    ),
    ignored_but("create_directory", "true", FOLDER),
    ignored("directory_permissions", FOLDER),
    ignored_but(
        "recreate",
        "false",
        "what is damaged is put aside and the rest is kept",
    ),
];
