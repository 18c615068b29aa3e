//! Series as requests: cut by size, encoded, compressed.
//!
//! *Invariant:* no request is larger than the limit unless one series alone is; every series is in one request.

use crate::wire::{v1, v2};
use bytes::Bytes;
use penstock_exporter_series::{Exemplar, Family, Labels, Series};
use prost::Message;
use std::collections::HashMap;

/// What goes in one call.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) series: Vec<Series>,
}

/// Values in a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) samples: usize,
    pub(crate) histograms: usize,
    pub(crate) exemplars: usize,
}

impl Request {
    /// Cuts `series`, in order.
    pub(crate) fn cut(series: Vec<Series>, max_bytes: usize) -> Vec<Self> {
        let mut requests = Vec::new();
        let (mut run, mut bytes) = (Vec::new(), 0);
        for series in series {
            let more = series.bytes();
            if !run.is_empty() && bytes + more > max_bytes {
                let series = std::mem::take(&mut run);
                requests.push(Self { series });
                bytes = 0;
            }
            bytes += more;
            run.push(series);
        }
        if !run.is_empty() {
            requests.push(Self { series: run });
        }
        requests
    }

    /// Two smaller ones, or none when there is one series only.
    pub(crate) fn halves(mut self) -> Option<[Self; 2]> {
        if self.series.len() < 2 {
            return None;
        }
        let series = self.series.split_off(self.series.len() / 2);
        Some([self, Self { series }])
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for series in &self.series {
            counts.samples += series.samples.len();
            counts.histograms += series.histograms.len();
            counts.exemplars += series.exemplars.len();
        }
        counts
    }

    /// Version 1.0's message.
    pub(crate) fn version_1(&self, with_metadata: bool) -> v1::WriteRequest {
        let series = |series: &Series| v1::TimeSeries {
            labels: labels_1(&series.labels),
            samples: series.samples.clone(),
            exemplars: series.exemplars.iter().map(exemplar_1).collect(),
            histograms: series.histograms.clone(),
        };
        let mut metadata: Vec<v1::MetricMetadata> = Vec::new();
        if with_metadata {
            let families: HashMap<&str, &Family> = self
                .series
                .iter()
                .map(|series| (series.family.name.as_str(), &*series.family))
                .collect();
            metadata.extend(families.into_values().map(|family| v1::MetricMetadata {
                kind: family.kind as i32,
                metric_family_name: family.name.clone(),
                help: family.help.clone(),
                unit: family.unit.clone(),
            }));
        }
        v1::WriteRequest {
            timeseries: self.series.iter().map(series).collect(),
            metadata,
        }
    }

    /// Version 2.0's message.
    pub(crate) fn version_2(&self) -> v2::Request {
        let mut symbols = Symbols::new();
        let series = |series: &Series| v2::TimeSeries {
            labels_refs: symbols.labels(&series.labels),
            samples: series.samples.clone(),
            histograms: series.histograms.clone(),
            exemplars: series
                .exemplars
                .iter()
                .map(|exemplar| v2::Exemplar {
                    labels_refs: symbols.labels(&exemplar.labels),
                    value: exemplar.value,
                    timestamp: exemplar.millis,
                })
                .collect(),
            metadata: Some(v2::Metadata {
                kind: series.family.kind as i32,
                help_ref: symbols.of(&series.family.help),
                unit_ref: symbols.of(&series.family.unit),
            }),
            created_timestamp: series.created,
        };
        let timeseries = self.series.iter().map(series).collect();
        v2::Request {
            timeseries,
            symbols: symbols.list,
        }
    }

    /// The body of a call.
    pub(crate) fn body(&self, version_2: bool, with_metadata: bool) -> Result<Bytes, snap::Error> {
        let plain = if version_2 {
            self.version_2().encode_to_vec()
        } else {
            self.version_1(with_metadata).encode_to_vec()
        };
        snap::raw::Encoder::new()
            .compress_vec(&plain)
            .map(Bytes::from)
    }
}

fn labels_1(labels: &Labels) -> Vec<v1::Label> {
    let label = |(name, value): &(String, String)| v1::Label {
        name: name.clone(),
        value: value.clone(),
    };
    labels.iter().map(label).collect()
}

fn exemplar_1(exemplar: &Exemplar) -> v1::Exemplar {
    v1::Exemplar {
        labels: labels_1(&exemplar.labels),
        value: exemplar.value,
        timestamp: exemplar.millis,
    }
}

/// The strings of a request, each once; the first is the empty one.
struct Symbols {
    list: Vec<String>,
    known: HashMap<String, u32>,
}

impl Symbols {
    fn new() -> Self {
        Self {
            list: vec![String::new()],
            known: HashMap::from([(String::new(), 0)]),
        }
    }

    fn of(&mut self, text: &str) -> u32 {
        if let Some(index) = self.known.get(text) {
            return *index;
        }
        let index = u32::try_from(self.list.len()).unwrap_or_default();
        self.list.push(text.to_owned());
        self.known.insert(text.to_owned(), index);
        index
    }

    fn labels(&mut self, labels: &Labels) -> Vec<u32> {
        let pair = |(name, value): &(String, String)| [self.of(name), self.of(value)];
        labels.iter().flat_map(pair).collect()
    }
}
