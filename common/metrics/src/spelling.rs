//! The Collector has given its metrics several names over time; which of them `/metrics` has is a setting.
//!
//! *Invariant:* changes names and labels of `otelcol_*` metrics in a text that is complete, and no value.

use crate::otelcol;
use std::borrow::Cow;

#[cfg(test)]
mod tests;

/// Which names the Collector's metrics get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// `otelcol_exporter_sent_spans_total`: what a Collector with explicit readers has, as its Helm chart makes it.
    #[default]
    Total,
    /// `otelcol_exporter_sent_spans`: what a Collector's built-in reader has; also names of older versions.
    Legacy,
    /// Both, for the time of a change.
    Both,
}

/// How the Collector's metrics are spelled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spelling {
    /// Their names.
    pub names: Names,
    /// Labels that each series of theirs gets, as in `service_name="a",service_version="b"`; may be empty.
    pub labels: String,
}

impl Spelling {
    /// Changes a text of Prometheus' format.
    #[must_use]
    pub fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if *self == Self::default() {
            return Cow::Borrowed(text);
        }
        let mut spelled = String::with_capacity(text.len() * 2);
        let mut rest = text;
        while !rest.is_empty() {
            let family = family(rest);
            let (block, after) = rest.split_at(block(rest, family));
            self.family(family, block, &mut spelled);
            rest = after;
        }
        Cow::Owned(spelled)
    }

    fn family(&self, name: &str, block: &str, spelled: &mut String) {
        if !name.starts_with("otelcol_") {
            spelled.push_str(block);
            return;
        }
        let known = otelcol::all().find(|metric| metric.name == name);
        let legacy = known.map_or(&[][..], |metric| metric.legacy);
        if self.names != Names::Legacy || legacy.is_empty() {
            self.block(name, name, block, spelled);
        }
        if self.names != Names::Total {
            for legacy in legacy {
                self.block(name, legacy, block, spelled);
            }
        }
    }

    fn block(&self, name: &str, new: &str, block: &str, spelled: &mut String) {
        for line in block.split_inclusive('\n') {
            let (lead, series) = match line.find(name) {
                Some(at) if at == 0 || line.starts_with('#') => {
                    (&line[..at], &line[at + name.len()..])
                }
                _ => {
                    spelled.push_str(line);
                    continue;
                }
            };
            spelled.push_str(lead);
            spelled.push_str(new);
            if lead.is_empty() {
                self.series(series, spelled);
            } else {
                spelled.push_str(series);
            }
        }
    }

    /// The rest of a series after its family's name: a suffix, labels, the value.
    fn series(&self, series: &str, spelled: &mut String) {
        if self.labels.is_empty() {
            spelled.push_str(series);
        } else if let Some((suffix, labels)) = series.split_once('{') {
            spelled.extend([suffix, "{", &self.labels, ",", labels]);
        } else if let Some((suffix, value)) = series.split_once(' ') {
            spelled.extend([suffix, "{", &self.labels, "} ", value]);
        } else {
            spelled.push_str(series);
        }
    }
}

/// The family whose lines come first.
fn family(text: &str) -> &str {
    let mut words = text.split([' ', '{', '\n']);
    match words.next() {
        Some("#") => words.nth(1).unwrap_or_default(),
        Some(name) => name,
        None => "",
    }
}

/// Bytes up to the next family: its comments come before its series.
fn block(text: &str, family: &str) -> usize {
    let mut bytes = 0;
    let mut in_series = false;
    for line in text.split_inclusive('\n') {
        let comment = line.starts_with('#');
        let other = match comment {
            true => in_series || self::family(line) != family,
            false => !line.starts_with(family) && line != "\n",
        };
        if bytes > 0 && other {
            break;
        }
        in_series |= !comment;
        bytes += line.len();
    }
    bytes
}
