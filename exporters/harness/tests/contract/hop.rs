//! A hop client for the tests.

use penstock_hop::discovery::{Lookup, Resolve};
use penstock_hop::{Batch, HopClient, Origin, Outcome, Transport};
use penstock_otlp::Signal;
use penstock_otlp::compress::Encoding;
use penstock_runtime::Tasks;
use penstock_settings::{
    Backend, ComponentId, Debug, Exporter, ExporterHop, Hop, Retry, Verbosity,
};
use penstock_testkit::{numbered, request};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) const ITEMS: usize = 5;

/// A name whose addresses the test sets.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<Vec<SocketAddr>>);

impl Names {
    pub(crate) fn set(&self, addresses: &[SocketAddr]) {
        *self.0.lock().unwrap() = addresses.to_vec();
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, _: &'a str) -> Lookup<'a> {
        let addresses = self.0.lock().unwrap().clone();
        Box::pin(async move { Ok(addresses) })
    }
}

/// A client of these addresses.
pub(crate) fn client(addresses: &[SocketAddr]) -> Arc<HopClient> {
    let replicas = addresses.iter().map(ToString::to_string).collect();
    HopClient::new(&exporter(replicas), &hop(), &Tasks::new())
}

/// A client that follows `names`.
pub(crate) fn client_of(names: &Arc<Names>) -> Arc<HopClient> {
    let exporter = exporter(vec!["dns:///exporter:4400".to_owned()]);
    let resolver: Arc<dyn Resolve> = Arc::<Names>::clone(names);
    HopClient::with_resolver(&exporter, &hop(), &Tasks::new(), resolver)
}

fn exporter(replicas: Vec<String>) -> Exporter {
    Exporter {
        id: ComponentId("debug".to_owned()),
        backend: Backend::Debug(Debug {
            verbosity: Verbosity::Basic,
            sampling_initial: 2,
            sampling_thereafter: 1,
        }),
        timeout: Duration::from_secs(20),
        retry: Retry {
            enabled: true,
            initial_interval: Duration::ZERO,
            max_interval: Duration::ZERO,
            multiplier: 1.0,
            randomization_factor: 0.0,
            max_elapsed_time: None,
        },
        batches_in_flight: 10,
        hop: ExporterHop {
            replicas,
            listen: String::new(),
            admin: String::new(),
            max_concurrent_batches: 64,
        },
    }
}

fn hop() -> Hop {
    Hop {
        timeout_margin: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(10),
        keepalive_time: Duration::from_secs(10),
        keepalive_timeout: Duration::from_secs(10),
        resolve_interval: Duration::from_millis(5),
        eject_for: Duration::from_millis(5),
        compression: Encoding::Zstd,
    }
}

/// The ids of the items of [`batch`].
pub(crate) fn ids(block: u64) -> Vec<String> {
    numbered(&format!("block-{block}"), ITEMS)
}

/// A traces batch in two chunks.
pub(crate) fn batch(block: u64) -> Batch {
    let ids = ids(block);
    Batch {
        signal: Signal::Traces,
        chunks: vec![request("traces", &ids[..2]), request("traces", &ids[2..])],
        items: ITEMS,
        origin: Origin {
            log_id: "log".to_owned(),
            first_block: block,
            last_block: block,
            part: 0,
            parts: 1,
        },
    }
}

/// Sends until it is delivered, as a receiver does; says how often.
pub(crate) async fn deliver(client: &HopClient, batch: &Batch) -> u32 {
    let mut attempt = 1;
    loop {
        match client.send(batch, attempt).await {
            Outcome::Delivered { rejected: 0, .. } => return attempt,
            Outcome::Retry { .. } | Outcome::Unreached { .. } => attempt += 1,
            other => panic!("{other:?}"),
        }
        tokio::task::yield_now().await;
    }
}
