//! What is kept: the last value of every series, by the Resource that it comes from.
//!
//! Values that only say what came since the last one are added up, so that every series is cumulative.
//!
//! *Invariant:* at most `max_series` are kept; a series without news is forgotten after its time, whether or not anybody
//! scrapes. What cannot be kept is counted.

mod kept;

#[cfg(test)]
mod tests;

pub(crate) use kept::{Kept, read};

use bytes::Bytes;
use kept::write;
use penstock_exporter_series::{Labels, STALE, Series};
use penstock_exporter_siblings::Keeper;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Series of one Resource.
pub(crate) type Held = HashMap<Labels, Kept>;

/// All that one replica keeps.
#[derive(Debug)]
pub(crate) struct State {
    inner: Mutex<Inner>,
    max_series: usize,
    expiration: Duration,
}

#[derive(Debug)]
struct Inner {
    resources: HashMap<u64, Held>,
    series: usize,
    swept: Instant,
}

/// Data points of a request, by number.
type Points = HashSet<usize>;

/// Data points that were not taken in, by reason.
pub(crate) type Refused = BTreeMap<&'static str, usize>;

impl State {
    pub(crate) fn new(max_series: usize, expiration: Duration) -> Self {
        let inner = Inner {
            resources: HashMap::new(),
            series: 0,
            swept: Instant::now(),
        };
        Self {
            inner: Mutex::new(inner),
            max_series,
            expiration,
        }
    }

    /// Takes in series of one Resource.
    pub(crate) fn apply(&self, key: u64, series: Vec<Series>) -> Refused {
        let now = Instant::now();
        let (mut full, mut late, mut native) = (Points::new(), Points::new(), Points::new());
        let mut inner = self.lock();
        self.sweep(&mut inner, now);
        let Inner {
            resources,
            series: count,
            ..
        } = &mut *inner;
        let held = resources.entry(key).or_default();
        for Series {
            labels,
            family,
            samples,
            histograms,
            delta,
            points,
            ..
        } in series
        {
            if !histograms.is_empty() {
                native.extend(&points);
            }
            for sample in samples {
                if sample.value.to_bits() == STALE.to_bits() {
                    *count -= usize::from(held.remove(&labels).is_some());
                    continue;
                }
                let new = Kept {
                    family: family.clone(),
                    value: sample.value,
                    millis: sample.timestamp,
                    added: delta.then(|| vec![sample.timestamp]),
                    seen: now,
                };
                match held.get_mut(&labels) {
                    Some(kept) if delta && !kept.lacks(new.millis) => late.extend(&points),
                    Some(kept) => kept.merge(new),
                    None if *count >= self.max_series => full.extend(&points),
                    None => {
                        *count += 1;
                        held.insert(labels.clone(), new);
                    }
                }
            }
        }
        if held.is_empty() {
            resources.remove(&key);
        }
        let refused = [
            (
                "exponential histograms cannot be shown as text",
                native.len(),
            ),
            ("added before, or too old to know", late.len()),
            ("max_series are kept", full.len()),
        ];
        refused
            .into_iter()
            .filter(|(_, points)| *points > 0)
            .collect()
    }

    /// Forgets what had no news for its time; not at every call, as all is looked at.
    fn sweep(&self, inner: &mut Inner, now: Instant) {
        if now - inner.swept < self.expiration / 10 {
            return;
        }
        inner.swept = now;
        let mut series = 0;
        inner.resources.retain(|_, held| {
            held.retain(|_, kept| now - kept.seen < self.expiration);
            series += held.len();
            !held.is_empty()
        });
        inner.series = series;
    }

    /// For a look now and then, so that it happens without data too.
    pub(crate) fn forget_old(&self) {
        self.sweep(&mut self.lock(), Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper for State {
    fn keeps(&self, key: u64) -> bool {
        self.lock().resources.contains_key(&key)
    }

    fn all(&self) -> Vec<(u64, Bytes)> {
        let inner = self.lock();
        inner
            .resources
            .iter()
            .map(|(key, held)| (*key, write(held)))
            .collect()
    }

    fn take(&self, keys: &[u64]) -> Vec<(u64, Bytes)> {
        let mut inner = self.lock();
        let mut taken = Vec::new();
        for key in keys {
            if let Some(held) = inner.resources.remove(key) {
                inner.series -= held.len();
                taken.push((*key, write(&held)));
            }
        }
        taken
    }

    /// Beyond `max_series` too: it was kept before, and each Resource comes once.
    fn add(&self, key: u64, kept: Bytes) {
        let Some(found) = read(kept) else {
            tracing::warn!("state of another replica cannot be read");
            return;
        };
        let mut inner = self.lock();
        let held = inner.resources.entry(key).or_default();
        let before = held.len();
        for (labels, kept) in found {
            match held.get_mut(&labels) {
                Some(known) => known.merge(kept),
                None => _ = held.insert(labels, kept),
            }
        }
        let more = held.len() - before;
        inner.series += more;
    }
}
