//! Ways to find things in the settings.

use super::{ComponentId, Exporter, ExporterKind, Settings};
use penstock_otlp::Signal;

/// The file declares no such exporter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no exporter `{id}` in the configuration; declared: {declared}")]
pub struct UnknownExporter {
    /// What was asked for.
    pub id: String,
    /// What there is.
    pub declared: String,
}

/// The pipelines or the file do not have such a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no pipeline for {0}, so the receiver cannot serve it")]
pub struct UnservedSignal(pub Signal);

impl ExporterKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::OtlpGrpc,
        Self::OtlpHttp,
        Self::Debug,
        Self::File,
        Self::Prometheus,
        Self::PrometheusRemoteWrite,
    ];

    /// Its names: today's first, then the one that older files have.
    #[must_use]
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::OtlpGrpc => &["otlp_grpc", "otlp"],
            Self::OtlpHttp => &["otlp_http", "otlphttp"],
            Self::Debug => &["debug"],
            Self::File => &["file"],
            Self::Prometheus => &["prometheus"],
            Self::PrometheusRemoteWrite => &["prometheus_remote_write", "prometheusremotewrite"],
        }
    }

    /// The kind that a name stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.names().contains(&name))
    }
}

impl ComponentId {
    /// The part after the slash, if any: `tempo` of `otlp/tempo`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.split_once('/').map(|(_, name)| name)
    }

    /// The exporter kind that this id is of.
    #[must_use]
    pub fn exporter_kind(&self) -> Option<ExporterKind> {
        ExporterKind::from_name(self.kind())
    }

    /// Whether both name the same exporter, be it by the old or the new name of its kind.
    #[must_use]
    pub fn same_exporter(&self, other: &Self) -> bool {
        let kinds = (self.exporter_kind(), other.exporter_kind());
        self == other || (self.name() == other.name() && kinds.0.is_some() && kinds.0 == kinds.1)
    }
}

impl Exporter {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Option<ExporterKind> {
        self.id.exporter_kind()
    }
}

impl Settings {
    /// The exporter of that id, where `otlp/x` and `otlp_grpc/x` are the same.
    ///
    /// # Errors
    /// The file declares no such exporter; the error lists those that it does.
    pub fn exporter(&self, id: &str) -> Result<&Exporter, UnknownExporter> {
        let wanted = ComponentId(id.to_owned());
        self.exporters
            .values()
            .find(|exporter| exporter.id.same_exporter(&wanted))
            .ok_or_else(|| {
                let declared: Vec<_> = self.exporters.keys().map(|id| id.0.as_str()).collect();
                UnknownExporter {
                    id: id.to_owned(),
                    declared: declared.join(", "),
                }
            })
    }

    /// The signals that pipelines send to an exporter.
    #[must_use]
    pub fn signals_of(&self, id: &ComponentId) -> Vec<Signal> {
        Signal::ALL
            .into_iter()
            .filter(|signal| {
                self.pipelines.iter().any(|pipeline| {
                    pipeline.signal == *signal
                        && pipeline.exporters.iter().any(|exporter| exporter == id)
                })
            })
            .collect()
    }

    /// Narrows the receiver to some signals, as `--signals` does, and gives them the whole memory limit.
    ///
    /// # Errors
    /// One of them has no pipeline.
    pub fn serve(&mut self, signals: &[Signal]) -> Result<(), UnservedSignal> {
        for signal in signals {
            if !self
                .pipelines
                .iter()
                .any(|pipeline| pipeline.signal == *signal)
            {
                return Err(UnservedSignal(*signal));
            }
        }
        let served = |signal: &Signal| signals.contains(signal);
        self.penstock.signals = Signal::ALL.into_iter().filter(served).collect();
        self.penstock.memory.shares = shares(self.penstock.memory.shares, &self.penstock.signals);
        Ok(())
    }
}

/// Weights scaled so that those of the served signals sum to 1. A served signal without a weight counts as much as
/// the others do on average.
pub(crate) fn shares(weights: [f64; 3], served: &[Signal]) -> [f64; 3] {
    let positive: Vec<f64> = served
        .iter()
        .map(|signal| weights[signal.index()])
        .filter(|weight| *weight > 0.0)
        .collect();
    let average = if positive.is_empty() {
        1.0
    } else {
        positive.iter().sum::<f64>() / positive.len() as f64
    };
    let mut shares = [0.0; 3];
    for signal in served {
        let weight = weights[signal.index()];
        shares[signal.index()] = if weight > 0.0 { weight } else { average };
    }
    let sum: f64 = shares.iter().sum();
    if sum > 0.0 {
        shares.map(|share| share / sum)
    } else {
        shares
    }
}
