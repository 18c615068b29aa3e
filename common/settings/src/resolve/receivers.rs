//! `receivers`: OTLP over gRPC and HTTP.

use super::extensions::Extensions;
use super::findings::{At, Findings};
use super::{auth, checks, tls, unavailable};
use crate::model::{
    ComponentId, Cors, GrpcServer, HttpServer, Keepalive, MAX_MESSAGE_BYTES, OtlpReceiver,
};
use crate::raw::common::is_header_name;
use crate::raw::receiver as raw;
use crate::raw::tls::SERVER_NOTES;
use crate::units::NEVER;
use std::collections::BTreeMap;
use std::time::Duration;

/// Reads every declared receiver; `None` is one with errors.
pub(crate) fn read(
    components: &[At<'_>],
    extensions: &mut Extensions,
    findings: &mut Findings,
) -> BTreeMap<ComponentId, Option<OtlpReceiver>> {
    let mut receivers = BTreeMap::new();
    for at in components {
        let id = ComponentId(at.key().to_owned());
        if id.kind() != "otlp" {
            findings.no_component(at, unavailable::receiver(id.kind()));
            receivers.insert(id, None);
            continue;
        }
        let receiver = findings
            .read(at, &[raw::NOTES, SERVER_NOTES])
            .and_then(|raw| receiver(at, raw, extensions, findings));
        receivers.insert(id, receiver);
    }
    receivers
}

fn receiver(
    at: &At<'_>,
    raw: raw::Receiver,
    extensions: &mut Extensions,
    findings: &mut Findings,
) -> Option<OtlpReceiver> {
    let protocols = raw.protocols.unwrap_or_default();
    let grpc = protocols
        .grpc
        .into_option()
        .map(|grpc| grpc_server(at, grpc, extensions, findings));
    let http = protocols
        .http
        .into_option()
        .map(|http| http_server(at, http, extensions, findings));
    if grpc.is_none() && http.is_none() {
        let message = "must specify at least one protocol when using the OTLP receiver: `grpc:`, `http:` or both";
        findings.error(at, "protocols", message);
        return None;
    }
    Some(OtlpReceiver { grpc, http })
}

fn grpc_server(
    at: &At<'_>,
    raw: raw::Grpc,
    extensions: &mut Extensions,
    findings: &mut Findings,
) -> GrpcServer {
    let mut server = GrpcServer::default();
    if transport(at, "protocols.grpc", raw.transport.as_deref(), findings) {
        endpoint(
            at,
            "protocols.grpc",
            raw.endpoint,
            &mut server.endpoint,
            findings,
        );
    }
    server.tls = tls::server(at, "protocols.grpc.tls", raw.tls, findings);
    server.auth = auth::of_server(at, "protocols.grpc.auth", raw.auth, extensions, findings);
    if let Some(mib) = raw.max_recv_msg_size_mib.filter(|mib| *mib > 0) {
        let bytes = mib.saturating_mul(1 << 20);
        server.max_message_bytes =
            message_size(at, "protocols.grpc.max_recv_msg_size_mib", bytes, findings);
    }
    // The Collector's 0 is no limit; here there is always one.
    if let Some(streams) = raw.max_concurrent_streams.filter(|streams| *streams > 0) {
        server.max_concurrent_streams = streams;
    }
    if let Some(given) = raw
        .keepalive
        .and_then(|keepalive| keepalive.server_parameters)
    {
        server.keepalive = keepalive(&given);
    }
    server
}

fn keepalive(raw: &raw::ServerParameters) -> Keepalive {
    let mut keepalive = Keepalive::default();
    if let Some(idle) = raw.max_connection_idle {
        keepalive.max_connection_idle = idle.limit();
    }
    if let Some(age) = raw.max_connection_age {
        keepalive.max_connection_age = age.limit();
    }
    if let Some(grace) = raw.max_connection_age_grace {
        keepalive.max_connection_age_grace = grace.limit().unwrap_or(NEVER);
    }
    // For gRPC a 0 here is the default.
    if let Some(time) = raw.time.and_then(|time| time.limit()) {
        keepalive.time = time;
    }
    if let Some(timeout) = raw.timeout.and_then(|timeout| timeout.limit()) {
        keepalive.timeout = timeout;
    }
    keepalive
}

fn http_server(
    at: &At<'_>,
    raw: raw::Http,
    extensions: &mut Extensions,
    findings: &mut Findings,
) -> HttpServer {
    let mut server = HttpServer::default();
    if transport(at, "protocols.http", raw.transport.as_deref(), findings) {
        endpoint(
            at,
            "protocols.http",
            raw.endpoint,
            &mut server.endpoint,
            findings,
        );
    }
    server.tls = tls::server(at, "protocols.http.tls", raw.tls, findings);
    server.auth = auth::of_server(at, "protocols.http.auth", raw.auth, extensions, findings);
    server.cors = raw.cors.and_then(|raw| cors(at, raw, findings));
    server.response_headers = raw.response_headers.unwrap_or_default().0;
    for (name, value) in &server.response_headers {
        if value.chars().any(char::is_control) {
            let message = format!("the value of `{name}` cannot be sent as a header");
            findings.error(at, "protocols.http.response_headers", message);
        }
    }
    if let Some(bytes) = raw.max_request_body_size.filter(|bytes| *bytes > 0) {
        server.max_body_bytes =
            message_size(at, "protocols.http.max_request_body_size", bytes, findings);
    }
    let paths = [
        ("traces_url_path", raw.traces_url_path),
        ("metrics_url_path", raw.metrics_url_path),
        ("logs_url_path", raw.logs_url_path),
    ];
    for ((name, given), path) in paths.into_iter().zip(&mut server.paths) {
        let Some(given) = given.filter(|given| !given.is_empty()) else {
            continue;
        };
        if given.contains(['?', '#']) || given.chars().any(|c| c.is_whitespace() || c.is_control())
        {
            findings.error(
                at,
                &format!("protocols.http.{name}"),
                format!("`{given}` is not a path"),
            );
        }
        // The Collector adds a missing slash, too.
        *path = if given.starts_with('/') {
            given
        } else {
            format!("/{given}")
        };
    }
    for first in 0..2 {
        if server.paths[first + 1..].contains(&server.paths[first]) {
            let message = format!("two signals have the path `{}`", server.paths[first]);
            findings.error(at, "protocols.http", message);
        }
    }
    if let Some(timeout) = raw.read_timeout {
        server.read_timeout = timeout.limit().unwrap_or(NEVER);
    }
    if let Some(timeout) = raw.read_header_timeout {
        server.read_header_timeout = timeout.limit().unwrap_or(NEVER);
    }
    if let Some(timeout) = raw.idle_timeout {
        server.idle_timeout = timeout.limit().unwrap_or(NEVER);
    }
    server
}

/// Without an origin there is no CORS, as in the Collector.
fn cors(at: &At<'_>, raw: raw::Cors, findings: &mut Findings) -> Option<Cors> {
    const KEY: &str = "protocols.http.cors";
    let cors = Cors {
        allowed_origins: raw.allowed_origins.unwrap_or_default(),
        allowed_headers: raw.allowed_headers.unwrap_or_default(),
        exposed_headers: raw.exposed_headers.unwrap_or_default(),
        max_age: Duration::from_secs(raw.max_age.unwrap_or(0).into()),
    };
    if cors.allowed_origins.is_empty() {
        if cors != Cors::default() {
            findings.warn(at, KEY, "has no effect here: there are no allowed_origins");
        }
        return None;
    }
    for origin in &cors.allowed_origins {
        if origin.matches('*').count() > 1 {
            let message = format!("`{origin}` has more than one `*`");
            findings.error(at, &format!("{KEY}.allowed_origins"), message);
        } else if origin != "*" && !origin.contains("://") {
            let message = format!(
                "`{origin}` is no origin; write its scheme too, as in https://*.example.com"
            );
            findings.error(at, &format!("{KEY}.allowed_origins"), message);
        }
    }
    for (key, names) in [
        ("allowed_headers", &cors.allowed_headers),
        ("exposed_headers", &cors.exposed_headers),
    ] {
        for name in names
            .iter()
            .filter(|name| *name != "*" && !is_header_name(name))
        {
            let message = format!("`{name}` is not a valid header name");
            findings.error(at, &format!("{KEY}.{key}"), message);
        }
    }
    let lower = |origin: &String| origin.to_ascii_lowercase();
    Some(Cors {
        allowed_origins: cors.allowed_origins.iter().map(lower).collect(),
        ..cors
    })
}

/// Whether the endpoint is a TCP one.
fn transport(at: &At<'_>, key: &str, transport: Option<&str>, findings: &mut Findings) -> bool {
    let tcp = matches!(transport, None | Some("" | "tcp" | "tcp4" | "tcp6"));
    if !tcp {
        findings.error(
            at,
            &format!("{key}.transport"),
            "only `tcp` is available; remove it",
        );
    }
    tcp
}

fn endpoint(
    at: &At<'_>,
    key: &str,
    given: Option<String>,
    to: &mut String,
    findings: &mut Findings,
) {
    let Some(given) = given else { return };
    match checks::server_endpoint(&given) {
        Ok(endpoint) => *to = endpoint,
        Err(message) => findings.error(at, &format!("{key}.endpoint"), message),
    }
}

fn message_size(at: &At<'_>, key: &str, bytes: u64, findings: &mut Findings) -> usize {
    match usize::try_from(bytes) {
        Ok(bytes) if bytes <= MAX_MESSAGE_BYTES => bytes,
        _ => {
            let message = format!(
                "{bytes} bytes are more than the largest message, {MAX_MESSAGE_BYTES} bytes (64 MiB)"
            );
            findings.error(at, key, message);
            MAX_MESSAGE_BYTES
        }
    }
}
