//! The Helm chart: manifests rendered from it, and everything about them that a machine can judge without a cluster.
//!
//! `check` renders each case with Helm 3 and 4 for every Kubernetes version, holds the objects to the schemas of that version
//! and of Kong Mesh, to the rules of [`rules`] that no schema has, and the configuration in them to the receiver itself. Alerts are
//! tested by promtool ([`alerts`]); they and [`dashboards`] name only metrics that there are ([`expressions`]).

mod alerts;
mod dashboards;
mod documented;
mod examples;
mod expressions;
mod images;
mod refused;
mod rules;
mod values;

use crate::fail::{Outcome, bail};
use crate::{process, sh, tools};
use rules::Place;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

const CHART: &str = "deploy/helm/penstock";
const RENDERED: &str = "deploy/rendered";
/// The configuration that a user brings: the how-to's.
const CONFIG: &str = "fixtures/config/how-to.yaml";
const EVERY_EXPORTER: &str = "fixtures/config/every-exporter.yaml";
const NAMESPACE: &str = "observability";
const MESH_NAMESPACE: &str = "kong-mesh-system";
const VERSIONS: [u32; 7] = [29, 30, 31, 32, 33, 34, 35];
/// Plain manifests are for this version: the first that has everything.
const RENDERED_FOR: u32 = 35;
/// The first Kubernetes version that prefers the same node.
const SAME_NODE: u32 = 34;
const GENERATIONS: [&str; 3] = ["kuma-2.13", "kuma-2.14", "kuma-3.0"];

/// What the chart is rendered with.
struct Case {
    name: &'static str,
    /// The first version that has what it needs.
    since: u32,
    /// `--set` of Helm.
    sets: &'static [&'static str],
    /// Generations of Kong Mesh that must take its policies.
    mesh: &'static [&'static str],
    /// A file of values with a configuration of its own.
    values: Option<&'static str>,
}

const BACKENDREF: &[&str] = &["kuma-2.14", "kuma-3.0"];
const INLINE: &[&str] = &["kuma-2.13", "kuma-2.14"];

const fn case(
    name: &'static str,
    since: u32,
    sets: &'static [&'static str],
    mesh: &'static [&'static str],
) -> Case {
    Case {
        name,
        since,
        sets,
        mesh,
        values: None,
    }
}

const TOPOLOGIES: [Case; 4] = [
    case("deployment", 29, &["topology=deployment"], BACKENDREF),
    case("daemonset", 29, &["topology=daemonset"], BACKENDREF),
    case(
        "node-local-prefer",
        SAME_NODE,
        &["topology=node-local-prefer"],
        BACKENDREF,
    ),
    case("hostport", 29, &["topology=hostport"], BACKENDREF),
];

const VARIANTS: [Case; 5] = [
    case("inline", 29, &["mesh.policies=inline"], INLINE),
    case(
        "external-service",
        29,
        &["mesh.policies=inline", "mesh.externalService=true"],
        INLINE,
    ),
    case(
        "per-signal",
        29,
        &[
            "receiver.perSignal=true",
            "receiver.autoscaling.enabled=true",
        ],
        BACKENDREF,
    ),
    case(
        "volume",
        29,
        &[
            "receiver.log.storage=volume",
            "receiver.autoscaling.enabled=true",
            "receiver.autoscaling.targetConnections=4000",
            "exporter.autoscaling.enabled=true",
            "exporter.autoscaling.customMetrics=true",
            "monitoring.podMonitor=true",
            "monitoring.serviceMonitor=true",
            "monitoring.prometheusRule=true",
            "monitoring.dashboards=true",
        ],
        BACKENDREF,
    ),
    case(
        "strictly-local",
        29,
        &[
            "topology=daemonset",
            "service.strictlyLocal=true",
            "exporter.autoscaling.external=true",
            "networkPolicy.enabled=false",
        ],
        BACKENDREF,
    ),
];

