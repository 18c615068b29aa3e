//! What a set of manifests must keep and no schema says: names that meet, enums, rollouts, Pod Security.

use serde_json::Value;
use std::collections::BTreeSet;

mod workloads;

#[cfg(test)]
mod tests;

/// Where things have to be.
pub(super) struct Place {
    namespace: String,
    mesh_namespace: String,
}

impl Place {
    pub(super) fn new(namespace: &str, mesh_namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            mesh_namespace: mesh_namespace.to_owned(),
        }
    }
}

/// Everything that is wrong with these objects together, a sentence each.
pub(super) fn faults(objects: &[Value], place: &Place) -> Vec<String> {
    let mut faults = duplicates(objects);
    for object in objects {
        let mut told = namespace(object, place);
        match object["kind"].as_str().unwrap_or_default() {
            "Service" => told.extend(service(object, objects)),
            "PodDisruptionBudget" => told.extend(budget(object, objects)),
            "NetworkPolicy" => told.extend(network_policy(object, objects)),
            "HorizontalPodAutoscaler" => told.extend(autoscaler(object, objects)),
            "PodMonitor" => told.extend(pod_monitor(object, objects)),
            "ServiceMonitor" => told.extend(service_monitor(object, objects)),
            "MeshMetric" | "MeshTrace" | "MeshAccessLog" => {
                told.extend(backend_references(object, objects));
            }
            "Certificate" => told.extend(certificate(object, objects)),
            "Secret" => told.push("secrets are only referred to".to_owned()),
            _ if is_workload(object) => told.extend(workloads::faults(object, objects)),
            _ => {}
        }
        faults.extend(
            told.into_iter()
                .map(|fault| format!("{}: {fault}", name(object))),
        );
    }
    faults
}

fn name(object: &Value) -> String {
    let part = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    format!(
        "{}/{}",
        part(&object["kind"]),
        part(&object["metadata"]["name"])
    )
}

fn is_workload(object: &Value) -> bool {
    ["Deployment", "DaemonSet", "StatefulSet"]
        .map(Some)
        .contains(&object["kind"].as_str())
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Templates of the pods that `labels` select.
fn selected<'a>(labels: &Value, objects: &'a [Value]) -> Vec<&'a Value> {
    let wanted = labels.as_object();
    let fits = |template: &&Value| {
        wanted.is_some_and(|wanted| {
            let has = &template["metadata"]["labels"];
            !wanted.is_empty() && wanted.iter().all(|(key, value)| &has[key] == value)
        })
    };
    let workloads = objects.iter().filter(|object| is_workload(object));
    workloads
        .map(|object| &object["spec"]["template"])
        .filter(fits)
        .collect()
}

/// Names of the ports of a pod's containers.
fn ports(template: &Value) -> BTreeSet<&str> {
    let containers = list(&template["spec"]["containers"]);
    containers
        .flat_map(|container| list(&container["ports"]))
        .filter_map(|port| port["name"].as_str())
        .collect()
}

fn has_port(pods: &[&Value], port: &Value) -> bool {
    port.as_str()
        .is_none_or(|port| pods.iter().any(|pod| ports(pod).contains(port)))
}

fn duplicates(objects: &[Value]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let names = objects.iter().map(name);
    let twice = names.filter(|name| !seen.insert(name.clone()));
    twice.map(|name| format!("{name}: there twice")).collect()
}

fn namespace(object: &Value, place: &Place) -> Vec<String> {
    if object["kind"] == "Namespace" {
        let injection = &object["metadata"]["labels"]["kuma.io/sidecar-injection"];
        let off = injection == "disabled";
        return if off {
            vec![]
        } else {
            vec!["sidecars are not switched off".to_owned()]
        };
    }
    let of_mesh = object["apiVersion"]
        .as_str()
        .is_some_and(|api| api.starts_with("kuma.io/"));
    let wanted = if of_mesh {
        &place.mesh_namespace
    } else {
        &place.namespace
    };
    let mut faults = Vec::new();
    if object["metadata"]["namespace"] != **wanted {
        faults.push(format!("is not in namespace {wanted}"));
    }
    if of_mesh && object["metadata"]["labels"]["kuma.io/mesh"].is_null() {
        faults.push("has no label kuma.io/mesh".to_owned());
    }
    faults
}

