//! Examples of scaling by custom metrics, in `deploy/examples`: what they ask for exists, and is what the chart's autoscalers ask for.

use super::alerts::{list, text, yaml};
use super::expressions::{self, Expression};
use super::{RENDERED_FOR, TOPOLOGIES, judge, rendered_objects};
use crate::fail::{Outcome, bail};
use crate::sh;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

const KEDA: &str = "deploy/examples/keda.yaml";
const ADAPTER: &str = "deploy/examples/prometheus-adapter.yaml";
pub(super) const RECORDING: &str = "deploy/examples/recording-rules.yaml";

/// Everything that is wrong with them; `asked` are the objects of a case whose autoscalers ask for custom metrics.
pub(super) fn faults(folder: &Path, asked: &[Value]) -> Outcome<Vec<String>> {
    let (mut faults, mut expressions) = (Vec::new(), Vec::new());
    let [verdict] = &judge(
        RENDERED_FOR,
        TOPOLOGIES[0].mesh[0],
        &[sh::root().join(KEDA)],
    )?[..] else {
        bail!("{KEDA}: not one file");
    };
    faults.extend(verdict.faults.iter().cloned());
    let objects = rendered_objects("deployment")?;
    for scaled in &verdict.objects {
        let target = &scaled["spec"]["scaleTargetRef"]["name"];
        let is_target = |object: &Value| {
            object["kind"] == "Deployment" && object["metadata"]["name"] == *target
        };
        if !objects.iter().any(is_target) {
            faults.push(format!("{KEDA}: there is no Deployment {target}"));
        }
        for trigger in list(&scaled["spec"]["triggers"]) {
            expressions.push(expression(KEDA, &trigger["metadata"]["query"]));
        }
    }
    let recording = yaml(RECORDING)?;
    let rules = list(&recording["groups"]).flat_map(|group| list(&group["rules"]));
    let mut recorded = BTreeSet::new();
    for rule in rules {
        recorded.insert(text(&rule["record"]).to_owned());
        expressions.push(expression(RECORDING, &rule["expr"]));
    }
    let adapter = yaml(ADAPTER)?;
    let mut offered = BTreeSet::new();
    for rule in list(&adapter["rules"]["custom"]).chain(list(&adapter["rules"]["external"])) {
        let series = &rule["seriesQuery"];
        let name = text(series).split('{').next().unwrap_or_default();
        if !recorded.contains(name) {
            expressions.push(expression(ADAPTER, series));
        }
        let told = rule["name"]["as"].as_str();
        offered.insert(told.unwrap_or(name).to_owned());
    }
    let (_, told) = expressions::check(folder, &expressions)?;
    faults.extend(told);
    for name in wanted(asked).difference(&offered) {
        faults.push(format!(
            "{ADAPTER} does not offer {name}, which an autoscaler of the chart asks for"
        ));
    }
    Ok(faults)
}

fn expression(file: &str, query: &Value) -> Expression {
    let (place, text) = (file.to_owned(), text(query).to_owned());
    Expression { place, text }
}

/// Custom and external metrics of the autoscalers.
fn wanted(objects: &[Value]) -> BTreeSet<String> {
    let metrics = objects
        .iter()
        .flat_map(|object| list(&object["spec"]["metrics"]));
    let names = metrics.flat_map(|metric| [&metric["pods"], &metric["external"]]);
    let names = names.filter_map(|source| source["metric"]["name"].as_str());
    names.map(str::to_owned).collect()
}
