//! What the chart renders for a topology, read as kubelet and kube-proxy read it: what a pod starts with, when it is ready, how it ends, who gets connections.
//!
//! Times are a fifth of what is rendered. Of a pod's files only the places are others: what would be mounted is in folders of its own.

use super::authority;
use super::network::FABRIC;
use super::service::Policy;
use crate::deploy;
use crate::fail::{Outcome, bail};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// By how much seconds of the chart are shortened.
const SHORTER: u32 = 5;
/// Where the backend listens.
pub(super) const BACKEND: u16 = 4417;
/// Where what is rendered is left for the process in the network.
const OBJECTS: &str = "objects.json";
const SECRETS: &str = "secrets";

/// What the user brings.
fn config() -> String {
    let pipeline = "{receivers: [otlp], processors: [batch], exporters: [otlp]}";
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '0.0.0.0:4317'}}}}}}}}\n\
         processors: {{batch: {{send_batch_size: 500, timeout: 200ms}}}}\n\
         exporters: {{otlp: {{endpoint: '{FABRIC}:{BACKEND}', tls: {{insecure: true}}, compression: none, \
         retry_on_failure: {{initial_interval: 100ms, max_interval: 1s}}}}}}\n\
         service:\n  telemetry: {{logs: {{encoding: json}}}}\n  pipelines: {{traces: {pipeline}, metrics: {pipeline}, logs: {pipeline}}}\n\
         penstock: {{hop: {{resolve_interval: 1s}}}}\n"
    )
}

/// Renders a topology with these values of its own and the hop's TLS, and makes the Secrets that its pods need.
pub(super) fn render(folder: &Path, sets: &'static [&'static str]) -> Outcome {
    let path = folder.join("collector.yaml");
    fs::write(&path, config())?;
    let objects = deploy::objects_of(folder, &path, sets)?;
    authority::issue(&objects, &folder.join(SECRETS))?;
    Ok(fs::write(
        folder.join(OBJECTS),
        Value::from(objects).to_string(),
    )?)
}

pub(super) struct Chart {
    objects: Vec<Value>,
    folder: PathBuf,
}

/// What kubelet has to know of a pod.
pub(super) struct Spec {
    pub(super) binary: String,
    pub(super) words: Vec<String>,
    /// Path and port that say whether it is ready, and how often they are asked.
    pub(super) ready: (String, u16),
    pub(super) period: Duration,
    /// How long it sleeps before it is told to stop.
    pub(super) pre_stop: Duration,
    /// When it is killed, sleep included; not shortened.
    pub(super) grace: Duration,
}

impl Chart {
    pub(super) fn read(folder: &Path) -> Outcome<Self> {
        Ok(Self {
            objects: serde_json::from_slice(&fs::read(folder.join(OBJECTS))?)?,
            folder: folder.to_owned(),
        })
    }

    fn workload(&self, tier: &str) -> Outcome<&Value> {
        let has = |object: &&Value| {
            object["spec"]["template"]["metadata"]["labels"]["penstock.dev/tier"] == tier
        };
        let found = self.objects.iter().find(has);
        found.ok_or_else(|| format!("the chart renders no {tier}").into())
    }

    /// Who gets a connection to the Service, or to the port of a node.
    pub(super) fn policy(&self) -> Outcome<Policy> {
        let port =
            &self.workload("receiver")?["spec"]["template"]["spec"]["containers"][0]["ports"][0];
        if port["hostPort"].is_u64() {
            return Ok(Policy::HostPort);
        }
        let service = self.objects.iter().find(|object| {
            object["kind"] == "Service" && object["metadata"]["name"] == "otel-collector"
        });
        let Some(service) = service else {
            bail!("the chart renders no Service for senders")
        };
        let spec = &service["spec"];
        Ok(
            match (&spec["internalTrafficPolicy"], &spec["trafficDistribution"]) {
                (local, _) if local == "Local" => Policy::Local,
                (_, same) if same == "PreferSameNode" => Policy::PreferSameNode,
                _ => Policy::Cluster,
            },
        )
    }

    /// Whether a new receiver comes before the old one goes.
    pub(super) fn surges(&self) -> Outcome<bool> {
        let spec = &self.workload("receiver")?["spec"];
        let strategy = match spec["updateStrategy"] {
            Value::Null => &spec["strategy"],
            _ => &spec["updateStrategy"],
        };
        Ok(strategy["rollingUpdate"]["maxSurge"] == 1)
    }

    /// How long a new receiver must have been ready before a rollout goes on.
    pub(super) fn min_ready(&self) -> Outcome<Duration> {
        seconds(&self.workload("receiver")?["spec"]["minReadySeconds"])
    }

    /// The pod `name` of a tier, with the files that it would have, its log among them.
    pub(super) fn pod(&self, tier: &str, name: &str) -> Outcome<Spec> {
        let pod = &self.workload(tier)?["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let own = self.folder.join(name);
        fs::create_dir_all(&own)?;
        let mut mounts = Vec::new();
        for mount in list(&container["volumeMounts"]) {
            let mut volumes = list(&pod["volumes"]);
            let Some(volume) = volumes.find(|volume| volume["name"] == mount["name"]) else {
                bail!("{name} has no volume {}", mount["name"])
            };
            let place = match volume["secret"]["secretName"].as_str() {
                Some(secret) => self.folder.join(SECRETS).join(secret),
                None => own.join(text(&volume["name"])),
            };
            fs::create_dir_all(&place)?;
            mounts.push((text(&mount["mountPath"]).to_owned(), place));
        }
        // The longest first: one may begin like another.
        mounts.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        let placed = |text: &str| {
            mounts.iter().fold(text.to_owned(), |text, (path, place)| {
                text.replace(path, &place.to_string_lossy())
            })
        };
        let maps = self
            .objects
            .iter()
            .filter_map(|object| object["data"].as_object());
        for (file, content) in maps.flatten() {
            fs::write(own.join("config").join(file), placed(text(content)))?;
        }
        let probe = &container["readinessProbe"];
        let ports = list(&container["ports"]);
        let mut asked = ports.filter(|port| port["name"] == probe["httpGet"]["port"]);
        let port = asked.find_map(|port| port["containerPort"].as_u64());
        let image = text(&container["image"])
            .rsplit('/')
            .next()
            .unwrap_or_default();
        Ok(Spec {
            binary: image.split(':').next().unwrap_or_default().to_owned(),
            words: list(&container["args"])
                .map(|word| placed(text(word)))
                .collect(),
            ready: (
                text(&probe["httpGet"]["path"]).to_owned(),
                u16::try_from(port.unwrap_or_default())?,
            ),
            period: seconds(&probe["periodSeconds"])?,
            pre_stop: seconds(&container["lifecycle"]["preStop"]["sleep"]["seconds"])?,
            grace: seconds(&pod["terminationGracePeriodSeconds"])? * SHORTER,
        })
    }
}

fn seconds(value: &Value) -> Outcome<Duration> {
    match value.as_u64() {
        Some(seconds) => Ok(Duration::from_secs(seconds) / SHORTER),
        None => bail!("the chart says {value} where seconds should be"),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
