//! One series' value, or all values of one histogram or summary.
//!
//! *Invariant:* what came as deltas is added up once each; what cannot be added is said so, and changes nothing.

use penstock_exporter_series::{Exemplar, Point, Value};
use std::time::Duration;
use tokio::time::Instant;

/// The last value of a series.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) value: Value,
    /// When it was measured.
    pub(crate) millis: i64,
    /// When its count began; 0 when that is not known.
    pub(crate) created: i64,
    /// When it began, or was seen first where nobody says it.
    pub(crate) since: i64,
    /// When news of it came last.
    pub(crate) seen: Instant,
    /// It is the sum of what came: the times of the last of that, ascending.
    pub(crate) added: Option<Box<[i64]>>,
    /// The newest, as many as can be shown.
    pub(crate) exemplars: Box<[Exemplar]>,
}

/// Additions that are remembered: batches that waited for an owner come in any order, so it is more than can wait.
const REMEMBERED: usize = 32;
/// Exemplars of a native histogram.
const NATIVE_EXEMPLARS: usize = 10;

/// Why a point is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// A delta that was added before, or is older than all that are remembered.
    Late,
    /// A delta of before the buckets became other ones.
    OtherBuckets,
    /// No more series are kept.
    Full,
    /// No more series of its metric are kept.
    MetricFull,
}

impl Why {
    /// For people, and as a label.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Late => "added before, or too old to know",
            Self::OtherBuckets => "of before its buckets changed",
            Self::Full => "max_series are kept",
            Self::MetricFull => "max_series_per_metric are kept",
        }
    }
}

impl Kept {
    /// A point that begins a series.
    pub(crate) fn new(point: Point) -> Self {
        let added = point.delta.then(|| Box::from([point.millis]));
        let mut kept = Self {
            value: point.value,
            millis: point.millis,
            created: point.created,
            since: since(point.created, point.millis),
            seen: Instant::now(),
            added,
            exemplars: Box::default(),
        };
        kept.put_exemplars(point.exemplars);
        kept
    }

    /// Takes in the next point: a delta is added, of the others the newest counts.
    ///
    /// What a delta says of its beginning changes nothing: a gap before it is a time of which nothing is known, and what overlaps
    /// was counted by somebody else.
    pub(super) fn take(&mut self, point: Point) -> Result<(), Why> {
        self.seen = Instant::now();
        let is_newer = point.millis > self.millis;
        match &mut self.added {
            Some(_) if point.delta => {
                if !self.lacks(point.millis) {
                    return Err(Why::Late);
                }
                if self.value.add(&point.value).is_ok() {
                    let began = [self.created, point.created];
                    let began = began.into_iter().filter(|began| *began > 0);
                    self.created = began.min().unwrap_or_default();
                    self.millis = self.millis.max(point.millis);
                    self.remember(&[point.millis]);
                    self.put_exemplars(point.exemplars);
                } else if is_newer {
                    // Other buckets: it begins again, as a reset that everybody understands.
                    *self = Self::new(point);
                } else {
                    return Err(Why::OtherBuckets);
                }
            }
            Some(_) | None if point.millis >= self.millis => {
                let since = if point.created > 0 {
                    point.created
                } else {
                    self.since
                };
                *self = Self {
                    since,
                    ..Self::new(point)
                };
            }
            // A whole that is older than the one that is known says nothing new; a part of one that is not known cannot be added.
            _ if point.delta => return Err(Why::Late),
            _ => {}
        }
        Ok(())
    }

    /// Takes in another replica's part of the same series: each has what the other has not.
    pub(super) fn merge(&mut self, other: Self) {
        let seen = self.seen.max(other.seen);
        let (since, created) = (self.since.min(other.since), [self.created, other.created]);
        match &other.added {
            Some(more) if self.added.is_some() && self.value.add(&other.value).is_ok() => {
                self.remember(more);
                let began = created.into_iter().filter(|began| *began > 0);
                self.created = began.min().unwrap_or_default();
                self.millis = self.millis.max(other.millis);
                self.put_exemplars(other.exemplars.into_vec());
            }
            _ if other.millis >= self.millis => *self = other,
            _ => {}
        }
        (self.seen, self.since) = (seen, since);
    }

    /// Whether it had no news for that long.
    pub(super) fn is_old(&self, now: Instant, expiration: Duration) -> bool {
        now.saturating_duration_since(self.seen) >= expiration
    }

    /// Whether what was measured at this time may be added: it was not added before, as far as is remembered.
    fn lacks(&self, millis: i64) -> bool {
        self.added.as_ref().is_none_or(|added| {
            let too_old = added.len() >= REMEMBERED && added.first().is_some_and(|at| millis < *at);
            !too_old && added.binary_search(&millis).is_err()
        })
    }

    fn remember(&mut self, more: &[i64]) {
        if let Some(added) = &mut self.added {
            let mut times = std::mem::take(added).into_vec();
            times.extend(more);
            times.sort_unstable();
            let old = times.len().saturating_sub(REMEMBERED);
            *added = times[old..].into();
        }
    }

    /// As many as can be shown: one of a counter and of each bucket.
    fn put_exemplars(&mut self, more: Vec<Exemplar>) {
        let most = match &self.value {
            Value::Number(_) => 1,
            Value::Buckets(buckets) => buckets.bounds.len() + 1,
            Value::Native(_) => NATIVE_EXEMPLARS,
            Value::Quantiles(_) => 0,
        };
        if more.is_empty() || most == 0 {
            return;
        }
        let mut list = std::mem::take(&mut self.exemplars).into_vec();
        list.extend(more);
        list.sort_by_key(|exemplar| exemplar.millis);
        if let Value::Buckets(buckets) = &self.value {
            let bucket = |exemplar: &Exemplar| {
                let below = |bound: &f64| *bound < exemplar.value;
                buckets.bounds.partition_point(below)
            };
            // The newest of each bucket.
            list.reverse();
            let mut seen = vec![false; most];
            list.retain(|exemplar| !std::mem::replace(&mut seen[bucket(exemplar)], true));
            list.reverse();
        }
        let old = list.len().saturating_sub(most);
        list.drain(..old);
        self.exemplars = list.into();
    }
}

fn since(created: i64, millis: i64) -> i64 {
    if created > 0 { created } else { millis }
}
