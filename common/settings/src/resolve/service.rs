//! `service`: pipelines that refer to what is declared, and telemetry.

use super::checks::not_declared;
use super::exporters::Exporters;
use super::extensions::Extensions;
use super::findings::{At, Findings};
use super::processors::{Limit, Processor};
use super::telemetry;
use crate::model::{Batch, ComponentId, OtlpReceiver, Pipeline, Telemetry};
use crate::raw::service as raw;
use crate::tree::instead;
use penstock_otlp::Signal;
use std::collections::{BTreeMap, BTreeSet};

/// What the file declares.
pub(crate) struct Declared<'a> {
    /// Receivers.
    pub(crate) receivers: &'a BTreeMap<ComponentId, Option<OtlpReceiver>>,
    /// Processors.
    pub(crate) processors: &'a BTreeMap<ComponentId, Option<Processor>>,
    /// Exporters.
    pub(crate) exporters: &'a Exporters,
    /// Extensions.
    pub(crate) extensions: &'a Extensions,
    /// Connectors, of which none is available.
    pub(crate) connectors: &'a BTreeSet<String>,
}

/// What the service section says.
#[derive(Debug, Default)]
pub(crate) struct Service {
    /// Pipelines in file order.
    pub(crate) pipelines: Vec<Pipeline>,
    /// The memory limiters that pipelines use, in file order.
    pub(crate) limits: Vec<Limit>,
    /// The processors that pipelines use.
    processors: BTreeSet<ComponentId>,
    /// `telemetry`.
    pub(crate) telemetry: Telemetry,
    /// `extensions`.
    pub(crate) extensions: Vec<String>,
    /// Where `telemetry` wants metrics to be scraped.
    pub(crate) metrics: Option<String>,
}

/// Reads the service section.
pub(crate) fn read(root: &At<'_>, declared: &Declared<'_>, findings: &mut Findings) -> Service {
    let mut service = Service::default();
    let Some(at) = root.child("service") else {
        findings.error(root, "service", "is missing; it names the pipelines");
        return service;
    };
    let Some(raw) = findings.read::<raw::Service>(&at, &[raw::NOTES]) else {
        return service;
    };
    for (name, element) in at.texts("extensions") {
        if !declared.extensions.ids().any(|id| id.0 == name) {
            not_declared(
                &element,
                "",
                "extension",
                name,
                declared.extensions.ids(),
                findings,
            );
        }
    }
    if raw.pipelines.is_none_or(|pipelines| pipelines.is_empty()) {
        findings.error(&at, "pipelines", "must have at least one pipeline");
    }
    for at in at.child("pipelines").iter().flat_map(At::children) {
        pipeline(&at, declared, &mut service, findings);
    }
    service.extensions = raw.extensions.unwrap_or_default();
    let telemetry = raw.telemetry.unwrap_or_default();
    service.telemetry.resource = telemetry.resource.unwrap_or_default();
    service.metrics = telemetry::metrics(&at, telemetry.metrics.unwrap_or_default(), findings);
    let logs = telemetry.logs.unwrap_or_default();
    if let Some(level) = logs.level {
        let level = match level {
            raw::Level::Debug => "debug",
            raw::Level::Info => "info",
            raw::Level::Warn => "warn",
            raw::Level::Error => "error",
        };
        level.clone_into(&mut service.telemetry.log_level);
    }
    service.telemetry.log_json = logs.encoding == Some(raw::LogEncoding::Json);
    if let Some(outputs) = logs.output_paths {
        if outputs.is_empty() || outputs.iter().any(String::is_empty) {
            let message = "must name `stderr`, `stdout` or files";
            findings.error(&at, "telemetry.logs.output_paths", message);
        }
        service.telemetry.log_outputs = outputs;
    }
    service.telemetry.log_fields = logs.initial_fields.unwrap_or_default();
    service
}

