//! What is compared: to the load generator, something that takes OTLP; in the end there is a sink behind it.

use super::machine::Usage;
use super::peers::Peer;
use super::rig::{Core, Keep, Lab, ReceiverSettings, Server};
use crate::fail::{Outcome, bail};
use crate::process::wait_until;

/// A way from the load generator to a sink.
#[derive(Clone)]
pub(super) enum System {
    /// Nothing between them: the sink is what is measured.
    Floor,
    /// A front door alone, and what is behind it.
    Door(&'static str, &'static str),
    /// tonic, which leaves messages as bytes, batches them unseen and sends them on.
    Tonic,
    Receiver(Keep),
    /// A receiver with so many exporters, the log in memory.
    FanOut(usize),
    /// A receiver with so many shards on any core, the log in memory.
    Shards(usize),
    /// Receiver and exporter, on one core.
    BothTiers(Keep),
    Peer(Peer),
}

/// What is running.
pub(super) struct Running {
    pub(super) address: String,
    /// What is measured, by name.
    servers: Vec<(&'static str, Server)>,
    sink: Option<Server>,
    /// How often each item has to arrive.
    copies: u64,
}

/// What the processes of a system have used, by name.
pub(super) type Used = Vec<(&'static str, Usage)>;

impl System {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Floor => "sink alone".to_owned(),
            Self::Door(door, "none") => format!("{door} door, no stages"),
            Self::Door(door, _) => format!("{door} door, check + append"),
            Self::Tonic => "tonic, raw bytes".to_owned(),
            Self::Receiver(keep) => format!("receiver, {}", keep.name()),
            Self::FanOut(exporters) => format!("receiver, exporters: {exporters}"),
            Self::Shards(shards) => format!("receiver, shards: {shards}, any core"),
            Self::BothTiers(keep) => format!("both tiers, {}", keep.name()),
            Self::Peer(peer) => peer.name().to_owned(),
        }
    }

    pub(super) fn start(&self, lab: &Lab) -> Outcome<Running> {
        let sink = match self {
            Self::Floor => return Ok(Running::of("sink", lab.sink(Core::Server, &[])?, None)),
            Self::Door(door, behind) => {
                return Ok(Running::of("door", lab.door(door, behind)?, None));
            }
            _ => lab.sink(Core::Others, &[])?,
        };
        let at = sink.address.clone();
        let sharded = |shards, keep, replicas: Vec<&str>| {
            lab.receiver(&ReceiverSettings {
                replicas,
                keep,
                memory: "512MiB",
                shards,
            })
        };
        let receiver = |keep, replicas| sharded(None, keep, replicas);
        let sink = Some(sink);
        Ok(match self {
            Self::Receiver(keep) => Running::of("receiver", receiver(*keep, vec![&at])?, sink),
            Self::Shards(shards) => {
                let receiver = sharded(Some(*shards), Keep::Memory, vec![&at])?;
                Running::of("receiver", receiver, sink)
            }
            Self::FanOut(exporters) => Running {
                copies: *exporters as u64,
                ..Running::of(
                    "receiver",
                    receiver(Keep::Memory, vec![&at; *exporters])?,
                    sink,
                )
            },
            Self::BothTiers(keep) => {
                let exporter = lab.exporter(&at)?;
                let receiver = receiver(*keep, vec![&exporter.address])?;
                let mut running = Running::of("receiver", receiver, sink);
                running.servers.push(("exporter", exporter));
                running
            }
            Self::Peer(peer) => Running::of("peer", peer.start(lab, &at)?, sink),
            Self::Tonic | Self::Floor | Self::Door(..) => {
                let tonic = lab.door("tonic", &format!("forward={at}"))?;
                Running::of("tonic", tonic, sink)
            }
        })
    }
}

impl Running {
    fn of(name: &'static str, server: Server, sink: Option<Server>) -> Self {
        Self {
            address: server.address.clone(),
            servers: vec![(name, server)],
            sink,
            copies: 1,
        }
    }

    /// Waits until all that was acked has arrived, as often as it has to and no more often.
    pub(super) fn settle(&self, acked: u64) -> Outcome {
        let (name, first) = &self.servers[0];
        let sink = match &self.sink {
            Some(sink) => sink,
            None if *name == "sink" => first,
            None => return Ok(()),
        };
        let expected = acked * self.copies;
        let mut arrived = 0;
        let all = wait_until("arrival of everything", || {
            arrived = sink.arrived()?;
            Ok((arrived >= expected).then_some(()))
        });
        if let Err(error) = all {
            bail!("{expected} items should have arrived, {arrived} have: {error}");
        }
        if arrived != expected {
            bail!("{expected} items should have arrived, {arrived} have");
        }
        if *name == "receiver" {
            first.delivered(acked)?;
        }
        Ok(())
    }

    /// Of each process that is measured; and the CPU seconds of the sink, where that is another one.
    pub(super) fn used(&self) -> Outcome<(Used, f64)> {
        let servers = self.servers.iter();
        let used: Outcome<Used> = servers
            .map(|(name, server)| Ok((*name, Usage::of(&server.process)?)))
            .collect();
        let sink = match &self.sink {
            Some(sink) => Usage::of(&sink.process)?.cpu_seconds,
            None => 0.0,
        };
        Ok((used?, sink))
    }

    /// Ends all processes. A door must have counted what was acked.
    pub(super) fn stop(self, calls: u64, items: u64) -> Outcome {
        for (name, mut server) in self.servers {
            server.process.signal("TERM")?;
            if name == "door" {
                let last = server.process.ready("door closed")?;
                let counted = last["items"].as_u64().filter(|items| *items > 0);
                if last["calls"].as_u64() != Some(calls) || counted.is_some_and(|n| n != items) {
                    bail!("{calls} calls with {items} items were acked, but arrived: {last}");
                }
            }
            server.process.wait()?;
        }
        match self.sink {
            Some(sink) => sink.process.stop().map(drop),
            None => Ok(()),
        }
    }
}
