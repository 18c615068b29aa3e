//! The replicas of an exporter: which one takes the next call.
//!
//! The one with the least calls in flight does, ties at random. A replica that fails is *ejected*: it gets no calls for a
//! time that doubles with every failure in a row. When the time is over, one call probes it.
//!
//! Where Resources have owners, the call goes to the owner or to nobody. A replica that fails for `move_after` owns nothing
//! until it is back: then the others are the owners, under another epoch.
//!
//! *Invariant:* choosing never waits. A failure counts once, however many calls it hits at the same time.

use crate::affinity::{Owner, Owners};
use crate::connection::{Connection, ConnectionSettings};
use crate::metrics::HopMetrics;
use http::uri::Authority;
use penstock_runtime::Tasks;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// A replica that has been dead for long is still asked this often. Short, because nothing else tells that it is back, and
/// a receiver that is full refuses until then; an attempt to connect costs next to nothing.
const MAX_EJECTION: Duration = Duration::from_secs(5);

/// A replica's place in the network: where to connect, and what it is called there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// `address:port`, or `host:port` that connecting resolves.
    pub(crate) address: String,
    /// `:authority` of its calls: the configured name, since a mesh routes by names.
    pub(crate) authority: Authority,
}

/// All replicas of one exporter.
#[derive(Debug)]
pub(crate) struct Replicas {
    list: Mutex<Vec<Arc<Replica>>>,
    owners: watch::Sender<Owners>,
    eject_for: Duration,
    when_empty: Duration,
    settings: ConnectionSettings,
    metrics: HopMetrics,
    tasks: Tasks,
}

impl Replicas {
    /// No replicas yet. `when_empty` is how long a caller should wait when there are none.
    pub(crate) fn new(
        eject_for: Duration,
        when_empty: Duration,
        settings: ConnectionSettings,
        metrics: HopMetrics,
        tasks: Tasks,
    ) -> Self {
        Self {
            list: Mutex::default(),
            owners: watch::Sender::default(),
            eject_for,
            when_empty,
            settings,
            metrics,
            tasks,
        }
    }

    /// Makes `places` the replicas. Those that stay keep their connections, those that go finish their calls.
    pub(crate) fn update(&self, places: &[Place]) {
        let mut list = lock(&self.list);
        let mut next: Vec<Arc<Replica>> = Vec::with_capacity(places.len());
        for place in places {
            let known = |replica: &&Arc<Replica>| replica.place == *place;
            if next.iter().any(|replica| known(&replica)) {
                continue;
            }
            next.push(
                list.iter()
                    .find(known)
                    .map_or_else(|| self.replica(place), Arc::clone),
            );
        }
        *list = next;
    }

    /// Who owns what, now and from now on.
    pub(crate) fn owners(&self) -> &watch::Sender<Owners> {
        &self.owners
    }

    /// Finds out who the owners are: all replicas but those that have failed for `move_after`. When all have, nothing moves.
    pub(crate) fn reckon(&self, move_after: Duration) {
        let now = Instant::now();
        let list = lock(&self.list);
        let is_there = |replica: &&Arc<Replica>| {
            let failing = lock(&replica.state).failing_since;
            failing.is_none_or(|since| now < since + move_after)
        };
        let address = |replica: &Arc<Replica>| replica.place.address.clone();
        let mut there: Vec<_> = list.iter().filter(is_there).map(address).collect();
        if there.is_empty() {
            if !self.owners.borrow().list().is_empty() && !list.is_empty() {
                return;
            }
            there = list.iter().map(address).collect();
        }
        drop(list);
        let owners = Owners::new(there.iter().map(String::as_str));
        self.owners.send_if_modified(|known| {
            let news = *known != owners;
            if news {
                let addresses: Vec<_> = owners.list().iter().map(Owner::address).collect();
                tracing::info!(epoch = owners.epoch(), owners = ?addresses, "owners of resources");
                *known = owners;
            }
            news
        });
    }

