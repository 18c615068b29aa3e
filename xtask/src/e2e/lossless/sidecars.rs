//! Real sidecars that push spans and access logs of steady traffic, and what of it arrived by way of the `file` exporter.

use super::rig::{Rig, SETTLE};
use crate::e2e::delivered::ids_of_file;
use crate::envoy::{Route, Sidecars};
use crate::fail::Outcome;
use crate::mesh::{self, Traffic};
use crate::process::wait_within;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Requests a second, each of which makes two spans and two log records.
const RATE: f64 = 200.0;
/// After which a sidecar has sent what it gathers.
const FLUSHED: Duration = Duration::from_secs(6);

/// Running sidecars and traffic.
pub(super) struct Push {
    sidecars: Sidecars,
    traffic: JoinHandle<Outcome>,
    requests: usize,
}

/// What came of it.
pub(super) struct Delivered {
    /// Items of either signal.
    pub(super) generated: usize,
    /// Spans and log records.
    pub(super) missing: [u64; 2],
    pub(super) duplicates: usize,
}

fn traffic(requests: usize) -> Traffic {
    Traffic {
        requests,
        rate: RATE,
        tag: "lossless",
    }
}

impl Push {
    /// Traffic for that long.
    pub(super) fn start(rig: &Rig, time: Duration) -> Outcome<Self> {
        let route = Route::Direct {
            port: rig.receiver.port,
        };
        let sidecars = Sidecars::start(&rig.folder, &route, mesh::application("127.0.0.1")?)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "some thousand requests"
        )]
        let requests = (RATE * time.as_secs_f64()) as usize;
        let outbound = sidecars.outbound;
        Ok(Self {
            sidecars,
            traffic: thread::spawn(move || traffic(requests).send(outbound)),
            requests,
        })
    }

    /// Waits for the end of the traffic and for what the sidecars still have, then stops everything.
    pub(super) fn end(self, rig: Rig) -> Outcome<Delivered> {
        self.traffic.join().map_err(|_| "the traffic panicked")??;
        let mut last = (Vec::new(), Instant::now());
        wait_within(SETTLE, "the end of what sidecars send", || {
            let ledger = rig.receiver.ledger()?;
            let accepted = ["traces", "logs"]
                .map(|signal| ledger.sum("accepted", |line| line["signal"] == signal));
            if last.0 != accepted {
                last = (accepted.to_vec(), Instant::now());
            }
            Ok((last.1.elapsed() > FLUSHED).then_some(()))
        })?;
        self.sidecars.stop()?;
        rig.settled(SETTLE)?;
        let out = rig.out.clone();
        rig.stop()?;
        let ids = ids_of_file(&[&out])?;
        let mut delivered = Delivered {
            generated: 2 * self.requests,
            missing: [0, 0],
            duplicates: 0,
        };
        let sent = traffic(self.requests);
        for id in (0..self.requests).map(|n| sent.id(n)) {
            for (signal, missing) in ["traces", "logs"].into_iter().zip(&mut delivered.missing) {
                let key = (signal.to_owned(), id.clone());
                let arrived = ids.get(&key).copied().unwrap_or_default();
                *missing += 2usize.saturating_sub(arrived) as u64;
                delivered.duplicates += arrived.saturating_sub(2);
            }
        }
        Ok(delivered)
    }
}
