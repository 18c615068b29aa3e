//! A batch whose Resources have owners: it is cut into shares, each of which goes to its owner and is followed by itself.
//!
//! When the owners change, what is not yet delivered is cut again by the new ones. Nothing of the batch is in the books
//! before all of it is at its end: a process that dies in between sends all of it again, and those that have their share
//! know it by its identity.
//!
//! *Invariant:* the fates of the shares sum to the batch.

use super::end::Verdict;
use super::{Dispatcher, End, Ended, MAX_CUTS, Route};
use crate::backoff::{Backoff, Gate};
use crate::batch::{Load, Tries};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use penstock_hop::{Owner, Owners, Transport};
use penstock_runtime::Phase;
use std::collections::hash_map::Entry;
use std::sync::{Arc, PoisonError};

/// What goes to one owner.
struct Owned {
    load: Load,
    owner: Owner,
    epoch: u64,
}

/// How far a share was followed.
#[derive(Default)]
struct Followed {
    verdicts: Vec<Verdict>,
    /// What others own by now.
    moved: Vec<Owned>,
}

impl<T: Transport> Dispatcher<T> {
    pub(super) async fn deliver_shares(&self, load: Load, owners: Owners) -> Ended {
        let mut verdicts = Vec::new();
        let mut open = FuturesUnordered::new();
        open.extend(
            cut(&load, &owners, None)
                .into_iter()
                .map(|o| self.follow(o)),
        );
        while let Some(followed) = open.next().await {
            verdicts.extend(followed.verdicts);
            for moved in followed.moved {
                let owners = self.transport.owners().unwrap_or_default();
                let owned = cut(&moved.load, &owners, Some(&moved));
                open.extend(owned.into_iter().map(|owned| self.follow(owned)));
            }
        }
        self.close(&load.batch.origin, load.batch.items, verdicts);
        Ended {
            parked: load.parked,
            left: Vec::new(),
        }
    }

    async fn follow(&self, owned: Owned) -> Followed {
        let Owned { load, owner, epoch } = owned;
        let route = Route {
            gate: self.gate_of(&owner),
            owner: Some((owner.clone(), epoch)),
        };
        let mut followed = Followed::default();
        let mut left = vec![load];
        let mut cuts = MAX_CUTS;
        while let Some(mut load) = left.pop() {
            let end = self.send(&load, &route).await;
            if let Some(halves) = self.halves(&load, &end, &mut cuts) {
                left.extend(halves);
                continue;
            }
            match end {
                End::Moved { begun } => {
                    load.tries = Tries {
                        failed: 0,
                        begun: Some(begun),
                    };
                    let owner = owner.clone();
                    followed.moved.push(Owned { load, owner, epoch });
                }
                // What another receiver will not take stays ours.
                End::TooLarge {
                    handed_over: true, ..
                } => std::future::pending().await,
                end => followed
                    .verdicts
                    .extend(self.verdict(&load.batch, end).await),
            }
        }
        followed
    }

    /// The way to one owner: that one fails says nothing of the others.
    fn gate_of(&self, owner: &Owner) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if !gates.contains_key(owner.address()) {
            // Those that nobody is at any more, of replicas that are gone.
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        match gates.entry(owner.address().to_owned()) {
            Entry::Occupied(gate) => Arc::clone(gate.get()),
            Entry::Vacant(place) => {
                let gate = Arc::new(Gate::new(Backoff::new(&self.retry)));
                if self.drain.phase() >= Phase::Flushing {
                    gate.hurry();
                }
                Arc::clone(place.insert(gate))
            }
        }
    }
}

/// What goes to whom. What all goes where it was meant to go `before` stays what it is, so that the owner knows it again.
fn cut(load: &Load, owners: &Owners, before: Option<&Owned>) -> Vec<Owned> {
    let epoch = owners.epoch();
    if owners.list().is_empty() {
        // Goes nowhere, and waits for an owner.
        let owner = Owner::new("");
        let load = load.clone();
        return vec![Owned { load, owner, epoch }];
    }
    let mut shares = load.shares(owners);
    if let ([(index, share)], Some(before)) = (shares.as_mut_slice(), before)
        && owners.list()[*index] == before.owner
    {
        *share = before.load.clone();
    }
    let owned = |(index, load): (usize, Load)| Owned {
        load,
        owner: owners.list()[index].clone(),
        epoch,
    };
    shares.into_iter().map(owned).collect()
}
