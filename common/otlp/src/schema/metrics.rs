//! Messages of the metrics signal.

use super::Kind::{Bool, Double, Enum, Fixed64, HexId, Sfixed64, Sint32, String, Uint32, Uint64};
use super::Label::{Oneof, Optional, Repeated, Singular};
use super::common::{INSTRUMENTATION_SCOPE, KEY_VALUE, RESOURCE};
use super::{Field, Kind, Message};

const AGGREGATION_TEMPORALITY: &[&str] = &[
    "AGGREGATION_TEMPORALITY_UNSPECIFIED",
    "AGGREGATION_TEMPORALITY_DELTA",
    "AGGREGATION_TEMPORALITY_CUMULATIVE",
];

pub(super) static EXPORT_METRICS_SERVICE_REQUEST: Message = Message::new(
    "ExportMetricsServiceRequest",
    &[Field::new(
        1,
        "resource_metrics",
        "resourceMetrics",
        Kind::Message(&RESOURCE_METRICS),
        Repeated,
    )
    .container()],
);

pub(super) static RESOURCE_METRICS: Message = Message::new(
    "ResourceMetrics",
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
            "scope_metrics",
            "scopeMetrics",
            Kind::Message(&SCOPE_METRICS),
            Repeated,
        )
        .container(),
        Field::new(3, "schema_url", "schemaUrl", String, Singular),
    ],
);

pub(super) static SCOPE_METRICS: Message = Message::new(
    "ScopeMetrics",
    &[
        Field::new(
            1,
            "scope",
            "scope",
            Kind::Message(&INSTRUMENTATION_SCOPE),
            Optional,
        ),
        Field::new(2, "metrics", "metrics", Kind::Message(&METRIC), Repeated).container(),
        Field::new(3, "schema_url", "schemaUrl", String, Singular),
    ],
);

pub(super) static METRIC: Message = Message::new(
    "Metric",
    &[
        Field::new(1, "name", "name", String, Singular),
        Field::new(2, "description", "description", String, Singular),
        Field::new(3, "unit", "unit", String, Singular),
        Field::new(5, "gauge", "gauge", Kind::Message(&GAUGE), Oneof("data")).container(),
        Field::new(7, "sum", "sum", Kind::Message(&SUM), Oneof("data")).container(),
        Field::new(
            9,
            "histogram",
            "histogram",
            Kind::Message(&HISTOGRAM),
            Oneof("data"),
        )
        .container(),
        Field::new(
            10,
            "exponential_histogram",
            "exponentialHistogram",
            Kind::Message(&EXPONENTIAL_HISTOGRAM),
            Oneof("data"),
        )
        .container(),
        Field::new(
            11,
            "summary",
            "summary",
            Kind::Message(&SUMMARY),
            Oneof("data"),
        )
        .container(),
        Field::new(
            12,
            "metadata",
            "metadata",
            Kind::Message(&KEY_VALUE),
            Repeated,
        ),
    ],
);

pub(super) static GAUGE: Message = Message::new(
    "Gauge",
    &[Field::new(
        1,
        "data_points",
        "dataPoints",
        Kind::Message(&NUMBER_DATA_POINT),
        Repeated,
    )
    .item()],
);

pub(super) static SUM: Message = Message::new(
    "Sum",
    &[
        Field::new(
            1,
            "data_points",
            "dataPoints",
            Kind::Message(&NUMBER_DATA_POINT),
            Repeated,
        )
        .item(),
        Field::new(
            2,
            "aggregation_temporality",
            "aggregationTemporality",
            Enum(AGGREGATION_TEMPORALITY),
            Singular,
        ),
        Field::new(3, "is_monotonic", "isMonotonic", Bool, Singular),
    ],
);

pub(super) static HISTOGRAM: Message = Message::new(
    "Histogram",
    &[
        Field::new(
            1,
            "data_points",
            "dataPoints",
            Kind::Message(&HISTOGRAM_DATA_POINT),
            Repeated,
        )
        .item(),
        Field::new(
            2,
            "aggregation_temporality",
            "aggregationTemporality",
            Enum(AGGREGATION_TEMPORALITY),
            Singular,
        ),
    ],
);

pub(super) static EXPONENTIAL_HISTOGRAM: Message = Message::new(
    "ExponentialHistogram",
    &[
        Field::new(
            1,
            "data_points",
            "dataPoints",
            Kind::Message(&EXPONENTIAL_HISTOGRAM_DATA_POINT),
            Repeated,
        )
        .item(),
        Field::new(
            2,
            "aggregation_temporality",
            "aggregationTemporality",
            Enum(AGGREGATION_TEMPORALITY),
            Singular,
        ),
    ],
);

pub(super) static SUMMARY: Message = Message::new(
    "Summary",
    &[Field::new(
        1,
        "data_points",
        "dataPoints",
        Kind::Message(&SUMMARY_DATA_POINT),
        Repeated,
    )
    .item()],
);

pub(super) static NUMBER_DATA_POINT: Message = Message::new(
    "NumberDataPoint",
    &[
        Field::new(
            2,
            "start_time_unix_nano",
            "startTimeUnixNano",
            Fixed64,
            Singular,
        ),
        Field::new(3, "time_unix_nano", "timeUnixNano", Fixed64, Singular),
        Field::new(4, "as_double", "asDouble", Double, Oneof("value")),
        Field::new(
            5,
            "exemplars",
            "exemplars",
            Kind::Message(&EXEMPLAR),
            Repeated,
        ),
        Field::new(6, "as_int", "asInt", Sfixed64, Oneof("value")),
        Field::new(
            7,
            "attributes",
            "attributes",
            Kind::Message(&KEY_VALUE),
            Repeated,
        ),
        Field::new(8, "flags", "flags", Uint32, Singular),
    ],
);

