//! The answers whose meaning is not OTLP's table alone.

use super::{Failure, of_http, of_status};
use http::{HeaderMap, HeaderValue, StatusCode};
use penstock_otlp::status::{Code, Status};
use std::time::Duration;

fn headers(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_str(value).unwrap())])
}

#[test]
fn complaint_about_size_asks_for_pieces_whoever_makes_it() {
    let said = [
        (
            8,
            "grpc: received message after decompression larger than max (5297928 vs. 4194304)",
        ),
        (8, "gRPC message exceeds maximum size 4194304: 5297928"),
        (8, "batch is too large: limit 4"),
        (
            11,
            "Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes",
        ),
    ];
    for (code, message) in said {
        let failure = of_status(&Status::new(Code::from_number(code), message));
        assert!(matches!(failure, Failure::TooLarge { .. }), "{failure:?}");
    }
    for (status, message) in [
        (413, ""),
        (400, "http: request body too large"),
        (
            500,
            "rpc error: code = ResourceExhausted desc = trying to send message larger than max",
        ),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let failure = of_http(status, &HeaderMap::new(), message);
        assert!(matches!(failure, Failure::TooLarge { .. }), "{failure:?}");
    }
}

#[test]
fn rate_limit_without_retry_info_is_not_taken_for_a_size() {
    let message =
        "RATE_LIMITED: ingestion rate limit (15000000 bytes) exceeded while adding 9 bytes";
    let failure = of_status(&Status::new(Code::ResourceExhausted, message));
    assert!(
        matches!(failure, Failure::Retry { after: None, .. }),
        "{failure:?}"
    );
}

#[test]
fn retry_info_means_the_same_again_whatever_the_words() {
    let after = Some(Duration::from_secs(3));
    let mut status = Status::new(Code::ResourceExhausted, "queue is too large");
    status.retry_after = after;
    let Failure::Retry { after: told, .. } = of_status(&status) else {
        panic!("not a retry")
    };
    assert_eq!(told, after);
}

#[test]
fn redirect_is_not_followed_and_names_its_target() {
    let headers = headers("location", "https://elsewhere/v1/traces");
    let failure = of_http(StatusCode::PERMANENT_REDIRECT, &headers, "");
    let Failure::Misconfigured { reason } = failure else {
        panic!("{failure:?}")
    };
    assert_eq!(
        reason,
        "HTTP 308: redirects are not followed: https://elsewhere/v1/traces"
    );
}

#[test]
fn long_message_is_cut_at_a_character() {
    let message = "é".repeat(5000);
    let Failure::Rejected { reason } = of_status(&Status::new(Code::InvalidArgument, message))
    else {
        panic!("rejected");
    };
    assert!(reason.len() < 1100, "{}", reason.len());
}
