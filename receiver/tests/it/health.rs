//! Whether the receiver can accept, asked in every way there is; and how its exporters are.

use crate::support::{
    Client, finish, finish_whole, page, page_at, receiver, settings, start, until,
};
use penstock_otlp::Signal;
use penstock_settings::HealthCheck;
use penstock_testkit::{Answer, Backend, request};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

async fn client(receiver: &penstock_receiver::Receiver) -> HealthClient<Channel> {
    let address = receiver.grpc().next().unwrap();
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    HealthClient::new(endpoint.connect().await.unwrap())
}

async fn check(client: &mut HealthClient<Channel>, service: &str) -> Result<ServingStatus, Code> {
    let service = service.to_owned();
    let answer = client.check(HealthCheckRequest { service }).await;
    let answer = answer.map_err(|status| status.code())?;
    Ok(answer.into_inner().status())
}

#[tokio::test]
async fn kubelets_probe_of_the_grpc_port_hears_of_a_drain() {
    let (receiver, _backends) = receiver().await;
    let mut before = client(&receiver).await;
    for service in ["", "opentelemetry.proto.collector.logs.v1.LogsService"] {
        assert_eq!(
            check(&mut before, service).await,
            Ok(ServingStatus::Serving)
        );
    }
    assert_eq!(check(&mut before, "shop.Cart").await, Err(Code::NotFound));
    receiver.begin_drain();
    // As kubelet does, on a connection of its own: those that are there are told to go away.
    let mut after = client(&receiver).await;
    assert_eq!(check(&mut after, "").await, Ok(ServingStatus::NotServing));
    let (status, body) = page(&receiver, "/healthz?verbose").await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &body["status"]),
        (503, &"draining: closing".into())
    );
    assert_eq!(page(&receiver, "/livez").await.0, 200);
    drop((before, after));
    finish_whole(receiver).await;
}

#[tokio::test]
async fn who_asks_to_be_told_of_changes_hears_that_calls_are_unary() {
    let (receiver, _backends) = receiver().await;
    let mut client = client(&receiver).await;
    let request = HealthCheckRequest::default();
    let status = client.watch(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.message().contains("Check"), "{}", status.message());
    drop(client);
    finish_whole(receiver).await;
}

#[tokio::test]
async fn an_exporter_that_fails_is_told_with_its_error_and_does_not_make_us_unhealthy() {
    let [one, two] = [Backend::start().await, Backend::start().await];
    one.otherwise(Answer::grpc(14, "no room on the third floor"));
    let receiver = start(settings([one.address(), two.address()])).await;
    let client = Client::connect(&receiver).await;
    let body = request("logs", &["a", "b"]);
    client.send(Signal::Logs, &body).await.unwrap();
    two.arrived(1).await;
    one.arrived(2).await;
    until(|| {
        receiver
            .ledger()
            .health()
            .iter()
            .any(|health| health.last_error.is_some())
    })
    .await;

    let (status, body) = page(&receiver, "/healthz?verbose").await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["status"]), (200, &"ok".into()));
    let of = |exporter: &str| {
        let all = body["exporters"].as_array().unwrap().iter();
        let mut of_logs = all.filter(|health| health["signal"] == "logs");
        of_logs
            .find(|health| health["exporter"] == exporter)
            .unwrap()
    };
    let failing = of("otlp/one");
    assert_eq!(failing["state"], "failing");
    assert_eq!(failing["held"], 2);
    assert!(failing["oldest_held_seconds"].as_f64().unwrap() > 0.0);
    assert!(failing["failing_seconds"].as_f64().unwrap() > 0.0);
    assert!(failing["last_error_seconds_ago"].as_f64().unwrap() >= 0.0);
    let error = failing["last_error"].as_str().unwrap();
    assert!(error.contains("no room on the third floor"), "{error}");
    assert_eq!(of("otlp/two")["state"], "ok");
    assert_eq!(page(&receiver, "/healthz").await, (200, "ok\n".to_owned()));

    one.otherwise(Answer::Ok);
    one.script([]);
    let answers = || {
        let health = receiver.ledger().health();
        health
            .iter()
            .all(|health| health.held == 0 && health.failing_seconds.is_none())
    };
    until(answers).await;
    drop(client);
    finish(receiver).await;
}

#[tokio::test]
async fn the_collectors_health_check_answers_at_its_own_port_as_the_collector_does() {
    let backends = [Backend::start().await, Backend::start().await];
    let mut settings = settings(backends.each_ref().map(Backend::address));
    let usual = HealthCheck {
        endpoint: "127.0.0.1:0".to_owned(),
        ..HealthCheck::default()
    };
    let own = HealthCheck {
        path: "/health".to_owned(),
        healthy_body: "fine".to_owned(),
        unhealthy_body: "not so fine".to_owned(),
        ..usual.clone()
    };
    settings.health_checks = vec![usual, own];
    let receiver = start(settings).await;
    let &[usual, own] = receiver.health_checks() else {
        panic!("{:?}", receiver.health_checks());
    };
    let (status, body) = page_at(usual, "/").await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["status"]), (200, &"Server available".into()));
    let since = body["upSince"].as_str().unwrap();
    assert!(
        since.ends_with('Z') && !since.starts_with("0001"),
        "{since}"
    );
    assert!(body["uptime"].as_str().unwrap().ends_with('s'));
    assert_eq!(page_at(usual, "/metrics").await.0, 404);
    assert_eq!(page_at(own, "/health").await, (200, "fine".to_owned()));

    receiver.begin_drain();
    let (status, body) = page_at(usual, "/").await;
    let told = r#"{"status":"Server not available","upSince":"0001-01-01T00:00:00Z","uptime":""}"#;
    assert_eq!((status, body.as_str()), (503, told));
    assert_eq!(
        page_at(own, "/health").await,
        (503, "not so fine".to_owned())
    );
    finish_whole(receiver).await;
}
