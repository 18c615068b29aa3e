//! What the receiver counts: plain atomics on the data's way, published as metrics when somebody looks.
//!
//! One set per entrance (receiver, transport, signal), so that the Collector's names can be given from the same numbers.
//! Labels are closed enums.

use crate::pipeline::{Denial, Fate};
use metrics::{counter, gauge};
use penstock_auth::Denied;
use penstock_otlp::Signal;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

mod names;
#[cfg(test)]
mod tests;

pub(crate) use names::METRICS;
use names::*;

/// A count that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Declares a closed set of labels.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)+];

            pub(crate) const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

/// How requests come in; the Collector's `transport` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Grpc,
    Http,
}

impl Transport {
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }
}

labels! {
    /// Why a request was pushed back.
    RefusedFor {
        /// The budget was full for longer than the hold.
        Memory = "memory",
        /// The receiver is stopping.
        Stopping = "stopping",
        /// The log had no room for longer than the hold.
        Disk = "disk",
    }
}

labels! {
    /// Why a request can never be accepted, or was not there to be accepted.
    RejectedFor {
        TooLarge = "too_large",
        Compression = "compression",
        Json = "json",
        Framing = "framing",
        Slow = "slow",
        Gone = "gone",
        Truncated = "truncated",
        Varint = "varint",
        Key = "key",
        WireType = "wire_type",
        Length = "length",
        Group = "group",
        Depth = "depth",
        OtherFault = "other",
        /// Handed over for an exporter that is not served here.
        UnknownExporter = "unknown_exporter",
    }
}

impl RejectedFor {
    /// From the check's own label.
    pub(crate) fn from_check(reason: &str) -> Self {
        let known = Self::ALL.iter().find(|known| known.label() == reason);
        known.copied().unwrap_or(Self::OtherFault)
    }
}

labels! {
    /// Why a call never reached a signal.
    Malformed {
        Path = "path",
        Method = "method",
        ContentType = "content_type",
        Encoding = "encoding",
        Tls = "tls",
        Protocol = "protocol",
    }
}

/// Requests of one signal through one transport of one receiver.
#[derive(Debug)]
pub(crate) struct Entrance {
    pub(crate) receiver: String,
    pub(crate) transport: Transport,
    pub(crate) signal: Signal,
    pub(crate) requests: Count,
    pub(crate) body_bytes: Count,
    pub(crate) accepted_items: Count,
    pub(crate) repaired_strings: Count,
    refused_requests: [Count; RefusedFor::ALL.len()],
    refused_items: [Count; RefusedFor::ALL.len()],
    /// Refused requests whose items could not be counted.
    uncounted_requests: [Count; RefusedFor::ALL.len()],
    rejected_requests: [Count; RejectedFor::ALL.len()],
}

impl Entrance {
    pub(crate) fn new(receiver: String, transport: Transport, signal: Signal) -> Arc<Self> {
        Arc::new(Self {
            receiver,
            transport,
            signal,
            requests: Count::default(),
            body_bytes: Count::default(),
            accepted_items: Count::default(),
            repaired_strings: Count::default(),
            refused_requests: Default::default(),
            refused_items: Default::default(),
            uncounted_requests: Default::default(),
            rejected_requests: Default::default(),
        })
    }

    pub(crate) fn denied(&self, denial: &Denial) {
        match denial.fate {
            Fate::Refused { why, items } => {
                self.refused_requests[why as usize].add(1);
                match items {
                    Some(items) => self.refused_items[why as usize].add(items),
                    None => self.uncounted_requests[why as usize].add(1),
                }
            }
            Fate::Rejected(why) => self.rejected_requests[why as usize].add(1),
        }
    }

    pub(crate) fn refused(&self) -> u64 {
        total(&self.refused_items)
    }

    /// Of the refused items, those for which there was no room.
    pub(crate) fn limited(&self) -> u64 {
        self.refused() - self.refused_items[RefusedFor::Stopping as usize].get()
    }

    fn publish(&self) {
        let labels = || {
            [
                ("receiver", self.receiver.clone()),
                ("transport", self.transport.label().to_owned()),
                ("signal", self.signal.name().to_owned()),
            ]
        };
        counter!(REQUESTS.name, &labels()).absolute(self.requests.get());
        counter!(BODY_BYTES.name, &labels()).absolute(self.body_bytes.get());
        counter!(ACCEPTED_ITEMS.name, &labels()).absolute(self.accepted_items.get());
        counter!(REPAIRED_STRINGS.name, &labels()).absolute(self.repaired_strings.get());
        let with = |reason: &str| {
            let [receiver, transport, signal] = labels();
            [receiver, transport, signal, ("reason", reason.to_owned())]
        };
        for why in RefusedFor::ALL {
            let (labels, index) = (with(why.label()), *why as usize);
            counter!(REFUSED_REQUESTS.name, &labels).absolute(self.refused_requests[index].get());
            counter!(REFUSED_ITEMS.name, &labels).absolute(self.refused_items[index].get());
            counter!(UNCOUNTED.name, &labels).absolute(self.uncounted_requests[index].get());
        }
        for why in RejectedFor::ALL {
            counter!(REJECTED_REQUESTS.name, &with(why.label()))
                .absolute(self.rejected_requests[*why as usize].get());
        }
    }
}

