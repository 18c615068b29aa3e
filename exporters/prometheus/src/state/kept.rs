//! One series' value, and how it goes to another replica.

use super::Held;
use bytes::Bytes;
use penstock_exporter_series::{Family, Kind, Labels};
use prost::Message;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::time::Instant;

/// The last value of a series.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) family: Arc<Family>,
    pub(crate) value: f64,
    /// When it was measured.
    pub(crate) millis: i64,
    /// It is the sum of what came: the times of the last of that, ascending.
    pub(crate) added: Option<Vec<i64>>,
    /// When news of it came last.
    pub(crate) seen: Instant,
}

/// Additions that are remembered: batches that waited for an owner come in any order, so it is more than can wait.
const REMEMBERED: usize = 32;

impl Kept {
    /// Whether this, which came since the one before it, may be added: it was not added before, as far as is remembered.
    pub(crate) fn lacks(&self, millis: i64) -> bool {
        self.added.as_ref().is_none_or(|added| {
            let too_old = added.len() >= REMEMBERED && added.first().is_some_and(|at| millis < *at);
            !too_old && added.binary_search(&millis).is_err()
        })
    }

    /// Sums add up: each has what the other has not. Of what is known as a whole the newest counts.
    pub(crate) fn merge(&mut self, other: Self) {
        let seen = self.seen.max(other.seen);
        match (&mut self.added, &other.added) {
            (Some(added), Some(more)) => {
                added.extend(more);
                added.sort_unstable();
                let old = added.len().saturating_sub(REMEMBERED);
                added.drain(..old);
                self.value += other.value;
                self.millis = self.millis.max(other.millis);
            }
            _ if other.millis >= self.millis => *self = other,
            _ => {}
        }
        self.seen = seen;
    }
}

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
struct WireSeries {
    /// Names and values in turn.
    #[prost(string, repeated, tag = "1")]
    labels: Vec<String>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(int64, tag = "3")]
    millis: i64,
    #[prost(bool, tag = "4")]
    delta: bool,
    #[prost(int64, repeated, tag = "6")]
    added: Vec<i64>,
    #[prost(uint32, tag = "5")]
    family: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireHeld {
    #[prost(message, repeated, tag = "1")]
    families: Vec<WireFamily>,
    #[prost(message, repeated, tag = "2")]
    series: Vec<WireSeries>,
}

/// What is kept of one Resource, encoded.
pub(super) fn write(held: &Held) -> Bytes {
    let mut wire = WireHeld::default();
    let mut known: HashMap<&str, u32> = HashMap::new();
    for (labels, kept) in held {
        let family = &kept.family;
        let index = *known.entry(&family.name).or_insert_with(|| {
            wire.families.push(WireFamily {
                name: family.name.clone(),
                kind: family.kind as i32,
                help: family.help.clone(),
                unit: family.unit.clone(),
            });
            u32::try_from(wire.families.len() - 1).unwrap_or_default()
        });
        let pairs = labels
            .iter()
            .flat_map(|(name, value)| [name.clone(), value.clone()]);
        wire.series.push(WireSeries {
            labels: pairs.collect(),
            value: kept.value,
            millis: kept.millis,
            delta: kept.added.is_some(),
            added: kept.added.clone().unwrap_or_default(),
            family: index,
        });
    }
    wire.encode_to_vec().into()
}

/// Reads it back; `None` when another version wrote it.
pub(crate) fn read(kept: Bytes) -> Option<Vec<(Labels, Kept)>> {
    let wire = WireHeld::decode(kept).ok()?;
    let families: Option<Vec<_>> = wire.families.into_iter().map(family).collect();
    let (families, seen) = (families?, Instant::now());
    let series = wire.series.into_iter().map(|series| {
        let pairs = series.labels.chunks_exact(2);
        let labels = pairs
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect();
        let kept = Kept {
            family: Arc::clone(families.get(usize::try_from(series.family).ok()?)?),
            value: series.value,
            millis: series.millis,
            added: series.delta.then_some(series.added),
            seen,
        };
        Some((labels, kept))
    });
    series.collect()
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
