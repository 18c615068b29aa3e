//! gRPC's framing and statuses, without connections.

use super::*;
use crate::metrics::Counts;
use crate::testing::{Bench, LIMITS, NO_RULES, PEER};
use ::http::{HeaderMap, Method, Request, StatusCode};
use base64::Engine;
use bytes::Bytes;
use penstock_http2::{Http2, Http2Settings};
use penstock_otlp::compress::compress;
use penstock_testkit::{Request as Decoded, traces};
use tokio::task::JoinSet;
use tokio::time::Instant;

const TRACES: &str = Signal::Traces.grpc_path();
const NOT_GRPC: &[(&str, &str)] = &[("content-type", "application/json")];

fn door(bench: &Bench) -> Arc<GrpcDoor> {
    Arc::new(GrpcDoor {
        routes: [Some(bench.route.clone()), None, None],
        limits: LIMITS,
        counts: Arc::clone(&bench.door),
        replies: Replies::new(),
        pool: Pool::beside([0; 3]),
        auth: None,
        drain: Drain::new(),
        held_calls: 1024,
        stream_window: 256 << 10,
    })
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let mut framed = vec![flag];
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend_from_slice(message);
    framed
}

/// What a client sends: its body in pieces of `size` bytes, and no end if `never_ends`.
struct Sent {
    request: Request<()>,
    body: Bytes,
    size: usize,
    never_ends: bool,
}

fn request(path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Sent {
    let mut request = Request::post(format!("http://x{path}"));
    let given = headers.iter().any(|(name, _)| *name == "content-type");
    if !given {
        request = request.header("content-type", "application/grpc");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Sent {
        request: request.body(()).unwrap(),
        body: Bytes::from(body),
        size: 1 << 14,
        never_ends: false,
    }
}

/// A client's end of a connection in memory that `service` answers.
async fn connect<S>(service: S) -> (h2::client::SendRequest<Bytes>, JoinSet<()>)
where
    S: Service<Call: Send> + Send + 'static,
{
    let (client, server) = tokio::io::duplex(1 << 20);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let http2 = Http2::new(Http2Settings {
            body_timeout: 2 * LIMITS.read_timeout,
            ..Http2Settings::default()
        });
        http2
            .unwrap()
            .serve(server, service, std::future::pending())
            .await;
    });
    let (sender, connection) = h2::client::Builder::new().handshake(client).await.unwrap();
    tasks.spawn(async move {
        // It ends with the test.
        _ = connection.await;
    });
    (sender, tasks)
}

/// The answer's headers with its trailers, and the message.
async fn answer(bench: &Bench, sent: Sent) -> (StatusCode, HeaderMap, Bytes) {
    let mut connection = Connection::new(&door(bench), PEER, oneshot::channel().0);
    let (mut sender, _tasks) = connect(move |head, body| connection.call(head, body)).await;
    let mut rest = sent.body;
    let empty = rest.is_empty() && !sent.never_ends;
    let (response, mut stream) = sender.send_request(sent.request, empty).unwrap();
    while !rest.is_empty() {
        let piece = rest.split_to(sent.size.min(rest.len()));
        // It fails when the answer came first.
        _ = stream.send_data(piece, rest.is_empty() && !sent.never_ends);
    }
    let (head, mut body) = response.await.unwrap().into_parts();
    let mut headers = head.headers;
    let mut message = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        message.extend_from_slice(&data);
    }
    headers.extend(body.trailers().await.ok().flatten().unwrap_or_default());
    (head.status, headers, message.into())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

