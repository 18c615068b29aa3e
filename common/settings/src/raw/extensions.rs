//! The extensions that are accepted.

use super::{Note, differs, ignored, ignored_but, unavailable};
use serde::Deserialize;

/// `extensions.file_storage`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FileStorage {
    pub(crate) directory: Option<String>,
    pub(crate) fsync: Option<bool>,
}

/// `extensions.health_check`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HealthCheck {
    pub(crate) endpoint: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) response_body: Option<ResponseBody>,
}

/// `extensions.health_check.response_body`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ResponseBody {
    pub(crate) healthy: Option<String>,
    pub(crate) unhealthy: Option<String>,
}

const PLAIN: &str = "health is answered over plain HTTP, and tells nothing but itself";

/// What is known of the Collector's `health_check` and is no field above.
pub(crate) const HEALTH_CHECK_NOTES: &[Note] = &[
    ignored(
        "check_collector_pipeline",
        "it has never had one; /healthz?verbose of the admin port has the state of each exporter",
    ),
    unavailable("tls", "health is answered over plain HTTP; remove it"),
    unavailable("auth", "health is told to everybody; remove it"),
    ignored("cors", PLAIN),
    ignored("response_headers", PLAIN),
    ignored("max_request_body_size", PLAIN),
    ignored("include_metadata", PLAIN),
    ignored("compression_algorithms", PLAIN),
    ignored("read_timeout", PLAIN),
    ignored("read_header_timeout", PLAIN),
    ignored("write_timeout", PLAIN),
    ignored("idle_timeout", PLAIN),
    ignored("keep_alives_enabled", PLAIN),
    ignored_but("transport", "tcp", PLAIN),
];

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
