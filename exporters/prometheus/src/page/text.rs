//! Prometheus' text format, 0.0.4 and 1.0.0, and OpenMetrics 1.0.
//!
//! *Invariant:* what is written is what the Collector's client library writes of the same metric; there is no `_created`, as there is
//! none there.

use super::names::is_plain;
use super::{Format, Item, Page};
use crate::state::Kept;
use penstock_exporter_series::{Buckets, Exemplar, Kind, Quantiles, Value, go_float};
use std::fmt::Write;

/// The page. A String takes whatever is written.
pub(super) fn write(page: &Page<'_>) -> String {
    let open_metrics = page.way.format == Format::OpenMetrics;
    let mut writer = Writer {
        page,
        open_metrics,
        out: String::new(),
        name: "",
    };
    for group in &page.groups {
        let (name, kind) = head(&group.name, group.family.kind, open_metrics);
        let quoted = quoted(name, true);
        if !group.family.help.is_empty() {
            _ = write!(writer.out, "# HELP {quoted} ");
            // OpenMetrics has quotes escaped everywhere.
            escape(&mut writer.out, &group.family.help, open_metrics);
            writer.out.push('\n');
        }
        _ = writeln!(writer.out, "# TYPE {quoted} {kind}");
        writer.name = &group.name;
        for item in &group.items {
            writer.item(item);
        }
    }
    if open_metrics {
        writer.out.push_str("# EOF\n");
    }
    writer.out
}

/// What the metric is called where its type is said, and its type.
fn head(name: &str, kind: Kind, open_metrics: bool) -> (&str, &'static str) {
    match kind {
        Kind::Counter if open_metrics => match name.strip_suffix("_total") {
            Some(name) => (name, "counter"),
            // There it is no counter whose series are not called so.
            None => (name, "unknown"),
        },
        Kind::Counter => (name, "counter"),
        Kind::Gauge | Kind::Info => (name, "gauge"),
        Kind::Histogram => (name, "histogram"),
        Kind::Summary => (name, "summary"),
    }
}

/// All names that a metric has for itself.
pub(super) fn names(name: &str, kind: Kind, format: Format) -> Vec<String> {
    let open_metrics = format == Format::OpenMetrics;
    let (head, said) = head(name, kind, open_metrics);
    let suffixes: &[&str] = match (kind, open_metrics) {
        (Kind::Histogram, false) => &["", "_bucket", "_sum", "_count"],
        (Kind::Histogram, true) => &["", "_bucket", "_sum", "_count", "_created"],
        (Kind::Summary, false) => &["", "_sum", "_count"],
        (Kind::Summary, true) => &["", "_sum", "_count", "_created"],
        (Kind::Counter, true) if said == "counter" => &["", "_total", "_created"],
        _ => &[""],
    };
    let names = suffixes.iter();
    names.map(|suffix| format!("{head}{suffix}")).collect()
}

/// `name="value"`.
pub(super) fn label(name: &str, value: &str) -> String {
    let mut out = String::with_capacity(name.len() + value.len() + 3);
    out.push_str(&quoted(name, false));
    out.push_str("=\"");
    escape(&mut out, value, true);
    out.push('"');
    out
}

/// A name of other than the old characters stands in quotes.
fn quoted(name: &str, colons: bool) -> String {
    if is_plain(name, colons) {
        return name.to_owned();
    }
    let mut out = "\"".to_owned();
    escape(&mut out, name, true);
    out.push('"');
    out
}

fn escape(out: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

/// A value, or a bound as a label.
fn float(value: f64, open_metrics: bool) -> String {
    let mut text = go_float(value);
    // There a whole number of floating point shows that it is none of integers.
    if open_metrics && value.is_finite() && !text.contains(['.', 'e']) {
        text.push_str(".0");
    }
    text
}

struct Writer<'a> {
    page: &'a Page<'a>,
    open_metrics: bool,
    out: String,
    /// The metric that is written.
    name: &'a str,
}

