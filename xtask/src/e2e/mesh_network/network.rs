//! Three nodes and their pods out of network namespaces, wired as most network plugins do: a routed veth pair for each pod,
//! and a fabric between the nodes. The fabric is the namespace that this process is in, which reaches every pod.

use crate::fail::{Outcome, bail};
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

/// Nodes, numbered from 1.
pub(super) const NODES: u8 = 3;
/// Where Services have their addresses.
pub(super) const SERVICES: &str = "10.96.0.0/16";
/// This process's own address, at which pods find the backend.
pub(super) const FABRIC: &str = "10.100.0.254";
/// What a pod has as its gateway: the node's end of its veth pair.
const GATEWAY: &str = "169.254.1.1";

/// A namespace with an address, on a node.
#[derive(Clone)]
pub(super) struct Pod {
    pub(super) namespace: String,
    pub(super) node: u8,
    pub(super) address: String,
}

impl Pod {
    /// A command that runs in the pod.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, program]);
        command
    }
}

pub(super) fn node_address(node: u8) -> String {
    format!("10.100.0.{node}")
}

fn node_namespace(node: u8) -> String {
    format!("node{node}")
}

/// Makes the fabric and the nodes.
pub(super) fn build() -> Outcome {
    ip("link set lo up")?;
    ip("link add fabric type bridge")?;
    ip(&format!("addr add {FABRIC}/24 dev fabric"))?;
    ip("link set fabric up")?;
    for node in 1..=NODES {
        let namespace = node_namespace(node);
        ip(&format!("netns add {namespace}"))?;
        ip(&format!(
            "link add up{node} type veth peer name eth0 netns {namespace}"
        ))?;
        ip(&format!("link set up{node} master fabric"))?;
        ip(&format!("link set up{node} up"))?;
        ip(&format!(
            "route add 10.244.{node}.0/24 via {}",
            node_address(node)
        ))?;
        let within = |words: &str| ip(&format!("-n {namespace} {words}"));
        within("link set lo up")?;
        within(&format!("addr add {}/24 dev eth0", node_address(node)))?;
        within("link set eth0 up")?;
        within(&format!("route add {SERVICES} dev eth0"))?;
        for other in (1..=NODES).filter(|other| *other != node) {
            let via = node_address(other);
            within(&format!("route add 10.244.{other}.0/24 via {via}"))?;
        }
        let mut forward = Command::new("ip");
        forward.args(["netns", "exec", &namespace, "sysctl", "-qw"]);
        forward.args(["net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0"]);
        run(&mut forward)?;
    }
    Ok(())
}

/// Makes a pod: the `slot`th of its node.
pub(super) fn pod(node: u8, slot: u8) -> Outcome<Pod> {
    let (namespace, interface) = (format!("pod{node}-{slot}"), format!("p{slot}"));
    let address = format!("10.244.{node}.{slot}");
    let on_node = |words: &str| ip(&format!("-n {} {words}", node_namespace(node)));
    let within = |words: &str| ip(&format!("-n {namespace} {words}"));
    ip(&format!("netns add {namespace}"))?;
    on_node(&format!(
        "link add {interface} type veth peer name eth0 netns {namespace}"
    ))?;
    on_node(&format!("addr add {GATEWAY}/32 dev {interface}"))?;
    on_node(&format!("link set {interface} up"))?;
    on_node(&format!("route add {address}/32 dev {interface}"))?;
    within("link set lo up")?;
    within(&format!("addr add {address}/32 dev eth0"))?;
    within("link set eth0 up")?;
    within(&format!("route add {GATEWAY} dev eth0"))?;
    within(&format!("route add default via {GATEWAY}"))?;
    Ok(Pod {
        namespace,
        node,
        address,
    })
}

/// Takes a node's cable out, or puts it in again.
pub(super) fn uplink(node: u8, up: bool) -> Outcome {
    let state = if up { "up" } else { "down" };
    ip(&format!("link set up{node} {state}"))
}

/// Gives a node these rules in one step, as kube-proxy does.
pub(super) fn rules(node: u8, rules: &str) -> Outcome {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &node_namespace(node), "nft", "-f", "-"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(rules.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("nft: {}\n{rules}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// What names stand for, in every pod: the stand-in for DNS.
pub(super) fn names(names: &[(&str, Vec<String>)]) -> Outcome {
    let mut text = "127.0.0.1 localhost\n".to_owned();
    for (name, addresses) in names {
        for address in addresses {
            text.push_str(&format!("{address} {name}\n"));
        }
    }
    // Mounted over the machine's for this process and its children: it is written in place.
    Ok(fs::write("/etc/hosts", text)?)
}

fn ip(words: &str) -> Outcome {
    run(Command::new("ip").args(words.split(' ')))
}

fn run(command: &mut Command) -> Outcome {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let words: Vec<_> = command
            .get_args()
            .map(|word| word.to_string_lossy())
            .collect();
        bail!(
            "ip {}: {}",
            words.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
