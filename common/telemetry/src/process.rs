//! What the kernel says of this process: memory, CPU time, its host's name; and the metrics made of it.
//!
//! *Invariant:* what cannot be read is left out.

use metrics::{counter, gauge};
use penstock_metrics::spelling::{Names, Spelling};
use penstock_metrics::{describe, otelcol};
use penstock_settings::{OtelcolNames, OwnTelemetry};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// Clock ticks a second in `/proc`; fixed for user space on every architecture of Linux we build for.
const TICKS: u64 = 100;

/// What identifies a process.
const USUAL: [&str; 3] = ["service_name", "service_instance_id", "service_version"];

/// This process, and the metrics that every process exposes.
#[derive(Clone, Debug)]
pub struct Process {
    started: Instant,
    resource: Vec<(String, String)>,
}

/// Memory as the kernel counts it, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// In memory now.
    pub resident: u64,
    /// Of it, what is no file: heap and stacks.
    pub heap: u64,
    /// The most that was ever resident.
    pub peak: u64,
    /// Promised for heap and stacks, resident or not.
    pub promised: u64,
    /// Swapped out.
    pub swapped: u64,
}

impl Process {
    /// A process called `name` that starts now, with the Resource attributes `resource` beside the usual ones, or instead
    /// of them; `None` takes one away.
    #[must_use]
    pub fn new(name: &str, resource: &BTreeMap<String, Option<String>>) -> Self {
        let usual = [
            ("service.name", name.to_owned()),
            ("service.instance.id", host()),
            ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ];
        let usual = usual
            .into_iter()
            .filter(|(key, _)| !resource.contains_key(*key));
        let said = resource.iter();
        let said = said.filter_map(|(key, value)| Some((label(key), value.clone()?)));
        let all: BTreeMap<_, _> = usual
            .map(|(key, value)| (label(key), value))
            .chain(said)
            .collect();
        Self {
            started: Instant::now(),
            resource: all.into_iter().collect(),
        }
    }

    /// The Resource as labels.
    #[must_use]
    pub fn labels(&self) -> &[(String, String)] {
        &self.resource
    }

    /// How the Collector's names are to be spelled.
    #[must_use]
    pub fn spelling(&self, settings: &OwnTelemetry) -> Spelling {
        let labels = if settings.otelcol_service_labels {
            self.service_labels()
        } else {
            String::new()
        };
        let names = match settings.otelcol_names {
            OtelcolNames::Total => Names::Total,
            OtelcolNames::Legacy => Names::Legacy,
            OtelcolNames::Both => Names::Both,
        };
        Spelling { names, labels }
    }

    /// The labels by which Collectors before v0.149 told their series apart.
    fn service_labels(&self) -> String {
        let resource = self.resource.iter();
        let usual = resource.filter(|(label, _)| USUAL.contains(&label.as_str()));
        let quoted = usual.map(|(label, value)| format!("{label}=\"{}\"", escaped(value)));
        quoted.collect::<Vec<_>>().join(",")
    }

    /// Gives the metrics their help texts.
    pub fn describe() {
        describe(otelcol::PROCESS);
    }

    /// Brings the metrics up to date.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub fn publish(&self) {
        counter!(otelcol::PROCESS_UPTIME.name).absolute(self.started.elapsed().as_secs());
        if let Some(time) = cpu_time() {
            counter!(otelcol::PROCESS_CPU.name).absolute(time.as_secs());
        }
        if let Some(memory) = memory() {
            gauge!(otelcol::PROCESS_RSS.name).set(memory.resident as f64);
            gauge!(otelcol::PROCESS_HEAP.name).set(memory.heap as f64);
            gauge!(otelcol::PROCESS_SYS.name).set(memory.promised as f64);
        }
        gauge!(otelcol::TARGET_INFO.name, &self.resource).set(1.0);
    }
}

/// As the text format has label values.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// As Prometheus writes an attribute's name.
fn label(key: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    key.chars().map(plain).collect()
}

/// The host's name: a pod's, in Kubernetes.
#[must_use]
pub fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// Memory now, where it can be read.
#[must_use]
pub fn memory() -> Option<Memory> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let bytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        let number = line.trim().strip_suffix("kB")?.trim();
        Some(number.parse::<u64>().ok()? * 1024)
    };
    Some(Memory {
        resident: bytes("VmRSS:")?,
        heap: bytes("RssAnon:")?,
        peak: bytes("VmHWM:")?,
        promised: bytes("VmData:")?,
        swapped: bytes("VmSwap:").unwrap_or(0),
    })
}

/// CPU time used in user space and kernel, where it can be read.
#[must_use]
pub fn cpu_time() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in brackets and may hold anything.
    let fields = stat.rsplit_once(')')?.1;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + kernel) * 1000 / TICKS))
}
