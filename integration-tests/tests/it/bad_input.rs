//! What nobody should send: answered with a status and words that help, and without harm to the requests beside it.

use crate::support::{Client, Reply, Tiers, eventually, frame, framed, grpc};
use bytes::{BufMut, Bytes};
use http::Request;
use http_body_util::Full;
use penstock_otlp::Signal;
use penstock_otlp::compress::{Encoding, compress};
use penstock_testkit::{numbered, traces};

/// Small limits, so that a bomb is far larger than all the memory there is.
const LIMITS: &str = "
receivers:
  otlp:
    protocols:
      grpc: {max_recv_msg_size_mib: 1}
      http: {max_request_body_size: 524288}
penstock:
  memory: {limit: 8MiB}
";
const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const PROTOBUF: &str = "application/x-protobuf";

/// A bad request with the answer that it has to get: gRPC's code or HTTP's status, and a word of the message.
struct Case {
    name: &'static str,
    request: Request<Full<Bytes>>,
    answer: u16,
    says: &'static str,
}

fn case(
    name: &'static str,
    request: Request<Full<Bytes>>,
    answer: u16,
    says: &'static str,
) -> Case {
    Case {
        name,
        request,
        answer,
        says,
    }
}

/// A delimited field of a protobuf message; any other message may stand around it.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = content.len();
    while length > 0x7f {
        bytes.put_u8((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.put_u8(length as u8);
    bytes.extend_from_slice(content);
    bytes
}

/// A Resource's attribute whose value is an array in an array, and so on.
fn nested(depth: usize) -> Vec<u8> {
    let value = (0..depth).fold(Vec::new(), |value, _| field(5, &field(1, &value)));
    field(1, &field(1, &field(1, &field(2, &value))))
}

fn whole() -> Bytes {
    traces(&["never-accepted"])
}

fn cut_short() -> Bytes {
    let whole = whole();
    whole.slice(..whole.len() - 3)
}

fn bomb(encoding: Encoding) -> Bytes {
    compress(encoding, &[Bytes::from(vec![0; 64 << 20])])
}

/// Somewhat more than that many bytes.
fn over(bytes: usize) -> Bytes {
    let body = traces(&numbered("large", bytes / 64));
    assert!((bytes + 1..2 * bytes).contains(&body.len()));
    body
}

fn over_grpc() -> Vec<Case> {
    let plain = |body: &[u8]| grpc(TRACES).body(Full::new(framed(body))).unwrap();
    let encoded = |encoding: &str, body: &[u8]| {
        let request = grpc(TRACES).header("grpc-encoding", encoding);
        request.body(Full::new(frame(1, body))).unwrap()
    };
    let raw = |body: Bytes| grpc(TRACES).body(Full::new(body)).unwrap();
    let to = |path: &str| grpc(path).body(Full::new(framed(&whole()))).unwrap();
    let unknown = "/opentelemetry.proto.collector.trace.v1.TraceService/Import";
    let elsewhere = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export";
    vec![
        case(
            "truncated message",
            plain(&cut_short()),
            3,
            "reaches beyond",
        ),
        case("wrong wire type", plain(&[0x08, 0x01]), 3, "wire type"),
        case("deep nesting", plain(&nested(60)), 3, "deep"),
        case(
            "gzip bomb",
            encoded("gzip", &bomb(Encoding::Gzip)),
            8,
            "larger than",
        ),
        case(
            "zstd bomb",
            encoded("zstd", &bomb(Encoding::Zstd)),
            8,
            "larger than",
        ),
        case("not gzip at all", encoded("gzip", &whole()), 3, "gzip"),
        case("unknown encoding", encoded("br", &whole()), 12, "gzip"),
        case(
            "compressed but not said so",
            raw(frame(1, &whole())),
            13,
            "grpc-encoding",
        ),
        case("too large", plain(&over(1 << 20)), 8, "larger than"),
        case("unknown method", to(unknown), 12, "TraceService/Export"),
        case("unknown service", to(elsewhere), 12, "TraceService/Export"),
        case(
            "shorter than it says",
            raw(framed(&whole()).slice(..20)),
            13,
            "length",
        ),
        case("no message", raw(Bytes::new()), 12, "no message"),
    ]
}

fn over_http() -> Vec<Case> {
    let post = |path: &str, content_type: &str, encoding: &str, body: Bytes| {
        let mut request = Request::post(path).header("content-type", content_type);
        if !encoding.is_empty() {
            request = request.header("content-encoding", encoding);
        }
        request.body(Full::new(body)).unwrap()
    };
    let proto = |encoding, body| post("/v1/traces", PROTOBUF, encoding, body);
    let json = |body: &'static str| post("/v1/traces", "application/json", "", Bytes::from(body));
    let get = Request::get("/v1/traces").body(Full::default()).unwrap();
    let bad_id = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}"#;
    vec![
        case(
            "truncated message",
            proto("", cut_short()),
            400,
            "reaches beyond",
        ),
        case(
            "wrong wire type",
            proto("", Bytes::from_static(&[0x08, 0x01])),
            400,
            "wire type",
        ),
        case("deep nesting", proto("", nested(60).into()), 400, "deep"),
        case(
            "gzip bomb",
            proto("gzip", bomb(Encoding::Gzip)),
            413,
            "larger than",
        ),
        case(
            "zstd bomb",
            proto("zstd", bomb(Encoding::Zstd)),
            413,
            "larger than",
        ),
        case(
            "deflate bomb",
            proto("deflate", bomb(Encoding::Deflate)),
            413,
            "larger than",
        ),
        case("not zstd at all", proto("zstd", whole()), 400, "zstd"),
        case("unknown encoding", proto("br", whole()), 415, "gzip"),
        case("too large", proto("", over(1 << 19)), 413, "larger than"),
        case(
            "unknown path",
            post("/v1/spans", PROTOBUF, "", whole()),
            404,
            "/v1/traces",
        ),
        case(
            "signal not served",
            post("/v1/logs", PROTOBUF, "", whole()),
            404,
            "/v1/traces",
        ),
        case("method", get, 405, "POST"),
        case(
            "content type",
            post("/v1/traces", "text/plain", "", whole()),
            415,
            PROTOBUF,
        ),
        case("no JSON", json("{\"resourceSpans\": ["), 400, "JSON"),
        case(
            "JSON of wrong types",
            json(r#"{"resourceSpans": 7}"#),
            400,
            "JSON",
        ),
        case("JSON with a bad id", json(bad_id), 400, "traceId"),
    ]
}

#[tokio::test]
async fn bad_input_gets_the_right_status_and_harms_no_neighbour() {
    let tiers = Tiers::start(&["traces"], LIMITS).await;
    let (grpc, http) = (tiers.grpc().await, tiers.http().await);
    let mut good = 0;
    for case in over_grpc() {
        good = neighbours(&tiers, &grpc, &http, good).await;
        // On the very connection of the good ones: a fault of one call is none of the connection.
        let reply = grpc.send(case.request).await.unwrap();
        assert_eq!(reply.code, Some(case.answer), "{}: {reply:?}", case.name);
        judge(case.name, case.says, &reply);
    }
    for case in over_http() {
        good = neighbours(&tiers, &grpc, &http, good).await;
        let reply = tiers.http().await.send(case.request).await.unwrap();
        assert_eq!(reply.status, case.answer, "{}: {reply:?}", case.name);
        judge(case.name, case.says, &reply);
    }
    neighbours(&tiers, &grpc, &http, good).await;

    let counts = tiers.receiver.counts(Signal::Traces);
    assert_eq!(counts.accepted_items, tiers.oracle.acked() as u64);
    assert_eq!((counts.refused_requests, counts.refused_items), (0, 0));
    drop((grpc, http));
    tiers.end().await;
}

fn judge(name: &str, says: &str, reply: &Reply) {
    assert!(reply.message.contains(says), "{name}: {reply:?}");
    assert_eq!(reply.retry_after, None, "{name}: {reply:?}");
}

/// Good requests, over both transports.
async fn neighbours(tiers: &Tiers, grpc: &Client, http: &Client, number: usize) -> usize {
    let ids = numbered(&format!("good-{number}"), 3);
    tiers.oracle.issue(&ids);
    let replies = [
        grpc.export("traces", traces(&ids[..2])).await.unwrap(),
        http.post("traces", traces(&ids[2..])).await.unwrap(),
    ];
    assert!(replies.iter().all(Reply::is_ack), "{replies:?}");
    tiers.oracle.ack(&ids);
    number + 1
}

/// A sender that does not get to read the answer takes it for a broken connection and sends the same again.
#[tokio::test]
async fn a_body_far_too_large_is_told_so_however_long_it_is() {
    let tiers = Tiers::start(&["traces"], LIMITS).await;
    let body = Bytes::from(vec![0; 20 << 20]);
    // More than once, since the answer races with what is still being sent.
    for _ in 0..10 {
        let reply = tiers.http().await.post("traces", body.clone()).await;
        let reply = reply.expect("an answer instead of a broken connection");
        assert_eq!(reply.status, 413, "{reply:?}");
        judge("far too large", "larger than", &reply);
    }
    tiers.end().await;
}

#[tokio::test]
async fn a_call_that_is_not_grpc_is_told_so() {
    let tiers = Tiers::start(&["traces"], "").await;
    let client = tiers.grpc().await;
    let request = Request::post(TRACES).header("content-type", PROTOBUF);
    let reply = client
        .send(request.body(Full::new(whole())).unwrap())
        .await
        .unwrap();
    assert_eq!((reply.status, reply.code), (415, None));
    let ids = numbered("good", 5);
    assert!(tiers.push(&client, "traces", &ids).await.is_ack());
    tiers.end().await;
}

#[tokio::test]
async fn text_that_is_not_utf8_is_repaired_and_delivered() {
    let tiers = Tiers::start(&["traces"], "").await;
    let client = tiers.grpc().await;
    let mut body = traces(&["id-???"]).to_vec();
    let id = body.windows(6).position(|bytes| bytes == b"id-???");
    let marks = id.unwrap() + 3;
    body[marks..marks + 3].fill(0xff);
    let reply = client.export("traces", body.into()).await.unwrap();
    assert!(reply.is_ack(), "{reply:?}");
    let arrived = ["id-\u{fffd}\u{fffd}\u{fffd}".to_owned()];
    tiers.oracle.issue(&arrived);
    tiers.oracle.ack(&arrived);
    eventually("it is delivered", || {
        tiers.backend.delivered("traces") == arrived
    })
    .await;
    tiers.end().await;
}
