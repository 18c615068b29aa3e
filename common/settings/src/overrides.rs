//! `PENSTOCK_…`: environment variables over the `penstock` section, through the `config` crate.
//!
//! `PENSTOCK_LOG__DIRECTORY` is `penstock.log.directory`: two underscores are a step down. In the place of an exporter's id
//! every character but letters and digits is an underscore, as in `PENSTOCK_EXPORTERS__OTLP_TEMPO__LISTEN`.
//!
//! *Invariant:* what Kubernetes sets for Services, be they named `penstock` or `penstock-receiver`, is none of ours and
//! never keeps a process from starting.

use crate::diagnostic::{Diagnostic, Kind};
use crate::environment::Environment;
use crate::raw::penstock::Penstock;
use crate::tree::{self, Budget, Entry, Node, Place, Scalar, Value};
use config::Source;
use std::sync::Arc;

#[cfg(test)]
mod tests;

const PREFIX: &str = "PENSTOCK";
const SECTION: &str = "penstock";

/// Lays the environment's settings on the tree.
pub(crate) fn apply(
    tree: &mut Node,
    environment: &Environment,
    budget: &mut Budget,
    found: &mut Vec<Diagnostic>,
) {
    if !matches!(tree.value, Value::Map(_)) {
        return;
    }
    let ours = environment
        .variables
        .iter()
        .filter(|(name, value)| !is_of_a_service(name, value));
    let variables = config::Environment::with_prefix(PREFIX)
        .prefix_separator("_")
        .separator("__")
        .ignore_empty(true)
        .source(Some(
            ours.map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        ));
    let Ok(variables) = variables.collect() else {
        return;
    };
    let mut variables: Vec<_> = variables.into_iter().collect();
    variables.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (key, value) in variables {
        let name = format!("{PREFIX}_{}", key.to_uppercase().replace('.', "__"));
        let place = Place::start_of(&format!("environment variable {name}"));
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        if let [only] = path.as_slice()
            && !is_key(only, &place)
        {
            let message = format!(
                "{name} is not a setting of the `penstock` section and has no effect{}",
                like(only, &place)
            );
            found.push(Diagnostic::at(
                Kind::Warning,
                &place,
                String::new(),
                message,
            ));
            continue;
        }
        if path.len() > tree::MAX_DEPTH / 2 {
            let message = format!("{name} is no setting of the `penstock` section");
            found.push(Diagnostic::at(Kind::Error, &place, String::new(), message));
            continue;
        }
        let path = named(path, tree);
        match content(&value.to_string(), &place, budget) {
            Ok(node) => put(tree, &path, node, &place),
            Err(message) => {
                let key = format!("{SECTION}.{}", path.join("."));
                found.push(Diagnostic::at(Kind::Error, &place, key, message));
            }
        }
    }
}

/// What Kubernetes and its forerunners tell of a Service in a pod's environment.
fn is_of_a_service(name: &str, value: &str) -> bool {
    let address = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    let of_a_port = || {
        name.split("_PORT_").skip(1).any(|rest| {
            let (number, protocol) = rest.split_once('_').unwrap_or((rest, ""));
            let protocol = protocol.split('_').next().unwrap_or_default();
            !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
                && ["TCP", "UDP", "SCTP"].contains(&protocol)
        })
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && address)
        || of_a_port()
}

/// What the section says of a key that stands in it alone.
fn only(key: &str, place: &Place) -> Result<Penstock, tree::ReadError> {
    let null = Node {
        place: place.clone(),
        value: Value::Null,
    };
    tree::read(&map(key.to_owned(), null, place))
}

fn is_key(key: &str, place: &Place) -> bool {
    only(key, place).is_ok()
}

/// The nearest keys that there are.
fn like(key: &str, place: &Place) -> String {
    let message = only(key, place).err().map(|error| error.message);
    let hint = message
        .as_deref()
        .and_then(|message| message.split_once(';'));
    hint.map_or_else(String::new, |(_, hint)| format!(";{hint}"))
}

/// The path with the id that an exporter has in the files.
fn named(mut path: Vec<String>, tree: &Node) -> Vec<String> {
    let plain = |id: &str| -> String {
        id.chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_lowercase()
                } else {
                    '_'
                }
            })
            .collect()
    };
    let [section, id, ..] = path.as_mut_slice() else {
        return path;
    };
    if section == "exporters" {
        let ours = tree
            .entry(SECTION)
            .and_then(|entry| entry.value.entry("exporters"));
        let declared = ours.into_iter().chain(tree.entry("exporters"));
        let mut ids = declared.flat_map(|entry| entry.value.entries());
        if let Some(known) = ids.find(|entry| plain(&entry.key) == plain(id)) {
            id.clone_from(&known.key);
        }
    }
    path
}

/// A variable's value: a list or map as YAML writes them in a line, or a single value taken as it is.
fn content(text: &str, place: &Place, budget: &mut Budget) -> Result<Node, String> {
    if text.starts_with(['[', '{']) {
        let mut faults = Vec::new();
        let parsed = tree::parse(&place.file, text, budget, &mut faults);
        return match (parsed, faults.pop()) {
            (_, Some(fault)) => Err(fault.message),
            (parsed, None) => parsed.ok_or_else(|| "is not valid YAML".to_owned()),
        };
    }
    budget.spend(1, text.len())?;
    let scalar = Scalar {
        text: text.to_owned(),
        plain: true,
    };
    Ok(Node {
        place: place.clone(),
        value: Value::Scalar(scalar),
    })
}

fn put(tree: &mut Node, path: &[String], node: Node, place: &Place) {
    let below = path
        .iter()
        .rev()
        .fold(node, |node, key| map(key.clone(), node, place));
    tree::merge(tree, map(SECTION.to_owned(), below, place));
}

fn map(key: String, value: Node, place: &Place) -> Node {
    let entry = Entry {
        key,
        place: place.clone(),
        value,
    };
    Node {
        place: place.clone(),
        value: Value::Map(vec![entry]),
    }
}

impl Place {
    /// The first character of a source.
    pub(crate) fn start_of(name: &str) -> Self {
        Self {
            file: Arc::from(name),
            line: 1,
            column: 1,
        }
    }
}
