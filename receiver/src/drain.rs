//! From running to stopped without losing what was acked.
//!
//! 1. *Closing.* Not ready. Peers are told to go away (GOAWAY, `connection: close`) and calls in flight are finished. The
//!    listeners stay open: until the cluster has heard of it, senders still come here, and to them a refused connection
//!    is lost data while a short-lived one is not. Ends when no connection is left, at the latest at half the deadline.
//! 2. *Flushing.* Nothing comes in any more; the logs deliver what they hold.
//! 3. *Handing over*, where another receiver is configured: what exporters do not take goes to it. Begins when nothing
//!    gets delivered any more, and early enough to be of use.
//! 4. *Stopped*, when nothing is held or at the deadline. What is held then stays in the log on disk; without one it is
//!    dropped and counted.
//!
//! A process whose successor is already there *retires*: it ends in the same phases, but leaves what its exporters do not
//! take at once to the successor, which adopts its logs.
//!
//! *Invariant:* one absolute deadline for all of it.

use crate::shard::Shared;
use penstock_batcher::ledger::Here;
use penstock_runtime::{Drain, Phase};
use penstock_settings::Storage;
use std::time::Duration;
use tokio::time::{Instant, interval, sleep, timeout};

#[cfg(test)]
mod tests;

/// What the logs get beyond the deadline to count what they drop and to write their last books.
const LAST_COUNT: Duration = Duration::from_secs(1);
/// Part of the deadline that the hand-over has at least.
const FOR_HAND_OVER: u32 = 3;
/// Without a single delivery for this long, while something is held, waiting for exporters is no use.
const HOPELESS: Duration = Duration::from_secs(2);
/// How often it is looked whether something was delivered.
const LOOK: Duration = Duration::from_millis(100);
/// What a process that retires gives its batches in flight to end. Its successor cannot have them before.
const LAST_BATCHES: Duration = Duration::from_secs(1);

/// What became of the data, in items over all exporters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Dropped, because the deadline came first or a policy wanted it. Not zero means lost data.
    pub dropped: u64,
    /// Still in the log on disk, for whoever opens it next.
    pub kept: u64,
    /// Given to another receiver.
    pub handed_over: u64,
}

/// Goes through the phases up to [`Phase::Stopped`].
pub(crate) async fn drain(shared: &Shared, shards: usize, within: Duration) -> Drained {
    let before = shared.ledger.here();
    close(shared, within).await;
    shared.drain.enter(Phase::Flushing);
    flush(shared, shards, within).await;
    finish(shared, shards, before).await
}

/// Lets the logs deliver, and hand over what they cannot.
async fn flush(shared: &Shared, shards: usize, within: Duration) {
    if shared.plan.settings.penstock.hand_over.is_some() {
        let late = within / FOR_HAND_OVER;
        tokio::select! {
            () = flushed(shared, shards) => {}
            () = hopeless(|| shared.ledger.here().settled) => {
                tracing::info!("nothing is delivered any more");
            }
            () = sleep(shared.drain.left().saturating_sub(late)) => {}
        }
        if *shared.flushed.borrow() != shards {
            shared.drain.enter(Phase::HandingOver);
        }
    }
}

/// Goes the short way to [`Phase::Stopped`], for a process that has a successor on the same directory. What is held in
/// memory only is drained like ever. So is everything when it is `told_to_stop` before that: then nobody comes after it.
pub(crate) async fn retire(
    shared: &Shared,
    shards: usize,
    within: Duration,
    told_to_stop: impl Future<Output = ()>,
) -> Drained {
    if !on_disk(shared) {
        return drain(shared, shards, within).await;
    }
    let before = shared.ledger.here();
    close(shared, within).await;
    shared.drain.enter(Phase::Flushing);
    let stops = tokio::select! {
        biased;
        () = told_to_stop => true,
        () = flushed(shared, shards) => false,
        () = sleep(LAST_BATCHES) => false,
    };
    if stops {
        tracing::info!("nobody comes after: what is held is not left behind");
        flush(shared, shards, within).await;
    } else {
        shared.drain.hasten(Duration::ZERO);
    }
    finish(shared, shards, before).await
}

async fn close(shared: &Shared, within: Duration) {
    shared.drain.begin(within);
    let mut connections = shared.connections.subscribe();
    let all_gone = connections.wait_for(|open| *open == 0);
    if timeout(within / 2, all_gone).await.is_err() {
        tracing::warn!(
            connections = *shared.connections.borrow(),
            "connections cut off"
        );
    }
}

async fn finish(shared: &Shared, shards: usize, before: Here) -> Drained {
    if !in_time(flushed(shared, shards), &shared.drain).await {
        tracing::error!("logs did not end by the deadline");
    }
    let drained = outcome(before, shared.ledger.here(), on_disk(shared));
    let Drained {
        dropped,
        kept,
        handed_over,
    } = drained;
    if dropped > 0 {
        tracing::error!(items = dropped, "items dropped while draining");
    }
    if kept > 0 {
        tracing::warn!(items = kept, "undelivered items kept on disk");
    }
    if handed_over > 0 {
        tracing::info!(items = handed_over, "items handed over");
    }
    shared.drain.enter(Phase::Stopped);
    drained
}

/// What no log has got rid of is kept where it is on disk, and lost where it is not.
fn outcome(before: Here, now: Here, on_disk: bool) -> Drained {
    let (lost, kept) = if on_disk {
        (0, now.held)
    } else {
        (now.held, 0)
    };
    Drained {
        dropped: now.dropped - before.dropped + lost,
        kept,
        handed_over: now.handed_over - before.handed_over,
    }
}

fn on_disk(shared: &Shared) -> bool {
    matches!(shared.plan.settings.penstock.log.storage, Storage::Disk(_))
}

async fn flushed(shared: &Shared, shards: usize) {
    let mut flushed = shared.flushed.subscribe();
    // The sender outlives this borrow of it, so waiting cannot fail.
    let _all = flushed.wait_for(|flushed| *flushed == shards).await.is_ok();
}

/// Resolves when nothing has been settled for a while.
async fn hopeless(settled: impl Fn() -> u64) {
    let mut ticks = interval(LOOK);
    let mut last = (settled(), Instant::now());
    while last.1.elapsed() < HOPELESS {
        ticks.tick().await;
        let now = settled();
        if now != last.0 {
            last = (now, Instant::now());
        }
    }
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
