//! Messages of the traces signal.

use super::Kind::{Enum, Fixed32, Fixed64, HexId, String, Uint32};
use super::Label::{Optional, Repeated, Singular};
use super::common::{INSTRUMENTATION_SCOPE, KEY_VALUE, RESOURCE};
use super::{Field, Kind, Message};

const SPAN_KIND: &[&str] = &[
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];

const STATUS_CODE: &[&str] = &["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];

pub(super) static EXPORT_TRACE_SERVICE_REQUEST: Message = Message::new(
    "ExportTraceServiceRequest",
    &[Field::new(
        1,
        "resource_spans",
        "resourceSpans",
        Kind::Message(&RESOURCE_SPANS),
        Repeated,
    )
    .container()],
);

pub(super) static RESOURCE_SPANS: Message = Message::new(
    "ResourceSpans",
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
            "scope_spans",
            "scopeSpans",
            Kind::Message(&SCOPE_SPANS),
            Repeated,
        )
        .container(),
        Field::new(3, "schema_url", "schemaUrl", String, Singular),
    ],
);

pub(super) static SCOPE_SPANS: Message = Message::new(
    "ScopeSpans",
    &[
        Field::new(
            1,
            "scope",
            "scope",
            Kind::Message(&INSTRUMENTATION_SCOPE),
            Optional,
        ),
        Field::new(2, "spans", "spans", Kind::Message(&SPAN), Repeated).item(),
        Field::new(3, "schema_url", "schemaUrl", String, Singular),
    ],
);

pub(super) static SPAN: Message = Message::new(
    "Span",
    &[
        Field::new(1, "trace_id", "traceId", HexId, Singular),
        Field::new(2, "span_id", "spanId", HexId, Singular),
        Field::new(3, "trace_state", "traceState", String, Singular),
        Field::new(4, "parent_span_id", "parentSpanId", HexId, Singular),
        Field::new(5, "name", "name", String, Singular),
        Field::new(6, "kind", "kind", Enum(SPAN_KIND), Singular),
        Field::new(
            7,
            "start_time_unix_nano",
            "startTimeUnixNano",
            Fixed64,
            Singular,
        ),
        Field::new(
            8,
            "end_time_unix_nano",
            "endTimeUnixNano",
            Fixed64,
            Singular,
        ),
        Field::new(
            9,
            "attributes",
            "attributes",
            Kind::Message(&KEY_VALUE),
            Repeated,
        ),
        Field::new(
            10,
            "dropped_attributes_count",
            "droppedAttributesCount",
            Uint32,
            Singular,
        ),
        Field::new(11, "events", "events", Kind::Message(&SPAN_EVENT), Repeated),
        Field::new(
            12,
            "dropped_events_count",
            "droppedEventsCount",
            Uint32,
            Singular,
        ),
        Field::new(13, "links", "links", Kind::Message(&SPAN_LINK), Repeated),
        Field::new(
            14,
            "dropped_links_count",
            "droppedLinksCount",
            Uint32,
            Singular,
        ),
        Field::new(15, "status", "status", Kind::Message(&STATUS), Optional),
        Field::new(16, "flags", "flags", Fixed32, Singular),
    ],
);

pub(super) static SPAN_EVENT: Message = Message::new(
    "SpanEvent",
    &[
        Field::new(1, "time_unix_nano", "timeUnixNano", Fixed64, Singular),
        Field::new(2, "name", "name", String, Singular),
        Field::new(
            3,
            "attributes",
            "attributes",
            Kind::Message(&KEY_VALUE),
            Repeated,
        ),
        Field::new(
            4,
            "dropped_attributes_count",
            "droppedAttributesCount",
            Uint32,
            Singular,
        ),
    ],
);

pub(super) static SPAN_LINK: Message = Message::new(
    "SpanLink",
    &[
        Field::new(1, "trace_id", "traceId", HexId, Singular),
        Field::new(2, "span_id", "spanId", HexId, Singular),
        Field::new(3, "trace_state", "traceState", String, Singular),
        Field::new(
            4,
            "attributes",
            "attributes",
            Kind::Message(&KEY_VALUE),
            Repeated,
        ),
        Field::new(
            5,
            "dropped_attributes_count",
            "droppedAttributesCount",
            Uint32,
            Singular,
        ),
        Field::new(6, "flags", "flags", Fixed32, Singular),
    ],
);

pub(super) static STATUS: Message = Message::new(
    "Status",
    &[
        Field::new(2, "message", "message", String, Singular),
        Field::new(3, "code", "code", Enum(STATUS_CODE), Singular),
    ],
);
