//! From OTLP data points to series.
//!
//! *Invariant:* every data point is in a series or is counted as not expressible, with a reason; none is left out silently.
//!
//! Nothing is added up here: who cannot have deltas has them counted as not expressible, who can finds them marked.

mod buckets;
mod exemplars;
mod labels;
mod names;
mod points;

#[cfg(test)]
mod tests;

use crate::point::{Family, Kind, Labels, Point, Value};
use crate::series::Series;
use labels::{Labeller, Target, sorted};
use names::{Naming, Shape};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Metric, ResourceMetrics, metric::Data,
};
use points::Points;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub use labels::ResourceLabels;

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// What a batch is translated to.
#[derive(Debug)]
pub struct Translated {
    /// What can be expressed, in the order of the batch.
    pub list: Vec<Point>,
    /// Data points in all.
    pub points: usize,
    /// Data points that cannot be expressed, by reason.
    pub refused: BTreeMap<&'static str, usize>,
}

impl Translated {
    /// The series that the points are, each once.
    #[must_use]
    pub fn series(&self) -> Vec<Series> {
        Series::of(&self.list)
    }
}

/// How requests are translated.
#[derive(Clone, Debug)]
pub struct Translation {
    /// In front of every metric's name.
    pub namespace: String,
    /// Units and `_total` at the end of names.
    pub suffixes: bool,
    /// Names with whatever characters there are, instead of underscores.
    pub utf8: bool,
    /// On every series that has no label of that name.
    pub external_labels: Vec<(String, String)>,
    /// Whether there is a `target_info`.
    pub target_info: bool,
    /// Attributes of the Resource that are labels.
    pub resource_labels: ResourceLabels,
    /// `otel_scope_*` labels.
    pub scope_labels: bool,
    /// Whether delta temporality can be had.
    pub deltas: bool,
}

/// Translates requests in one way.
#[derive(Debug)]
pub struct Translator {
    naming: Naming,
    labeller: Labeller,
    external: Labels,
    target_info: bool,
    resource_labels: ResourceLabels,
    scope_labels: bool,
    deltas: bool,
}

impl Translator {
    /// A translator of that way.
    #[must_use]
    pub fn new(way: &Translation) -> Self {
        let external = way.external_labels.iter();
        Self {
            naming: Naming {
                namespace: way.namespace.clone(),
                suffixes: way.suffixes,
                utf8: way.utf8,
            },
            labeller: Labeller { utf8: way.utf8 },
            external: external
                .map(|(name, value)| (names::label(name.clone(), way.utf8), value.clone()))
                .collect(),
            target_info: way.target_info,
            resource_labels: way.resource_labels.clone(),
            scope_labels: way.scope_labels,
            deltas: way.deltas,
        }
    }

    /// All points of a request.
    #[must_use]
    pub fn translate(&self, request: ExportMetricsServiceRequest) -> Translated {
        let mut work = Work {
            list: Vec::new(),
            points: 0,
            refused: BTreeMap::new(),
        };
        for resource in request.resource_metrics {
            self.resource(resource, &mut work);
        }
        work.add_up();
        Translated {
            list: work.list,
            points: work.points,
            refused: work.refused,
        }
    }

    fn resource(&self, resource: ResourceMetrics, work: &mut Work) {
        let attributes = resource.resource.map(|resource| resource.attributes);
        let attributes = attributes.unwrap_or_default();
        let target = Target::new(&attributes, self.labeller, &self.resource_labels);
        let first = work.points;
        let mut latest = 0;
        for scope in resource.scope_metrics {
            let mut common = self.external.clone();
            common.extend(target.chosen.iter().cloned());
            if self.scope_labels {
                let labels = self.labeller.scope(scope.scope.as_ref(), &scope.schema_url);
                common.extend(labels);
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
            work.list.push(Point {
                family,
                labels: sorted(labels),
                value: Value::Number(1.0),
                ends: false,
                delta: false,
                millis: latest,
                created: 0,
                exemplars: Vec::new(),
                number: work.points - 1,
                more: 0,
            });
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
        let (shape, kind, temporality) = match &data {
            Data::Gauge(_) => (Shape::Gauge, Kind::Gauge, CUMULATIVE),
            Data::Sum(sum) if sum.is_monotonic => {
                (Shape::Counter, Kind::Counter, sum.aggregation_temporality)
            }
            Data::Sum(sum) => (Shape::Other, Kind::Gauge, sum.aggregation_temporality),
            Data::Histogram(histogram) => {
                let temporality = histogram.aggregation_temporality;
                (Shape::Other, Kind::Histogram, temporality)
            }
            Data::ExponentialHistogram(histogram) => {
                let temporality = histogram.aggregation_temporality;
                (Shape::Other, Kind::Histogram, temporality)
            }
            Data::Summary(_) => (Shape::Other, Kind::Summary, CUMULATIVE),
        };
        let delta = temporality == AggregationTemporality::Delta as i32;
        let expressible = temporality == CUMULATIVE || (delta && self.deltas);
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
            labeller: self.labeller,
            common,
            refuse: reason,
            delta,
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
    list: Vec<Point>,
    points: usize,
    refused: BTreeMap<&'static str, usize>,
}

impl Work {
    /// Attributes that become the same labels are two parts of one count, so what came in them at one time is added up.
    fn add_up(&mut self) {
        if !self.list.iter().any(|point| point.delta) {
            return;
        }
        let mut known: HashMap<(Arc<Family>, Labels, i64), usize> = HashMap::new();
        let mut list: Vec<Point> = Vec::with_capacity(self.list.len());
        for point in self.list.drain(..) {
            if !point.delta || point.ends {
                list.push(point);
                continue;
            }
            let key = (
                Arc::clone(&point.family),
                point.labels.clone(),
                point.millis,
            );
            let Some(sum) = known.get(&key).and_then(|index| list.get_mut(*index)) else {
                known.insert(key, list.len());
                list.push(point);
                continue;
            };
            if sum.value.add(&point.value).is_ok() {
                sum.more += 1 + point.more;
                sum.exemplars.extend(point.exemplars);
            } else {
                let reason = "other buckets at the same time";
                *self.refused.entry(reason).or_default() += 1;
            }
        }
        self.list = list;
    }
}