/// TLS between our own pods, in every topology, and towards senders. The version of Kubernetes makes no difference to it, so these are for one alone.
const SECURED: [Case; 6] = [
    case(
        "hop-deployment",
        RENDERED_FOR,
        &[ISSUER, "topology=deployment"],
        BACKENDREF,
    ),
    case(
        "hop-daemonset",
        RENDERED_FOR,
        &[ISSUER, "topology=daemonset", "service.strictlyLocal=true"],
        BACKENDREF,
    ),
    case(
        "hop-node-local-prefer",
        RENDERED_FOR,
        &[
            ISSUER,
            "topology=node-local-prefer",
            "receiver.perSignal=true",
        ],
        BACKENDREF,
    ),
    case(
        "hop-hostport",
        RENDERED_FOR,
        &[ISSUER, "topology=hostport"],
        BACKENDREF,
    ),
    case(
        "hop-secret",
        RENDERED_FOR,
        &["hop.tls.secretName=hop", "receiver.log.storage=volume"],
        BACKENDREF,
    ),
    Case {
        values: Some("deploy/examples/tls-values.yaml"),
        ..case("senders-tls", RENDERED_FOR, &[], BACKENDREF)
    },
];

const ISSUER: &str = "hop.tls.certManager.issuerRef.name=penstock";

/// What every case has, unless it says otherwise.
const COMMON: [&str; 2] = ["namespace.create=true", "mesh.policies=backendref"];

/// `deploy render`: writes the dashboards into the chart, and the plain manifests.
pub(crate) fn render() -> Outcome {
    dashboards::write()?;
    let helm = tools::helm(4)?;
    fs::create_dir_all(sh::root().join(RENDERED))?;
    for case in &TOPOLOGIES {
        let text = template(&helm, case, RENDERED_FOR)?;
        fs::write(rendered(case), text)?;
    }
    Ok(())
}

/// `deploy diff`: what `render` would change.
pub(crate) fn diff() -> Outcome {
    let helm = tools::helm(4)?;
    let folder = process::fresh_folder("deploy/diff")?;
    for case in &TOPOLOGIES {
        let file = folder.join(format!("{}.yaml", case.name));
        fs::write(file, template(&helm, case, RENDERED_FOR)?)?;
    }
    sh::run(
        "diff",
        [
            "-ru".as_ref(),
            sh::root().join(RENDERED).as_os_str(),
            folder.as_os_str(),
        ],
    )
}

/// `deploy check`: everything that can be judged here.
pub(crate) fn check() -> Outcome {
    let helms = [tools::helm(4)?, tools::helm(3)?];
    let folder = process::fresh_folder("deploy/check")?;
    let mut faults = values::faults(&sh::root().join(CHART))?;
    for helm in &helms {
        lint(helm)?;
    }
    faults.extend(stale(&helms[0])?);
    faults.extend(alerts::faults(&folder)?);
    faults.extend(dashboards::faults(&folder)?);
    faults.extend(images::faults(&helms[0], &folder)?);
    faults.extend(documented::faults(&helms[0])?);
    faults.extend(refused::faults(&helms[0], &folder)?);
    // The cores share the versions.
    let workers: Vec<_> = [0, 1]
        .map(|half| {
            let (helms, folder) = (helms.clone(), folder.clone());
            thread::spawn(move || {
                let mut faults = Vec::new();
                for version in VERSIONS.into_iter().filter(|version| version % 2 == half) {
                    faults.extend(check_version(&helms, &folder, version)?);
                }
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(faults)
            })
        })
        .into_iter()
        .collect();
    for worker in workers {
        match worker.join() {
            Ok(found) => faults.extend(found?),
            Err(_) => bail!("the check of a version panicked"),
        }
    }
    faults.extend(configuration(&folder)?);
    let asked = objects(&folder.join(format!("volume-1.{RENDERED_FOR}-helm-4.yaml")))?;
    faults.extend(examples::faults(&folder, &asked)?);
    if !faults.is_empty() {
        bail!("the chart has faults:\n  {}", faults.join("\n  "));
    }
    println!(
        "deploy check: {} cases, Helm 3 and 4, Kubernetes 1.{} to 1.{}: ok",
        TOPOLOGIES.len() + VARIANTS.len() + SECURED.len(),
        VERSIONS[0],
        RENDERED_FOR
    );
    Ok(())
}

