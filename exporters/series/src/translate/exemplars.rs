//! Exemplars, within what Prometheus takes of one.

use super::labels::Labeller;
use crate::point::{Exemplar, Labels};
use opentelemetry_proto::tonic::metrics::v1 as otlp;
use std::fmt::Write;

/// Longest labels of an exemplar, in characters: Prometheus drops what is longer, and OpenMetrics forbids it.
const EXEMPLAR_RUNES: usize = 128;

/// Those with a value, in the order of time.
pub(super) fn exemplars(exemplars: &[otlp::Exemplar], labeller: Labeller) -> Vec<Exemplar> {
    let translated = exemplars.iter().filter_map(|exemplar| {
        #[expect(
            clippy::cast_precision_loss,
            reason = "Prometheus has floating point only"
        )]
        let value = match exemplar.value? {
            otlp::exemplar::Value::AsDouble(value) => value,
            otlp::exemplar::Value::AsInt(value) => value as f64,
        };
        Some(Exemplar {
            labels: labels(exemplar, labeller),
            value,
            millis: i64::try_from(exemplar.time_unix_nano / 1_000_000).unwrap_or(i64::MAX),
        })
    });
    let mut translated: Vec<_> = translated.collect();
    translated.sort_by_key(|exemplar| exemplar.millis);
    translated
}

/// Trace and span, and what was left out of the labels of the series where there is room for it.
fn labels(exemplar: &otlp::Exemplar, labeller: Labeller) -> Labels {
    let mut ids = Vec::new();
    for (name, id) in [
        ("trace_id", &exemplar.trace_id),
        ("span_id", &exemplar.span_id),
    ] {
        if !id.is_empty() {
            let mut text = String::new();
            id.iter().for_each(|byte| _ = write!(text, "{byte:02x}"));
            ids.push((name.to_owned(), text));
        }
    }
    let others = labeller
        .labels(exemplar.filtered_attributes.clone())
        .into_iter();
    let is_new = |name: &str| ids.iter().all(|(known, _)| known != name);
    let all: Labels = ids
        .iter()
        .cloned()
        .chain(others.filter(|(name, _)| is_new(name)))
        .collect();
    let runes = all
        .iter()
        .map(|(name, value)| name.chars().count() + value.chars().count());
    if runes.sum::<usize>() <= EXEMPLAR_RUNES {
        all
    } else {
        ids
    }
}
