//! From running to stopped without losing what was acked.
//!
//! 1. *Closing.* Not ready. Peers are told to go away (GOAWAY, `connection: close`) and calls in flight are finished. The
//!    listeners stay open: until the cluster has heard of it, senders still come here, and to them a refused connection
//!    is lost data while a short-lived one is not. Ends when no connection is left, at the latest at half the deadline.
//! 2. *Flushing.* Nothing comes in any more; the logs deliver what they hold.
//! 3. *Stopped*, when nothing is held or at the deadline. What is held then is dropped and counted.
//!
//! *Invariant:* one absolute deadline for all of it.

use crate::shard::Shared;
use penstock_runtime::{Drain, Phase};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// What the logs get beyond the deadline to count what they drop.
const LAST_COUNT: Duration = Duration::from_secs(1);

/// What became of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Items that had to be dropped, over all exporters, because the deadline came first. Not zero means lost data.
    pub dropped: u64,
}

/// Goes through the phases up to [`Phase::Stopped`].
pub(crate) async fn drain(shared: &Shared, shards: usize, within: Duration) -> Drained {
    let drain = &shared.drain;
    let lost_before = dropped(shared);
    drain.begin(within);

    let mut connections = shared.connections.subscribe();
    let all_gone = connections.wait_for(|open| *open == 0);
    if timeout(within / 2, all_gone).await.is_err() {
        tracing::warn!(
            connections = *shared.connections.borrow(),
            "connections cut off"
        );
    }

    drain.enter(Phase::Flushing);
    let mut flushed = shared.flushed.subscribe();
    let all_flushed = flushed.wait_for(|flushed| *flushed == shards);
    if !in_time(all_flushed, drain).await {
        tracing::error!("logs did not end by the deadline");
    }

    let dropped = lost(shared) - lost_before;
    if dropped > 0 {
        tracing::error!(items = dropped, "undelivered items dropped at the deadline");
    }
    drain.enter(Phase::Stopped);
    Drained { dropped }
}

async fn in_time<F: Future>(work: F, drain: &Drain) -> bool {
    let late = async {
        drain.expired().await;
        sleep(LAST_COUNT).await;
    };
    tokio::select! {
        _ = work => true,
        () = late => false,
    }
}

/// Items dropped so far.
fn dropped(shared: &Shared) -> u64 {
    shared.ledger.lines().iter().map(|line| line.dropped).sum()
}

/// What is lost if the process ends now: what was dropped, and what no log has got rid of.
fn lost(shared: &Shared) -> u64 {
    let held: u64 = shared.ledger.lines().iter().map(|line| line.held).sum();
    dropped(shared) + held
}
