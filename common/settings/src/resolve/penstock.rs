//! `penstock`: what the Collector has no key for, with the defaults of the whole.

use super::exporters::Exporters;
use super::extensions::Extensions;
use super::findings::{At, Findings};
use super::service::Service;
use super::{checks, log, tls};
use crate::environment::Environment;
use crate::model::{
    self, Batch, ClientNames, ComponentId, ExporterHop, Hop, Identity, MAX_MESSAGE_BYTES, Memory,
    OtelcolNames, OwnTelemetry, Penstock,
};
use crate::raw::penstock as raw;
use crate::tree::instead;
use crate::units::{ByteSize, GoDuration};
use penstock_otlp::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What the section says.
#[derive(Debug)]
pub(crate) struct Section {
    /// The settings.
    pub(crate) settings: Penstock,
    /// `batch.max_bytes`, which belongs to every pipeline.
    pub(crate) max_batch_bytes: usize,
    /// `exporters`.
    pub(crate) hops: BTreeMap<ComponentId, ExporterHop>,
    /// `receivers.<id>.client_names`.
    pub(crate) client_names: BTreeMap<ComponentId, ClientNames>,
}

/// Reads the section, or makes one of defaults.
pub(crate) fn read(
    root: &At<'_>,
    service: &Service,
    exporters: &Exporters,
    extensions: &mut Extensions,
    environment: &Environment,
    findings: &mut Findings,
) -> Section {
    let section = root.child("penstock");
    let raw = section
        .as_ref()
        .and_then(|at| findings.read::<raw::Penstock>(at, &[]))
        .unwrap_or_default();
    let at = &root.child_or_here("penstock");

    let signals = signals(at, raw.signals.as_deref(), service, findings);
    if raw.shards == Some(0) {
        findings.error(
            at,
            "shards",
            "must be 1 or more; leave it out to follow the CPU quota",
        );
    }
    if raw.max_connections == Some(0) {
        findings.error(at, "max_connections", "must be greater than zero");
    }
    let usual = || "0.0.0.0:8888".to_owned();
    let mut admin = service.metrics.clone().unwrap_or_else(usual);
    if let Some(endpoint) = raw.admin.and_then(|admin| admin.endpoint) {
        listen(at, "admin.endpoint", &endpoint, &mut admin, findings);
    }
    let mut max_batch_bytes = Batch::default().max_bytes;
    let max_bytes = raw.batch.and_then(|batch| batch.max_bytes);
    size(
        at,
        "batch.max_bytes",
        max_bytes,
        1024,
        &mut max_batch_bytes,
        findings,
    );
    let drain = raw.drain.unwrap_or_default();
    let mut drain_deadline = Duration::from_secs(25);
    time(
        at,
        "drain.deadline",
        drain.deadline,
        &mut drain_deadline,
        findings,
    );
    let memory = memory(
        at,
        raw.memory.unwrap_or_default(),
        &signals,
        service,
        environment,
        findings,
    );
    let shards = raw.shards.unwrap_or(environment.cpus).max(1);
    let part = part_of_a_log(service, &memory, &signals, shards);
    let log = log::read(
        at,
        raw.log.unwrap_or_default(),
        part,
        extensions.storage(),
        findings,
    );
    let dead_letter = log::dead_letter(
        at,
        raw.dead_letter.unwrap_or_default(),
        &log,
        max_batch_bytes,
        findings,
    );
    let hop = hop(at, raw.hop.unwrap_or_default(), findings);
    let hand_over = log::hand_over(
        at,
        drain.hand_over,
        drain_deadline,
        hop.connect_timeout,
        extensions,
        findings,
    );
    let settings = Penstock {
        memory,
        signals,
        shards: raw.shards,
        max_connections: raw.max_connections.unwrap_or(20_000),
        admin,
        telemetry: telemetry(&raw.telemetry.unwrap_or_default()),
        log,
        hop,
        identity: identity(&raw.identity.unwrap_or_default()),
        drain_deadline,
        hand_over,
        dead_letter,
    };
    let hops = hops(at, raw.exporters.unwrap_or_default(), exporters, findings);
    Section {
        settings,
        max_batch_bytes,
        client_names: client_names(at, raw.receivers.unwrap_or_default(), service, findings),
        hops,
    }
}

fn telemetry(raw: &raw::Telemetry) -> OwnTelemetry {
    OwnTelemetry {
        otelcol_names: match raw.otelcol_names {
            None | Some(raw::OtelcolNames::Total) => OtelcolNames::Total,
            Some(raw::OtelcolNames::Legacy) => OtelcolNames::Legacy,
            Some(raw::OtelcolNames::Both) => OtelcolNames::Both,
        },
        otelcol_service_labels: raw.otelcol_service_labels.unwrap_or(false),
        profiles: raw.profiles.unwrap_or(false),
    }
}