fn service(object: &Value, objects: &[Value]) -> Vec<String> {
    let spec = &object["spec"];
    let mut faults = Vec::new();
    let mut word = |key: &str, known: &[&str]| {
        if let Some(value) = spec[key].as_str()
            && !known.contains(&value)
        {
            faults.push(format!("{key} {value} does not exist"));
        }
    };
    word(
        "trafficDistribution",
        &["PreferSameNode", "PreferSameZone", "PreferClose"],
    );
    word("internalTrafficPolicy", &["Local", "Cluster"]);
    word("type", &["ClusterIP", "NodePort", "LoadBalancer"]);
    if spec["internalTrafficPolicy"] == "Local" && !spec["trafficDistribution"].is_null() {
        faults.push(
            "internalTrafficPolicy Local leaves trafficDistribution nothing to choose from"
                .to_owned(),
        );
    }
    let pods = selected(&spec["selector"], objects);
    if pods.is_empty() {
        faults.push("selects no pod".to_owned());
    }
    for port in list(&spec["ports"]).filter(|port| !has_port(&pods, &port["targetPort"])) {
        faults.push(format!("no pod has port {}", port["targetPort"]));
    }
    faults
}

fn budget(object: &Value, objects: &[Value]) -> Vec<String> {
    let spec = &object["spec"];
    let mut faults = Vec::new();
    if spec["minAvailable"].is_null() == spec["maxUnavailable"].is_null() {
        faults.push("needs one of minAvailable and maxUnavailable".to_owned());
    }
    if selected(&spec["selector"]["matchLabels"], objects).is_empty() {
        faults.push("selects no pod".to_owned());
    }
    faults
}

/// Ports of ingress are ours; those of egress are of the pods that it leads to, if these are ours too.
fn network_policy(object: &Value, objects: &[Value]) -> Vec<String> {
    let spec = &object["spec"];
    let own = selected(&spec["podSelector"]["matchLabels"], objects);
    let mut faults = Vec::new();
    if own.is_empty() {
        faults.push("selects no pod".to_owned());
    }
    if list(&spec["policyTypes"]).count() != 2 {
        faults.push("leaves one direction open".to_owned());
    }
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in list(&spec[direction]) {
            let selectors = list(&rule[peers]).filter(|peer| peer["namespaceSelector"].is_null());
            let mut reached = own.clone();
            for peer in selectors
                .map(|peer| &peer["podSelector"]["matchLabels"])
                .filter(|labels| !labels.is_null())
            {
                let pods = selected(peer, objects);
                if pods.is_empty() {
                    faults.push(format!("{direction} names pods that do not exist: {peer}"));
                }
                if direction == "egress" {
                    reached = pods;
                }
            }
            for port in list(&rule["ports"]).filter(|port| !has_port(&reached, &port["port"])) {
                faults.push(format!("{direction}: no pod has port {}", port["port"]));
            }
        }
    }
    faults
}

fn autoscaler(object: &Value, objects: &[Value]) -> Vec<String> {
    let target = &object["spec"]["scaleTargetRef"];
    let found = objects.iter().find(|other| {
        other["kind"] == target["kind"] && other["metadata"]["name"] == target["name"]
    });
    match found {
        None => vec!["scales what does not exist".to_owned()],
        Some(found) if !found["spec"]["replicas"].is_null() => {
            vec!["each upgrade undoes it: its target has replicas".to_owned()]
        }
        Some(_) => vec![],
    }
}

