//! Metrics to be scraped by Prometheus, from any replica.
//!
//! Receivers hand each Resource to the replica that owns it, so that every series is kept once. `/metrics` of any replica is the
//! whole, gathered from all; `/metrics?local` is what this one keeps.
//!
//! *Invariant:* a batch is delivered when its values can be scraped; what cannot be shown is counted as rejected. Keeps no queue.

mod page;
mod scrape;
mod state;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use penstock_auth::{Auth, AuthFault};
use penstock_exporter_harness::{ExportBatch, ExportError, Exported, Exporter};
use penstock_exporter_series::{ResourceLabels, Translation, Translator};
use penstock_exporter_siblings::Replicas;
use penstock_metrics::Metric;
use penstock_metrics::page::Section;
use penstock_otlp::{Signal, resource};
use penstock_runtime::Tasks;
use penstock_settings::{Backend, Exporter as Settings, Hop, Prometheus};
use penstock_tls::{ServerSide, TlsFault, Watched};
use prost::Message;
use scrape::Scrape;
use state::{Limits, Refused, State};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Time to give all away when the process stops; the harness allows little more.
const HAND_OVER_LIMIT: Duration = Duration::from_millis(1500);
/// How often old series are looked for when no data comes.
const SWEEP: Duration = Duration::from_secs(10);

/// What is said of the exporter itself where it is scraped.
#[must_use]
pub fn metrics() -> Section {
    Section {
        title: "Scrape exporter",
        binary: "prometheus",
        about: "",
        metrics: METRICS,
    }
}

/// Of the process and of what is scraped.
const METRICS: &[Metric] = &[
    state::METRICS[0],
    state::METRICS[1],
    page::METRICS[0],
    page::METRICS[1],
    scrape::UNAUTHENTICATED,
];

/// Why the exporter cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings are another kind's.
    #[error("not a prometheus exporter")]
    Kind,
    /// `tls`, or `penstock.hop.tls`, cannot be used.
    #[error("{0}")]
    Tls(#[from] TlsFault),
    /// What says who may scrape cannot be used.
    #[error("{setting}: {fault}")]
    Auth {
        /// Dotted key.
        setting: String,
        /// Why not.
        fault: AuthFault,
    },
    /// Nobody could scrape it.
    #[error("cannot listen on {endpoint}: {error}")]
    Listen {
        /// As the file has it.
        endpoint: String,
        /// Why not.
        error: std::io::Error,
    },
}

/// An exporter that is scraped.
#[derive(Debug)]
pub struct PrometheusExporter {
    translator: Translator,
    state: Arc<State>,
    replicas: Arc<Replicas<State>>,
    /// Whether each Resource has one owner; else any replica keeps a part of it.
    claims: bool,
    /// Of what is scraped.
    tls: Option<Arc<ServerSide>>,
    /// Who may scrape.
    auth: Option<Arc<Auth>>,
}

impl PrometheusExporter {
    /// Starts to be scraped. Needs a runtime.
    ///
    /// # Errors
    /// [`StartError`]: settings that cannot work.
    pub fn start(exporter: &Settings, hop: &Hop) -> Result<Self, StartError> {
        let Backend::Prometheus(own) = &exporter.backend else {
            return Err(StartError::Kind);
        };
        let listen = |endpoint: &str| {
            let listener = TcpListener::bind(endpoint)?;
            listener.set_nonblocking(true)?;
            tokio::net::TcpListener::from_std(listener)
        };
        let listener = listen(&own.endpoint).map_err(|error| StartError::Listen {
            endpoint: own.endpoint.clone(),
            error,
        })?;
        let tls = own.tls.as_ref();
        let tls = tls.map(|tls| ServerSide::new(tls, &["http/1.1"]).map(Arc::new));
        let tls = tls.transpose()?;
        let auth = own.auth.as_ref().map(|auth| {
            let setting = format!("exporters.{}.auth", exporter.id);
            match Auth::new(&setting, auth) {
                Ok(auth) => Ok(Arc::new(auth)),
                Err(fault) => Err(StartError::Auth { setting, fault }),
            }
        });
        let auth = auth.transpose()?;
        let tasks = Tasks::new();
        let state = Arc::new(State::new(Limits {
            max_series: own.max_series,
            max_series_per_metric: own.max_series_per_metric,
            expiration: own.metric_expiration,
        }));
        let replicas = Replicas::new(Arc::clone(&state), exporter, hop, &tasks)?;
        let replicas = Arc::new(replicas);
        let swept = Arc::clone(&state);
        tasks.spawn("old series", async move {
            loop {
                sleep(SWEEP).await;
                swept.forget_old();
            }
        });
        let pages = Scrape::new(own, auth.clone(), &state, &replicas).pages();
        let pages = match tls.clone() {
            Some(tls) => scrape::secured(pages, tls),
            None => pages,
        };
        pages.serve(listener, &tasks);
        Ok(Self {
            translator: Translator::new(&translation(own)),
            state,
            replicas,
            claims: exporter.hop.affinity,
            tls,
            auth,
        })
    }

    fn take_in(&self, key: u64, resource: Bytes) -> Result<Refused, ExportError> {
        let request = ExportMetricsServiceRequest::decode(resource).map_err(|error| {
            let reason = error.to_string();
            ExportError::Rejected { reason }
        })?;
        let translated = self.translator.translate(request);
        let mut refused = translated.refused;
        for (reason, points) in self.state.apply(key, translated.list) {
            *refused.entry(reason).or_default() += points;
        }
        Ok(refused)
    }
}

fn translation(own: &Prometheus) -> Translation {
    Translation {
        namespace: own.namespace.clone(),
        suffixes: own.names.suffixes,
        utf8: own.names.utf8,
        external_labels: own.const_labels.clone(),
        target_info: true,
        resource_labels: ResourceLabels {
            included: own.resource_labels.included.clone(),
            excluded: own.resource_labels.excluded.clone(),
        },
        scope_labels: own.scope_labels,
        deltas: true,
    }
}

impl Exporter for PrometheusExporter {
    fn files(&self) -> Vec<Arc<dyn Watched>> {
        let tls = self.tls.clone().map(|tls| tls as Arc<dyn Watched>);
        let auth = self.auth.clone().map(|auth| auth as Arc<dyn Watched>);
        tls.into_iter().chain(auth).collect()
    }

    async fn export(&self, batch: &ExportBatch) -> Result<Exported, ExportError> {
        if batch.signal != Signal::Metrics {
            let reason = format!("{} cannot be shown to Prometheus", batch.signal);
            return Err(ExportError::Rejected { reason });
        }
        let body = batch.body();
        let resources = resource::keys(batch.signal, &body);
        if self.claims {
            let keys: Vec<u64> = resources.iter().map(|(key, _)| *key).collect();
            self.replicas.claim(&keys).await;
        }
        let mut refused = Refused::new();
        for (key, range) in resources {
            for (reason, points) in self.take_in(key, body.slice(range))? {
                *refused.entry(reason).or_default() += points;
            }
        }
        let message = refused
            .iter()
            .map(|(reason, points)| format!("{points} data points: {reason}"));
        Ok(Exported {
            rejected: refused.values().sum(),
            message: message.collect::<Vec<_>>().join("; "),
        })
    }

    async fn sibling(&self, name: &str, message: Bytes) -> Option<Bytes> {
        self.replicas.answer(name, &message)
    }

    async fn close(&self) {
        self.replicas.hand_over(HAND_OVER_LIMIT).await;
    }
}