impl Writer<'_> {
    fn item(&mut self, item: &Item<'_>) {
        match &item.kept.value {
            Value::Number(value) => {
                let value = float(*value, self.open_metrics);
                self.line(item, "", None, &value);
                let exemplar = item.kept.exemplars.last().filter(|_| self.counts());
                self.end(item.kept, exemplar);
            }
            Value::Buckets(buckets) => self.buckets(item, buckets),
            // Who does not know such buckets gets all in one.
            Value::Native(histogram) => {
                let buckets = Buckets {
                    count: histogram.count.unwrap_or_default(),
                    sum: Some(histogram.sum),
                    ..Buckets::default()
                };
                self.buckets(item, &buckets);
            }
            Value::Quantiles(quantiles) => self.quantiles(item, quantiles),
        }
    }

    /// Whether the metric is one that may have exemplars besides histograms.
    fn counts(&self) -> bool {
        self.name.ends_with("_total")
    }

    fn buckets(&mut self, item: &Item<'_>, buckets: &Buckets) {
        let exemplars = &item.kept.exemplars;
        let mut from = f64::NEG_INFINITY;
        for (le, count) in buckets.each() {
            let label = format!("le=\"{}\"", float(le, self.open_metrics));
            self.line(item, "_bucket", Some(&label), &count.to_string());
            let here = |exemplar: &&Exemplar| exemplar.value > from && exemplar.value <= le;
            self.end(item.kept, exemplars.iter().rev().find(here));
            from = le;
        }
        if let Some(sum) = buckets.sum {
            let sum = float(sum, self.open_metrics);
            self.line(item, "_sum", None, &sum);
            self.end(item.kept, None);
        }
        // OpenMetrics has both or none.
        if buckets.sum.is_some() || !self.open_metrics {
            self.line(item, "_count", None, &buckets.count.to_string());
            self.end(item.kept, None);
        }
    }

    fn quantiles(&mut self, item: &Item<'_>, quantiles: &Quantiles) {
        for (quantile, value) in &quantiles.values {
            let label = format!("quantile=\"{}\"", float(*quantile, self.open_metrics));
            let value = float(*value, self.open_metrics);
            self.line(item, "", Some(&label), &value);
            self.end(item.kept, None);
        }
        let sum = float(quantiles.sum, self.open_metrics);
        self.line(item, "_sum", None, &sum);
        self.end(item.kept, None);
        self.line(item, "_count", None, &quantiles.count.to_string());
        self.end(item.kept, None);
    }

    /// A line up to its value.
    fn line(&mut self, item: &Item<'_>, suffix: &str, extra: Option<&str>, value: &str) {
        let out = &mut self.out;
        let is_plain = is_plain(self.name, true);
        let mut between = "{";
        if is_plain {
            out.push_str(self.name);
            out.push_str(suffix);
        } else {
            // In quotes it stands among the labels.
            out.push_str("{\"");
            escape(out, self.name, true);
            out.push_str(suffix);
            out.push('"');
            between = ",";
        }
        let texts = &self.page.sheets[item.sheet].texts;
        let labels = item
            .labels
            .iter()
            .map(|label| texts[super::at(*label)].as_str());
        for label in labels.chain(extra) {
            out.push_str(between);
            out.push_str(label);
            between = ",";
        }
        if between == "," {
            out.push('}');
        }
        out.push(' ');
        out.push_str(value);
    }

    /// The rest of it.
    fn end(&mut self, kept: &Kept, exemplar: Option<&Exemplar>) {
        let out = &mut self.out;
        if self.page.way.timestamps && kept.millis > 0 {
            if self.open_metrics {
                _ = write!(out, " {}", seconds(kept.millis));
            } else {
                _ = write!(out, " {}", kept.millis);
            }
        }
        if let Some(exemplar) = exemplar.filter(|_| self.open_metrics) {
            out.push_str(" # {");
            for (i, (name, value)) in exemplar.labels.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                let name = self.page.way.escaping.label(name);
                out.push_str(&label(&name, value));
            }
            _ = write!(out, "}} {}", float(exemplar.value, true));
            if exemplar.millis > 0 {
                _ = write!(out, " {}", seconds(exemplar.millis));
            }
        }
        out.push('\n');
    }
}

/// With a fraction, of a time that is not before 1970.
fn seconds(millis: i64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}
