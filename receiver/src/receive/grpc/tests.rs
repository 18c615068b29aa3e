//! gRPC's framing and statuses, without connections.

use super::*;
use crate::testing::{Bench, LIMITS, NO_RULES, PEER};
use ::http::HeaderMap;
use base64::Engine;
use http_body::Frame;
use http_body_util::BodyExt;
use penstock_otlp::compress::compress;
use penstock_testkit::{Request as Decoded, traces};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

const TRACES: &str = Signal::Traces.grpc_path();

fn door(bench: &Bench) -> GrpcDoor {
    GrpcDoor {
        routes: [Some(bench.route.clone()), None, None],
        limits: LIMITS,
        counts: Arc::clone(&bench.door),
    }
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let mut framed = vec![flag];
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend_from_slice(message);
    framed
}

/// A body in pieces of `size` bytes.
struct Pieces(Bytes, usize);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let size = self.1.min(self.0.len());
        let piece = self.0.split_to(size);
        Poll::Ready((size > 0).then(|| Ok(Frame::data(piece))))
    }
}

fn request(path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Request<Pieces> {
    let mut request = Request::post(path).header("content-type", "application/grpc");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Pieces(Bytes::from(body), usize::MAX)).unwrap()
}

/// The answer's headers with its trailers, and the message.
async fn answer(bench: &Bench, request: Request<Pieces>) -> (StatusCode, HeaderMap, Bytes) {
    let response = door(bench).answer(request, PEER).await;
    let (head, body) = response.into_parts();
    let mut headers = head.headers;
    let body = body.collect().await.unwrap();
    headers.extend(body.trailers().cloned().unwrap_or_default());
    (head.status, headers, body.to_bytes())
}

async fn code(bench: &Bench, request: Request<Pieces>) -> Code {
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
        let cut = request(TRACES, &[], Vec::new()).map(|_| Pieces(body.clone(), size));
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
        let mut call = request(TRACES, &[], Vec::new());
        call.headers_mut()
            .insert("content-type", content_type.parse().unwrap());
        let (status, ..) = answer(&bench, call).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
    }
    for content_type in ["application/grpc+proto", "application/grpc; charset=utf-8"] {
        assert!(is_grpc(content_type), "{content_type}");
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
    let call = request(TRACES, &[], Vec::new()).map(|_| Never);
    let (head, _) = door(&bench).answer(call, PEER).await.into_parts();
    assert_eq!(header(&head.headers, "grpc-status"), "4");
}

struct Never;

impl Body for Never {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
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
