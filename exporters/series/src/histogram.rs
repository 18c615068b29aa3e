//! Values as the remote write protocol has them, and as everything else of Prometheus understands them.
//!
//! *Invariant:* field numbers are the protocol's.

/// A value at a time in milliseconds; the same in both.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Sample {
    /// The value.
    #[prost(double, tag = "1")]
    pub value: f64,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
}

/// A native histogram with integer counts; the same in both, save for fields that this one does not have.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Histogram {
    /// Of the protocol's oneof; written even when it is 0.
    #[prost(uint64, optional, tag = "1")]
    pub count: Option<u64>,
    /// Of all observations.
    #[prost(double, tag = "3")]
    pub sum: f64,
    /// Prometheus' name for the scale.
    #[prost(sint32, tag = "4")]
    pub schema: i32,
    /// Width of the bucket around zero.
    #[prost(double, tag = "5")]
    pub zero_threshold: f64,
    /// Of the protocol's oneof; written even when it is 0.
    #[prost(uint64, optional, tag = "6")]
    pub zero_count: Option<u64>,
    /// Runs of buckets below zero.
    #[prost(message, repeated, tag = "8")]
    pub negative_spans: Vec<BucketSpan>,
    /// Each bucket's count as the difference to the one before.
    #[prost(sint64, repeated, tag = "9")]
    pub negative_deltas: Vec<i64>,
    /// Runs of buckets above zero.
    #[prost(message, repeated, tag = "11")]
    pub positive_spans: Vec<BucketSpan>,
    /// Each bucket's count as the difference to the one before.
    #[prost(sint64, repeated, tag = "12")]
    pub positive_deltas: Vec<i64>,
    /// 0: whoever reads it finds out.
    #[prost(int32, tag = "14")]
    pub reset_hint: i32,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "15")]
    pub timestamp: i64,
}

/// A run of buckets.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct BucketSpan {
    /// Empty buckets before it.
    #[prost(sint32, tag = "1")]
    pub offset: i32,
    /// Buckets in it.
    #[prost(uint32, tag = "2")]
    pub length: u32,
}

/// Marks the end of a series: a NaN that no arithmetic makes.
pub const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);