async fn code(bench: &Bench, request: Sent) -> Code {
    let (status, headers, _) = answer(bench, request).await;
    assert_eq!(status, StatusCode::OK, "gRPC's errors are not HTTP's");
    Code::from_number(header(&headers, "grpc-status").parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_good_call_is_answered_with_an_empty_response_and_trailers() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    let body = framed(0, &traces(&["a"]));
    let (_, headers, message) = answer(&bench, request(TRACES, &[], body)).await;
    assert_eq!(&message[..], [0; 5]);
    assert_eq!(header(&headers, "grpc-status"), "0");
    assert_eq!(header(&headers, "content-type"), "application/grpc");
    assert_eq!(
        header(&headers, "grpc-accept-encoding"),
        "identity,gzip,zstd"
    );
}

#[tokio::test(start_paused = true)]
async fn how_the_bytes_are_cut_makes_no_difference() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    let message = traces(&["a", "b"]);
    let body = Bytes::from(framed(0, &message));
    for size in [1, 2, 4, 5, 6, 7, body.len() - 1, body.len()] {
        let cut = Sent {
            size,
            ..request(TRACES, &[], body.to_vec())
        };
        assert_eq!(code(&bench, cut).await, Code::Ok, "pieces of {size}");
    }
    let sent = bench.exporter.delivered(16).await.concat();
    assert_eq!(Decoded::decode("traces", &sent).unwrap().count(), 16);
}

#[tokio::test(start_paused = true)]
async fn compressed_messages_are_taken() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let packed = compress(encoding, &[traces(&["a"])]);
        let headers = [("grpc-encoding", encoding.as_str())];
        let call = request(TRACES, &headers, framed(1, &packed));
        assert_eq!(code(&bench, call).await, Code::Ok);
        let plain = request(TRACES, &headers, framed(0, &traces(&["b"])));
        assert_eq!(
            code(&bench, plain).await,
            Code::Ok,
            "the flag says not compressed"
        );
    }
    bench.exporter.delivered(4).await;
}

