//! Identity: Resources that name the pod and the service, written in only where they do not say so themselves.
//!
//! Sidecars leave this out: kuma-dp's metrics all come from `unknown_service:kuma-dp`, so that two replicas of a service
//! would send the very same series; Envoy's access logs name their service in `cluster_name` only.
//!
//! *Invariant:* never refuses, and at most doubles a request. Nothing that a sender wrote is changed, save the
//! placeholder that the SDK puts in for a missing name.

mod points;

#[cfg(test)]
mod tests;

use crate::pipeline::Peer;
use bytes::Bytes;
use penstock_otlp::annotate::{Attribute, ResourceView, annotate};
use penstock_otlp::{Edited, Signal};
use penstock_settings::Identity;
use std::net::{IpAddr, SocketAddr};

const POD_IP: &str = "k8s.pod.ip";
const SERVICE_NAME: &str = "service.name";
const SERVICE_INSTANCE_ID: &str = "service.instance.id";
/// What the Go SDK calls kuma-dp, since nobody told it a name.
const KUMA_DP: &str = "unknown_service:kuma-dp";
/// Where kuma-dp's metrics name the service, the best name first.
const KUMA_NAMES: [&str; 4] = [
    "kuma.workload",
    "kuma.io/service",
    "kuma_io_service",
    "dataplane",
];
/// Beyond the size of the request itself, what may be added to it: enough for the Resources of a small one.
const ADDED_AT_LEAST: usize = 1024;
/// Keys, lengths and tags around an attribute's two strings, at most.
const ATTRIBUTE_OVERHEAD: usize = 16;

/// The rules for one signal.
#[derive(Clone, Debug)]
pub(crate) struct Identify {
    signal: Signal,
    rules: Identity,
}

impl Identify {
    pub(crate) fn new(signal: Signal, rules: Identity) -> Self {
        Self { signal, rules }
    }

    /// The request with what its Resources lack.
    pub(crate) fn apply(&self, peer: &Peer, body: Bytes) -> Edited {
        if !self.has_work() {
            return body.into();
        }
        let address = self.address(peer).to_string();
        let mut holders = points::holders(&body);
        let mut room = body.len() + ADDED_AT_LEAST;
        annotate(self.signal, &body, &mut |resource, add| {
            let holder = holders.next().unwrap_or_default();
            self.rule(resource, holder, &address, add);
            let bytes: usize = add.iter().map(size).sum();
            match room.checked_sub(bytes) {
                Some(left) => room = left,
                None => add.clear(),
            }
        })
    }

    fn has_work(&self) -> bool {
        let rules = &self.rules;
        rules.pod_ip
            || match self.signal {
                Signal::Traces => false,
                Signal::Metrics => rules.metrics_instance_id || rules.metrics_service_name,
                Signal::Logs => rules.logs_service_name,
            }
    }

    /// `holder` is the encoded message around the Resource.
    fn rule<'a>(
        &self,
        resource: &ResourceView<'a>,
        holder: &'a [u8],
        address: &'a str,
        add: &mut Vec<Attribute<'a>>,
    ) {
        if self.rules.pod_ip && !resource.has(POD_IP) {
            add.push(attribute(POD_IP, address, false));
        }
        match self.signal {
            Signal::Traces => {}
            Signal::Metrics => self.kuma_dp(resource, holder, address, add),
            Signal::Logs => self.access_logs(resource, add),
        }
    }

    fn kuma_dp<'a>(
        &self,
        resource: &ResourceView<'a>,
        holder: &'a [u8],
        address: &'a str,
        add: &mut Vec<Attribute<'a>>,
    ) {
        if !resource
            .str(SERVICE_NAME)
            .is_some_and(|name| name.starts_with(KUMA_DP))
        {
            return;
        }
        if self.rules.metrics_instance_id && !resource.has(SERVICE_INSTANCE_ID) {
            add.push(attribute(SERVICE_INSTANCE_ID, address, false));
        }
        if self.rules.metrics_service_name {
            let name = KUMA_NAMES
                .into_iter()
                .find_map(|key| resource.str(key).filter(|name| !name.is_empty()))
                .or_else(|| points::first_attribute(holder, &KUMA_NAMES));
            if let Some(name) = name {
                add.push(attribute(SERVICE_NAME, name, true));
            }
        }
    }

    /// `log_name` and `node_name` are what tells Envoy's access logs from others that have a `cluster_name`.
    fn access_logs<'a>(&self, resource: &ResourceView<'a>, add: &mut Vec<Attribute<'a>>) {
        let nameless = self.rules.logs_service_name && !resource.has(SERVICE_NAME);
        if nameless
            && resource.has("log_name")
            && resource.has("node_name")
            && let Some(name) = resource.str("cluster_name").filter(|name| !name.is_empty())
        {
            add.push(attribute(SERVICE_NAME, name, false));
        }
    }

    /// The pod's address: what its sidecar says of itself, else the connection's other end, which may be a proxy.
    fn address(&self, peer: &Peer) -> IpAddr {
        let forwarded = peer
            .forwarded_for
            .filter(|_| self.rules.trust_forwarded_for);
        forwarded.unwrap_or(peer.address).to_canonical()
    }
}

/// An attribute that is added, or takes the place of one with the same name.
fn attribute<'a>(key: &'static str, value: &'a str, replace: bool) -> Attribute<'a> {
    Attribute {
        key,
        value,
        replace,
    }
}

/// Bytes that it takes, at most.
fn size(attribute: &Attribute<'_>) -> usize {
    attribute.key.len() + attribute.value.len() + ATTRIBUTE_OVERHEAD
}

/// The last address of an `x-forwarded-for` value: each proxy appends the peer it saw, and the sidecar's Envoy, which is
/// the last one before us, its own pod's. What stands further left anybody may have written.
pub(crate) fn forwarded_for(value: &str) -> Option<IpAddr> {
    let last = value.rsplit(',').next()?.trim();
    let bare = last
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(last);
    bare.parse()
        .ok()
        .or_else(|| last.parse::<SocketAddr>().ok().map(|address| address.ip()))
}
