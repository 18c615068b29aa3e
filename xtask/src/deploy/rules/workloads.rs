//! Rules of Deployments, DaemonSets and StatefulSets: selectors, probes, volumes, drain, Pod Security.

use super::{list, ports};
use serde_json::Value;

/// What is wrong with a workload.
pub(super) fn faults(object: &Value, objects: &[Value]) -> Vec<String> {
    let spec = &object["spec"];
    let template = &spec["template"];
    let mut faults = Vec::new();
    let labels = spec["selector"]["matchLabels"].as_object();
    let own = |(key, value): (&String, &Value)| &template["metadata"]["labels"][key] == value;
    if !labels.is_some_and(|labels| !labels.is_empty() && labels.iter().all(own)) {
        faults.push("does not select its own pods".to_owned());
    }
    let pod = &template["spec"];
    for container in list(&pod["containers"]) {
        faults.extend(restricted(pod, container));
        faults.extend(probes(template, container));
        faults.extend(mounts(spec, container));
        faults.extend(environment(container));
    }
    if pod["automountServiceAccountToken"] != false {
        faults.push("has a token of a service account".to_owned());
    }
    faults.extend(drain(pod, objects));
    faults.extend(rollout(object));
    faults
}

/// Pod Security `restricted`, and a root that cannot be written to.
fn restricted(pod: &Value, container: &Value) -> Vec<String> {
    let own = &container["securityContext"];
    let needs = [
        (
            pod["securityContext"]["runAsNonRoot"] == true,
            "may run as root",
        ),
        (
            pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault",
            "has no seccomp profile",
        ),
        (
            own["allowPrivilegeEscalation"] == false,
            "may gain privileges",
        ),
        (
            own["readOnlyRootFilesystem"] == true,
            "may write to its root",
        ),
        (
            list(&own["capabilities"]["drop"]).any(|name| name == "ALL"),
            "keeps capabilities",
        ),
        (
            pod["hostNetwork"].is_null(),
            "is in the network of its node",
        ),
    ];
    needs
        .into_iter()
        .filter(|need| !need.0)
        .map(|need| need.1.to_owned())
        .collect()
}

/// Probes that ask a port which is there. Nothing is started by them: the images have no shell.
fn probes(template: &Value, container: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let port = container[probe]["httpGet"]["port"].as_str();
        if !port.is_some_and(|port| ports(template).contains(port)) {
            faults.push(format!("{probe} asks a port that is not there"));
        }
    }
    if container.to_string().contains("\"exec\"") {
        faults.push("starts a program that the image does not have".to_owned());
    }
    faults
}

fn mounts(spec: &Value, container: &Value) -> Vec<String> {
    let volumes = list(&spec["template"]["spec"]["volumes"]).map(|volume| &volume["name"]);
    let claims = list(&spec["volumeClaimTemplates"]).map(|claim| &claim["metadata"]["name"]);
    let known: Vec<_> = volumes.chain(claims).collect();
    let mounts = list(&container["volumeMounts"]);
    let unknown = mounts.filter(|mount| !known.contains(&&mount["name"]));
    unknown
        .map(|mount| format!("there is no volume {}", mount["name"]))
        .collect()
}

/// What sounds like a secret is referred to, not written down.
fn environment(container: &Value) -> Vec<String> {
    let secret = |name: &str| {
        ["TOKEN", "PASSWORD", "SECRET", "KEY"]
            .iter()
            .any(|word| name.contains(word))
    };
    let written = list(&container["env"]).filter(|variable| !variable["value"].is_null());
    let named = written.filter_map(|variable| variable["name"].as_str());
    named
        .filter(|name| secret(name))
        .map(|name| format!("the secret {name} is written down"))
        .collect()
}

/// Kubelet's patience is longer than the sleep before SIGTERM and the drain together.
fn drain(pod: &Value, objects: &[Value]) -> Vec<String> {
    let texts = objects
        .iter()
        .filter_map(|object| object["data"]["penstock.yaml"].as_str());
    let lines = texts.flat_map(str::lines);
    let deadlines = lines.filter_map(|line| {
        line.trim()
            .strip_prefix("deadline: ")?
            .strip_suffix('s')?
            .parse()
            .ok()
    });
    let deadline: u64 = deadlines.max().unwrap_or(25);
    let sleep = list(&pod["containers"])
        .filter_map(|container| container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64())
        .max()
        .unwrap_or(0);
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap_or(30);
    if grace < deadline + sleep + 5 {
        return vec![format!(
            "is killed after {grace} s, in the middle of {sleep} s of sleep and {deadline} s of drain"
        )];
    }
    Vec::new()
}

/// A new pod is ready before an old one goes; where both need the same port of the node, the old one goes first.
fn rollout(object: &Value) -> Vec<String> {
    let spec = &object["spec"];
    let strategy = if object["kind"] == "Deployment" {
        &spec["strategy"]
    } else {
        &spec["updateStrategy"]
    };
    let rolling = &strategy["rollingUpdate"];
    let containers = list(&spec["template"]["spec"]["containers"]);
    let mut all = containers.flat_map(|container| list(&container["ports"]));
    let on_node = all.any(|port| !port["hostPort"].is_null());
    match (object["kind"].as_str(), on_node) {
        (Some("StatefulSet"), _) => Vec::new(),
        (_, true) if rolling["maxSurge"] != 0 => {
            vec!["a second pod cannot have the port of the node: maxSurge must be 0".to_owned()]
        }
        (_, false) if rolling["maxUnavailable"] != 0 || rolling["maxSurge"] == 0 => {
            vec!["a rollout takes pods away before others are there".to_owned()]
        }
        _ => Vec::new(),
    }
}
