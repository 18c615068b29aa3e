//! Messages of the logs signal.

use super::Kind::{Enum, Fixed32, Fixed64, HexId, String, Uint32};
use super::Label::{Optional, Repeated, Singular};
use super::common::{ANY_VALUE, INSTRUMENTATION_SCOPE, KEY_VALUE, RESOURCE};
use super::{Field, Kind, Message};

const SEVERITY_NUMBER: &[&str] = &[
    "SEVERITY_NUMBER_UNSPECIFIED",
    "SEVERITY_NUMBER_TRACE",
    "SEVERITY_NUMBER_TRACE2",
    "SEVERITY_NUMBER_TRACE3",
    "SEVERITY_NUMBER_TRACE4",
    "SEVERITY_NUMBER_DEBUG",
    "SEVERITY_NUMBER_DEBUG2",
    "SEVERITY_NUMBER_DEBUG3",
    "SEVERITY_NUMBER_DEBUG4",
    "SEVERITY_NUMBER_INFO",
    "SEVERITY_NUMBER_INFO2",
    "SEVERITY_NUMBER_INFO3",
    "SEVERITY_NUMBER_INFO4",
    "SEVERITY_NUMBER_WARN",
    "SEVERITY_NUMBER_WARN2",
    "SEVERITY_NUMBER_WARN3",
    "SEVERITY_NUMBER_WARN4",
    "SEVERITY_NUMBER_ERROR",
    "SEVERITY_NUMBER_ERROR2",
    "SEVERITY_NUMBER_ERROR3",
    "SEVERITY_NUMBER_ERROR4",
    "SEVERITY_NUMBER_FATAL",
    "SEVERITY_NUMBER_FATAL2",
    "SEVERITY_NUMBER_FATAL3",
    "SEVERITY_NUMBER_FATAL4",
];

pub(super) static EXPORT_LOGS_SERVICE_REQUEST: Message = Message::new(
    "ExportLogsServiceRequest",
    &[Field::new(
        1,
        "resource_logs",
        "resourceLogs",
        Kind::Message(&RESOURCE_LOGS),
        Repeated,
    )
    .container()],
);

pub(super) static RESOURCE_LOGS: Message = Message::new(
    "ResourceLogs",
    &[
        Field::new(
            1,
            "resource",
            "resource",
            Kind::Message(&RESOURCE),
            Optional,
        ),
        Field::new(
            2,
            "scope_logs",
            "scopeLogs",
            Kind::Message(&SCOPE_LOGS),
            Repeated,
        )
        .container(),
        Field::new(3, "schema_url", "schemaUrl", String, Singular),
    ],
);

pub(super) static SCOPE_LOGS: Message = Message::new(
    "ScopeLogs",
    &[
        Field::new(
            1,
            "scope",
            "scope",
            Kind::Message(&INSTRUMENTATION_SCOPE),
            Optional,
        ),
        Field::new(
            2,
            "log_records",
            "logRecords",
            Kind::Message(&LOG_RECORD),
            Repeated,
        )
        .item(),
        Field::new(3, "schema_url", "schemaUrl", String, Singular),
    ],
);

pub(super) static LOG_RECORD: Message = Message::new(
    "LogRecord",
    &[
        Field::new(1, "time_unix_nano", "timeUnixNano", Fixed64, Singular),
        Field::new(
            2,
            "severity_number",
            "severityNumber",
            Enum(SEVERITY_NUMBER),
            Singular,
        ),
        Field::new(3, "severity_text", "severityText", String, Singular),
        Field::new(5, "body", "body", Kind::Message(&ANY_VALUE), Optional),
        Field::new(
            6,
            "attributes",
            "attributes",
            Kind::Message(&KEY_VALUE),
            Repeated,
        ),
        Field::new(
            7,
            "dropped_attributes_count",
            "droppedAttributesCount",
            Uint32,
            Singular,
        ),
        Field::new(8, "flags", "flags", Fixed32, Singular),
        Field::new(9, "trace_id", "traceId", HexId, Singular),
        Field::new(10, "span_id", "spanId", HexId, Singular),
        Field::new(
            11,
            "observed_time_unix_nano",
            "observedTimeUnixNano",
            Fixed64,
            Singular,
        ),
        Field::new(12, "event_name", "eventName", String, Singular),
    ],
);
