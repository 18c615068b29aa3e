//! `exporters`: what they send to and how long they try.

use super::extensions::Extensions;
use super::findings::{At, Findings};
use super::prometheus::prometheus;
use super::remote_write::remote_write;
use super::{checks, client_auth, queue, tls, unavailable};
use crate::model::{
    Backend, ClientCredentials, ComponentId, Debug, Exporter, ExporterKind, File, OtlpGrpc,
    OtlpHttp, Pipeline, RemoteWrite, Retry, Rotation, Verbosity,
};
use crate::raw::common;
use crate::raw::exporters::{
    self as kinds, DEBUG_NOTES, FILE_NOTES, OTLP_GRPC_NOTES, OTLP_HTTP_NOTES, QUEUE_NOTES,
};
use crate::raw::prometheus::{PROMETHEUS_NOTES, Prometheus as RawPrometheus};
use crate::raw::remote_write::{REMOTE_WRITE_NOTES, RemoteWrite as RawRemoteWrite};
use crate::raw::tls::{CLIENT_NOTES, SCRAPE_NOTES};
use crate::units::{GoDuration, NEVER};
use penstock_otlp::{Signal, compress::Encoding};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Exporters by id; `None` is one with errors.
pub(crate) type Exporters = BTreeMap<ComponentId, Option<Exporter>>;

const GRPC_COMPRESSIONS: &[&str] = &["gzip", "zstd", "none"];
const HTTP_COMPRESSIONS: &[&str] = &["gzip", "zstd", "deflate", "zlib", "none"];