fn signals(
    at: &At<'_>,
    given: Option<&[raw::SignalName]>,
    service: &Service,
    findings: &mut Findings,
) -> Vec<Signal> {
    let has_pipeline = |signal: &Signal| {
        service
            .pipelines
            .iter()
            .any(|pipeline| pipeline.signal == *signal)
    };
    let Some(given) = given else {
        return Signal::ALL.into_iter().filter(has_pipeline).collect();
    };
    if given.is_empty() {
        findings.error(
            at,
            "signals",
            "must name at least one signal; leave it out for all that have a pipeline",
        );
    }
    let named = |signal: &Signal| {
        given.iter().any(|name| match name {
            raw::SignalName::Traces => *signal == Signal::Traces,
            raw::SignalName::Metrics => *signal == Signal::Metrics,
            raw::SignalName::Logs => *signal == Signal::Logs,
        })
    };
    let signals: Vec<_> = Signal::ALL.into_iter().filter(named).collect();
    for signal in signals.iter().filter(|signal| !has_pipeline(signal)) {
        findings.error(at, "signals", format!("there is no pipeline for {signal}"));
    }
    signals
}

fn memory(
    at: &At<'_>,
    raw: raw::Memory,
    signals: &[Signal],
    service: &Service,
    environment: &Environment,
    findings: &mut Findings,
) -> Memory {
    // Of several memory limiters the strictest holds: the budget is the process's.
    let limiter = service
        .limits
        .iter()
        .min_by_key(|limit| limit.bytes)
        .copied();
    if service
        .limits
        .iter()
        .any(|limit| Some(limit.bytes) != limiter.map(|limiter| limiter.bytes))
    {
        findings.warn(
            at,
            "memory.limit",
            "pipelines have different memory limiters; the smallest limit holds for all",
        );
    }
    let (mut bytes, mut high_mark) = match (&raw.limit, limiter) {
        (Some(limit), _) => (limit.0, 0.8),
        (None, Some(limiter)) => (limiter.bytes, limiter.high_mark),
        (None, None) => (environment.memory_bytes / 2, 0.8),
    };
    if bytes == 0 {
        findings.error(at, "memory.limit", "must be greater than zero");
        bytes = 1;
    }
    if let Some(mark) = raw.high_mark {
        if !(mark > 0.0 && mark <= 1.0) {
            findings.error(
                at,
                "memory.high_mark",
                "must be greater than 0 and at most 1",
            );
        }
        high_mark = mark;
    }
    let mut max_hold = Duration::from_secs(8);
    if let Some(hold) = raw.max_hold {
        max_hold = hold.0;
    }
    let given = raw.shares.unwrap_or_default();
    let mut weights = [0.0; 3];
    for (signal, weight) in Signal::ALL
        .into_iter()
        .zip([given.traces, given.metrics, given.logs])
    {
        if weight.is_some_and(|weight| !(weight.is_finite() && weight > 0.0)) {
            findings.error(
                at,
                &format!("memory.shares.{signal}"),
                "must be greater than 0",
            );
        }
        weights[signal.index()] = weight.unwrap_or(0.0);
    }
    Memory {
        limit_bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        high_mark,
        max_hold,
        shares: model::shares(weights, signals),
    }
}

/// The least part of `log.max_bytes` that any log has: signals divide it as they divide the memory, and a signal's logs
/// are one for each of its receivers in each shard.
fn part_of_a_log(service: &Service, memory: &Memory, signals: &[Signal], shards: usize) -> f64 {
    let parts = signals.iter().map(|signal| {
        let pipelines = &service.pipelines;
        let receivers: BTreeSet<_> = pipelines
            .iter()
            .filter(|pipeline| pipeline.signal == *signal)
            .flat_map(|pipeline| &pipeline.receivers)
            .collect();
        memory.shares[signal.index()] / (shards * receivers.len().max(1)) as f64
    });
    parts.fold(1.0, f64::min)
}

fn hop(at: &At<'_>, raw: raw::Hop, findings: &mut Findings) -> Hop {
    let mut hop = Hop::default();
    time(
        at,
        "hop.timeout_margin",
        raw.timeout_margin,
        &mut hop.timeout_margin,
        findings,
    );
    time(
        at,
        "hop.connect_timeout",
        raw.connect_timeout,
        &mut hop.connect_timeout,
        findings,
    );
    time(
        at,
        "hop.keepalive_time",
        raw.keepalive_time,
        &mut hop.keepalive_time,
        findings,
    );
    time(
        at,
        "hop.keepalive_timeout",
        raw.keepalive_timeout,
        &mut hop.keepalive_timeout,
        findings,
    );
    time(
        at,
        "hop.resolve_interval",
        raw.resolve_interval,
        &mut hop.resolve_interval,
        findings,
    );
    time(
        at,
        "hop.eject_for",
        raw.eject_for,
        &mut hop.eject_for,
        findings,
    );
    time(
        at,
        "hop.move_after",
        raw.move_after,
        &mut hop.move_after,
        findings,
    );
    match checks::compression(
        raw.compression.as_deref(),
        &["gzip", "zstd", "none"],
        hop.compression,
    ) {
        Ok(compression) => hop.compression = compression,
        Err(message) => findings.error(at, "hop.compression", message),
    }
    let tls = raw
        .tls
        .map(|raw| tls::client(at, "hop.tls", Some(raw), findings));
    hop.tls = tls.filter(|tls| !tls.insecure);
    hop
}

