//! `tls` of servers and clients.

use super::findings::{At, Findings};
use crate::model::{
    ClientNames, ClientTls, ComponentId, Exporter, OtlpReceiver, Pem, Penstock, Secret, ServerTls,
    TlsVersions,
};
use crate::raw::tls as raw;
use crate::tree::instead;
use crate::units::GoDuration;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The shortest `reload_interval`: files are read whole at each look.
const SHORTEST_RELOAD: Duration = Duration::from_millis(100);
/// TLS 1.2's suites that there are.
const SUITES: [&str; 6] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];
/// Those of the Collector that there are not.
const OLD_SUITES: [&str; 4] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
];
/// Those of TLS 1.3.
const SUITES_13: [&str; 3] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];

/// `tls` of a server, at the dotted path `key` below `at`.
pub(crate) fn server(
    at: &At<'_>,
    key: &str,
    tls: Option<raw::ServerTls>,
    findings: &mut Findings,
) -> Option<ServerTls> {
    let tls = tls?;
    let versions = versions(
        at,
        key,
        tls.min_version.as_deref(),
        tls.max_version.as_deref(),
        tls.cipher_suites,
        findings,
    );
    let cert = pem(at, key, "cert", tls.cert_file, tls.cert_pem, findings);
    let private = pem(at, key, "key", tls.key_file, tls.key_pem, findings);
    let client_ca_file = path(tls.client_ca_file);
    let names = tls.client_names.unwrap_or_default();
    let client_names = client_names(at, &format!("{key}.client_names"), names, findings);
    if !client_names.names.is_empty() && client_ca_file.is_none() {
        let message = "needs `client_ca_file`: without it no client shows a certificate";
        findings.error(at, &format!("{key}.client_names"), message);
    }
    let reload_interval = reload_interval(at, key, tls.reload_interval, findings);
    let (Some(cert), Some(private)) = (cert, private) else {
        findings.error(at, key, "a server needs both `cert_file` and `key_file`");
        return None;
    };
    Some(ServerTls {
        setting: at.path_of(key),
        cert,
        key: private,
        client_ca_file,
        client_names,
        versions,
        reload_interval,
    })
}

/// `tls` of a client, at the dotted path `key` below `at`.
pub(crate) fn client(
    at: &At<'_>,
    key: &str,
    tls: Option<raw::ClientTls>,
    findings: &mut Findings,
) -> ClientTls {
    let tls = tls.unwrap_or_default();
    let versions = versions(
        at,
        key,
        tls.min_version.as_deref(),
        tls.max_version.as_deref(),
        tls.cipher_suites,
        findings,
    );
    let cert = pem(at, key, "cert", tls.cert_file, tls.cert_pem, findings);
    let private = pem(at, key, "key", tls.key_file, tls.key_pem, findings);
    if cert.is_some() != private.is_some() {
        findings.error(at, key, "`cert_file` and `key_file` go together");
    }
    ClientTls {
        setting: at.path_of(key),
        insecure: tls.insecure.unwrap_or(false),
        insecure_skip_verify: tls.insecure_skip_verify.unwrap_or(false),
        ca: pem(at, key, "ca", tls.ca_file, tls.ca_pem, findings),
        include_system_ca: tls.include_system_ca_certs_pool.unwrap_or(false),
        cert,
        key: private,
        server_name_override: tls.server_name_override.filter(|name| !name.is_empty()),
        versions,
        reload_interval: reload_interval(at, key, tls.reload_interval, findings),
    }
}

/// Names of clients: each is a host name, an address or a URI.
pub(crate) fn client_names(
    at: &At<'_>,
    key: &str,
    names: Vec<String>,
    findings: &mut Findings,
) -> ClientNames {
    for (index, name) in names.iter().enumerate() {
        let stars = name.matches('*').count();
        let wrong = match name.split_once("://") {
            _ if name.is_empty() || name.chars().any(char::is_whitespace) => true,
            Some((_, rest)) => rest.is_empty() || stars > 1 || (stars == 1 && !name.ends_with('*')),
            None if name.parse::<IpAddr>().is_ok() => false,
            None => name
                .strip_prefix("*.")
                .unwrap_or(name)
                .contains(['*', '/', ':']),
        };
        if wrong {
            let message = format!(
                "`{name}` is no client's name: write a host name (`*.` may stand in front), an address, or a URI (`*` may stand at \
                 the end), as in spiffe://mesh/*"
            );
            findings.error(at, &format!("{key}.{index}"), message);
        }
    }
    ClientNames {
        setting: at.path_of(key),
        names,
    }
}

/// What the two ends of the hop say must fit together, and the names of a receiver's clients must be asked for.
pub(crate) fn together(
    root: &At<'_>,
    exporters: &BTreeMap<ComponentId, Exporter>,
    penstock: &Penstock,
    findings: &mut Findings,
) {
    let speaks = penstock.hop.tls.is_some();
    let declared = root
        .child("penstock")
        .and_then(|penstock| penstock.child("exporters"));
    for id in exporters
        .values()
        .filter(|exporter| exporter.hop.tls.is_some() != speaks)
        .map(|exporter| &exporter.id)
    {
        if speaks {
            let message = format!(
                "penstock.hop.tls is there, so receivers speak TLS to the exporter `{id}`, which has no `tls` in penstock.exporters.{id}: \
                 only a proxy in front of it can take that"
            );
            findings.warn(root, "penstock.hop.tls", message);
        } else {
            // By the name that the file has for it.
            let written = declared
                .iter()
                .flat_map(At::children)
                .find(|at| ComponentId(at.key().to_owned()).same_exporter(id));
            let written = written.map_or_else(|| id.to_string(), |at| at.key().to_owned());
            let message = "the exporter will take TLS only, but without penstock.hop.tls receivers speak plaintext to it";
            findings.warn(root, &format!("penstock.exporters.{written}.tls"), message);
        }
    }
}