/// Reads every declared exporter.
pub(crate) fn read(
    components: &[At<'_>],
    extensions: &mut Extensions,
    findings: &mut Findings,
) -> Exporters {
    let mut exporters = Exporters::new();
    for at in components {
        let id = ComponentId(at.key().to_owned());
        if let Some(other) = exporters.keys().find(|other| other.same_exporter(&id)) {
            findings.error(
                at,
                "",
                format!("is the same as `{other}` under the kind's other name; keep one"),
            );
        }
        let exporter = exporter(at, &id, extensions, findings);
        exporters.insert(id, exporter);
    }
    exporters
}

fn exporter(
    at: &At<'_>,
    id: &ComponentId,
    extensions: &mut Extensions,
    findings: &mut Findings,
) -> Option<Exporter> {
    let Some(kind) = id.exporter_kind() else {
        findings.no_component(at, unavailable::exporter(id.kind()));
        return None;
    };
    let (backend, common) = match kind {
        ExporterKind::OtlpGrpc => {
            let notes = &[OTLP_GRPC_NOTES, CLIENT_NOTES, QUEUE_NOTES];
            let mut raw: kinds::OtlpGrpc = findings.read(at, notes)?;
            let headers = &mut raw.headers.get_or_insert_default().0;
            let credentials =
                client_auth::apply(at, raw.auth.take(), extensions, headers, findings);
            otlp_grpc(at, raw, credentials, findings)
        }
        ExporterKind::OtlpHttp => {
            let notes = &[OTLP_HTTP_NOTES, CLIENT_NOTES, QUEUE_NOTES];
            let mut raw: kinds::OtlpHttp = findings.read(at, notes)?;
            let headers = &mut raw.headers.get_or_insert_default().0;
            let credentials =
                client_auth::apply(at, raw.auth.take(), extensions, headers, findings);
            otlp_http(at, raw, credentials, findings)
        }
        ExporterKind::Debug => debug(findings.read(at, &[DEBUG_NOTES, QUEUE_NOTES])?),
        ExporterKind::File => file(at, findings.read(at, &[FILE_NOTES, QUEUE_NOTES])?, findings),
        ExporterKind::PrometheusRemoteWrite => {
            let notes = &[REMOTE_WRITE_NOTES, CLIENT_NOTES, QUEUE_NOTES];
            let mut raw: RawRemoteWrite = findings.read(at, notes)?;
            let headers = &mut raw.headers.get_or_insert_default().0;
            let credentials =
                client_auth::apply(at, raw.auth.take(), extensions, headers, findings);
            let common = common_of(
                raw.timeout.take(),
                raw.retry_on_failure.take(),
                raw.sending_queue.take(),
            );
            (
                Backend::RemoteWrite(RemoteWrite {
                    credentials,
                    ..remote_write(at, raw, findings)
                }),
                common,
            )
        }
        ExporterKind::Prometheus => {
            let mut raw: RawPrometheus =
                findings.read(at, &[PROMETHEUS_NOTES, SCRAPE_NOTES, QUEUE_NOTES])?;
            let common = common_of(
                raw.timeout.take(),
                raw.retry_on_failure.take(),
                raw.sending_queue.take(),
            );
            let prometheus = prometheus(at, raw, extensions, findings);
            (Backend::Prometheus(prometheus), common)
        }
    };
    let mut exporter = Exporter::new(id.clone(), backend);
    if let Some(given) = common.timeout {
        exporter.timeout = given.limit().unwrap_or(NEVER);
    }
    exporter.retry = retry(at, common.retry_on_failure, findings);
    if let Some(raw) = common.sending_queue {
        queue::read(at, &raw, &mut exporter, extensions, findings);
    }
    Some(exporter)
}

fn otlp_grpc(
    at: &At<'_>,
    raw: kinds::OtlpGrpc,
    credentials: Option<ClientCredentials>,
    findings: &mut Findings,
) -> (Backend, kinds::Common) {
    let mut tls = tls::client(at, "tls", raw.tls, findings);
    let endpoint = raw.endpoint.unwrap_or_default();
    if let Err(message) = grpc_endpoint(&endpoint) {
        findings.error(at, "endpoint", message);
    }
    if endpoint.starts_with("http://") {
        tls.insecure = true;
    } else if endpoint.starts_with("https://") {
        tls.insecure = false;
    }
    let compression = compression(at, raw.compression.as_deref(), GRPC_COMPRESSIONS, findings);
    let backend = OtlpGrpc {
        endpoint,
        tls,
        compression,
        headers: raw.headers.unwrap_or_default().0,
        credentials,
    };
    (
        Backend::OtlpGrpc(backend),
        common_of(raw.timeout, raw.retry_on_failure, raw.sending_queue),
    )
}

fn grpc_endpoint(endpoint: &str) -> Result<(), String> {
    if endpoint.is_empty() {
        return Err("must be set, as `host:port`".to_owned());
    }
    let rest = ["http://", "https://", "dns:///"]
        .iter()
        .find_map(|scheme| endpoint.strip_prefix(scheme));
    let rest = rest.unwrap_or(endpoint).trim_end_matches('/');
    match checks::host_port(rest) {
        Ok((host, port)) if !host.is_empty() && port > 0 => Ok(()),
        _ => Err(format!(
            "`{endpoint}` is not `host:port`, with or without http://, https:// or dns:///"
        )),
    }
}

fn otlp_http(
    at: &At<'_>,
    raw: kinds::OtlpHttp,
    credentials: Option<ClientCredentials>,
    findings: &mut Findings,
) -> (Backend, kinds::Common) {
    let base = raw.endpoint.filter(|endpoint| !endpoint.is_empty());
    if let Some(endpoint) = &base
        && let Err(message) = url(endpoint)
    {
        findings.error(at, "endpoint", message);
    }
    let own = [raw.traces_endpoint, raw.metrics_endpoint, raw.logs_endpoint];
    let mut urls = [const { None }; 3];
    for (signal, own) in Signal::ALL.into_iter().zip(own) {
        // One's own endpoint is taken as it is; the common one gets the signal's path, with one slash between.
        urls[signal.index()] = match (own.filter(|own| !own.is_empty()), &base) {
            (Some(own), _) => {
                if let Err(message) = url(&own) {
                    findings.error(at, &format!("{signal}_endpoint"), message);
                }
                Some(own)
            }
            (None, Some(base)) => Some(format!(
                "{}{}",
                base.strip_suffix('/').unwrap_or(base),
                signal.http_path()
            )),
            (None, None) => None,
        };
    }
    if urls.iter().all(Option::is_none) {
        findings.error(at, "", "at least one endpoint must be specified: `endpoint`, or `traces_endpoint` and the like");
    }
    let backend = OtlpHttp {
        urls,
        tls: tls::client(at, "tls", raw.tls, findings),
        compression: compression(at, raw.compression.as_deref(), HTTP_COMPRESSIONS, findings),
        headers: raw.headers.unwrap_or_default().0,
        credentials,
        json: raw.encoding == Some(kinds::HttpEncoding::Json),
    };
    (
        Backend::OtlpHttp(backend),
        common_of(raw.timeout, raw.retry_on_failure, raw.sending_queue),
    )
}

fn url(text: &str) -> Result<(), String> {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    let valid = rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty() && !rest.chars().any(|c| c.is_whitespace() || c.is_control())
    });
    if valid {
        Ok(())
    } else {
        Err(format!("`{text}` is not a URL with http:// or https://"))
    }
}

fn debug(raw: kinds::Debug) -> (Backend, kinds::Common) {
    let default = Debug::default();
    let backend = Debug {
        verbosity: match raw.verbosity {
            None | Some(kinds::Verbosity::Basic) => Verbosity::Basic,
            Some(kinds::Verbosity::Normal) => Verbosity::Normal,
            Some(kinds::Verbosity::Detailed) => Verbosity::Detailed,
        },
        sampling_initial: raw.sampling_initial.unwrap_or(default.sampling_initial),
        sampling_thereafter: raw
            .sampling_thereafter
            .unwrap_or(default.sampling_thereafter),
    };
    (
        Backend::Debug(backend),
        common_of(raw.timeout, raw.retry_on_failure, raw.sending_queue),
    )
}

