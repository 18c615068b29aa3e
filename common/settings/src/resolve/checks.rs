//! Checks that several components share, and those across components.

use super::findings::{At, Findings};
use crate::model::{ComponentId, GrpcServer, HealthCheck, OtlpReceiver, Penstock};
use crate::tree::instead;
use penstock_otlp::compress::Encoding;
use std::collections::BTreeMap;

/// A server's `host:port`. Go reads `:4317` as every address, and so do we.
pub(crate) fn server_endpoint(endpoint: &str) -> Result<String, String> {
    if endpoint.contains("://") {
        return Err(format!(
            "`{endpoint}` has a scheme; a server's endpoint is `host:port`"
        ));
    }
    let (host, port) = host_port(endpoint)?;
    Ok(if host.is_empty() {
        format!("0.0.0.0:{port}")
    } else {
        endpoint.to_owned()
    })
}

/// Where another process is: `host:port` or `dns:///host:port`.
pub(crate) fn replica(text: &str) -> Result<(), String> {
    let address = text.strip_prefix("dns:///").unwrap_or(text);
    match host_port(address) {
        Ok((host, port)) if !host.is_empty() && port > 0 => Ok(()),
        _ if text.is_empty() => Err("must be set, as `host:port` or `dns:///host:port`".to_owned()),
        _ => Err(format!(
            "`{text}` is neither `host:port` nor `dns:///host:port`"
        )),
    }
}

/// Splits `host:port`; an IPv6 address stands in brackets.
pub(crate) fn host_port(endpoint: &str) -> Result<(&str, u16), String> {
    let wrong = || match endpoint {
        "" => "is empty, but must be `host:port`".to_owned(),
        _ => format!("`{endpoint}` is not `host:port`"),
    };
    let (host, port) = endpoint.rsplit_once(':').ok_or_else(wrong)?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let allowed = |c: char| !c.is_whitespace() && !c.is_control() && !"/@[]".contains(c);
    if !bare.unwrap_or(host).chars().all(allowed) || (bare.is_none() && host.contains(':')) {
        return Err(wrong());
    }
    Ok((host, port.parse().map_err(|_| wrong())?))
}

/// A `compression` key.
pub(crate) fn compression(
    name: Option<&str>,
    allowed: &[&str],
    default: Encoding,
) -> Result<Encoding, String> {
    let Some(name) = name else { return Ok(default) };
    let encoding = match name {
        "" | "none" => Some(Encoding::Identity),
        "gzip" => Some(Encoding::Gzip),
        "zstd" => Some(Encoding::Zstd),
        "deflate" | "zlib" => Some(Encoding::Deflate),
        _ => None,
    };
    encoding
        .filter(|_| name.is_empty() || allowed.contains(&name))
        .ok_or_else(|| {
            format!(
                "`{name}` is not available; use one of {}",
                allowed.join(", ")
            )
        })
}

/// Two servers cannot listen on one address.
pub(crate) fn listeners(
    root: &At<'_>,
    receivers: &BTreeMap<ComponentId, OtlpReceiver>,
    health_checks: &[HealthCheck],
    penstock: &Penstock,
    findings: &mut Findings,
) {
    let ports = receivers.iter().flat_map(|(id, receiver)| {
        let grpc = receiver.grpc.as_ref().map(|grpc| ("grpc", &grpc.endpoint));
        let http = receiver.http.as_ref().map(|http| ("http", &http.endpoint));
        grpc.into_iter()
            .chain(http)
            .map(move |(protocol, endpoint)| {
                (
                    format!("receivers.{id}.protocols.{protocol}.endpoint"),
                    endpoint,
                )
            })
    });
    let checks = health_checks
        .iter()
        .map(|check| ("extensions.health_check".to_owned(), &check.endpoint));
    let mut seen = vec![(&penstock.admin, "penstock.admin.endpoint".to_owned())];
    for (key, endpoint) in ports.chain(checks) {
        let any_port = endpoint.ends_with(":0");
        match seen
            .iter()
            .find(|(other, _)| *other == endpoint && !any_port)
        {
            Some((_, other)) => {
                findings.error(root, &key, format!("`{endpoint}` is already {other}"));
            }
            None => seen.push((endpoint, key)),
        }
    }
}

/// Receivers mostly have the same settings: what is handed over has to suit a port as they are here.
pub(crate) fn hand_over(
    root: &At<'_>,
    receivers: &BTreeMap<ComponentId, Option<OtlpReceiver>>,
    penstock: &Penstock,
    findings: &mut Findings,
) {
    let Some(hand_over) = &penstock.hand_over else {
        return;
    };
    let grpc = receivers.values().flatten().map(|receiver| &receiver.grpc);
    let takes = |grpc: &GrpcServer| {
        let asks_for_certificate = grpc
            .tls
            .as_ref()
            .is_some_and(|tls| tls.client_ca_file.is_some());
        let has_certificate = hand_over.tls.as_ref().is_some_and(|tls| tls.cert.is_some());
        grpc.tls.is_some() == hand_over.tls.is_some()
            && (!asks_for_certificate || has_certificate)
            && (grpc.auth.is_none() || hand_over.credentials.is_some())
    };
    if !grpc.flatten().any(takes) {
        let with = |what: bool| if what { "with" } else { "without" };
        let message = format!(
            "what is left is handed over by OTLP/gRPC {} TLS and {} credentials, and no receiver here has such a port: one with the same \
             settings cannot take it; see `tls` and `auth` beside it",
            with(hand_over.tls.is_some()),
            with(hand_over.credentials.is_some())
        );
        findings.warn(root, "penstock.drain.hand_over.endpoint", message);
    }
}

/// A request that is larger than its signal's part of the memory could never come in.
pub(crate) fn budget(
    root: &At<'_>,
    receivers: &BTreeMap<ComponentId, Option<OtlpReceiver>>,
    penstock: &Penstock,
    findings: &mut Findings,
) {
    let largest = receivers.values().flatten().flat_map(|receiver| {
        let grpc = receiver.grpc.as_ref().map(|grpc| grpc.max_message_bytes);
        let http = receiver.http.as_ref().map(|http| http.max_body_bytes);
        grpc.into_iter().chain(http)
    });
    let Some(largest) = largest.max() else { return };
    for signal in &penstock.signals {
        let share = penstock.memory.shares[signal.index()] * penstock.memory.limit_bytes as f64;
        if share < largest as f64 {
            let message = format!(
                "the part of {signal} is {share:.0} bytes, less than the largest request that receivers take \
                 ({largest}): such requests will always be refused"
            );
            findings.warn(root, "penstock.memory", message);
        }
    }
}

/// An error at a dotted key below `at`, which refers to something that is not there.
pub(crate) fn not_declared<'a>(
    at: &At<'_>,
    key: &str,
    class: &str,
    name: &str,
    declared: impl Iterator<Item = &'a ComponentId>,
    findings: &mut Findings,
) {
    let names: Vec<_> = declared.map(|id| id.0.as_str()).collect();
    let hint = if names.is_empty() {
        "; there is none".to_owned()
    } else {
        instead(name, "declared", &names)
    };
    findings.error(
        at,
        key,
        format!("references {class} `{name}`, which is not declared{hint}"),
    );
}
