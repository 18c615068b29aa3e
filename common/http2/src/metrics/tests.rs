//! Every fault has a counter of its own.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, atomic::AtomicU64, atomic::Ordering},
};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};

use super::*;
use crate::{
    Http2Settings,
    frame::{flag, kind},
    tests::peer::{Peer, echo},
};

/// Keeps counters by name and label values.
#[derive(Default)]
struct Counters(Mutex<HashMap<String, Arc<AtomicU64>>>);

impl Counters {
    fn get(&self, name: &str) -> u64 {
        self.0.lock().unwrap()[name].load(Ordering::Relaxed)
    }
}

impl Recorder for Counters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels = key.labels().map(|label| format!(" {}", label.value()));
        let name = labels.fold(key.name().to_owned(), |name, label| name + &label);
        Counter::from_arc(Arc::clone(self.0.lock().unwrap().entry(name).or_default()))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn every_fault_has_its_own_place_and_label() {
    let labels: BTreeSet<_> = Fault::ALL.iter().map(|fault| fault.label()).collect();
    assert_eq!(labels.len(), Fault::ALL.len());
    for (place, fault) in Fault::ALL.into_iter().enumerate() {
        assert_eq!(fault as usize, place);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_faults_and_ends_are_counted() {
    let counters = Counters::default();
    let mut peer = with_local_recorder(&counters, || {
        Peer::silent(Http2Settings::default(), echo, std::future::pending())
    });
    peer.handshake(&[]).await;
    peer.request(1, true).await;
    peer.answer(1).await;
    peer.frame(
        kind::HEADERS,
        flag::END_HEADERS | flag::END_STREAM,
        3,
        &[0x83],
    )
    .await;
    peer.reset(3).await;
    peer.frame(kind::PING, 0, 1, &[0; 8]).await;
    peer.closed().await;
    assert_eq!(counters.get("penstock_http2_calls_total"), 1);
    assert_eq!(
        counters.get("penstock_http2_faults_total malformed_request"),
        1
    );
    assert_eq!(counters.get("penstock_http2_faults_total protocol"), 1);
    assert_eq!(
        counters.get("penstock_http2_connections_closed_total fault"),
        1
    );
    assert!(counters.get("penstock_http2_read_bytes_total") > 24);
    assert!(counters.get("penstock_http2_written_bytes_total") > 24);
}