/// Who makes a Secret that nobody has, or for a name that nobody is called by, makes it for nothing.
fn certificate(object: &Value, objects: &[Value]) -> Vec<String> {
    let spec = &object["spec"];
    let mut faults = Vec::new();
    let has = |workload: &&Value| {
        let mut volumes = list(&workload["spec"]["template"]["spec"]["volumes"]);
        volumes.any(|volume| volume["secret"]["secretName"] == spec["secretName"])
    };
    let workloads = objects.iter().filter(|object| is_workload(object));
    let pods: Vec<_> = workloads
        .filter(has)
        .map(|workload| &workload["spec"]["template"])
        .collect();
    if pods.is_empty() {
        faults.push(format!("no pod has the Secret {}", spec["secretName"]));
    }
    for host in list(&spec["dnsNames"]) {
        let leads = |service: &&Value| {
            let [name, namespace] = ["name", "namespace"].map(|key| {
                let part = &service["metadata"][key];
                part.as_str().unwrap_or_default()
            });
            *host == format!("{name}.{namespace}.svc.cluster.local")
                && selected(&service["spec"]["selector"], objects) == pods
        };
        let mut services = objects.iter().filter(|object| object["kind"] == "Service");
        if !services.any(|service| leads(&service)) {
            faults.push(format!("no Service leads from {host} to its pods"));
        }
    }
    for usage in ["server auth", "client auth"] {
        if !list(&spec["usages"]).any(|known| known == usage) {
            faults.push(format!("is not for {usage}"));
        }
    }
    faults
}

fn pod_monitor(object: &Value, objects: &[Value]) -> Vec<String> {
    let pods = selected(&object["spec"]["selector"]["matchLabels"], objects);
    let endpoints = list(&object["spec"]["podMetricsEndpoints"]);
    let missing =
        endpoints.filter(|endpoint| pods.is_empty() || !has_port(&pods, &endpoint["port"]));
    missing
        .map(|endpoint| format!("no pod has port {}", endpoint["port"]))
        .collect()
}

fn service_monitor(object: &Value, objects: &[Value]) -> Vec<String> {
    let wanted = object["spec"]["selector"]["matchLabels"].as_object();
    let services: Vec<_> = objects
        .iter()
        .filter(|other| other["kind"] == "Service")
        .filter(|service| {
            let has = &service["metadata"]["labels"];
            wanted.is_some_and(|wanted| wanted.iter().all(|(key, value)| &has[key] == value))
        })
        .collect();
    let has = |endpoint: &&Value| {
        let mut ports = services
            .iter()
            .flat_map(|service| list(&service["spec"]["ports"]));
        ports.any(|port| port["name"] == endpoint["port"])
    };
    let endpoints = list(&object["spec"]["endpoints"]);
    let missing = endpoints.filter(|endpoint| !has(endpoint));
    missing
        .map(|endpoint| format!("no Service has port {}", endpoint["port"]))
        .collect()
}

/// References to backends by labels, which must meet one, or sidecars send nothing and say nothing.
fn backend_references(object: &Value, objects: &[Value]) -> Vec<String> {
    let spec = &object["spec"];
    let defaults = list(&spec["rules"])
        .map(|rule| &rule["default"])
        .chain([&spec["default"]]);
    let references = defaults
        .flat_map(|default| list(&default["backends"]))
        .map(|backend| &backend["openTelemetry"]["backendRef"])
        .filter(|reference| !reference.is_null());
    let meets = |reference: &&Value| {
        let wanted = reference["labels"].as_object();
        objects.iter().any(|other| {
            let has = &other["metadata"]["labels"];
            other["kind"] == reference["kind"]
                && wanted.is_some_and(|wanted| wanted.iter().all(|(key, value)| &has[key] == value))
        })
    };
    references
        .filter(|reference| !meets(reference))
        .map(|reference| format!("no backend has {}", reference["labels"]))
        .collect()
}
