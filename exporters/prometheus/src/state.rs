//! What is kept: the last value of every series, by the Resource that it comes from.
//!
//! Values that only say what came since the last one are added up, so that every series is cumulative.
//!
//! *Invariant:* at most `max_series` are kept, and of one metric at most `max_series_per_metric`; a series without news is forgotten
//! after its time, whether or not anybody scrapes. What cannot be kept is counted, in data points, and named by its metric.

mod held;
mod kept;
mod shed;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use held::Held;
pub(crate) use kept::Kept;
pub(crate) use shed::METRICS;
pub(crate) use wire::read;

use bytes::Bytes;
use kept::Why;
use penstock_exporter_series::Point;
use penstock_exporter_siblings::Keeper;
use shed::Shed;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What may be kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_series: usize,
    pub(crate) max_series_per_metric: usize,
    pub(crate) expiration: Duration,
}

/// All that one replica keeps.
#[derive(Debug)]
pub(crate) struct State {
    inner: Mutex<Inner>,
    limits: Limits,
}

#[derive(Debug)]
struct Inner {
    /// Shared with whoever looks at it: what changes meanwhile is changed in a copy.
    resources: HashMap<u64, Arc<Held>>,
    counts: Counts,
    shed: Shed,
    swept: Instant,
}

/// Series that are kept.
#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_metric: HashMap<String, usize>,
}

/// Data points that were not taken in, by reason.
pub(crate) type Refused = BTreeMap<&'static str, usize>;

impl Counts {
    /// Whether so many more are too many.
    fn room(&self, metric: &str, more: usize, limits: &Limits) -> Result<(), Why> {
        let of_metric = self.by_metric.get(metric).copied().unwrap_or_default();
        if of_metric + more > limits.max_series_per_metric {
            return Err(Why::MetricFull);
        }
        if self.all + more > limits.max_series {
            return Err(Why::Full);
        }
        Ok(())
    }

    fn change(&mut self, metric: &str, before: usize, after: usize) {
        if before == after {
            return;
        }
        self.all = (self.all + after).saturating_sub(before);
        match self.by_metric.get_mut(metric) {
            Some(count) => *count = (*count + after).saturating_sub(before),
            None => _ = self.by_metric.insert(metric.to_owned(), after),
        }
    }

    fn of_all(&mut self, held: &Held, sign: bool) {
        for (key, kept) in &held.items {
            if let Some(family) = held.family(key) {
                let series = kept.value.series();
                let (before, after) = if sign { (0, series) } else { (series, 0) };
                self.change(&family.name, before, after);
            }
        }
    }
}

impl State {
    pub(crate) fn new(limits: Limits) -> Self {
        let inner = Inner {
            resources: HashMap::new(),
            counts: Counts::default(),
            shed: Shed::default(),
            swept: Instant::now(),
        };
        Self {
            inner: Mutex::new(inner),
            limits,
        }
    }

    /// Takes in points of one Resource. Each is taken in or counted as a whole.
    pub(crate) fn apply(&self, key: u64, points: Vec<Point>) -> Refused {
        let mut refused = Refused::new();
        let mut inner = self.lock();
        self.sweep(&mut inner, Instant::now());
        let Inner {
            resources,
            counts,
            shed,
            ..
        } = &mut *inner;
        let held = Arc::make_mut(resources.entry(key).or_default());
        for point in points {
            let (family, parts) = (Arc::clone(&point.family), 1 + point.more);
            if let Err(why) = put(held, counts, &self.limits, point) {
                *refused.entry(why.text()).or_default() += parts;
                shed.count(&family.name, why, parts);
            }
        }
        if held.items.is_empty() {
            resources.remove(&key);
        }
        shed.kept(counts.all);
        refused
    }

    /// Forgets what had no news for its time; not at every call, as all is looked at.
    fn sweep(&self, inner: &mut Inner, now: Instant) {
        let expiration = self.limits.expiration;
        if now - inner.swept < expiration / 10 {
            return;
        }
        inner.swept = now;
        let counts = &mut inner.counts;
        inner.resources.retain(|_, held| {
            if held.items.values().any(|kept| kept.is_old(now, expiration)) {
                let held = Arc::make_mut(held);
                counts.of_all(held, false);
                held.items.retain(|_, kept| !kept.is_old(now, expiration));
                held.tidy();
                counts.of_all(held, true);
            }
            !held.items.is_empty()
        });
        counts.by_metric.retain(|_, count| *count > 0);
        inner.shed.kept(counts.all);
    }

    /// For a look now and then, so that it happens without data too.
    pub(crate) fn forget_old(&self) {
        self.sweep(&mut self.lock(), Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes in one point, if there is room for it.
fn put(held: &mut Held, counts: &mut Counts, limits: &Limits, point: Point) -> Result<(), Why> {
    let family = Arc::clone(&point.family);
    let new = point.value.series();
    let key = held.find(&point);
    if point.ends {
        if let Some(kept) = key.and_then(|key| held.items.remove(&key)) {
            counts.change(&family.name, kept.value.series(), 0);
        }
        return Ok(());
    }
    match key.and_then(|key| held.items.get_mut(&key)) {
        Some(kept) => {
            let before = kept.value.series();
            if new > before {
                counts.room(&family.name, new - before, limits)?;
            }
            kept.take(point)?;
            counts.change(&family.name, before, kept.value.series());
        }
        None => {
            counts.room(&family.name, new, limits)?;
            counts.change(&family.name, 0, new);
            held.put(point);
        }
    }
    Ok(())
}

impl Keeper for State {
    type Kept = Arc<Held>;

    fn keeps(&self, key: u64) -> bool {
        self.lock().resources.contains_key(&key)
    }

    fn all(&self) -> Vec<(u64, Arc<Held>)> {
        let inner = self.lock();
        let all = inner.resources.iter();
        all.map(|(key, held)| (*key, Arc::clone(held))).collect()
    }

    fn take(&self, keys: &[u64]) -> Vec<(u64, Arc<Held>)> {
        let mut inner = self.lock();
        let mut taken = Vec::new();
        for key in keys {
            if let Some(held) = inner.resources.remove(key) {
                inner.counts.of_all(&held, false);
                taken.push((*key, held));
            }
        }
        taken
    }

    /// Beyond the limits too: it was kept before, and each Resource comes once.
    fn add(&self, key: u64, kept: Bytes) {
        let Some(found) = read(kept) else {
            tracing::warn!("state of another replica cannot be read");
            return;
        };
        let mut inner = self.lock();
        let Inner {
            resources, counts, ..
        } = &mut *inner;
        let held = Arc::make_mut(resources.entry(key).or_default());
        counts.of_all(held, false);
        held.merge(found);
        counts.of_all(held, true);
    }

    fn encode(kept: &Arc<Held>) -> Bytes {
        wire::write(kept)
    }
}