/// Connections of one transport of one receiver, and calls that name no signal.
#[derive(Debug)]
pub(crate) struct DoorCounts {
    pub(crate) receiver: String,
    pub(crate) transport: Transport,
    pub(crate) opened: Count,
    pub(crate) closed: Count,
    pub(crate) read_bytes: Count,
    pub(crate) malformed: [Count; Malformed::ALL.len()],
    denied: [Count; Denied::LABELS.len()],
}

impl DoorCounts {
    pub(crate) fn new(receiver: String, transport: Transport) -> Arc<Self> {
        Arc::new(Self {
            receiver,
            transport,
            opened: Count::default(),
            closed: Count::default(),
            read_bytes: Count::default(),
            malformed: Default::default(),
            denied: Default::default(),
        })
    }

    pub(crate) fn denied(&self, why: Denied) {
        self.denied[why as usize].add(1);
    }

    pub(crate) fn malformed(&self, why: Malformed) {
        self.malformed[why as usize].add(1);
    }

    fn publish(&self) {
        let labels = || {
            [
                ("receiver", self.receiver.clone()),
                ("transport", self.transport.label().to_owned()),
            ]
        };
        let open = self.opened.get().saturating_sub(self.closed.get());
        counter!(CONNECTIONS_TOTAL.name, &labels()).absolute(self.opened.get());
        gauge!(CONNECTIONS.name, &labels()).set(open as f64);
        counter!(READ_BYTES.name, &labels()).absolute(self.read_bytes.get());
        for why in Malformed::ALL {
            let [receiver, transport] = labels();
            let labels = [receiver, transport, ("reason", why.label().to_owned())];
            counter!(MALFORMED_CALLS.name, &labels).absolute(self.malformed[*why as usize].get());
        }
        for (reason, count) in Denied::LABELS.into_iter().zip(&self.denied) {
            let [receiver, transport] = labels();
            let labels = [receiver, transport, ("reason", reason.to_owned())];
            counter!(UNAUTHENTICATED_CALLS.name, &labels).absolute(count.get());
        }
    }
}

/// All counts of a receiver process.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) entrances: Vec<Arc<Entrance>>,
    pub(crate) doors: Vec<Arc<DoorCounts>>,
}

/// What became of a signal's requests left of the ack, over all receivers and transports, since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignalCounts {
    /// `traces`, `metrics`, `logs`.
    pub signal: &'static str,
    /// Export requests that named this signal.
    pub requests: u64,
    /// Items acked.
    pub accepted_items: u64,
    /// Items pushed back.
    pub refused_items: u64,
    /// Requests pushed back.
    pub refused_requests: u64,
    /// Of those, requests whose items could not be counted.
    pub uncounted_requests: u64,
    /// Requests that can never be accepted, or that did not arrive whole.
    pub rejected_requests: u64,
}

impl Counts {
    /// The counts of one signal.
    pub(crate) fn of(&self, signal: Signal) -> SignalCounts {
        let sum = |count: fn(&Entrance) -> u64| {
            let entrances = self
                .entrances
                .iter()
                .filter(|entrance| entrance.signal == signal);
            entrances.map(|entrance| count(entrance)).sum()
        };
        SignalCounts {
            signal: signal.name(),
            requests: sum(|entrance| entrance.requests.get()),
            accepted_items: sum(|entrance| entrance.accepted_items.get()),
            refused_items: sum(Entrance::refused),
            refused_requests: sum(|entrance| total(&entrance.refused_requests)),
            uncounted_requests: sum(|entrance| total(&entrance.uncounted_requests)),
            rejected_requests: sum(|entrance| total(&entrance.rejected_requests)),
        }
    }

    /// The counts of one way in, if it is served.
    pub(crate) fn entrance(
        &self,
        receiver: &str,
        transport: Transport,
        signal: Signal,
    ) -> Option<Arc<Entrance>> {
        let wanted = |entrance: &&Arc<Entrance>| {
            entrance.receiver == receiver
                && entrance.transport == transport
                && entrance.signal == signal
        };
        self.entrances.iter().find(wanted).cloned()
    }

    /// Hands every count to the process's recorder.
    pub(crate) fn publish(&self) {
        for entrance in &self.entrances {
            entrance.publish();
        }
        for door in &self.doors {
            door.publish();
        }
    }
}

fn total(counts: &[Count]) -> u64 {
    counts.iter().map(Count::get).sum()
}

/// Bytes that one signal's budget has and holds.
pub(crate) fn publish_budget(signal: Signal, used: usize, limit: usize, waiting: usize) {
    let labels = [("signal", signal.name())];
    gauge!(ADMIT_HELD.name, &labels).set(used as f64);
    gauge!(ADMIT_LIMIT.name, &labels).set(limit as f64);
    gauge!(ADMIT_WAITING.name, &labels).set(waiting as f64);
}

/// Bytes of held calls, and connections that are not read because of them.
pub(crate) fn publish_parked(bytes: usize, connections_waiting: usize) {
    gauge!(PARKED_BYTES.name).set(bytes as f64);
    gauge!(CONNECTIONS_WAITING.name).set(connections_waiting as f64);
}

/// Connections that may be open at once.
pub(crate) fn publish_max_connections(most: usize) {
    gauge!(MAX_CONNECTIONS.name).set(most as f64);
}
