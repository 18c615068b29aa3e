//! Which replica owns which Resource: rendezvous hashing over the replicas that are there.
//!
//! *Invariant:* whoever knows the same replicas names the same owner, and a replica that comes or goes moves only what it
//! gets or had.

use penstock_otlp::resource::{digest, mix};
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// A replica as an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    address: Arc<str>,
    digest: u64,
}

impl Owner {
    /// The replica at `address`, which is what all who choose have to call it alike.
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self {
            address: address.into(),
            digest: mix(digest(address.bytes())),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }
}

/// All replicas at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owners {
    list: Arc<[Owner]>,
    epoch: u64,
}

impl Default for Owners {
    fn default() -> Self {
        Self::new([])
    }
}

impl Owners {
    /// The replicas at these addresses, in whatever order.
    #[must_use]
    pub fn new<'a>(addresses: impl IntoIterator<Item = &'a str>) -> Self {
        let mut list: Vec<_> = addresses.into_iter().map(Owner::new).collect();
        list.sort_unstable_by(|a, b| a.address.cmp(&b.address));
        list.dedup();
        let epoch = list
            .iter()
            .fold(0, |epoch, owner| mix(epoch ^ owner.digest));
        Self {
            list: list.into(),
            epoch,
        }
    }

    /// A digest of the set of replicas: who has the same epoch names the same owners.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// All of them, in an order that is the same for everyone.
    #[must_use]
    pub fn list(&self) -> &[Owner] {
        &self.list
    }

    /// Who owns the Resource with this key, by index; `None` without replicas.
    #[must_use]
    pub fn index_of(&self, key: u64) -> Option<usize> {
        let weight = |owner: &Owner| mix(owner.digest ^ key);
        let list = self.list.iter().enumerate();
        list.max_by_key(|(_, owner)| weight(owner))
            .map(|(index, _)| index)
    }
}
