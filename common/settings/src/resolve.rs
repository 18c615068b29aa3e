//! From the tree to validated settings: read each component strictly, check it, fill in defaults, connect pipelines.
//!
//! *Invariant:* pure; everything that is wrong is found in one go, and what is declared is checked whether it is used
//! or not.

use crate::diagnostic::Diagnostic;
use crate::environment::Environment;
use crate::model::{ComponentId, Exporter, Pipeline, Settings};
use crate::tree::{Node, Value, instead};
use findings::{At, Findings};
use std::collections::BTreeMap;

mod auth;
mod checks;
mod client_auth;
mod exporters;
mod extensions;
mod findings;
mod log;
mod penstock;
mod processors;
mod prometheus;
mod queue;
mod receivers;
mod remote_write;
mod service;
mod telemetry;
mod tls;
mod unavailable;

/// The sections of a file.
const SECTIONS: [&str; 7] = [
    "receivers",
    "processors",
    "exporters",
    "extensions",
    "connectors",
    "service",
    "penstock",
];

/// Makes settings of the tree, if nothing is wrong; says everything that was found, now and before.
pub(crate) fn resolve(
    tree: &Node,
    environment: &Environment,
    found: Vec<Diagnostic>,
) -> (Option<Settings>, Vec<Diagnostic>) {
    let mut findings = Findings::after(found);
    let settings = read(tree, environment, &mut findings);
    (findings.is_sound().then_some(settings), findings.found)
}

fn read(tree: &Node, environment: &Environment, findings: &mut Findings) -> Settings {
    let root = At::root(tree);
    for section in root.children() {
        if !SECTIONS.contains(&section.key()) {
            findings.error(
                &section,
                "",
                format!(
                    "unknown section{}",
                    instead(section.key(), "allowed", &SECTIONS)
                ),
            );
        }
    }
    let mut extensions = extensions::read(&section(&root, "extensions", findings), findings);
    let mut receivers = receivers::read(
        &section(&root, "receivers", findings),
        &mut extensions,
        findings,
    );
    let processors = processors::read(
        &section(&root, "processors", findings),
        environment,
        findings,
    );
    let mut exporters = exporters::read(
        &section(&root, "exporters", findings),
        &mut extensions,
        findings,
    );
    extensions.warn_unused(&root, findings);
    let connectors = section(&root, "connectors", findings);
    for connector in &connectors {
        findings.no_component(connector, unavailable::connector(connector.key()));
    }
    let connectors = connectors.iter().map(|at| at.key().to_owned()).collect();

    let declared = service::Declared {
        receivers: &receivers,
        processors: &processors,
        exporters: &exporters,
        extensions: &extensions,
        connectors: &connectors,
    };
    let service = service::read(&root, &declared, findings);
    if findings.is_sound() {
        declared.warn_unused(&root, &service, findings);
    }
    let penstock = penstock::read(
        &root,
        &service,
        &exporters,
        &mut extensions,
        environment,
        findings,
    );
    extensions.are_on(&root, &service.extensions, findings);
    exporters::check_signals(&root, &exporters, &service.pipelines, findings);
    tls::name_clients(&root, &mut receivers, penstock.client_names, findings);
    checks::hand_over(&root, &receivers, &penstock.settings, findings);
    checks::budget(&root, &receivers, &penstock.settings, findings);

    let mut pipelines: Vec<Pipeline> = service.pipelines;
    for pipeline in &mut pipelines {
        pipeline.batch.max_bytes = penstock.max_batch_bytes;
    }
    let used = |id: &ComponentId| {
        pipelines
            .iter()
            .any(|pipeline| pipeline.receivers.contains(id))
    };
    let receivers = receivers
        .into_iter()
        .filter(|(id, _)| used(id))
        .filter_map(present)
        .collect();
    for (id, hop) in penstock.hops {
        if let Some(Some(exporter)) = exporters.get_mut(&id) {
            exporter.hop = hop;
        }
    }
    let mut exporters: BTreeMap<ComponentId, Exporter> =
        exporters.into_iter().filter_map(present).collect();
    tls::together(&root, &exporters, &penstock.settings, findings);
    bound_batches(&mut exporters, penstock.max_batch_bytes);
    let health_checks = extensions.health_checks(&service.extensions);
    checks::listeners(
        &root,
        &receivers,
        &health_checks,
        &penstock.settings,
        findings,
    );
    Settings {
        health_checks,
        receivers,
        exporters,
        pipelines,
        telemetry: service.telemetry,
        penstock: penstock.settings,
        warnings: Vec::new(),
        notes: Vec::new(),
    }
}

/// An exporter's own batches have the bound of all, unless they are counted in bytes themselves.
fn bound_batches(exporters: &mut BTreeMap<ComponentId, Exporter>, max_bytes: usize) {
    let own = exporters
        .values_mut()
        .filter_map(|exporter| exporter.batch.as_mut());
    for batch in own.filter(|batch| batch.max_bytes == usize::MAX) {
        batch.max_bytes = max_bytes;
    }
}

/// A component that could be read; one that could not has left an error.
fn present<T>((id, component): (ComponentId, Option<T>)) -> Option<(ComponentId, T)> {
    component.map(|component| (id, component))
}

/// The components of a section, each with a valid id.
fn section<'t>(root: &At<'t>, name: &str, findings: &mut Findings) -> Vec<At<'t>> {
    let Some(section) = root.child(name) else {
        return Vec::new();
    };
    if !matches!(section.node().value, Value::Map(_) | Value::Null) {
        findings.error(
            &section,
            "",
            format!(
                "a map of components was expected, not {}",
                section.node().kind()
            ),
        );
    }
    section
        .children()
        .filter(|component| valid_id(component, findings))
        .collect()
}

/// `type` or `type/name`, as the Collector has it.
fn valid_id(component: &At<'_>, findings: &mut Findings) -> bool {
    let id = component.key();
    let (kind, name) = id
        .split_once('/')
        .map_or((id, None), |(kind, name)| (kind, Some(name)));
    let kind_valid = kind.starts_with(|first: char| first.is_ascii_alphabetic())
        && kind
            .chars()
            .all(|rest| rest.is_ascii_alphanumeric() || rest == '_')
        && kind.len() <= 63;
    let name_valid = name.is_none_or(|name| {
        !name.is_empty()
            && name.len() <= 1024
            && !name.chars().any(|c| c.is_whitespace() || c.is_control())
    });
    if !kind_valid || !name_valid {
        findings.error(
            component,
            "",
            "a component's id is `type` or `type/name`, as in `otlp/tempo`",
        );
    }
    kind_valid && name_valid
}
