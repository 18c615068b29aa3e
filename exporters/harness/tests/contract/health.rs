//! Whether an exporter can take batches, as kubelet's probe asks.

use crate::hop::{batch, client};
use crate::script::{Process, Script, Step};
use penstock_exporter_harness::Options;
use penstock_hop::{Outcome, Transport};
use penstock_testkit::Gate;
use std::time::Duration;
use tonic::Code;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

#[tokio::test]
async fn the_probe_of_the_hops_port_is_answered_while_every_place_is_taken() {
    let gate = Gate::new();
    let script = Script::new([Step::Held(gate.clone())]);
    let process = Process::start_with(&script, Options::new(1)).await;
    let hop = client(&[process.address]);
    let batch = batch(1);
    let sent = hop.send(&batch, 1);
    let asked = async {
        script.arrived(1).await;

        let endpoint = Endpoint::from_shared(format!("http://{}", process.address)).unwrap();
        let mut health = HealthClient::new(endpoint.connect().await.unwrap());
        let answer = health.check(HealthCheckRequest::default()).await.unwrap();
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
        let watch = health
            .watch(HealthCheckRequest::default())
            .await
            .unwrap_err();
        assert_eq!(watch.code(), Code::Unimplemented);

        gate.open();
    };
    let (sent, ()) = tokio::join!(sent, asked);
    assert!(matches!(sent, Outcome::Delivered { .. }));
    drop(hop);
    process.begin_drain(Duration::from_secs(10));
    assert_eq!(process.drained().await, 0);
}
