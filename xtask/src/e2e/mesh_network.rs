//! The chart's topologies on a network of three nodes: what sidecars lose when receivers are restarted, crash, are missing,
//! when a node dies, exporters are scaled and the backend is away.
//!
//! Each topology runs in a network of its own, which this machine does not see and which goes with the process. Nodes, pods
//! and kube-proxy's rules are as in a cluster, pods are what the chart renders, times are shorter (`chart`, `lab`). Senders are those of the crash tests: they send
//! nothing twice, like the sidecars. What was acked must be delivered, always; what is lost before is told.

mod authority;
mod chart;
mod envoys;
mod lab;
mod network;
mod pods;
mod report;
mod service;

use super::lossless::Options;
use super::tiers;
use crate::fail::{Outcome, bail};
use crate::process::{binary_path, pause, wait_until};
use crate::{sh, tools};
use lab::{LOAD, Lab, MOMENT};
use pods::{Load, SHORT_AGE};
use report::Row;
use service::Policy;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A topology and the nodes that have a receiver.
struct Topology {
    name: &'static str,
    /// Values of the chart.
    sets: &'static [&'static str],
    receivers: &'static [u8],
}

const ISSUER: &str = "hop.tls.certManager.issuerRef.name=lab";

const TOPOLOGIES: [Topology; 4] = [
    Topology {
        name: "deployment",
        sets: &[ISSUER, "topology=deployment"],
        receivers: &[1, 2],
    },
    Topology {
        name: "daemonset",
        sets: &[ISSUER, "topology=daemonset", "service.strictlyLocal=true"],
        receivers: ALL,
    },
    Topology {
        name: "node-local-prefer",
        sets: &[ISSUER, "topology=node-local-prefer"],
        receivers: ALL,
    },
    Topology {
        name: "hostport",
        sets: &[ISSUER, "topology=hostport"],
        receivers: ALL,
    },
];

/// Where a topology leaves its part of the table.
const LINES: &str = "lines.md";
const ALL: &[u8] = &[1, 2, 3];

/// `e2e mesh-network`: all topologies, one after the other.
pub(super) fn run(options: &Options) -> Outcome {
    tools::network()?;
    if !sh::answers("unshare", &["--net", "--mount", "true"]) {
        println!("mesh-network: SKIPPED, this user may not make network namespaces");
        return Ok(());
    }
    let folder = tiers::folder("mesh-network")?;
    let form = if options.short { "short" } else { "full" };
    let mut table = report::HEAD.to_owned();
    let envoy = tools::envoy()?;
    for topology in &TOPOLOGIES {
        let own = folder.join(topology.name);
        fs::create_dir_all(&own)?;
        chart::render(&own, topology.sets)?;
        enter(&folder, topology.name, form, &envoy)?;
        table.push_str(&fs::read_to_string(folder.join(topology.name).join(LINES))?);
    }
    println!("{table}");
    Ok(fs::write(folder.join("report.md"), table)?)
}

/// Runs one topology in a network of its own: `/run` has the namespaces' names, `/etc/hosts` is the cluster's DNS.
fn enter(folder: &Path, topology: &str, form: &str, envoy: &Path) -> Outcome {
    let folder = folder.join(topology);
    let hosts = folder.join("hosts");
    fs::write(&hosts, "")?;
    let script = "mount -t tmpfs run /run && mkdir /run/netns && mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--mount", "sh", "-c", script, "sh"])
        .arg(&hosts);
    command.arg(binary_path("debug", "xtask"));
    command
        .args(["mesh-network-inside", topology, form])
        .arg(&folder)
        .arg(envoy);
    match command.current_dir(sh::root()).status()? {
        status if status.success() => Ok(()),
        status => bail!("{topology}: {status}"),
    }
}

