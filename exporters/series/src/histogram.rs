//! Values as the remote write protocol has them, and as everything else of Prometheus understands them.
//!
//! *Invariant:* field numbers are the protocol's; adding up loses no count.

use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

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

/// Two values that cannot be added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch;

/// Counts of buckets by their indexes.
type Counts = BTreeMap<i32, i64>;

impl Histogram {
    /// Adds what came besides. Of two resolutions the coarser one remains, and of two zero buckets the wider one.
    pub(crate) fn add(&mut self, more: &Self) {
        let schema = self.schema.min(more.schema);
        let mut zero_threshold = self.zero_threshold.max(more.zero_threshold);
        let mut zero = 0_u64;
        let mut sides = [Counts::new(), Counts::new()];
        for one in [&*self, more] {
            zero = zero.saturating_add(one.zero_count.unwrap_or_default());
            for (side, (spans, deltas)) in sides.iter_mut().zip([
                (&one.negative_spans, &one.negative_deltas),
                (&one.positive_spans, &one.positive_deltas),
            ]) {
                let down = one.schema.abs_diff(schema).min(31);
                for (index, count) in counts(spans, deltas) {
                    // Bucket i ends at i, so that i and the i before it are joined: 1 and 2 are 1, 3 and 4 are 2.
                    let joined = ((i64::from(index) - 1) >> down) + 1;
                    let joined = i32::try_from(joined).unwrap_or(index);
                    *side.entry(joined).or_default() += count;
                }
            }
        }
        // What lies within the zero bucket belongs to it, and one that it cuts makes it wider, for both sides.
        let mut before = f64::NAN;
        while before.total_cmp(&zero_threshold).is_ne() {
            before = zero_threshold;
            for side in &mut sides {
                while let Some(lowest) = side.first_entry() {
                    if lower_bound(*lowest.key(), schema) >= zero_threshold {
                        break;
                    }
                    let (index, count) = lowest.remove_entry();
                    let end = lower_bound(index.saturating_add(1), schema);
                    zero_threshold = zero_threshold.max(end);
                    zero = zero.saturating_add(u64::try_from(count).unwrap_or_default());
                }
            }
        }
        let [negative, positive] = sides;
        (self.negative_spans, self.negative_deltas) = spans(negative);
        (self.positive_spans, self.positive_deltas) = spans(positive);
        self.schema = schema;
        self.zero_threshold = zero_threshold;
        self.zero_count = Some(zero);
        let count = self.count.unwrap_or_default();
        self.count = Some(count.saturating_add(more.count.unwrap_or_default()));
        self.sum += more.sum;
        self.timestamp = self.timestamp.max(more.timestamp);
    }
}

/// Where a bucket begins.
fn lower_bound(index: i32, schema: i32) -> f64 {
    ((f64::from(index) - 1.0) * (-f64::from(schema)).exp2()).exp2()
}

/// Each bucket's count by its index, without the empty ones.
pub(crate) fn counts(spans: &[BucketSpan], deltas: &[i64]) -> Vec<(i32, i64)> {
    let (mut index, mut count, mut deltas) = (0_i32, 0_i64, deltas.iter());
    let mut found = Vec::new();
    for span in spans {
        index = index.saturating_add(span.offset);
        for delta in deltas
            .by_ref()
            .take(usize::try_from(span.length).unwrap_or(usize::MAX))
        {
            count = count.wrapping_add(*delta);
            if count != 0 {
                found.push((index, count));
            }
            index = index.saturating_add(1);
        }
    }
    found
}

/// Empty buckets that cost less than another span.
const MAX_GAP: i32 = 2;

/// Runs of buckets, and each bucket's count as the difference to the one before; of counts in the order of their indexes.
pub(crate) fn spans(counts: impl IntoIterator<Item = (i32, i64)>) -> (Vec<BucketSpan>, Vec<i64>) {
    let (mut spans, mut deltas): (Vec<BucketSpan>, Vec<i64>) = (Vec::new(), Vec::new());
    // The index after the last bucket, and that bucket's count.
    let (mut next, mut before) = (0_i32, 0_i64);
    let mut put = |span: &mut BucketSpan, count: i64| {
        span.length += 1;
        deltas.push(count.wrapping_sub(before));
        before = count;
    };
    for (index, count) in counts {
        let gap = index.saturating_sub(next);
        if let (Some(span), true) = (spans.last_mut(), gap <= MAX_GAP) {
            (0..gap).for_each(|_| put(span, 0));
            put(span, count);
        } else {
            let mut span = BucketSpan {
                offset: gap,
                length: 0,
            };
            put(&mut span, count);
            spans.push(span);
        }
        next = index.saturating_add(1);
    }
    (spans, deltas)
}