fn file(at: &At<'_>, raw: kinds::File, findings: &mut Findings) -> (Backend, kinds::Common) {
    let path = raw.path.unwrap_or_default();
    if path.is_empty() {
        findings.error(at, "path", "must be set");
    }
    let zstd = match raw.compression.as_deref() {
        None | Some("" | "none") => false,
        Some("zstd") => true,
        Some(other) => {
            findings.error(
                at,
                "compression",
                format!("`{other}` is not available; use zstd or none"),
            );
            false
        }
    };
    let append = raw.append.unwrap_or(false);
    let rotation = raw.rotation.into_option().map(|raw| {
        let default = Rotation::default();
        Rotation {
            max_bytes: raw
                .max_megabytes
                .filter(|megabytes| *megabytes > 0)
                .map_or(default.max_bytes, |megabytes| {
                    megabytes.saturating_mul(1 << 20)
                }),
            max_days: raw.max_days.unwrap_or(default.max_days),
            max_backups: raw.max_backups.unwrap_or(default.max_backups),
            localtime: raw.localtime.unwrap_or(default.localtime),
        }
    });
    if append && rotation.is_some() {
        findings.error(at, "append", "cannot go together with `rotation`");
    }
    if append && zstd {
        findings.error(at, "append", "cannot go together with `compression`");
    }
    let backend = File {
        path: PathBuf::from(path),
        rotation,
        zstd,
        append,
    };
    (
        Backend::File(backend),
        common_of(raw.timeout, raw.retry_on_failure, raw.sending_queue),
    )
}

fn common_of(
    timeout: Option<GoDuration>,
    retry_on_failure: Option<common::Retry>,
    sending_queue: Option<common::Queue>,
) -> kinds::Common {
    kinds::Common {
        timeout,
        retry_on_failure,
        sending_queue,
    }
}

fn compression(
    at: &At<'_>,
    name: Option<&str>,
    allowed: &[&str],
    findings: &mut Findings,
) -> Encoding {
    checks::compression(name, allowed, Encoding::Gzip).unwrap_or_else(|message| {
        findings.error(at, "compression", message);
        Encoding::Gzip
    })
}

fn retry(at: &At<'_>, raw: Option<common::Retry>, findings: &mut Findings) -> Retry {
    let raw = raw.unwrap_or_default();
    let default = Retry::default();
    let retry = Retry {
        enabled: raw.enabled.unwrap_or(default.enabled),
        initial_interval: raw
            .initial_interval
            .map_or(default.initial_interval, |interval| interval.0),
        max_interval: raw
            .max_interval
            .map_or(default.max_interval, |interval| interval.0),
        multiplier: raw.multiplier.unwrap_or(default.multiplier),
        randomization_factor: raw
            .randomization_factor
            .unwrap_or(default.randomization_factor),
        max_elapsed_time: raw.max_elapsed_time.and_then(GoDuration::limit),
    };
    if retry.initial_interval.is_zero() || retry.max_interval.is_zero() {
        let key = if retry.initial_interval.is_zero() {
            "initial_interval"
        } else {
            "max_interval"
        };
        findings.error(
            at,
            &format!("retry_on_failure.{key}"),
            "must be greater than zero",
        );
    }
    if !(retry.multiplier.is_finite() && retry.multiplier >= 1.0) {
        findings.error(at, "retry_on_failure.multiplier", "must be 1 or more");
    }
    if !(0.0..=1.0).contains(&retry.randomization_factor) {
        findings.error(
            at,
            "retry_on_failure.randomization_factor",
            "must be from 0 to 1",
        );
    }
    retry
}

/// An `otlphttp` exporter needs an endpoint for each signal that a pipeline sends to it.
pub(crate) fn check_signals(
    root: &At<'_>,
    exporters: &Exporters,
    pipelines: &[Pipeline],
    findings: &mut Findings,
) {
    for pipeline in pipelines {
        for id in &pipeline.exporters {
            if let Some(Some(Exporter {
                backend: Backend::OtlpHttp(http),
                ..
            })) = exporters.get(id)
                && http.urls[pipeline.signal.index()].is_none()
                && http.urls.iter().any(Option::is_some)
            {
                let message = format!(
                    "pipeline `{}` needs it: either `endpoint` or `{}_endpoint` must be specified",
                    pipeline.id, pipeline.signal
                );
                findings.error(root, &format!("exporters.{id}"), message);
            }
        }
    }
}
