//! Batches of bytes, unseen, to a backend: 4 MiB less a little or 200 ms, as the receiver's defaults have it, by stock tonic.

use crate::Outcome;
use crate::stock::Raw;
use bytes::Bytes;
use http::uri::PathAndQuery;
use penstock_otlp::Signal;
use penstock_runtime::Tasks;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};

const BATCH: usize = (4 << 20) - (64 << 10);
const TIMEOUT: Duration = Duration::from_millis(200);
/// Batches in flight, and batches that wait, before calls are held.
const IN_FLIGHT: usize = 10;

type Batch = (Signal, Vec<u8>);

/// Where messages go.
pub(crate) struct Forward {
    open: Mutex<BTreeMap<Signal, Vec<u8>>>,
    full: mpsc::Sender<Batch>,
}

impl Forward {
    /// Starts the tasks that send.
    pub(crate) fn to(backend: &str) -> Outcome<Arc<Self>> {
        let channel = Endpoint::from_shared(format!("http://{backend}"))?.connect_lazy();
        let (full, batches) = mpsc::channel(IN_FLIGHT);
        let forward = Arc::new(Self {
            open: Mutex::default(),
            full,
        });
        let tasks = Tasks::new();
        tasks.spawn("forward", send_all(channel, batches, tasks.clone()));
        let flushed = Arc::clone(&forward);
        tasks.spawn("flush", async move {
            let mut ticks = tokio::time::interval(TIMEOUT);
            loop {
                ticks.tick().await;
                let open = std::mem::take(&mut *flushed.lock());
                for batch in open {
                    flushed.send(batch).await;
                }
            }
        });
        Ok(forward)
    }

    /// Copies a message into the batch.
    pub(crate) async fn take(&self, signal: Signal, message: &[u8]) {
        let full = {
            let mut open = self.lock();
            let batch = open.entry(signal).or_default();
            let full = batch.len() + message.len() > BATCH;
            let full = full.then(|| std::mem::take(batch));
            if batch.capacity() == 0 {
                batch.reserve_exact(BATCH);
            }
            batch.extend_from_slice(message);
            full
        };
        if let Some(full) = full {
            self.send((signal, full)).await;
        }
    }

    async fn send(&self, batch: Batch) {
        // Fails when the process ends.
        let _sent = self.full.send(batch).await.is_ok();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Signal, Vec<u8>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn send_all(channel: Channel, mut batches: mpsc::Receiver<Batch>, tasks: Tasks) {
    let places = Arc::new(Semaphore::new(IN_FLIGHT));
    while let Some((signal, batch)) = batches.recv().await {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let mut client = Grpc::new(channel.clone());
        tasks.spawn("batch", async move {
            let path = PathAndQuery::from_static(signal.grpc_path());
            let request = tonic::Request::new(Bytes::from(batch));
            let sent = async {
                client.ready().await.map_err(|error| error.to_string())?;
                let answer = client.unary(request, path, Raw).await;
                answer.map_err(|status| status.to_string())
            };
            if let Err(error) = sent.await {
                // The bench sees that it is missing.
                eprintln!("batch lost: {error}");
            }
            drop(place);
        });
    }
}