pub(super) static HISTOGRAM_DATA_POINT: Message = Message::new(
    "HistogramDataPoint",
    &[
        Field::new(
            2,
            "start_time_unix_nano",
            "startTimeUnixNano",
            Fixed64,
            Singular,
        ),
        Field::new(3, "time_unix_nano", "timeUnixNano", Fixed64, Singular),
        Field::new(4, "count", "count", Fixed64, Singular),
        Field::new(5, "sum", "sum", Double, Optional),
        Field::new(6, "bucket_counts", "bucketCounts", Fixed64, Repeated),
        Field::new(7, "explicit_bounds", "explicitBounds", Double, Repeated),
        Field::new(
            8,
            "exemplars",
            "exemplars",
            Kind::Message(&EXEMPLAR),
            Repeated,
        ),
        Field::new(
            9,
            "attributes",
            "attributes",
            Kind::Message(&KEY_VALUE),
            Repeated,
        ),
        Field::new(10, "flags", "flags", Uint32, Singular),
        Field::new(11, "min", "min", Double, Optional),
        Field::new(12, "max", "max", Double, Optional),
    ],
);

pub(super) static EXPONENTIAL_HISTOGRAM_DATA_POINT: Message = Message::new(
    "ExponentialHistogramDataPoint",
    &[
        Field::new(
            1,
            "attributes",
            "attributes",
            Kind::Message(&KEY_VALUE),
            Repeated,
        ),
        Field::new(
            2,
            "start_time_unix_nano",
            "startTimeUnixNano",
            Fixed64,
            Singular,
        ),
        Field::new(3, "time_unix_nano", "timeUnixNano", Fixed64, Singular),
        Field::new(4, "count", "count", Fixed64, Singular),
        Field::new(5, "sum", "sum", Double, Optional),
        Field::new(6, "scale", "scale", Sint32, Singular),
        Field::new(7, "zero_count", "zeroCount", Fixed64, Singular),
        Field::new(
            8,
            "positive",
            "positive",
            Kind::Message(&EXPONENTIAL_HISTOGRAM_DATA_POINT_BUCKETS),
            Optional,
        ),
        Field::new(
            9,
            "negative",
            "negative",
            Kind::Message(&EXPONENTIAL_HISTOGRAM_DATA_POINT_BUCKETS),
            Optional,
        ),
        Field::new(10, "flags", "flags", Uint32, Singular),
        Field::new(
            11,
            "exemplars",
            "exemplars",
            Kind::Message(&EXEMPLAR),
            Repeated,
        ),
        Field::new(12, "min", "min", Double, Optional),
        Field::new(13, "max", "max", Double, Optional),
        Field::new(14, "zero_threshold", "zeroThreshold", Double, Singular),
    ],
);

pub(super) static EXPONENTIAL_HISTOGRAM_DATA_POINT_BUCKETS: Message = Message::new(
    "ExponentialHistogramDataPointBuckets",
    &[
        Field::new(1, "offset", "offset", Sint32, Singular),
        Field::new(2, "bucket_counts", "bucketCounts", Uint64, Repeated),
    ],
);

pub(super) static SUMMARY_DATA_POINT: Message = Message::new(
    "SummaryDataPoint",
    &[
        Field::new(
            2,
            "start_time_unix_nano",
            "startTimeUnixNano",
            Fixed64,
            Singular,
        ),
        Field::new(3, "time_unix_nano", "timeUnixNano", Fixed64, Singular),
        Field::new(4, "count", "count", Fixed64, Singular),
        Field::new(5, "sum", "sum", Double, Singular),
        Field::new(
            6,
            "quantile_values",
            "quantileValues",
            Kind::Message(&SUMMARY_DATA_POINT_VALUE_AT_QUANTILE),
            Repeated,
        ),
        Field::new(
            7,
            "attributes",
            "attributes",
            Kind::Message(&KEY_VALUE),
            Repeated,
        ),
        Field::new(8, "flags", "flags", Uint32, Singular),
    ],
);

pub(super) static SUMMARY_DATA_POINT_VALUE_AT_QUANTILE: Message = Message::new(
    "SummaryDataPointValueAtQuantile",
    &[
        Field::new(1, "quantile", "quantile", Double, Singular),
        Field::new(2, "value", "value", Double, Singular),
    ],
);

pub(super) static EXEMPLAR: Message = Message::new(
    "Exemplar",
    &[
        Field::new(2, "time_unix_nano", "timeUnixNano", Fixed64, Singular),
        Field::new(3, "as_double", "asDouble", Double, Oneof("value")),
        Field::new(4, "span_id", "spanId", HexId, Singular),
        Field::new(5, "trace_id", "traceId", HexId, Singular),
        Field::new(6, "as_int", "asInt", Sfixed64, Oneof("value")),
        Field::new(
            7,
            "filtered_attributes",
            "filteredAttributes",
            Kind::Message(&KEY_VALUE),
            Repeated,
        ),
    ],
);