    /// Where all replicas are.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let list = lock(&self.list);
        list.iter()
            .map(|replica| replica.place.address.clone())
            .collect()
    }

    /// Takes a place at one replica.
    ///
    /// # Errors
    /// It may not be called; the time after which it may.
    pub(crate) fn take(&self, owner: &Owner) -> Result<Lease, Duration> {
        let list = lock(&self.list);
        let replica = list
            .iter()
            .find(|replica| replica.place.address == owner.address())
            .ok_or(self.eject_for)?;
        match replica.standing(Instant::now()) {
            Standing::Available(_) => Ok(Lease::take(replica, false)),
            Standing::Due => Ok(Lease::take(replica, true)),
            Standing::Ejected(left) => Err(left),
        }
    }

    /// Places at the replicas that fail, own nothing and may be probed.
    pub(crate) fn lost(&self) -> Vec<Lease> {
        let owners = self.owners.borrow().clone();
        let owns = |replica: &Arc<Replica>| {
            let mut list = owners.list().iter();
            list.any(|owner| owner.address() == replica.place.address)
        };
        let now = Instant::now();
        let list = lock(&self.list);
        let lost = list.iter().filter(|replica| !owns(replica));
        lost.filter(|replica| matches!(replica.standing(now), Standing::Due))
            .map(|replica| Lease::take(replica, true))
            .collect()
    }

    fn replica(&self, place: &Place) -> Arc<Replica> {
        self.metrics.available.increment(1);
        Arc::new(Replica {
            place: place.clone(),
            connection: Connection::new(place.clone(), self.settings.clone(), self.tasks.clone()),
            eject_for: self.eject_for,
            state: Mutex::default(),
            metrics: self.metrics.clone(),
        })
    }

    /// Takes a place at the replica that should have the next call.
    ///
    /// # Errors
    /// No replica may be called; the time after which one may.
    pub(crate) fn choose(&self) -> Result<Lease, Duration> {
        let now = Instant::now();
        let list = lock(&self.list);
        let mut best: Option<(usize, &Arc<Replica>)> = None;
        let mut ties = 0;
        let mut wait = None;
        for replica in list.iter() {
            match replica.standing(now) {
                Standing::Due => return Ok(Lease::take(replica, true)),
                Standing::Available(load) => {
                    let least = best.map_or(usize::MAX, |(least, _)| least);
                    ties = if load < least {
                        1
                    } else {
                        ties + usize::from(load == least)
                    };
                    if load < least || (load == least && fastrand::usize(..ties) == 0) {
                        best = Some((load, replica));
                    }
                }
                Standing::Ejected(left) => wait = Some(wait.map_or(left, |wait| left.min(wait))),
            }
        }
        match best {
            Some((_, replica)) => Ok(Lease::take(replica, false)),
            None => Err(wait.unwrap_or(self.when_empty)),
        }
    }
}

/// One replica.
#[derive(Debug)]
struct Replica {
    place: Place,
    connection: Connection,
    eject_for: Duration,
    state: Mutex<State>,
    metrics: HopMetrics,
}

#[derive(Debug, Default)]
struct State {
    in_flight: usize,
    ejected_until: Option<Instant>,
    /// First of the failures since the last answer.
    failing_since: Option<Instant>,
    probing: bool,
    /// Failures since the last answer.
    failures: u32,
    /// Ejections ever: tells a call that began before the last one from a call that began after it.
    ejections: u64,
}

enum Standing {
    Available(usize),
    /// Ejected for long enough: one call may probe it.
    Due,
    Ejected(Duration),
}

impl Replica {
    fn standing(&self, now: Instant) -> Standing {
        let state = lock(&self.state);
        match state.ejected_until {
            None => Standing::Available(state.in_flight),
            Some(_) if state.probing => Standing::Ejected(self.eject_for),
            Some(until) if until <= now => Standing::Due,
            Some(until) => Standing::Ejected(until - now),
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        match lock(&self.state).ejected_until {
            None => self.metrics.available.decrement(1),
            Some(_) => self.metrics.ejected.decrement(1),
        }
    }
}

/// A call's place at a replica, from choice to answer.
#[derive(Debug)]
pub(crate) struct Lease {
    replica: Arc<Replica>,
    probe: bool,
    ejections: u64,
}

impl Lease {
    fn take(replica: &Arc<Replica>, probe: bool) -> Self {
        let mut state = lock(&replica.state);
        state.in_flight += 1;
        state.probing |= probe;
        Self {
            replica: Arc::clone(replica),
            probe,
            ejections: state.ejections,
        }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.replica.place
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.replica.connection
    }

    /// Whether the replica was ejected since this call chose it.
    pub(crate) fn is_outdated(&self) -> bool {
        lock(&self.replica.state).ejections != self.ejections
    }

    /// The replica answered, whatever it said: it is alive.
    pub(crate) fn answered(&self) {
        let mut state = lock(&self.replica.state);
        state.failures = 0;
        state.failing_since = None;
        if state.ejected_until.take().is_some() {
            self.replica.metrics.ejected.decrement(1);
            self.replica.metrics.available.increment(1);
            tracing::info!(
                address = self.replica.place.address,
                "exporter replica is back"
            );
        }
    }

    /// The replica failed as a peer: it is ejected, unless another call has already seen to that.
    pub(crate) fn failed(&self, reason: &str) {
        let mut state = lock(&self.replica.state);
        if state.ejections != self.ejections {
            return;
        }
        let doubled = 2u32.saturating_pow(state.failures);
        let time = self
            .replica
            .eject_for
            .saturating_mul(doubled)
            .min(MAX_EJECTION);
        state.failures = state.failures.saturating_add(1);
        state.ejections += 1;
        state.failing_since.get_or_insert_with(Instant::now);
        if state.ejected_until.replace(Instant::now() + time).is_none() {
            self.replica.metrics.available.decrement(1);
            self.replica.metrics.ejected.increment(1);
            tracing::warn!(
                address = self.replica.place.address,
                reason,
                "exporter replica ejected"
            );
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = lock(&self.replica.state);
        state.in_flight -= 1;
        if self.probe {
            state.probing = false;
        }
    }
}

/// No code under these locks can panic half-way, so poison says nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