/// All cases for one Kubernetes version.
fn check_version(helms: &[PathBuf; 2], folder: &Path, version: u32) -> Outcome<Vec<String>> {
    let mut faults = Vec::new();
    let secured = SECURED.iter().filter(|_| version == RENDERED_FOR);
    for case in TOPOLOGIES.iter().chain(&VARIANTS).chain(secured) {
        if version < case.since {
            if template(&helms[0], case, version).is_ok() {
                faults.push(format!(
                    "{} is rendered for 1.{version}, which cannot do it",
                    case.name
                ));
            }
            continue;
        }
        let mut texts = Vec::new();
        for (helm, name) in helms.iter().zip(["helm-4", "helm-3"]) {
            let file = folder.join(format!("{}-1.{version}-{name}.yaml", case.name));
            fs::write(&file, template(helm, case, version)?)?;
            texts.push(file);
        }
        // Kong Mesh's schemas know no version of Kubernetes: once is enough for those that this case is not made for.
        let generations = if version == RENDERED_FOR {
            &GENERATIONS[..]
        } else {
            &case.mesh[..1]
        };
        for &generation in generations {
            let told = judge(version, generation, &texts)?;
            let taken = told.iter().all(|verdict| verdict.faults.is_empty());
            let about = format!("{} on 1.{version}, {generation}", case.name);
            if case.mesh.contains(&generation) {
                let all = told.iter().flat_map(|verdict| &verdict.faults);
                faults.extend(all.map(|fault| format!("{about}: {fault}")));
            } else if taken {
                // The sets are different since each generation refuses the other's: a schema that takes all proves nothing.
                faults.push(format!("{about} is taken, but must be refused"));
            }
            if generation == generations[0] {
                let [new, old] = told.as_slice() else {
                    bail!("{about}: not two files");
                };
                if new.objects != old.objects {
                    faults.push(format!("{about}: Helm 3 and 4 differ"));
                }
                let found = rules::faults(&new.objects, &Place::new(NAMESPACE, MESH_NAMESPACE));
                faults.extend(found.into_iter().map(|fault| format!("{about}: {fault}")));
            }
        }
    }
    Ok(faults)
}

/// What the schemas say of a file.
struct Verdict {
    objects: Vec<Value>,
    faults: Vec<String>,
}

fn judge(version: u32, generation: &str, files: &[PathBuf]) -> Outcome<Vec<Verdict>> {
    let output = Command::new(tools::python()?)
        .arg("integration-tests/peers/manifests.py")
        .arg(format!("1.{version}"))
        .arg(format!(
            "deploy/schemas/{generation}.yaml,deploy/schemas/monitoring.yaml,deploy/schemas/cert-manager.yaml"
        ))
        .args(files)
        .current_dir(sh::root())
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        bail!("manifests.py: {}", String::from_utf8_lossy(&output.stderr));
    }
    let lines = String::from_utf8(output.stdout)?;
    let verdict = |line: &str| -> Outcome<Verdict> {
        let mut told: Value = serde_json::from_str(line)?;
        Ok(Verdict {
            objects: serde_json::from_value(told["objects"].take())?,
            faults: serde_json::from_value(told["faults"].take())?,
        })
    };
    lines.lines().map(verdict).collect()
}

/// The objects of a file in `deploy/rendered`.
pub(crate) fn rendered_objects(topology: &str) -> Outcome<Vec<Value>> {
    objects(&sh::root().join(RENDERED).join(format!("{topology}.yaml")))
}

