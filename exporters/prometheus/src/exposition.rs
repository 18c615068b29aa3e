//! Prometheus' text format, 0.0.4.
//!
//! *Invariant:* each series once and each metric's series together, whatever comes in; one series that several Resources have
//! is merged and does not fail the scrape. A metric has the type and help that were seen first.

use crate::state::Kept;
use penstock_exporter_series::{Family, Kind, Labels};
use penstock_metrics::{Metric, Unit};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// `content-type` of the format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const SIBLING_UP: Metric = Metric::gauge(
    "penstock_exporter_sibling_up",
    Unit::One,
    &["sibling"],
    "Whether another replica of the exporter has told what it keeps: 0 means that its series are missing. On what is scraped, not on the admin address.",
);
/// All of ours on a page of others'.
pub(crate) const METRICS: &[Metric] = &[SIBLING_UP];

/// A page under way.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    families: BTreeMap<String, (Arc<Family>, BTreeMap<Labels, Kept>)>,
}

impl Exposition {
    /// Adds a series, or what another replica keeps of it.
    pub(crate) fn add(&mut self, labels: Labels, kept: Kept) {
        let name = kept.family.name.clone();
        let family = Arc::clone(&kept.family);
        let (_, series) = self
            .families
            .entry(name)
            .or_insert_with(|| (family, BTreeMap::new()));
        match series.entry(labels) {
            Entry::Occupied(mut known) => known.get_mut().merge(kept),
            Entry::Vacant(place) => _ = place.insert(kept),
        }
    }

    /// The page. A String takes whatever is written.
    pub(crate) fn text(&self, siblings: &[(String, bool)], timestamps: bool) -> String {
        let mut out = String::new();
        for (name, (family, series)) in &self.families {
            if !family.help.is_empty() {
                _ = writeln!(out, "# HELP {name} {}", escaped(&family.help, false));
            }
            _ = writeln!(out, "# TYPE {name} {}", kind(family.kind));
            for (labels, kept) in series {
                line(&mut out, labels, kept.value);
                if timestamps {
                    _ = write!(out, " {}", kept.millis);
                }
                out.push('\n');
            }
        }
        let name = SIBLING_UP.name;
        if !siblings.is_empty() {
            _ = writeln!(out, "# HELP {name} {}", SIBLING_UP.help);
            _ = writeln!(out, "# TYPE {name} gauge");
        }
        for (address, up) in siblings {
            _ = writeln!(
                out,
                "{name}{{sibling=\"{}\"}} {}",
                escaped(address, true),
                u8::from(*up)
            );
        }
        out
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge | Kind::Info => "gauge",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
    }
}

fn line(out: &mut String, labels: &Labels, value: f64) {
    let name = labels.iter().find(|(name, _)| name == "__name__");
    out.push_str(name.map_or("", |(_, name)| name));
    let mut between = '{';
    for (name, value) in labels.iter().filter(|(name, _)| name != "__name__") {
        _ = write!(out, "{between}{name}=\"{}\"", escaped(value, true));
        between = ',';
    }
    if between == ',' {
        out.push('}');
    }
    if value.is_infinite() {
        out.push_str(if value > 0.0 { " +Inf" } else { " -Inf" });
    } else {
        _ = write!(out, " {value}");
    }
}

fn escaped(text: &str, quoted: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quoted => out.push_str("\\\""),
            c => out.push(c),
        }
    }
    out
}