/// `mesh-network-inside <topology> <form> <folder> <envoy>`: what `enter` starts.
pub(crate) fn inside(words: &[&str]) -> Outcome {
    let [name, form, folder, envoy] = words else {
        bail!("run `cargo xtask e2e mesh-network`")
    };
    let folder = Path::new(folder);
    let Some(topology) = TOPOLOGIES.iter().find(|topology| topology.name == *name) else {
        bail!("no topology `{name}`")
    };
    // Longer than senders take to give a connection up, or short.
    let absence = Duration::from_secs(if *form == "full" { 10 } else { 2 });
    let mut lab = Lab::start(folder, topology.name, topology.receivers, absence)?;
    if *form == "full" {
        lab.add_proxies(Path::new(envoy))?;
    }
    let mut rows = restarts(&mut lab)?;
    if *form == "full" {
        rows.extend(faults(&mut lab)?);
        if lab.policy == Policy::Cluster {
            rows.extend(scale_out(&mut lab)?);
        }
    }
    lab.end()?;
    Ok(fs::write(folder.join(LINES), report::lines(&rows))?)
}

/// What happens every day.
fn restarts(lab: &mut Lab) -> Outcome<Vec<Row>> {
    let mut rows = lab.event("steady", &LOAD, ALL, |_| {
        pause(MOMENT);
        Ok(())
    })?;
    rows.extend(lab.event("rolling restart", &LOAD, ALL, Lab::rolling_restart)?);
    // A node's port and a strictly local Service have nobody else.
    let has_others = matches!(lab.policy, Policy::Cluster | Policy::PreferSameNode);
    if lab.policy != Policy::HostPort {
        report::nothing_lost(&rows)?;
    }
    let missing = lab.event(
        "receiver missing on a node",
        &LOAD,
        ALL,
        Lab::receiver_missing,
    )?;
    if has_others {
        report::nothing_lost(&missing)?;
    }
    rows.extend(missing);
    Ok(rows)
}

fn faults(lab: &mut Lab) -> Outcome<Vec<Row>> {
    let mut rows = lab.event("receiver crash", &LOAD, ALL, Lab::crash)?;
    // What runs on the node itself sends nothing meanwhile.
    rows.extend(lab.event("node down", &LOAD, &[1, 3], |lab| lab.node_down(2))?);
    let lossless = [
        lab.event("exporters 2, 3, 2", &LOAD, ALL, Lab::scale_exporters)?,
        lab.event("backend down", &LOAD, ALL, Lab::backend_down)?,
    ];
    for event in lossless {
        report::nothing_lost(&event)?;
        rows.extend(event);
    }
    let handed_over = lab.event("restart with the backend down", &LOAD, ALL, Lab::hand_over)?;
    if lab.policy != Policy::HostPort {
        report::nothing_lost(&handed_over)?;
    }
    rows.extend(handed_over);
    Ok(rows)
}

/// Two receivers more, and two less. With more, connections are even within one connection age, as old ones are told to go and find others.
fn scale_out(lab: &mut Lab) -> Outcome<Vec<Row>> {
    /// So many that chance alone keeps every receiver within a fifth of the mean, by more than four standard deviations.
    const LOAD: Load = Load {
        items_a_second: 450,
        items_a_call: 3,
        connections: 150,
    };
    lab.rejuvenate()?;
    let mut told = Vec::new();
    let mut rows = lab.event("receivers 2 to 4", &LOAD, ALL, |lab| {
        let all = u64::from(LOAD.connections) * 3 * ALL.len() as u64;
        wait_until("all connections", || {
            let open: u64 = lab.connections()?.iter().sum();
            Ok((open >= all).then_some(()))
        })?;
        lab.add_receiver(3)?;
        lab.add_receiver(1)?;
        // Ages vary by a tenth.
        pause(SHORT_AGE.mul_f64(1.1) + MOMENT);
        told = lab.connections()?;
        Ok(())
    })?;
    println!("connections of each receiver: {told:?}");
    report::nothing_lost(&rows)?;
    let mean = told.iter().sum::<u64>() / told.len() as u64;
    if let Some(open) = told.iter().find(|open| open.abs_diff(mean) * 5 > mean) {
        bail!("a receiver has {open} connections where the mean is {mean}: {told:?}");
    }
    let fewer = lab.event("receivers 4 to 2", &LOAD, ALL, |lab| {
        lab.remove_receiver(0)?;
        lab.remove_receiver(0)
    })?;
    report::nothing_lost(&fewer)?;
    rows.extend(fewer);
    Ok(rows)
}