fn pipeline(at: &At<'_>, declared: &Declared<'_>, service: &mut Service, findings: &mut Findings) {
    let id = at.key();
    let kind = id.split('/').next().unwrap_or_default();
    let Some(signal) = Signal::from_name(kind) else {
        let message = match kind {
            "profiles" => "profiles are not available; remove the pipeline".to_owned(),
            _ => {
                let names = Signal::ALL.map(Signal::name);
                format!(
                    "a pipeline is named after its signal{}",
                    instead(kind, "allowed", &names)
                )
            }
        };
        findings.error(at, "", message);
        return;
    };
    let Some(raw) = findings.read::<raw::Pipeline>(at, &[]) else {
        return;
    };
    for (key, list) in [("receivers", &raw.receivers), ("exporters", &raw.exporters)] {
        if list.as_ref().is_none_or(Vec::is_empty) {
            findings.error(at, key, format!("must name at least one of the {key}"));
        }
    }
    for key in ["receivers", "processors", "exporters"] {
        let names = at.texts(key);
        for (index, (name, element)) in names.iter().enumerate() {
            if names[..index].iter().any(|(earlier, _)| earlier == name) {
                findings.error(element, "", format!("references `{name}` twice"));
            }
        }
    }
    let receivers = references(
        at,
        "receivers",
        "receiver",
        declared.receivers.keys(),
        declared.connectors,
        findings,
        ComponentId::eq,
    );
    let processors = references(
        at,
        "processors",
        "processor",
        declared.processors.keys(),
        declared.connectors,
        findings,
        ComponentId::eq,
    );
    let exporters = references(
        at,
        "exporters",
        "exporter",
        declared.exporters.keys(),
        declared.connectors,
        findings,
        ComponentId::same_exporter,
    );
    let mut batches = Vec::new();
    for id in processors {
        match declared.processors.get(&id) {
            Some(Some(Processor::Batch(batch))) => batches.push(batch.clone()),
            Some(Some(Processor::MemoryLimiter(limit))) => service.limits.push(*limit),
            _ => {}
        }
        service.processors.insert(id);
    }
    if batches.len() > 1 {
        findings.error(
            at,
            "processors",
            "a pipeline has at most one `batch` processor",
        );
    }
    let batch = batches.pop().unwrap_or_else(Batch::default);
    service.pipelines.push(Pipeline {
        id: id.to_owned(),
        signal,
        receivers,
        exporters,
        batch,
    });
}

/// The components that a pipeline's list refers to, under the ids that they are declared with.
fn references<'a>(
    at: &At<'_>,
    key: &str,
    class: &str,
    declared: impl Iterator<Item = &'a ComponentId> + Clone,
    connectors: &BTreeSet<String>,
    findings: &mut Findings,
    same: impl Fn(&ComponentId, &ComponentId) -> bool,
) -> Vec<ComponentId> {
    let mut found = Vec::new();
    for (name, element) in at.texts(key) {
        let wanted = ComponentId(name.to_owned());
        match declared.clone().find(|id| same(id, &wanted)) {
            Some(id) => found.push(id.clone()),
            // What to do without it is told where it is declared.
            None if connectors.contains(name) => {}
            None => not_declared(&element, "", class, name, declared.clone(), findings),
        }
    }
    found
}

impl Declared<'_> {
    /// A component that no pipeline uses does nothing, which is rarely meant.
    pub(crate) fn warn_unused(&self, root: &At<'_>, service: &Service, findings: &mut Findings) {
        let pipelines = &service.pipelines;
        let receiver = |id: &ComponentId| {
            pipelines
                .iter()
                .any(|pipeline| pipeline.receivers.contains(id))
        };
        let exporter = |id: &ComponentId| {
            pipelines
                .iter()
                .any(|pipeline| pipeline.exporters.contains(id))
        };
        let processor = |id: &ComponentId| service.processors.contains(id);
        // What has errors has enough said about it.
        let unused = (present(self.receivers)
            .filter(|id| !receiver(id))
            .map(|id| ("receivers", id)))
        .chain(
            present(self.processors)
                .filter(|id| !processor(id))
                .map(|id| ("processors", id)),
        )
        .chain(
            present(self.exporters)
                .filter(|id| !exporter(id))
                .map(|id| ("exporters", id)),
        );
        for (section, id) in unused {
            if let Some(at) = root.child(section).and_then(|section| section.child(&id.0)) {
                findings.warn(&at, "", "is in no pipeline and so does nothing");
            }
        }
    }
}

/// The ids of components that could be read.
fn present<T>(components: &BTreeMap<ComponentId, Option<T>>) -> impl Iterator<Item = &ComponentId> {
    let read = components
        .iter()
        .filter(|(_, component)| component.is_some());
    read.map(|(id, _)| id)
}
