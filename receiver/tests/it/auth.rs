//! Who may not send is told so on the headers, and nothing of the body is taken.

use crate::support::{Client, MIB, Raw, finish, finish_whole, large_traces, page, settings, start};
use penstock_otlp::Signal;
use penstock_receiver::Receiver;
use penstock_settings::{Authenticator, BearerTokens, Htpasswd, Secret, Settings, Tokens};
use penstock_testkit::{Backend, request};
use std::fs;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::interval;
use tonic::transport::Endpoint;
use tonic::{Code, Request};

fn bearer(token: &str) -> Authenticator {
    Authenticator::Bearer(BearerTokens {
        header: "authorization".to_owned(),
        scheme: "Bearer".to_owned(),
        tokens: Tokens::Fixed(vec![Secret::new(token.to_owned())]),
    })
}

fn with(mut settings: Settings, auth: &Authenticator) -> Settings {
    for receiver in settings.receivers.values_mut() {
        receiver.grpc.as_mut().unwrap().auth = Some(auth.clone());
        receiver.http.as_mut().unwrap().auth = Some(auth.clone());
    }
    settings
}

async fn receiver(auth: &Authenticator) -> (Receiver, [Backend; 2]) {
    let backends = [Backend::start().await, Backend::start().await];
    let settings = settings(backends.each_ref().map(Backend::address));
    (start(with(settings, auth)).await, backends)
}

/// A gRPC call of traces with these credentials.
async fn call(receiver: &Receiver, given: Option<&str>, body: &[u8]) -> Result<(), Code> {
    use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
    use prost::Message;
    let address = receiver.grpc().next().unwrap();
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut client = TraceServiceClient::new(endpoint.connect().await.unwrap());
    let mut request = Request::new(Message::decode(body).unwrap());
    if let Some(given) = given {
        let value = given.parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    let answer = client.export(request).await;
    answer.map(drop).map_err(|status| status.code())
}

/// An HTTP request of traces with these credentials: the status and what is asked for.
async fn post(receiver: &Receiver, given: Option<&str>, body: &[u8]) -> (u16, Option<String>) {
    let mut raw = Raw::connect(receiver.http().next().unwrap()).await;
    let given = given.map_or_else(String::new, |given| format!("authorization: {given}\r\n"));
    let length = body.len();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: {length}\r\n{given}\r\n"
    );
    raw.write([head.as_bytes(), body].concat()).await;
    let answer = raw.answer().await;
    let asked = answer.head.lines();
    let asked = asked
        .filter_map(|line| line.strip_prefix("www-authenticate: "))
        .map(str::to_owned)
        .next();
    (answer.status, asked)
}

#[tokio::test]
async fn a_sender_with_the_token_is_served_on_both_ports_and_no_other() {
    let (receiver, backends) = receiver(&bearer("right")).await;
    let body = request("traces", &["a"]);
    assert_eq!(call(&receiver, Some("Bearer right"), &body).await, Ok(()));
    assert_eq!(post(&receiver, Some("Bearer right"), &body).await.0, 200);
    for given in [None, Some("Bearer wrong"), Some("Basic right")] {
        let denied = call(&receiver, given, &body).await;
        assert_eq!(denied, Err(Code::Unauthenticated), "{given:?}");
        let (status, asked) = post(&receiver, given, &body).await;
        assert_eq!(
            (status, asked.as_deref()),
            (401, Some("bearer")),
            "{given:?}"
        );
    }
    let (_, metrics) = page(&receiver, "/metrics").await;
    assert!(!metrics.contains("right"), "a secret is told");
    finish_whole(receiver).await;
    assert_eq!(backends[0].delivered("traces"), ["a", "a"]);
}

