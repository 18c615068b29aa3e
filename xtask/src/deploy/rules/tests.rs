//! Each rule is broken once in a set of objects that is sound otherwise.

use super::*;
use serde_json::json;

/// A set of objects without a fault.
fn sound() -> Vec<Value> {
    let labels = json!({"app": "receiver"});
    let monitored = json!({"name": "peers", "namespace": "here", "labels": labels});
    let meta = |name: &str| json!({"name": name, "namespace": "here"});
    let mesh = |name: &str| json!({"name": name, "namespace": "mesh", "labels": {"kuma.io/mesh": "default", "kuma.io/display-name": "b"}});
    let probe = json!({"httpGet": {"port": "admin"}});
    let workload = json!({"kind": "Deployment", "metadata": meta("receiver"), "spec": {
        "selector": {"matchLabels": labels},
        "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": {"metadata": {"labels": labels}, "spec": {
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 35,
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [{"name": "log"}, {"name": "hop", "secret": {"secretName": "hop"}}],
            "containers": [{
                "ports": [{"name": "otlp-grpc"}, {"name": "admin"}],
                "env": [{"name": "LEVEL", "value": "info"}],
                "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}},
                "startupProbe": probe, "readinessProbe": probe, "livenessProbe": probe,
                "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
                "volumeMounts": [{"name": "log"}],
            }],
        }},
    }});
    let reference =
        json!({"kind": "MeshOpenTelemetryBackend", "labels": {"kuma.io/display-name": "b"}});
    vec![
        json!({"kind": "ConfigMap", "metadata": meta("config"), "data": {"penstock.yaml": "penstock:\n  drain:\n    deadline: 25s\n"}}),
        workload,
        json!({"kind": "Service", "metadata": monitored, "spec": {"selector": labels, "ports": [{"name": "otlp", "targetPort": "otlp-grpc"}]}}),
        json!({"kind": "PodDisruptionBudget", "metadata": meta("receiver"), "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels}}}),
        json!({"kind": "NetworkPolicy", "metadata": meta("receiver"), "spec": {"podSelector": {"matchLabels": labels},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": labels}}], "ports": [{"port": "otlp-grpc"}]}],
            "egress": [{"ports": [{"port": 53}]}, {"to": [{"podSelector": {"matchLabels": labels}}], "ports": [{"port": "admin"}]}]}}),
        json!({"kind": "HorizontalPodAutoscaler", "metadata": meta("receiver"), "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "receiver"}}}),
        json!({"kind": "PodMonitor", "metadata": meta("all"), "spec": {"selector": {"matchLabels": labels}, "podMetricsEndpoints": [{"port": "admin"}]}}),
        json!({"kind": "ServiceMonitor", "metadata": meta("all"), "spec": {"selector": {"matchLabels": labels}, "endpoints": [{"port": "otlp"}]}}),
        json!({"apiVersion": "kuma.io/v1alpha1", "kind": "MeshOpenTelemetryBackend", "metadata": mesh("b"), "spec": {}}),
        json!({"apiVersion": "kuma.io/v1alpha1", "kind": "MeshMetric", "metadata": mesh("m"), "spec":
            {"default": {"backends": [{"openTelemetry": {"backendRef": reference}}]}}}),
        json!({"kind": "Certificate", "metadata": meta("hop"), "spec": {"secretName": "hop",
            "dnsNames": ["peers.here.svc.cluster.local"], "usages": ["server auth", "client auth"]}}),
        json!({"kind": "Namespace", "metadata": {"name": "here", "labels": {"kuma.io/sidecar-injection": "disabled"}}}),
    ]
}

fn told(objects: &[Value]) -> Vec<String> {
    faults(objects, &Place::new("here", "mesh"))
}

#[test]
fn a_sound_set_has_no_fault() {
    assert_eq!(told(&sound()), Vec::<String>::new());
}

/// Kind and pointer, what is put there, and what must be said of it. POD and CONTAINER stand for their places in a workload.
const BROKEN: &str = r#"
Service /metadata/namespace | "there" | not in namespace here
MeshMetric /metadata/namespace | "here" | not in namespace mesh
MeshMetric /metadata/labels | {} | no label kuma.io/mesh
Namespace /metadata/labels | {} | sidecars are not switched off
Service /spec/trafficDistribution | "Bogus" | trafficDistribution Bogus does not exist
Service /spec/internalTrafficPolicy | "Near" | internalTrafficPolicy Near does not exist
Service /spec/type | "Cluster" | type Cluster does not exist
Service /spec/selector | {"app": "nobody"} | selects no pod
Service /spec/ports/0/targetPort | "grpc" | no pod has port
PodDisruptionBudget /spec/minAvailable | 1 | needs one of
PodDisruptionBudget /spec/selector/matchLabels | {"app": "nobody"} | selects no pod
NetworkPolicy /spec/podSelector/matchLabels | {"app": "nobody"} | selects no pod
NetworkPolicy /spec/policyTypes | ["Ingress"] | leaves one direction open
NetworkPolicy /spec/ingress/0/ports/0/port | "grpc" | ingress: no pod has port
NetworkPolicy /spec/egress/1/ports/0/port | "hop" | egress: no pod has port
NetworkPolicy /spec/egress/1/to/0/podSelector/matchLabels | {"app": "nobody"} | names pods that do not exist
HorizontalPodAutoscaler /spec/scaleTargetRef/name | "nobody" | scales what does not exist
Deployment /spec/replicas | 2 | its target has replicas
PodMonitor /spec/selector/matchLabels | {"app": "nobody"} | no pod has port
PodMonitor /spec/podMetricsEndpoints/0/port | "metrics" | no pod has port
ServiceMonitor /spec/endpoints/0/port | "metrics" | no Service has port
Certificate /spec/secretName | "other" | no pod has the Secret
Certificate /spec/dnsNames/0 | "peers.there.svc.cluster.local" | no Service leads from
Certificate /spec/usages | ["server auth"] | is not for client auth
MeshOpenTelemetryBackend /metadata/labels/kuma.io~1display-name | "c" | no backend has
PodMonitor /kind | "Secret" | secrets are only referred to
ServiceMonitor /kind | "PodMonitor" | there twice
Deployment /spec/selector/matchLabels/app | "x" | does not select its own pods
Deployment POD/automountServiceAccountToken | true | has a token
Deployment POD/hostNetwork | true | network of its node
Deployment POD/securityContext/runAsNonRoot | false | may run as root
Deployment POD/securityContext/seccompProfile | {} | no seccomp profile
Deployment CONTAINER/securityContext/allowPrivilegeEscalation | true | may gain privileges
Deployment CONTAINER/securityContext/readOnlyRootFilesystem | false | may write to its root
Deployment CONTAINER/securityContext/capabilities | {} | keeps capabilities
Deployment CONTAINER/readinessProbe/httpGet/port | "health" | readinessProbe asks a port
Deployment CONTAINER/lifecycle | {"preStop": {"exec": {}}} | starts a program
Deployment CONTAINER/volumeMounts/0/name | "data" | there is no volume
Deployment CONTAINER/env/0/name | "API_TOKEN" | is written down
Deployment POD/terminationGracePeriodSeconds | 34 | is killed after 34 s
ConfigMap /data/penstock.yaml | "deadline: 60s" | 60 s of drain
Deployment /spec/strategy/rollingUpdate/maxUnavailable | 1 | before others are there
Deployment CONTAINER/ports/0/hostPort | 4317 | maxSurge must be 0
"#;

#[test]
fn each_rule_tells_of_what_breaks_it() {
    for row in BROKEN.lines().filter(|row| !row.is_empty()) {
        let [place, value, said] = row.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("not three columns: {row}");
        };
        let (kind, pointer) = place.split_once(' ').unwrap();
        let pointer = pointer
            .replace("POD", "/spec/template/spec")
            .replace("CONTAINER", "/spec/template/spec/containers/0");
        let value: Value = serde_json::from_str(value).unwrap();
        let mut objects = sound();
        let object = objects
            .iter_mut()
            .find(|object| object["kind"] == kind)
            .unwrap();
        let (above, key) = pointer.rsplit_once('/').unwrap();
        let key = key.replace("~1", "/");
        match object.pointer_mut(above).unwrap() {
            Value::Array(all) => all[key.parse::<usize>().unwrap()] = value,
            place => place[&key] = value,
        }
        let told = told(&objects);
        assert!(
            told.iter().any(|fault| fault.contains(said)),
            "{kind}{pointer}: {told:?}"
        );
    }
}

#[test]
fn node_local_and_preferring_the_node_exclude_each_other() {
    let mut objects = sound();
    let service = objects
        .iter_mut()
        .find(|object| object["kind"] == "Service")
        .unwrap();
    service["spec"]["internalTrafficPolicy"] = json!("Local");
    service["spec"]["trafficDistribution"] = json!("PreferSameNode");
    assert!(told(&objects)[0].contains("nothing to choose from"));
}
