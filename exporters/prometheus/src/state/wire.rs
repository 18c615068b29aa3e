//! What is kept of one Resource, as it goes to another replica.
//!
//! *Invariant:* what cannot be read whole is not taken in.

use super::held::{Held, Label};
use super::kept::Kept;
use bytes::Bytes;
use penstock_exporter_series::{Buckets, Exemplar, Family, Histogram, Kind, Quantiles, Value};
use prost::Message;
use std::sync::Arc;
use tokio::time::Instant;

#[derive(Clone, PartialEq, prost::Message)]
struct WireFamily {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int32, tag = "2")]
    kind: i32,
    #[prost(string, tag = "3")]
    help: String,
    #[prost(string, tag = "4")]
    unit: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireBuckets {
    #[prost(double, repeated, tag = "1")]
    bounds: Vec<f64>,
    #[prost(uint64, repeated, tag = "2")]
    counts: Vec<u64>,
    #[prost(uint64, tag = "3")]
    count: u64,
    #[prost(double, optional, tag = "4")]
    sum: Option<f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireQuantiles {
    #[prost(double, repeated, tag = "1")]
    quantiles: Vec<f64>,
    #[prost(double, repeated, tag = "2")]
    values: Vec<f64>,
    #[prost(uint64, tag = "3")]
    count: u64,
    #[prost(double, tag = "4")]
    sum: f64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireExemplar {
    /// Names and values in turn.
    #[prost(string, repeated, tag = "1")]
    labels: Vec<String>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(int64, tag = "3")]
    millis: i64,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum WireValue {
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(message, tag = "3")]
    Buckets(WireBuckets),
    #[prost(message, tag = "4")]
    Native(Histogram),
    #[prost(message, tag = "5")]
    Quantiles(WireQuantiles),
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireItem {
    #[prost(uint32, repeated, tag = "1")]
    key: Vec<u32>,
    #[prost(oneof = "WireValue", tags = "2, 3, 4, 5")]
    value: Option<WireValue>,
    #[prost(int64, tag = "6")]
    millis: i64,
    #[prost(int64, tag = "7")]
    created: i64,
    #[prost(int64, tag = "8")]
    since: i64,
    #[prost(bool, tag = "9")]
    delta: bool,
    #[prost(int64, repeated, tag = "10")]
    added: Vec<i64>,
    #[prost(message, repeated, tag = "11")]
    exemplars: Vec<WireExemplar>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireHeld {
    #[prost(message, repeated, tag = "1")]
    families: Vec<WireFamily>,
    /// Names and values in turn.
    #[prost(string, repeated, tag = "3")]
    labels: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    items: Vec<WireItem>,
}

/// Encodes it.
pub(super) fn write(held: &Held) -> Bytes {
    let families = held.families.iter().map(|family| WireFamily {
        name: family.name.clone(),
        kind: family.kind as i32,
        help: family.help.clone(),
        unit: family.unit.clone(),
    });
    let labels = held.labels.iter();
    let labels = labels.flat_map(|label| [label.name.to_string(), label.value.to_string()]);
    let items = held.items.iter().map(|(key, kept)| WireItem {
        key: key.to_vec(),
        value: Some(value_to_wire(&kept.value)),
        millis: kept.millis,
        created: kept.created,
        since: kept.since,
        delta: kept.added.is_some(),
        added: kept.added.as_deref().unwrap_or_default().to_vec(),
        exemplars: exemplars_to_wire(kept),
    });
    let wire = WireHeld {
        families: families.collect(),
        labels: labels.collect(),
        items: items.collect(),
    };
    wire.encode_to_vec().into()
}

/// Reads it back; `None` when another version wrote it, or nobody of us.
pub(crate) fn read(kept: Bytes) -> Option<Held> {
    let wire = WireHeld::decode(kept).ok()?;
    let mut held = Held::default();
    for wire in wire.families {
        held.families.insert(family(wire)?);
    }
    for pair in wire.labels.chunks_exact(2) {
        held.labels.insert(Label {
            name: pair[0].as_str().into(),
            value: pair[1].as_str().into(),
        });
    }
    let is_there = |number: &u32, list: usize| usize::try_from(*number).is_ok_and(|n| n < list);
    let seen = Instant::now();
    for item in wire.items {
        let (family, labels) = item.key.split_first()?;
        let labels_are_there = labels.iter().all(|n| is_there(n, held.labels.len()));
        if !is_there(family, held.families.len()) || !labels_are_there {
            return None;
        }
        let kept = Kept {
            value: value(item.value?)?,
            millis: item.millis,
            created: item.created,
            since: item.since,
            seen,
            added: item.delta.then(|| item.added.into()),
            exemplars: item.exemplars.into_iter().map(exemplar).collect(),
        };
        held.items.insert(item.key.into(), kept);
    }
    Some(held)
}

fn value_to_wire(value: &Value) -> WireValue {
    match value {
        Value::Number(value) => WireValue::Number(*value),
        Value::Native(histogram) => WireValue::Native(Histogram::clone(histogram)),
        Value::Buckets(buckets) => WireValue::Buckets(WireBuckets {
            bounds: buckets.bounds.clone(),
            counts: buckets.counts.clone(),
            count: buckets.count,
            sum: buckets.sum,
        }),
        Value::Quantiles(quantiles) => {
            let (names, values) = quantiles.values.iter().copied().unzip();
            WireValue::Quantiles(WireQuantiles {
                quantiles: names,
                values,
                count: quantiles.count,
                sum: quantiles.sum,
            })
        }
    }
}

fn value(wire: WireValue) -> Option<Value> {
    Some(match wire {
        WireValue::Number(value) => Value::Number(value),
        WireValue::Native(histogram) => Value::Native(Box::new(histogram)),
        WireValue::Buckets(wire) if wire.bounds.len() == wire.counts.len() => {
            Value::Buckets(Box::new(Buckets {
                bounds: wire.bounds,
                counts: wire.counts,
                count: wire.count,
                sum: wire.sum,
            }))
        }
        WireValue::Quantiles(wire) if wire.quantiles.len() == wire.values.len() => {
            Value::Quantiles(Box::new(Quantiles {
                values: wire.quantiles.into_iter().zip(wire.values).collect(),
                count: wire.count,
                sum: wire.sum,
            }))
        }
        WireValue::Buckets(_) | WireValue::Quantiles(_) => return None,
    })
}

fn exemplars_to_wire(kept: &Kept) -> Vec<WireExemplar> {
    let wire = kept.exemplars.iter().map(|exemplar| {
        let labels = exemplar.labels.iter();
        let labels = labels.flat_map(|(name, value)| [name.clone(), value.clone()]);
        WireExemplar {
            labels: labels.collect(),
            value: exemplar.value,
            millis: exemplar.millis,
        }
    });
    wire.collect()
}

fn exemplar(wire: WireExemplar) -> Exemplar {
    let pairs = wire.labels.chunks_exact(2);
    Exemplar {
        labels: pairs
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect(),
        value: wire.value,
        millis: wire.millis,
    }
}

fn family(wire: WireFamily) -> Option<Arc<Family>> {
    let kinds = [
        Kind::Counter,
        Kind::Gauge,
        Kind::Histogram,
        Kind::Summary,
        Kind::Info,
    ];
    Some(Arc::new(Family {
        kind: kinds.into_iter().find(|kind| *kind as i32 == wire.kind)?,
        name: wire.name,
        help: wire.help,
        unit: wire.unit,
    }))
}