#[tokio::test]
async fn passwords_are_asked_for_as_basic_authentication_says() {
    let users = Authenticator::Basic(Htpasswd {
        file: None,
        inline: Some(Secret::new("ann:secret".to_owned())),
    });
    let (receiver, _backends) = receiver(&users).await;
    let body = request("traces", &["a"]);
    // ann:secret and ann:other.
    let (right, wrong) = ("Basic YW5uOnNlY3JldA==", "Basic YW5uOm90aGVy");
    assert_eq!(call(&receiver, Some(right), &body).await, Ok(()));
    assert_eq!(post(&receiver, Some(right), &body).await.0, 200);
    assert_eq!(
        call(&receiver, Some(wrong), &body).await,
        Err(Code::Unauthenticated)
    );
    let (status, asked) = post(&receiver, Some(wrong), &body).await;
    assert_eq!(
        (status, asked.as_deref()),
        (401, Some("basic realm=\"penstock\""))
    );
    finish_whole(receiver).await;
}

#[tokio::test]
async fn a_sender_without_a_token_never_makes_us_keep_a_body() {
    let (receiver, _backends) = receiver(&bearer("right")).await;
    let (body, _) = large_traces("big", MIB);
    for _ in 0..10 {
        assert_eq!(
            call(&receiver, None, &body).await,
            Err(Code::Unauthenticated)
        );
        assert_eq!(post(&receiver, None, &body).await.0, 401);
    }
    let counts = receiver.counts(Signal::Traces);
    assert_eq!((counts.requests, counts.accepted_items), (0, 0));
    assert_eq!((counts.refused_requests, counts.rejected_requests), (0, 0));
    assert_eq!(receiver.held_bytes(Signal::Traces), 0);
    finish(receiver).await;
}

#[tokio::test]
async fn health_is_told_to_everybody() {
    let (receiver, _backends) = receiver(&bearer("right")).await;
    let address = receiver.grpc().next().unwrap();
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
    let asked = tonic_health::pb::HealthCheckRequest::default();
    health.check(asked).await.unwrap();
    finish_whole(receiver).await;
}

#[tokio::test]
async fn without_auth_everybody_is_served() {
    let backends = [Backend::start().await, Backend::start().await];
    let receiver = start(settings(backends.each_ref().map(Backend::address))).await;
    let client = Client::connect(&receiver).await;
    let body = request("traces", &["a"]);
    client.send(Signal::Traces, &body).await.unwrap();
    drop(client);
    finish_whole(receiver).await;
}

#[tokio::test]
async fn changed_files_of_tokens_and_passwords_count_without_a_restart() {
    let folder = TempDir::new().unwrap();
    let (tokens, users) = (folder.path().join("tokens"), folder.path().join("htpasswd"));
    fs::write(&tokens, "old\n").unwrap();
    // `secret`, as `htpasswd` hashes it.
    fs::write(&users, "ann:$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/\n").unwrap();
    let (old, new) = ("Basic YW5uOnNlY3JldA==", "Basic YW5uOm90aGVy");
    let backends = [Backend::start().await, Backend::start().await];
    let mut settings = settings(backends.each_ref().map(Backend::address));
    for receiver in settings.receivers.values_mut() {
        receiver.grpc.as_mut().unwrap().auth = Some(Authenticator::Bearer(BearerTokens {
            header: "authorization".to_owned(),
            scheme: "Bearer".to_owned(),
            tokens: Tokens::File(tokens.clone()),
        }));
        receiver.http.as_mut().unwrap().auth = Some(Authenticator::Basic(Htpasswd {
            file: Some(users.clone()),
            inline: None,
        }));
    }
    let receiver = start(settings).await;
    let body = request("traces", &["a"]);
    assert_eq!(call(&receiver, Some("Bearer old"), &body).await, Ok(()));
    assert_eq!(post(&receiver, Some(old), &body).await.0, 200);

    fs::write(&tokens, "new\n").unwrap();
    fs::write(&users, "ann:other\n").unwrap();
    let mut ticks = interval(Duration::from_millis(20));
    while call(&receiver, Some("Bearer new"), &body).await.is_err() {
        ticks.tick().await;
    }
    while post(&receiver, Some(new), &body).await.0 != 200 {
        ticks.tick().await;
    }
    let denied = call(&receiver, Some("Bearer old"), &body).await;
    assert_eq!(denied, Err(Code::Unauthenticated));
    assert_eq!(post(&receiver, Some(old), &body).await.0, 401);
    finish_whole(receiver).await;
}
