//! A hop client for the tests.

use penstock_hop::discovery::{Lookup, Resolve};
use penstock_hop::{Batch, HopClient, Origin, Outcome, Transport};
use penstock_otlp::Signal;
use penstock_otlp::compress::Encoding;
use penstock_runtime::Tasks;
use penstock_settings::{Backend, ComponentId, Debug, Exporter, Hop};
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
    HopClient::new(&exporter(replicas), &hop(), None, &Tasks::new())
}

/// A client that follows `names`.
pub(crate) fn client_of(names: &Arc<Names>) -> Arc<HopClient> {
    let exporter = exporter(vec!["dns:///exporter:4400".to_owned()]);
    let resolver: Arc<dyn Resolve> = Arc::<Names>::clone(names);
    HopClient::with_resolver(&exporter, &hop(), None, &Tasks::new(), resolver)
}

fn exporter(replicas: Vec<String>) -> Exporter {
    let backend = Backend::Debug(Debug::default());
    let mut exporter = Exporter::new(ComponentId("debug".to_owned()), backend);
    exporter.timeout = Duration::from_secs(20);
    exporter.hop.replicas = replicas;
    exporter
}

/// Whoever has failed or has come is found at once.
fn hop() -> Hop {
    Hop {
        resolve_interval: Duration::from_millis(5),
        eject_for: Duration::from_millis(5),
        compression: Encoding::Zstd,
        ..Hop::default()
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
            share: None,
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
