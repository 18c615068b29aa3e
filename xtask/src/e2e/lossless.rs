//! Trials of the promise that nothing is lost: real processes under load, killed, cut off, starved and reconfigured.
//!
//! Each trial has an oracle that knows what was acked, and backends that know what arrived; the ledger must agree with
//! both to the item.

pub(super) mod books;
mod crash;
mod damage;
mod disk_full;
mod outage;
mod parts;
mod reload;
mod rig;
mod sidecars;
mod worker_crash;

pub(super) use crash::crash;
pub(super) use damage::damage;
pub(super) use disk_full::disk_full;
pub(super) use outage::outage;
pub(super) use reload::reload;
pub(super) use worker_crash::worker_crash;

use std::time::{SystemTime, UNIX_EPOCH};

/// How a trial is run.
#[derive(Default)]
pub(crate) struct Options {
    /// As part of everything: shorter and smaller.
    pub(crate) short: bool,
    /// With the binaries that are there.
    pub(crate) built: bool,
    pub(crate) kills: Option<u32>,
    pub(crate) seed: Option<u64>,
    pub(crate) seconds: Option<u32>,
}

impl Options {
    /// The randomness of a trial, told so that it can be had again.
    fn random(&self) -> fastrand::Rng {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let seed = self
            .seed
            .unwrap_or(u64::from(now.unwrap_or_default().subsec_nanos()));
        println!("seed {seed}");
        fastrand::Rng::with_seed(seed)
    }
}
