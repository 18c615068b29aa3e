//! Images as podman runs them with what the chart gives pods: user, read-only root, no capabilities, seccomp, grace period.
//!
//! Each binary is packed from a static build of the profile `dev` and must become ready; a log record goes through the receiver to a backend
//! that is not ours; each container is asked to stop and must end with 0 within the pod's grace period. Does not show what the network of a
//! cluster does: containers are in that of this machine.

use super::tiers::{Sink, folder};
use crate::admin::{self, Ledger};
use crate::fail::{Outcome, bail};
use crate::image::{Build, Source};
use crate::podman::{Container, Podman};
use crate::process::wait_until;
use crate::{deploy, sh};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Exporters of the configuration, one for each binary, with their settings but for addresses.
const EXPORTERS: [(&str, &str); 5] = [
    ("otlp", "penstock-exporter-otlp"),
    ("debug", "penstock-exporter-debug"),
    ("file", "penstock-exporter-file"),
    ("prometheus", "penstock-exporter-prometheus"),
    ("prometheusremotewrite", "penstock-exporter-remotewrite"),
];
const RECEIVER: &str = "penstock-receiver";
/// Of the form that the backend writes down.
const BODY: &str = "rid-image-1-end";

pub(super) fn run() -> Outcome {
    let folder = folder("image")?;
    let Some(podman) = Podman::find(&folder)? else {
        return Ok(());
    };
    let source = Source::read(Build::Debug)?;
    let built = source.build(&sh::root(), &sh::target())?;
    let layouts = folder.join("layouts");
    fs::create_dir_all(&layouts)?;
    source.pack(&built, &layouts)?;
    source.check_sboms(&layouts)?;
    let binaries: Vec<_> = source
        .binaries()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let known =
        |name: &String| *name == RECEIVER || EXPORTERS.iter().any(|(_, known)| known == name);
    if let Some(other) = binaries.iter().find(|name| !known(name)) {
        bail!("no container of {other} is run here");
    }
    for name in &binaries {
        podman.pull(name, &layouts.join(name))?;
    }
    if !podman.can_run(RECEIVER)? {
        return Ok(());
    }
    exported(&folder, &podman)
}

/// A record from a sender to a backend, and the end of every container.
fn exported(folder: &Path, podman: &Podman) -> Outcome {
    let objects = deploy::rendered_objects("deployment")?;
    let security = |name: &str| Security::of(&objects, name);
    let sink = Sink::start(folder)?;
    let config = config(&sink.address, &Map::new());
    let settings = folder.join("exporters");
    written(&settings, &config)?;
    let mut exporters = Vec::new();
    let mut replicas = Map::new();
    for (id, binary) in EXPORTERS {
        let security = security("exporter")?;
        let data = folder.join(binary);
        fs::create_dir_all(&data)?;
        let mut container = Container::start(
            podman,
            binary,
            &security.flags,
            &[
                (&settings, "/etc/penstock:ro"),
                (&data, "/var/lib/penstock:U"),
            ],
            &[
                "--config=/etc/penstock/config.yaml",
                &format!("--exporter={id}"),
            ],
        )?;
        let told = container.ready("exporter ready")?;
        replicas.insert(id.to_owned(), json!([told["hop"]]));
        alive(&told)?;
        exporters.push((container, security));
    }
    let settings = folder.join("receiver");
    written(&settings, &self::config(&sink.address, &replicas))?;
    let log = folder.join("log");
    fs::create_dir_all(&log)?;
    let security = security("receiver")?;
    let mut receiver = Container::start(
        podman,
        RECEIVER,
        &security.flags,
        &[
            (&settings, "/etc/penstock:ro"),
            (&log, "/var/lib/penstock:U"),
        ],
        &["--config=/etc/penstock/config.yaml"],
    )?;
    let told = receiver.ready("receiver ready")?;
    alive(&told)?;
    sent(text(&told["http"]))?;
    wait_until("the record at the backend", || {
        let out = fs::read_to_string(&sink.out).unwrap_or_default();
        Ok(out.contains(BODY).then_some(()))
    })?;
    settled(text(&told["admin"]))?;
    ended(receiver, &security)?;
    for (exporter, security) in exporters {
        ended(exporter, &security)?;
    }
    sink.stop()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What probes ask.
fn alive(told: &Value) -> Outcome {
    for path in ["/livez", "/readyz"] {
        wait_until(path, || {
            let (status, _) = admin::get(text(&told["admin"]), path)?;
            Ok((status == 200).then_some(()))
        })?;
    }
    Ok(())
}

/// One log record, over HTTP.
fn sent(address: &str) -> Outcome {
    let records = json!([{"body": {"stringValue": BODY}}]);
    let request = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).to_string();
    let url = format!("http://{address}/v1/logs");
    let kind = "content-type: application/json";
    let words = [
        "-sS",
        "-f",
        "-H",
        kind,
        "-d",
        &request,
        "-o",
        "/dev/null",
        &url,
    ];
    sh::run("curl", words)
}