/// Gives the receivers the names of their clients.
pub(crate) fn name_clients(
    root: &At<'_>,
    receivers: &mut BTreeMap<ComponentId, Option<OtlpReceiver>>,
    names: BTreeMap<ComponentId, ClientNames>,
    findings: &mut Findings,
) {
    for (id, names) in names {
        let Some(Some(receiver)) = receivers.get_mut(&id) else {
            continue;
        };
        let grpc = receiver
            .grpc
            .as_mut()
            .map(|grpc| ("grpc", grpc.tls.as_mut()));
        let http = receiver
            .http
            .as_mut()
            .map(|http| ("http", http.tls.as_mut()));
        for (protocol, tls) in grpc.into_iter().chain(http) {
            match tls {
                Some(tls) if tls.client_ca_file.is_some() => tls.client_names = names.clone(),
                _ if names.names.is_empty() => {}
                _ => {
                    let message = format!(
                        "needs `client_ca_file` in receivers.{id}.protocols.{protocol}.tls: without it no client shows a certificate there"
                    );
                    findings.error(
                        root,
                        &format!("penstock.receivers.{id}.client_names"),
                        message,
                    );
                }
            }
        }
    }
}

fn versions(
    at: &At<'_>,
    key: &str,
    min: Option<&str>,
    max: Option<&str>,
    suites: Option<Vec<String>>,
    findings: &mut Findings,
) -> TlsVersions {
    let mut allowed = |key: String, given: Option<&str>, usual: &'static str| match given {
        None | Some("") => usual,
        Some("1.2") => "1.2",
        Some("1.3") => "1.3",
        Some(other) => {
            let message = format!("`{other}` is not available; use 1.2 or 1.3");
            findings.error(at, &key, message);
            usual
        }
    };
    let min = allowed(format!("{key}.min_version"), min, "1.2");
    let max = allowed(format!("{key}.max_version"), max, "1.3");
    if min > max {
        findings.error(at, &format!("{key}.min_version"), "is above `max_version`");
    }
    let mut versions = TlsVersions {
        tls12: min == "1.2",
        tls13: max == "1.3",
        cipher_suites: None,
    };
    if let Some(given) = suites.filter(|suites| !suites.is_empty()) {
        let suites = cipher_suites(at, &format!("{key}.cipher_suites"), given, findings);
        if suites.is_empty() {
            // As in the Collector, what is left is TLS 1.3.
            versions.tls12 = false;
            if !versions.tls13 {
                findings.error(
                    at,
                    &format!("{key}.cipher_suites"),
                    "none of them can be used with TLS 1.2, the only version that is allowed",
                );
            }
        } else {
            versions.cipher_suites = Some(suites);
        }
    }
    versions
}

fn cipher_suites(
    at: &At<'_>,
    key: &str,
    given: Vec<String>,
    findings: &mut Findings,
) -> Vec<String> {
    let mut suites = Vec::new();
    for (index, name) in given.into_iter().enumerate() {
        let here = format!("{key}.{index}");
        if SUITES.contains(&name.as_str()) {
            suites.push(name);
        } else if SUITES_13.contains(&name.as_str()) {
            let message = "has no effect here: it is one of TLS 1.3, whose suites are always all allowed, as in the Collector";
            findings.warn(at, &here, message);
        } else if OLD_SUITES.contains(&name.as_str()) {
            let message = format!("`{name}` has no effect here: suites with CBC are not available");
            findings.warn(at, &here, message);
        } else {
            let message = format!(
                "unknown cipher suite `{name}`{}",
                instead(&name, "available", &SUITES)
            );
            findings.error(at, &here, message);
        }
    }
    suites
}

fn reload_interval(
    at: &At<'_>,
    key: &str,
    given: Option<GoDuration>,
    findings: &mut Findings,
) -> Duration {
    let usual = ClientTls::default().reload_interval;
    // The Collector's 0 is never; files are made to be changed.
    let interval = given.and_then(GoDuration::limit).unwrap_or(usual);
    if interval < SHORTEST_RELOAD {
        let message =
            format!("must be at least {SHORTEST_RELOAD:?}: the files are read at each look");
        findings.error(at, &format!("{key}.reload_interval"), message);
    }
    interval
}

/// `<what>_file` or `<what>_pem`.
fn pem(
    at: &At<'_>,
    key: &str,
    what: &str,
    file: Option<String>,
    pem: Option<String>,
    findings: &mut Findings,
) -> Option<Pem> {
    let inline = pem.filter(|pem| !pem.is_empty());
    match (path(file), inline) {
        (Some(file), None) => Some(Pem::File(file)),
        (None, Some(pem)) => Some(Pem::Inline(Secret::new(pem))),
        (None, None) => None,
        (Some(file), Some(_)) => {
            let message = format!("cannot go together with `{what}_file`; keep one");
            findings.error(at, &format!("{key}.{what}_pem"), message);
            Some(Pem::File(file))
        }
    }
}

fn path(text: Option<String>) -> Option<PathBuf> {
    text.filter(|text| !text.is_empty()).map(PathBuf::from)
}
