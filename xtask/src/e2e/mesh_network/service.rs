//! What kube-proxy makes of the Service `otel-collector` and its endpoints, on each node: a new connection goes to one of the
//! eligible endpoints by chance. Connections that are there stay where they are.

use super::network::{self, NODES, node_address};
use crate::fail::Outcome;

#[cfg(test)]
mod tests;

/// The Service's address.
const CLUSTER_IP: &str = "10.96.0.10";
const PORT: u16 = 4317;

/// Which endpoints a node's senders get.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// Any.
    Cluster,
    /// `internalTrafficPolicy: Local`.
    Local,
    /// `trafficDistribution: PreferSameNode`.
    PreferSameNode,
    /// No Service: the node's own port is its pod's.
    HostPort,
}

/// A pod behind the Service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Endpoint {
    pub(super) address: String,
    pub(super) node: u8,
    /// Serving still, but told to go.
    pub(super) terminating: bool,
}

pub(super) struct Service {
    policy: Policy,
    endpoints: Vec<Endpoint>,
}

/// What happens to a new connection on a node.
#[derive(PartialEq, Eq, Debug)]
enum Way<'a> {
    To(Vec<&'a Endpoint>),
    /// There are endpoints, but none that this node may use: silence.
    Drop,
    /// There is none at all.
    Reject,
}

impl Service {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            endpoints: Vec::new(),
        }
    }

    /// Where a sender on this node connects to.
    pub(super) fn target(&self, node: u8) -> String {
        match self.policy {
            Policy::HostPort => format!("{}:{PORT}", node_address(node)),
            _ => format!("{CLUSTER_IP}:{PORT}"),
        }
    }

    /// Adds an endpoint, or changes it, on all nodes.
    pub(super) fn set(&mut self, endpoint: Endpoint) -> Outcome {
        self.endpoints
            .retain(|known| known.address != endpoint.address);
        self.endpoints.push(endpoint);
        self.program()
    }

    pub(super) fn remove(&mut self, address: &str) -> Outcome {
        self.endpoints.retain(|known| known.address != address);
        self.program()
    }

    fn program(&self) -> Outcome {
        (1..=NODES).try_for_each(|node| network::rules(node, &self.rules(node)))
    }

    fn way(&self, node: u8) -> Way<'_> {
        let of = |terminating: bool, local: bool| -> Vec<&Endpoint> {
            let all = self.endpoints.iter();
            all.filter(|endpoint| {
                endpoint.terminating == terminating && (!local || endpoint.node == node)
            })
            .collect()
        };
        // In order of preference; terminating ones only where no ready one may be used.
        let choices = match self.policy {
            Policy::Cluster => vec![of(false, false), of(true, false)],
            Policy::Local => vec![of(false, true), of(true, true)],
            Policy::PreferSameNode => vec![of(false, true), of(false, false), of(true, false)],
            // The network plugin knows of no readiness: the port is the pod's for as long as there is one.
            Policy::HostPort => vec![of(false, true), of(true, true)],
        };
        let chosen = choices.into_iter().find(|choice| !choice.is_empty());
        match (chosen, self.policy) {
            (Some(endpoints), _) => Way::To(endpoints),
            (None, Policy::Local) if !self.endpoints.is_empty() => Way::Drop,
            (None, _) => Way::Reject,
        }
    }

    /// A node's whole table.
    fn rules(&self, node: u8) -> String {
        let target = match self.policy {
            Policy::HostPort => node_address(node),
            _ => CLUSTER_IP.to_owned(),
        };
        let target = format!("ip daddr {target} tcp dport {PORT}");
        let (nat, filter) = match self.way(node) {
            Way::To(endpoints) => {
                let map = endpoints.iter().enumerate();
                let map = map.map(|(n, endpoint)| format!("{n} : {}", endpoint.address));
                let map = map.collect::<Vec<_>>().join(", ");
                let count = endpoints.len();
                let nat =
                    format!("{target} dnat to numgen random mod {count} map {{ {map} }} : {PORT}");
                (nat, String::new())
            }
            Way::Drop => (String::new(), format!("{target} drop")),
            Way::Reject => (String::new(), format!("{target} reject with tcp reset")),
        };
        format!(
            "table ip services\ndelete table ip services\ntable ip services {{\n\
             chain prerouting {{ type nat hook prerouting priority dstnat; {nat}\n}}\n\
             chain forward {{ type filter hook forward priority filter; {filter}\n}}\n\
             chain input {{ type filter hook input priority filter; {filter}\n}}\n}}\n"
        )
    }
}
