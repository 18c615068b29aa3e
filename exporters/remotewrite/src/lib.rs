//! Batches to a backend that takes Prometheus' remote write, 1.0 or 2.0.
//!
//! Series are spread over shards by their labels; a shard has one request in flight, so a series' values arrive in the order
//! in which its batches come. That they come in order is the receiver's part: all of a Resource comes to one replica, one
//! batch after the other.
//!
//! *Invariant:* a batch is delivered when the backend has said yes to each of its requests; what the backend will never take
//! is counted in data points. Keeps no queue: what fails comes again from the receiver's log.

mod request;
mod verdict;
mod wire;

#[cfg(test)]
mod tests;

pub use penstock_exporter_http::BuildError;

use bytes::Bytes;
use futures_util::future::{join_all, maybe_done};
use futures_util::poll;
use http::{HeaderValue, Method, Request as Head, Uri, header};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use penstock_exporter_harness::{ExportBatch, ExportError, Exported, Exporter};
use penstock_exporter_http::{Headers, Tls, Transport};
use penstock_exporter_series::{ResourceLabels, Series, Translated, Translation, Translator};
use penstock_otlp::Signal;
use penstock_settings::{Backend, RemoteWrite};
use penstock_tls::Watched;
use prost::Message;
use request::Request;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use verdict::{Verdict, judge};

const USER_AGENT: &str = concat!("penstock-exporter-remotewrite/", env!("CARGO_PKG_VERSION"));
/// Requests of a shard's part of a batch that are cut in two to find what a backend refuses: four or five of 10,000 series. All
/// of what is refused then counts as rejected.
const MOST_CUTS: usize = 64;
/// No limit of its own: the time that a batch may take at most.
const NO_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// An exporter to one remote write backend.
#[derive(Debug)]
pub struct RemoteWriteExporter {
    translator: Arc<Translator>,
    headers: Headers,
    tls: Tls,
    transport: Transport,
    head: Head<()>,
    /// Held while a batch takes its place at the shards: batches do not overtake each other.
    entrance: Mutex<()>,
    /// Held while a shard has a request in flight.
    shards: Vec<Mutex<()>>,
    max_batch_bytes: usize,
    version_2: bool,
    send_metadata: bool,
    timeout: Duration,
}

/// What became of some requests.
#[derive(Debug, Default)]
struct Fate {
    /// Data points of which something was rejected.
    points: BTreeSet<usize>,
    /// Values that were rejected, of which nobody says whose they are.
    values: usize,
    why: Option<String>,
    /// Some have to come again.
    again: Option<(Option<Duration>, String)>,
}

impl RemoteWriteExporter {
    /// Builds an exporter that gives each batch `timeout`; zero is no limit. Connects with the first batch.
    ///
    /// # Errors
    /// [`BuildError`] when the settings cannot work whatever the backend does.
    pub fn new(backend: &Backend, timeout: Duration) -> Result<Self, BuildError> {
        let Backend::RemoteWrite(settings) = backend else {
            return Err(BuildError::Kind("prometheusremotewrite"));
        };
        let uri: Uri = settings
            .endpoint
            .parse()
            .map_err(|error: http::uri::InvalidUri| BuildError::Endpoint {
                endpoint: settings.endpoint.clone(),
                what: error.to_string(),
            })?;
        let tls = Tls::new(&settings.tls);
        let transport = Transport::new(&uri, &tls, false)?;
        let mut head = Head::new(());
        *head.method_mut() = Method::POST;
        *head.uri_mut() = uri;
        Ok(Self {
            translator: Arc::new(Translator::new(&translation(settings))),
            headers: headers(settings)?,
            tls,
            transport,
            head,
            entrance: Mutex::new(()),
            shards: (0..settings.shards.max(1))
                .map(|_| Mutex::new(()))
                .collect(),
            max_batch_bytes: settings.max_batch_bytes,
            version_2: settings.version_2,
            send_metadata: settings.send_metadata,
            timeout: if timeout.is_zero() { NO_LIMIT } else { timeout },
        })
    }

    /// Sends what a shard has to send when it is its turn.
    async fn send_shard(
        &self,
        turn: impl Future<Output = Option<MutexGuard<'_, ()>>>,
        series: Vec<Series>,
        deadline: Instant,
    ) -> Fate {
        let mut fate = Fate::default();
        let _one_in_flight = turn.await;
        let mut left = Request::cut(series, self.max_batch_bytes);
        left.reverse();
        let mut cuts = 0;
        while let Some(request) = left.pop() {
            match self.send(&request, deadline).await {
                Verdict::Written => {}
                Verdict::Retry { after, reason } => {
                    fate.again = Some((after, reason));
                    // What comes after it may be of the same series.
                    break;
                }
                Verdict::TooLarge { reason } => match request.clone().halves() {
                    Some([front, back]) => left.extend([back, front]),
                    None => fate.reject(&request, None, reason),
                },
                Verdict::Mixed { reason } => match request.clone().halves() {
                    Some([front, back]) if cuts < MOST_CUTS => {
                        cuts += 1;
                        left.extend([back, front]);
                    }
                    _ => fate.reject(&request, None, reason),
                },
                Verdict::Rejected { values, reason } => fate.reject(&request, values, reason),
            }
        }
        fate
    }

