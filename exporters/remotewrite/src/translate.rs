//! From OTLP data points to series.
//!
//! *Invariant:* every data point is in a series or is counted as not expressible, with a reason; none is left out silently.
//!
//! Delta temporality cannot be expressed: the protocol has cumulative values only, and nothing is kept here to add up.

mod buckets;
mod labels;
mod names;
mod points;

#[cfg(test)]
mod tests;

use crate::series::{Collected, Family, Kind, Series};
use labels::{Target, scope_labels};
use names::{Naming, Shape};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Metric, ResourceMetrics, metric::Data,
};
use penstock_settings::RemoteWrite;
use points::Points;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a batch is translated to.
#[derive(Debug)]
pub(crate) struct Translated {
    pub(crate) series: Vec<Series>,
    /// Data points in all.
    pub(crate) points: usize,
    /// Data points that cannot be expressed, by reason.
    pub(crate) refused: BTreeMap<&'static str, usize>,
}

/// Translates requests by one exporter's settings.
#[derive(Debug)]
pub(crate) struct Translator {
    naming: Naming,
    external: Vec<(String, String)>,
    target_info: bool,
    resource_labels: bool,
    scope_labels: bool,
}

impl Translator {
    pub(crate) fn new(settings: &RemoteWrite) -> Self {
        let external = settings.external_labels.iter();
        Self {
            naming: Naming {
                namespace: settings.namespace.clone(),
                suffixes: settings.add_metric_suffixes,
            },
            external: external
                .map(|(name, value)| (names::label(name), value.clone()))
                .collect(),
            target_info: settings.target_info,
            resource_labels: settings.resource_labels,
            scope_labels: settings.scope_labels,
        }
    }

    pub(crate) fn translate(&self, request: ExportMetricsServiceRequest) -> Translated {
        let mut work = Work {
            collected: Collected::default(),
            points: 0,
            refused: BTreeMap::new(),
        };
        for resource in request.resource_metrics {
            self.resource(resource, &mut work);
        }
        Translated {
            series: work.collected.finish(),
            points: work.points,
            refused: work.refused,
        }
    }

    fn resource(&self, resource: ResourceMetrics, work: &mut Work) {
        let attributes = resource.resource.map(|resource| resource.attributes);
        let attributes = attributes.unwrap_or_default();
        let target = Target::new(&attributes);
        let first = work.points;
        let mut latest = 0;
        for scope in resource.scope_metrics {
            let mut common = self.external.clone();
            if self.resource_labels {
                common.extend(target.all.iter().cloned());
            }
            if self.scope_labels {
                common.extend(scope_labels(scope.scope.as_ref(), &scope.schema_url));
            }
            common.extend(target.identity.iter().cloned());
            for metric in scope.metrics {
                self.metric(metric, &common, work, &mut latest);
            }
        }
        // Without a point there is no time to give it, and without an identity nothing to join it to.
        let is_known = !target.identity.is_empty() && !target.others.is_empty();
        if self.target_info && is_known && work.points > first {
            let family = Arc::new(Family {
                name: self.info_name(),
                kind: Kind::Info,
                help: "Target metadata".to_owned(),
                unit: String::new(),
            });
            let mut labels = self.external.clone();
            labels.extend(target.others.iter().chain(&target.identity).cloned());
            labels.push(("__name__".to_owned(), family.name.clone()));
            let series = work.collected.of(labels, &family, work.points - 1);
            points::sample(series, 1.0, latest);
        }
    }

    fn info_name(&self) -> String {
        match self.naming.namespace.as_str() {
            "" => "target_info".to_owned(),
            namespace => format!("{namespace}_target_info"),
        }
    }

    fn metric(
        &self,
        metric: Metric,
        common: &[(String, String)],
        work: &mut Work,
        latest: &mut i64,
    ) {
        let Some(data) = metric.data else { return };
        let cumulative = AggregationTemporality::Cumulative as i32;
        let (shape, kind, expressible) = match &data {
            Data::Gauge(_) => (Shape::Gauge, Kind::Gauge, true),
            Data::Sum(sum) if sum.is_monotonic => {
                let expressible = sum.aggregation_temporality == cumulative;
                (Shape::Counter, Kind::Counter, expressible)
            }
            Data::Sum(sum) => {
                let expressible = sum.aggregation_temporality == cumulative;
                (Shape::Other, Kind::Gauge, expressible)
            }
            Data::Histogram(histogram) => {
                let expressible = histogram.aggregation_temporality == cumulative;
                (Shape::Other, Kind::Histogram, expressible)
            }
            Data::ExponentialHistogram(histogram) => {
                let expressible = histogram.aggregation_temporality == cumulative;
                (Shape::Other, Kind::Histogram, expressible)
            }
            Data::Summary(_) => (Shape::Other, Kind::Summary, true),
        };
        let family = Arc::new(Family {
            name: self.naming.metric(&metric.name, &metric.unit, shape),
            kind,
            help: metric.description,
            unit: metric.unit,
        });
        let reason = if !expressible {
            Some("not cumulative")
        } else if family.name.is_empty() {
            Some("no name")
        } else {
            None
        };
        let mut points = Points {
            work,
            family: &family,
            common,
            refuse: reason,
            latest,
        };
        match data {
            Data::Gauge(gauge) => points.numbers(gauge.data_points),
            Data::Sum(sum) => points.numbers(sum.data_points),
            Data::Histogram(histogram) => points.histograms(histogram.data_points),
            Data::ExponentialHistogram(histogram) => points.exponential(histogram.data_points),
            Data::Summary(summary) => points.summaries(summary.data_points),
        }
    }
}

/// A translation under way.
struct Work {
    collected: Collected,
    points: usize,
    refused: BTreeMap<&'static str, usize>,
}