/// The law, with nothing held any more: each of the three exporters of logs has the record.
fn settled(admin: &str) -> Outcome {
    let ledger = wait_until("delivery to all", || {
        let ledger = Ledger::read(admin)?;
        Ok((ledger.sum("held", |_| true) == 0).then_some(ledger))
    })?;
    ledger.check_law()?;
    let delivered = ledger.sum("delivered", |line| line["signal"] == "logs");
    if (ledger.accepted("logs"), delivered) != (1, 3) {
        bail!("not delivered to all: {:?}", ledger.lines());
    }
    Ok(())
}

/// SIGTERM, and 0 within the grace period.
fn ended(container: Container, security: &Security) -> Outcome {
    let (name, start) = (container.name().to_owned(), Instant::now());
    let status = container.stop()?;
    if !status.success() || start.elapsed() > security.grace {
        bail!("{name} ended with {status} after {:?}", start.elapsed());
    }
    Ok(())
}

/// Settings, readable for all users.
fn written(folder: &Path, config: &Value) -> Outcome {
    fs::create_dir_all(folder)?;
    // JSON is YAML.
    Ok(fs::write(folder.join("config.yaml"), config.to_string())?)
}

fn config(backend: &str, replicas: &Map<String, Value>) -> Value {
    let ours = EXPORTERS.iter().map(|(id, _)| {
        // Exporters read it too, before anybody has an address.
        let replicas = replicas
            .get(*id)
            .cloned()
            .unwrap_or_else(|| json!(["127.0.0.1:1"]));
        let own = json!({"replicas": replicas, "listen": "127.0.0.1:0", "admin": "127.0.0.1:0"});
        ((*id).to_owned(), own)
    });
    json!({
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": "127.0.0.1:0"}, "http": {"endpoint": "127.0.0.1:0"}}}},
        "exporters": {
            "otlp": {"endpoint": backend, "tls": {"insecure": true}},
            "debug": {},
            "file": {"path": "/var/lib/penstock/out.jsonl"},
            "prometheus": {"endpoint": "127.0.0.1:0"},
            "prometheusremotewrite": {"endpoint": "http://127.0.0.1:9/api/v1/write"},
        },
        "service": {
            "telemetry": {"logs": {"encoding": "json"}},
            "pipelines": {
                "logs": {"receivers": ["otlp"], "exporters": ["otlp", "debug", "file"]},
                "metrics": {"receivers": ["otlp"], "exporters": ["prometheus", "prometheusremotewrite"]},
            },
        },
        "penstock": {
            "admin": {"endpoint": "127.0.0.1:0"},
            "log": {"directory": "/var/lib/penstock"},
            "exporters": ours.collect::<Map<_, _>>(),
        },
    })
}

/// What the chart's pods of a tier are held to, in podman's words.
struct Security {
    flags: Vec<String>,
    grace: Duration,
}

impl Security {
    fn of(objects: &[Value], container: &str) -> Outcome<Self> {
        let pods = objects
            .iter()
            .map(|object| &object["spec"]["template"]["spec"]);
        let mut pods = pods.filter(|pod| pod["containers"][0]["name"] == container);
        let Some(pod) = pods.next() else {
            bail!("no pod of the chart has a container {container}");
        };
        let (all, own) = (
            &pod["securityContext"],
            &pod["containers"][0]["securityContext"],
        );
        let mut flags = vec![format!("--user={}:{}", all["runAsUser"], all["runAsGroup"])];
        for (given, flag) in [
            (own["readOnlyRootFilesystem"] == true, "--read-only"),
            (
                own["readOnlyRootFilesystem"] == true,
                "--read-only-tmpfs=false",
            ),
            (
                own["capabilities"]["drop"] == json!(["ALL"]),
                "--cap-drop=all",
            ),
            (
                own["allowPrivilegeEscalation"] == false,
                "--security-opt=no-new-privileges",
            ),
        ] {
            if given {
                flags.push(flag.to_owned());
            }
        }
        let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap_or(30);
        Ok(Self {
            flags,
            grace: Duration::from_secs(grace),
        })
    }
}