/// What Helm makes of a configuration of its own, with these values.
pub(crate) fn objects_of(
    folder: &Path,
    config: &Path,
    sets: &'static [&'static str],
) -> Outcome<Vec<Value>> {
    let file = folder.join("rendered.yaml");
    let case = case("a test", RENDERED_FOR, sets, BACKENDREF);
    let text = template_with(
        &tools::helm(4)?,
        &config.to_string_lossy(),
        &case,
        RENDERED_FOR,
    )?;
    fs::write(&file, text)?;
    objects(&file)
}

/// The objects of a file.
fn objects(file: &Path) -> Outcome<Vec<Value>> {
    match judge(RENDERED_FOR, TOPOLOGIES[0].mesh[0], &[file.to_owned()])?.pop() {
        Some(verdict) => Ok(verdict.objects),
        None => bail!("{} has nothing", file.display()),
    }
}

/// Files of `deploy/rendered` that are not what the chart gives.
fn stale(helm: &Path) -> Outcome<Vec<String>> {
    let mut faults = Vec::new();
    for case in &TOPOLOGIES {
        let text = template(helm, case, RENDERED_FOR)?;
        if fs::read_to_string(rendered(case)).ok().as_ref() != Some(&text) {
            faults.push(format!(
                "{RENDERED}/{}.yaml is not what the chart gives: cargo xtask deploy render",
                case.name
            ));
        }
    }
    Ok(faults)
}

/// The configuration of each case, judged by the receiver that is to run with it.
fn configuration(folder: &Path) -> Outcome<Vec<String>> {
    let mut faults = Vec::new();
    for case in TOPOLOGIES.iter().chain(&VARIANTS).chain(&SECURED) {
        let file = folder.join(format!("{}-1.{RENDERED_FOR}-helm-4.yaml", case.name));
        let [verdict] = &judge(RENDERED_FOR, case.mesh[0], &[file])?[..] else {
            bail!("{}: not one file", case.name);
        };
        let Some(map) = verdict
            .objects
            .iter()
            .find(|thing| thing["data"]["penstock.yaml"].is_string())
        else {
            bail!("{} has no configuration", case.name);
        };
        let mut command = Command::new(process::binary_path("debug", "penstock-receiver"));
        command.arg("validate");
        for name in ["config.yaml", "penstock.yaml"] {
            let path = folder.join(format!("{}-{name}", case.name));
            fs::write(&path, map["data"][name].as_str().unwrap_or_default())?;
            command.arg("--config").arg(path);
        }
        let (status, text) = sh::logged(&mut command, &folder.join(format!("{}.log", case.name)))?;
        if !status.success() {
            faults.push(format!(
                "{}: the receiver refuses its configuration: {text}",
                case.name
            ));
        }
    }
    Ok(faults)
}

fn rendered(case: &Case) -> PathBuf {
    sh::root()
        .join(RENDERED)
        .join(format!("{}.yaml", case.name))
}

fn lint(helm: &Path) -> Outcome {
    let config = format!("config={CONFIG}");
    let words = ["lint", "--strict", "--quiet", CHART, "--set-file", &config];
    sh::run(&helm.to_string_lossy(), words)
}

/// What Helm gives for a case.
fn template(helm: &Path, case: &Case, version: u32) -> Outcome<String> {
    template_with(helm, CONFIG, case, version)
}

/// The same with another configuration.
fn template_with(helm: &Path, config: &str, case: &Case, version: u32) -> Outcome<String> {
    let mut command = Command::new(helm);
    command
        .args(["template", "penstock", CHART, "--namespace", NAMESPACE])
        .args(["--kube-version", &format!("1.{version}.0")]);
    match case.values {
        Some(values) => command.args(["--values", values]),
        None => command.args(["--set-file", &format!("config={config}")]),
    };
    for set in COMMON.iter().chain(case.sets) {
        command.args(["--set", set]);
    }
    let output = command
        .current_dir(sh::root())
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        bail!(
            "helm template, {}: {}",
            case.name,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}