#[tokio::test(start_paused = true)]
async fn bad_calls_get_the_status_that_says_what_is_wrong() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    let good = traces(&["a"]);
    let framed_good = framed(0, &good);
    let mut truncated = framed_good.clone();
    truncated.pop();
    let twice = [framed_good.clone(), framed_good.clone()].concat();
    let mut oversized = vec![0];
    oversized.extend_from_slice(&u32::try_from(LIMITS.max_bytes + 1).unwrap().to_be_bytes());
    let gzip: &[_] = &[("grpc-encoding", "gzip")];
    let snappy: &[_] = &[("grpc-encoding", "snappy")];
    let metrics = Signal::Metrics.grpc_path();
    let cases = [
        (
            "unknown method",
            "/a.b.C/Export",
            &[][..],
            framed_good.clone(),
            Code::Unimplemented,
        ),
        (
            "signal not served",
            metrics,
            &[],
            framed_good.clone(),
            Code::Unimplemented,
        ),
        (
            "unknown encoding",
            TRACES,
            snappy,
            framed_good.clone(),
            Code::Unimplemented,
        ),
        ("no message", TRACES, &[], Vec::new(), Code::Unimplemented),
        ("half a prefix", TRACES, &[], vec![0, 0], Code::Internal),
        ("two messages", TRACES, &[], twice, Code::Unimplemented),
        ("truncated", TRACES, &[], truncated, Code::Internal),
        ("bad flag", TRACES, &[], framed(2, &good), Code::Internal),
        (
            "compressed without encoding",
            TRACES,
            &[],
            framed(1, &good),
            Code::Internal,
        ),
        (
            "not gzip",
            TRACES,
            gzip,
            framed(1, &good),
            Code::InvalidArgument,
        ),
        (
            "not OTLP",
            TRACES,
            &[],
            framed(0, b"junk"),
            Code::InvalidArgument,
        ),
        ("oversized", TRACES, &[], oversized, Code::ResourceExhausted),
    ];
    for (what, path, headers, body, expected) in cases {
        assert_eq!(
            code(&bench, request(path, headers, body)).await,
            expected,
            "{what}"
        );
        assert_eq!(bench.budget.held.used(), 0, "{what}");
    }
    let good = request(TRACES, &[], framed_good);
    assert_eq!(code(&bench, good).await, Code::Ok);
    bench.exporter.delivered(1).await;
    assert_eq!(bench.ledger.accepted(Signal::Traces), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_grpc_is_told_so_in_http() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    let types = [
        "application/json",
        "application/grpc-web",
        "application/grpc+json",
        "",
    ];
    for content_type in types {
        let call = request(TRACES, &[("content-type", content_type)], Vec::new());
        let (status, ..) = answer(&bench, call).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
    }
    for content_type in ["application/grpc+proto", "application/grpc; charset=utf-8"] {
        assert!(is_grpc(content_type), "{content_type}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_grpc_may_send_its_body_before_it_is_told_so() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    let mut connection = Connection::new(&door(&bench), PEER, oneshot::channel().0);
    let (mut sender, _tasks) = connect(move |head, body| connection.call(head, body)).await;
    let sent = request(TRACES, NOT_GRPC, Vec::new());
    let (mut response, mut stream) = sender.send_request(sent.request, false).unwrap();
    let early = timeout(UNFIT_BODY / 2, &mut response).await;
    assert!(early.is_err(), "answered before its body");
    stream
        .send_data(Bytes::from_static(b"{}"), true)
        .expect("the stream is still open");
    let response = timeout(UNFIT_BODY / 4, response).await;
    let status = response.expect("answered with its end").unwrap().status();
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_grpc_sends_no_more_than_a_window_and_not_for_long() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    let window = door(&bench).stream_window;
    let cases = [
        ("nothing comes", 0, UNFIT_BODY..=UNFIT_BODY),
        ("a window came", window, UNFIT_BODY..=UNFIT_BODY),
        ("more came", window + 1, Duration::ZERO..=Duration::ZERO),
    ];
    for (what, len, expected) in cases {
        let endless = Sent {
            never_ends: true,
            ..request(TRACES, NOT_GRPC, vec![7; len])
        };
        let began = Instant::now();
        let (status, ..) = answer(&bench, endless).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{what}");
        let took = Duration::from_secs(began.elapsed().as_secs());
        assert!(expected.contains(&took), "{what}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_grpc_is_told_in_words_unless_it_asked_for_the_head_alone() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    for (method, words) in [(Method::GET, true), (Method::HEAD, false)] {
        let mut sent = request("/", NOT_GRPC, Vec::new());
        *sent.request.method_mut() = method;
        let (status, _, message) = answer(&bench, sent).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(!message.is_empty(), words);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_carries_retry_info() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    let _full = bench.budget.held.force(bench.budget.held.limit());
    let body = framed(0, &traces(&["a", "b"]));
    let headers = [("grpc-timeout", "2S")];
    let (_, headers, _) = answer(&bench, request(TRACES, &headers, body)).await;
    assert_eq!(header(&headers, "grpc-status"), "14");
    let details = header(&headers, "grpc-status-details-bin");
    let details = base64::engine::general_purpose::STANDARD_NO_PAD
        .decode(details)
        .unwrap();
    let status = Status::decode(&details).unwrap();
    assert!(status.retry_after.is_some());
    assert_eq!(bench.route.entrance.refused(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_does_not_arrive_is_not_waited_for_for_ever() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    let never = Sent {
        never_ends: true,
        ..request(TRACES, &[], Vec::new())
    };
    assert_eq!(code(&bench, never).await, Code::DeadlineExceeded);
}

#[tokio::test(start_paused = true)]
async fn a_message_in_one_frame_is_a_slice_of_it() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    let admit = bench.route.pipeline.admit.clone();
    let pool = Pool::beside([0; 3]);
    let (tell, told) = oneshot::channel();
    let mut tell = Some(tell);
    let service = move |_head, body| {
        let (admit, tell) = (admit.clone(), tell.take());
        let place = Place {
            parking: Parking::new(&pool, 1),
            signal: Signal::Traces,
            stream_window: 1 << 20,
        };
        async move {
            let encoding = Encoding::Identity;
            let opened = Message::open(body, encoding, place, LIMITS.read_timeout).await;
            let mut message = opened.unwrap();
            let frame = message.rest.clone();
            let call = crate::testing::call(Some(message.len()));
            let admitted = admit.take(&call, &mut message).await.unwrap();
            tell.unwrap().send((frame, admitted.request)).unwrap();
            reply::not_grpc(200, b"POST")
        }
    };
    let (mut sender, _tasks) = connect(service).await;
    let message = traces(&["a"]);
    let sent = request(TRACES, &[], Vec::new());
    let (_response, mut stream) = sender.send_request(sent.request, false).unwrap();
    stream.send_data(framed(0, &message).into(), true).unwrap();
    let (frame, request) = told.await.unwrap();
    assert_eq!(request, message);
    assert_eq!(request.as_ptr(), frame.as_ptr());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_is_counted_once() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    let mut connection = Connection::new(&door(&bench), PEER, oneshot::channel().0);
    let (mut sender, _tasks) = connect(move |head, body| connection.call(head, body)).await;
    let _full = bench.budget.held.force(bench.budget.held.limit());
    let held = request(TRACES, &[], Vec::new()).request;
    let unbegun = request(TRACES, &[], Vec::new()).request;
    let (_, mut held) = sender.send_request(held, false).unwrap();
    held.send_data(framed(0, &traces(&["a"])).into(), true)
        .unwrap();
    let (_, mut unbegun) = sender.send_request(unbegun, false).unwrap();
    unbegun
        .send_data(Bytes::from_static(&[0, 0]), false)
        .unwrap();
    while bench.budget.held.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    held.send_reset(h2::Reason::CANCEL);
    unbegun.send_reset(h2::Reason::CANCEL);
    let malformed = &bench.door.malformed[Malformed::Protocol as usize];
    while malformed.get() == 0 {
        tokio::task::yield_now().await;
    }
    let counts = Counts {
        entrances: vec![Arc::clone(&bench.route.entrance)],
        doors: Vec::new(),
    };
    let counts = counts.of(Signal::Traces);
    assert_eq!((counts.requests, counts.rejected_requests), (1, 1));
    assert_eq!(malformed.get(), 1);
    assert_eq!(bench.budget.held.waiting(), 0);
}

#[test]
fn timeouts_are_read_as_grpc_writes_them() {
    let cases = [
        ("1H", Some(Duration::from_secs(3600))),
        ("2M", Some(Duration::from_secs(120))),
        ("10S", Some(Duration::from_secs(10))),
        ("250m", Some(Duration::from_millis(250))),
        ("7u", Some(Duration::from_micros(7))),
        ("99999999n", Some(Duration::from_nanos(99_999_999))),
        ("999999999S", None),
        ("-1S", None),
        ("S", None),
        ("1", None),
        ("1µ", None),
        ("", None),
    ];
    for (value, expected) in cases {
        assert_eq!(patience(value), expected, "{value}");
    }
}

#[test]
fn messages_survive_headers() {
    assert_eq!(
        reply::percent_encoded("plain, 100%\n\u{fc}"),
        "plain, 100%25%0A%C3%BC"
    );
}

#[tokio::test(start_paused = true)]
async fn what_another_receiver_hands_over_is_taken_once_as_it_is_and_for_its_exporter_alone() {
    let all = penstock_settings::Identity {
        pod_ip: true,
        ..NO_RULES
    };
    let bench = Bench::new(Signal::Traces, all);
    let message = traces(&["a", "b"]);
    let call = |exporter, blocks| {
        let headers = [
            ("penstock-hand-over-pipeline", "traces"),
            ("penstock-hand-over-exporter", exporter),
            ("penstock-log-id", "another"),
            ("penstock-blocks", blocks),
        ];
        request(TRACES, &headers, framed(0, &message))
    };
    let unknown = code(&bench, call("gone", "1-2")).await;
    assert_eq!(unknown, Code::FailedPrecondition);
    assert_eq!(bench.ledger.lines()[0].accepted, 0);

    // The second try of what was taken, and then another batch.
    for (blocks, accepted) in [("1-2", 2), ("1-2", 2), ("3-3", 4)] {
        assert_eq!(code(&bench, call("test", blocks)).await, Code::Ok);
        assert_eq!(bench.ledger.lines()[0].accepted, accepted, "{blocks}");
        assert_eq!(bench.route.entrance.accepted_items.get(), accepted);
    }
    let delivered = bench.exporter.delivered(4).await.concat();
    assert_eq!(delivered, [&message[..], &message[..]].concat());
    // Half of a name is no name.
    let half = [("penstock-hand-over-exporter", "test")];
    let half = request(TRACES, &half, framed(0, &message));
    assert_eq!(code(&bench, half).await, Code::FailedPrecondition);
}
