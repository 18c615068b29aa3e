//! What whoever scrapes asks for, and what it gets.
//!
//! *Invariant:* there is always an answer: the text format as it is.

use super::names::Escaping;
use penstock_otlp::compress::Encoding;

/// A format of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus' own, 0.0.4 or 1.0.0.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// `io.prometheus.client.MetricFamily`, each with its length before it.
    Protobuf,
}

/// A format with all that is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) format: Format,
    pub(crate) escaping: Escaping,
    pub(crate) content_type: String,
}

const TEXT: &str = "text/plain";
const OPEN_METRICS: &str = "application/openmetrics-text";
const PROTOBUF: &str = "application/vnd.google.protobuf";
const FAMILY: &str = "io.prometheus.client.MetricFamily";

/// One clause of an `Accept` or `Accept-Encoding`.
struct Clause<'a> {
    kind: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f32,
}

impl<'a> Clause<'a> {
    fn read(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let parameters = parts.filter_map(|part| {
            let (name, value) = part.split_once('=')?;
            Some((name.trim(), value.trim().trim_matches('"')))
        });
        let parameters: Vec<_> = parameters.collect();
        let quality = parameters.iter().find(|(name, _)| *name == "q");
        Self {
            kind,
            quality: quality.map_or(1.0, |(_, q)| q.parse().unwrap_or_default()),
            parameters,
        }
    }

    fn parameter(&self, wanted: &str) -> Option<&'a str> {
        let found = self.parameters.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| *value)
    }
}

/// Best first; what is not wanted is left out.
fn clauses(header: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<_> = header.split(',').map(Clause::read).collect();
    clauses.retain(|clause| clause.quality > 0.0);
    clauses.sort_by(|one, other| other.quality.total_cmp(&one.quality));
    clauses
}

impl Answer {
    /// By an `Accept`; OpenMetrics only where it may be.
    pub(crate) fn to(accept: &str, open_metrics: bool) -> Self {
        let clauses = clauses(accept);
        let mut answers = clauses
            .iter()
            .filter_map(|clause| Self::to_clause(clause, open_metrics));
        answers
            .next()
            .unwrap_or_else(|| Self::new(Format::Text, "0.0.4", None))
    }

    fn to_clause(clause: &Clause<'_>, open_metrics: bool) -> Option<Self> {
        let escaping = clause.parameter("escaping").and_then(Escaping::named);
        let version = clause.parameter("version");
        match (clause.kind, version) {
            (OPEN_METRICS, Some("1.0.0") | None) if open_metrics => {
                Some(Self::new(Format::OpenMetrics, "1.0.0", escaping))
            }
            (OPEN_METRICS, Some("0.0.1")) if open_metrics => {
                Some(Self::new(Format::OpenMetrics, "0.0.1", escaping))
            }
            (PROTOBUF, _)
                if clause.parameter("proto") == Some(FAMILY)
                    && clause.parameter("encoding") == Some("delimited") =>
            {
                Some(Self::new(Format::Protobuf, "", escaping))
            }
            (TEXT, Some("1.0.0")) => Some(Self::new(Format::Text, "1.0.0", escaping)),
            (TEXT, Some("0.0.4") | None) => Some(Self::new(Format::Text, "0.0.4", escaping)),
            _ => None,
        }
    }

    fn new(format: Format, version: &str, escaping: Option<Escaping>) -> Self {
        let kind = match format {
            Format::Text => format!("{TEXT}; version={version}; charset=utf-8"),
            Format::OpenMetrics => format!("{OPEN_METRICS}; version={version}; charset=utf-8"),
            Format::Protobuf => format!("{PROTOBUF}; proto={FAMILY}; encoding=delimited"),
        };
        let content_type = match escaping {
            Some(escaping) => format!("{kind}; escaping={}", escaping.name()),
            None => kind,
        };
        Self {
            format,
            escaping: escaping.unwrap_or(Escaping::Underscores),
            content_type,
        }
    }
}

/// By an `Accept-Encoding`: what it likes best of what we have, and of those the smallest.
pub(crate) fn encoding(accept: &str) -> Encoding {
    let clauses = clauses(accept);
    let liked = |(name, _): &(&str, Encoding)| {
        let mut named = clauses.iter();
        let found = named.find(|clause| clause.kind.eq_ignore_ascii_case(name));
        found.map_or(0.0, |clause| clause.quality)
    };
    let ours = [
        ("identity", Encoding::Identity),
        ("gzip", Encoding::Gzip),
        ("zstd", Encoding::Zstd),
    ];
    let best = ours.into_iter().filter(|one| liked(one) > 0.0);
    // Of those that are liked alike the last one.
    best.max_by(|one, other| liked(one).total_cmp(&liked(other)))
        .map_or(Encoding::Identity, |(_, encoding)| encoding)
}