fn identity(raw: &raw::Identity) -> Identity {
    let default = Identity::default();
    Identity {
        pod_ip: raw.pod_ip.unwrap_or(default.pod_ip),
        trust_forwarded_for: raw
            .trust_forwarded_for
            .unwrap_or(default.trust_forwarded_for),
        metrics_instance_id: raw
            .metrics_instance_id
            .unwrap_or(default.metrics_instance_id),
        metrics_service_name: raw
            .metrics_service_name
            .unwrap_or(default.metrics_service_name),
        logs_service_name: raw.logs_service_name.unwrap_or(default.logs_service_name),
    }
}

fn hops(
    at: &At<'_>,
    raw: BTreeMap<String, Option<raw::Exporter>>,
    exporters: &Exporters,
    findings: &mut Findings,
) -> BTreeMap<ComponentId, ExporterHop> {
    let mut hops = BTreeMap::new();
    for (name, raw) in raw {
        let wanted = ComponentId(name.clone());
        let key = |key: &str| format!("exporters.{name}{key}");
        let Some(id) = exporters.keys().find(|id| id.same_exporter(&wanted)) else {
            let names: Vec<_> = exporters.keys().map(|id| id.0.as_str()).collect();
            findings.error(
                at,
                &key(""),
                format!(
                    "there is no such exporter{}",
                    instead(&name, "declared", &names)
                ),
            );
            continue;
        };
        let raw = raw.unwrap_or_default();
        let mut hop = ExporterHop::of(id);
        if let Some(replicas) = raw.replicas {
            if replicas.is_empty() {
                findings.error(at, &key(".replicas"), "must have at least one address");
            }
            for replica in &replicas {
                if let Err(message) = checks::replica(replica) {
                    findings.error(at, &key(".replicas"), message);
                }
            }
            hop.replicas = replicas;
        }
        if let Some(endpoint) = raw.listen {
            listen(at, &key(".listen"), &endpoint, &mut hop.listen, findings);
        }
        if let Some(endpoint) = raw.admin {
            listen(at, &key(".admin"), &endpoint, &mut hop.admin, findings);
        }
        if let Some(batches) = raw.max_concurrent_batches {
            if batches == 0 {
                findings.error(
                    at,
                    &key(".max_concurrent_batches"),
                    "must be greater than zero",
                );
            }
            hop.max_concurrent_batches = batches;
        }
        if let Some(affinity) = raw.affinity {
            hop.affinity = affinity == raw::Affinity::Resource;
        }
        hop.tls = tls::server(at, &key(".tls"), raw.tls, findings);
        hops.insert(id.clone(), hop);
    }
    hops
}

fn client_names(
    at: &At<'_>,
    raw: BTreeMap<String, Option<raw::Receiver>>,
    service: &Service,
    findings: &mut Findings,
) -> BTreeMap<ComponentId, ClientNames> {
    let mut found = BTreeMap::new();
    for (name, raw) in raw {
        let id = ComponentId(name.clone());
        let mut used = service
            .pipelines
            .iter()
            .flat_map(|pipeline| &pipeline.receivers);
        if !used.any(|used| *used == id) {
            findings.error(
                at,
                &format!("receivers.{name}"),
                "no pipeline has such a receiver",
            );
        }
        let names = raw.unwrap_or_default().client_names.unwrap_or_default();
        let key = format!("receivers.{name}.client_names");
        found.insert(id, tls::client_names(at, &key, names, findings));
    }
    found
}

fn listen(at: &At<'_>, key: &str, given: &str, to: &mut String, findings: &mut Findings) {
    match checks::server_endpoint(given) {
        Ok(endpoint) => *to = endpoint,
        Err(message) => findings.error(at, key, message),
    }
}

/// A time that must be more than nothing.
pub(crate) fn time(
    at: &At<'_>,
    key: &str,
    given: Option<GoDuration>,
    to: &mut Duration,
    findings: &mut Findings,
) {
    match given {
        Some(GoDuration(given)) if given.is_zero() => {
            findings.error(at, key, "must be greater than zero");
        }
        Some(GoDuration(given)) => *to = given,
        None => {}
    }
}

/// A size between a least one and the largest message.
pub(crate) fn size(
    at: &At<'_>,
    key: &str,
    given: Option<ByteSize>,
    least: u64,
    to: &mut usize,
    findings: &mut Findings,
) {
    let Some(ByteSize(given)) = given else { return };
    match usize::try_from(given) {
        Ok(bytes) if given >= least && bytes <= MAX_MESSAGE_BYTES => *to = bytes,
        _ => findings.error(
            at,
            key,
            format!("must be from {least} to {MAX_MESSAGE_BYTES} bytes"),
        ),
    }
}