    async fn translate(&self, body: Bytes) -> Result<Translated, ExportError> {
        let translator = Arc::clone(&self.translator);
        // Takes long, and must not hold up answers to other batches.
        let translated = spawn_blocking(move || {
            let request = ExportMetricsServiceRequest::decode(body)?;
            Ok(translator.translate(request))
        });
        let translated: Result<_, prost::DecodeError> =
            translated.await.map_err(|error| ExportError::Retry {
                after: None,
                reason: error.to_string(),
            })?;
        translated.map_err(|error| ExportError::Rejected {
            reason: error.to_string(),
        })
    }

    async fn send(&self, request: &Request, deadline: Instant) -> Verdict {
        let retry = |reason: String| Verdict::Retry {
            after: None,
            reason,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return retry("no time left for all requests of the batch".to_owned());
        }
        let body = match request.body(self.version_2, self.send_metadata) {
            Ok(body) => body,
            Err(error) => {
                return Verdict::TooLarge {
                    reason: error.to_string(),
                };
            }
        };
        let mut head = self.head.clone();
        *head.headers_mut() = self.headers.now();
        match self.transport.send(&head, &[body], left).await {
            Ok(answer) => judge(&answer, request.counts(), self.version_2),
            Err(error) => retry(error.to_string()),
        }
    }
}

impl Fate {
    fn reject(&mut self, request: &Request, values: Option<usize>, why: String) {
        match values {
            Some(values) => self.values += values,
            None => {
                let points = request.series.iter().flat_map(|series| &series.points);
                self.points.extend(points);
            }
        }
        self.why = Some(why);
    }

    fn join(mut self, other: Self) -> Self {
        self.points.extend(other.points);
        self.values += other.values;
        self.why = self.why.or(other.why);
        self.again = match (self.again, other.again) {
            // The longest pause serves all.
            (Some(one), Some(two)) => Some(if one.0 >= two.0 { one } else { two }),
            (one, two) => one.or(two),
        };
        self
    }
}

impl Exporter for RemoteWriteExporter {
    fn files(&self) -> Vec<Arc<dyn Watched>> {
        [self.tls.files(), self.headers.files()].concat()
    }

    async fn export(&self, batch: &ExportBatch) -> Result<Exported, ExportError> {
        let deadline = Instant::now() + self.timeout;
        if batch.signal != Signal::Metrics {
            let reason = format!("{} cannot be written to Prometheus", batch.signal);
            return Err(ExportError::Rejected { reason });
        }
        let entrance = self.entrance.lock().await;
        let translated = self.translate(batch.body()).await?;
        let mut shards: Vec<Vec<Series>> = self.shards.iter().map(|_| Vec::new()).collect();
        for series in translated.series() {
            let shard = series.shard(shards.len());
            shards[shard].push(series);
        }
        let mut sends = Vec::new();
        for (shard, series) in self.shards.iter().zip(shards) {
            if !series.is_empty() {
                let mut turn = Box::pin(maybe_done(shard.lock()));
                // Whoever waits for a lock is in its queue from the first poll on.
                let _in_the_queue = poll!(turn.as_mut());
                let turn = async move {
                    turn.as_mut().await;
                    turn.as_mut().take_output()
                };
                sends.push(self.send_shard(turn, series, deadline));
            }
        }
        drop(entrance);
        let fates = join_all(sends).await;
        let fate = fates.into_iter().fold(Fate::default(), Fate::join);
        if let Some((after, reason)) = fate.again {
            return Err(ExportError::Retry { after, reason });
        }
        let refused: usize = translated.refused.values().sum();
        let mut message: Vec<String> = translated
            .refused
            .iter()
            .map(|(reason, points)| format!("{points} data points: {reason}"))
            .collect();
        message.extend(fate.why);
        Ok(Exported {
            rejected: (refused + fate.points.len() + fate.values).min(translated.points),
            message: message.join("; "),
        })
    }
}

fn translation(settings: &RemoteWrite) -> Translation {
    Translation {
        namespace: settings.namespace.clone(),
        suffixes: settings.names.suffixes,
        utf8: settings.names.utf8,
        external_labels: settings.external_labels.clone(),
        target_info: settings.target_info,
        resource_labels: ResourceLabels {
            included: settings.resource_labels.included.clone(),
            excluded: settings.resource_labels.excluded.clone(),
        },
        scope_labels: settings.scope_labels,
        // Nothing is kept here to add them up.
        deltas: false,
    }
}

fn headers(settings: &RemoteWrite) -> Result<Headers, BuildError> {
    let mut all = Headers::new(&settings.headers, settings.credentials.as_ref())?;
    let headers = &mut all.fixed;
    let (kind, version) = if settings.version_2 {
        (
            "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            "2.0.0",
        )
    } else {
        ("application/x-protobuf", "0.1.0")
    };
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_ENCODING, "snappy"),
        (
            http::HeaderName::from_static("x-prometheus-remote-write-version"),
            version,
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::USER_AGENT)
        .or_insert(HeaderValue::from_static(USER_AGENT));
    Ok(all)
}
