//! Memory: of processes that do nothing, and of connections that made one call each and then keep still, like a sidecar
//! without traffic.

use super::figures::Verdict;
use super::machine::{Usage, mib};
use super::report::Table;
use super::rig::{Keep, Lab, ReceiverSettings, Server};
use super::workload::TRACES;
use crate::fail::Outcome;
use crate::process::pause;
use serde_json::{Value, json};
use std::time::Duration;

/// After which memory of the last calls has been given back.
pub(super) const SETTLE: Duration = Duration::from_secs(5);

/// Resident memory of a server.
pub(super) struct Idle {
    system: &'static str,
    connections: u32,
    before: f64,
    after: f64,
}

/// The doors, and the receiver with a log on disk.
pub(super) fn doors(lab: &Lab, connections: u32) -> Outcome<Vec<Idle>> {
    let mut all = Vec::new();
    for (name, door) in [("penstock door", "penstock"), ("tonic door", "tonic")] {
        let server = lab.door(door, "none")?;
        all.push(measure(lab, name, &server, connections, SETTLE)?);
        server.process.stop()?;
    }
    Ok(all)
}

/// A receiver with its log on disk.
pub(super) fn receiver(lab: &Lab, connections: u32, settle: Duration) -> Outcome<Idle> {
    let sink = lab.sink(super::rig::Core::Others, &[])?;
    let receiver = lab.receiver(&ReceiverSettings {
        replicas: vec![&sink.address],
        keep: Keep::Interval,
        memory: "512MiB",
        shards: None,
    })?;
    let idle = measure(lab, "receiver", &receiver, connections, settle)?;
    receiver.process.stop()?;
    sink.process.stop()?;
    Ok(idle)
}

/// The `otlp` exporter, without connections.
pub(super) fn exporter(lab: &Lab, settle: Duration) -> Outcome<Idle> {
    let exporter = lab.exporter("127.0.0.1:1")?;
    pause(settle);
    let bytes = Usage::of(&exporter.process)?.resident_bytes();
    exporter.process.stop()?;
    Ok(Idle {
        system: "exporter",
        connections: 0,
        before: bytes,
        after: bytes,
    })
}

/// Opens the connections, looks, and closes them.
fn measure(
    lab: &Lab,
    system: &'static str,
    server: &Server,
    connections: u32,
    settle: Duration,
) -> Outcome<Idle> {
    eprintln!("idle connections: {system}");
    pause(settle);
    let before = Usage::of(&server.process)?.resident_bytes();
    let load = lab.idle(&server.address, &TRACES, connections)?;
    pause(settle);
    let after = Usage::of(&server.process)?.resident_bytes();
    load.stop()?;
    Ok(Idle {
        system,
        connections,
        before,
        after,
    })
}

impl Idle {
    fn json(&self) -> Value {
        json!({
            "system": self.system,
            "connections": self.connections,
            "resident_before_bytes": self.before,
            "resident_after_bytes": self.after,
        })
    }

    pub(super) fn verdicts(all: &[Self]) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for idle in all {
            let alone = match idle.system {
                "receiver" => 12.0,
                "exporter" => 10.0,
                _ => continue,
            };
            let what = format!("idle {}: resident MiB", idle.system);
            verdicts.push(Verdict::at_most(what, mib(idle.before), alone));
            if idle.connections == 10_000 {
                let what = format!("{}: MB for 10,000 idle connections", idle.system);
                let megabytes = (idle.after - idle.before) / 1e6;
                verdicts.push(Verdict::at_most(what, megabytes, 100.0));
            }
        }
        verdicts
    }

    pub(super) fn figures(all: &[Self]) -> Value {
        json!({"title": "Memory", "rows": all.iter().map(Self::json).collect::<Vec<_>>()})
    }

    pub(super) fn markdown(all: &[Self]) -> String {
        let mut table = Table::new(&[
            "system",
            "RSS idle MiB",
            "idle connections, each after one call",
            "RSS then MiB",
            "bytes a connection",
        ]);
        for idle in all {
            let each = (idle.after - idle.before) / f64::from(idle.connections.max(1));
            table.row(&[
                idle.system.to_owned(),
                format!("{:.1}", mib(idle.before)),
                idle.connections.to_string(),
                format!("{:.1}", mib(idle.after)),
                format!("{each:.0}"),
            ]);
        }
        format!("## Memory\n\n{}", table.text())
    }
}
