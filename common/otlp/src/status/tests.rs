//! The table, line by line, and the wire form of a status.
use super::*;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<RetryDelay>,
}

#[derive(Clone, PartialEq, Message)]
struct RetryDelay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

fn retry_info(seconds: i64, nanos: i32) -> Any {
    let info = RetryInfo {
        retry_delay: Some(RetryDelay { seconds, nanos }),
    };
    Any {
        type_url: RETRY_INFO_URL.to_owned(),
        value: info.encode_to_vec(),
    }
}

fn status(code: Code, retry_after: Option<Duration>) -> Status {
    Status {
        code,
        message: "log is full".to_owned(),
        retry_after,
    }
}

#[test]
fn every_code_has_its_number_name_http_status_and_retry_rule() {
    // (number, name, HTTP status, retryable, retryable with RetryInfo)
    let expected = [
        (0, "OK", 200, false, false),
        (1, "CANCELLED", 503, true, true),
        (2, "UNKNOWN", 500, false, false),
        (3, "INVALID_ARGUMENT", 400, false, false),
        (4, "DEADLINE_EXCEEDED", 503, true, true),
        (5, "NOT_FOUND", 404, false, false),
        (6, "ALREADY_EXISTS", 500, false, false),
        (7, "PERMISSION_DENIED", 403, false, false),
        (8, "RESOURCE_EXHAUSTED", 429, false, true),
        (9, "FAILED_PRECONDITION", 500, false, false),
        (10, "ABORTED", 503, true, true),
        (11, "OUT_OF_RANGE", 503, true, true),
        (12, "UNIMPLEMENTED", 404, false, false),
        (13, "INTERNAL", 500, false, false),
        (14, "UNAVAILABLE", 503, true, true),
        (15, "DATA_LOSS", 503, true, true),
        (16, "UNAUTHENTICATED", 401, false, false),
    ];
    for (number, name, http, retryable, with_info) in expected {
        let code = Code::from_number(number);
        assert_eq!(code as u32, number);
        assert_eq!(code.name(), name);
        assert_eq!(code.http_status(), http, "{name}");
        assert_eq!(code.is_retryable(false), retryable, "{name}");
        assert_eq!(code.is_retryable(true), with_info, "{name}");
    }
    for number in [17, 255, 256, u32::MAX] {
        assert_eq!(Code::from_number(number), Code::Unknown);
    }
}

#[test]
fn every_http_status_of_a_backend_has_its_code() {
    for (http, code) in [
        (200, Code::Ok),
        (202, Code::Ok),
        (307, Code::Unknown),
        (400, Code::InvalidArgument),
        (401, Code::Unauthenticated),
        (403, Code::PermissionDenied),
        (404, Code::Unimplemented),
        (405, Code::Unimplemented),
        (408, Code::InvalidArgument),
        (413, Code::ResourceExhausted),
        (415, Code::InvalidArgument),
        (422, Code::InvalidArgument),
        (429, Code::ResourceExhausted),
        (500, Code::Internal),
        (501, Code::Unimplemented),
        (502, Code::Unavailable),
        (503, Code::Unavailable),
        (504, Code::Unavailable),
        (507, Code::Internal),
    ] {
        assert_eq!(Code::from_http_status(http), code, "{http}");
    }
}

#[test]
fn whether_to_try_again_survives_the_way_from_http_and_back() {
    for http in 100..=599 {
        for retry_after in [None, Some(Duration::from_secs(3))] {
            let status = Status::from_http(http, "", retry_after);
            assert_eq!(status.is_retryable(), http_is_retryable(http), "{http}");
            if status.code != Code::Ok {
                assert_eq!(
                    http_is_retryable(status.http_status()),
                    status.is_retryable()
                );
            }
        }
    }
    for same in [400, 401, 403, 404, 413, 429, 500, 503] {
        assert_eq!(Status::from_http(same, "", None).http_status(), same);
    }
}

#[test]
fn exhausted_without_a_retry_is_too_large() {
    assert_eq!(status(Code::ResourceExhausted, None).http_status(), 413);
    assert_eq!(
        status(Code::ResourceExhausted, Some(Duration::ZERO)).http_status(),
        429
    );
}

#[test]
fn what_is_encoded_is_google_rpc_status() {
    let delay = Duration::new(2, 500_000_000);
    let decoded = RpcStatus::decode(status(Code::Unavailable, Some(delay)).encode()).unwrap();
    let details = vec![retry_info(2, 500_000_000)];
    assert_eq!(
        decoded,
        RpcStatus {
            code: 14,
            message: "log is full".to_owned(),
            details
        }
    );

    let decoded = RpcStatus::decode(status(Code::InvalidArgument, None).encode()).unwrap();
    assert_eq!(
        decoded,
        RpcStatus {
            code: 3,
            message: "log is full".to_owned(),
            details: Vec::new()
        }
    );
}

#[test]
fn what_is_encoded_is_decoded() {
    for code in 0..=16 {
        for delay in [
            None,
            Some(Duration::ZERO),
            Some(Duration::new(1 << 40, 999_999_999)),
        ] {
            let sent = status(Code::from_number(code), delay);
            let read = Status::decode(&sent.encode()).unwrap();
            assert_eq!((read.code, read.retry_after), (sent.code, sent.retry_after));
            assert_eq!(read.message, sent.message);
        }
    }
}

#[test]
fn unknown_and_broken_details_are_passed_over() {
    let unknown = Any {
        type_url: "example.com/Other".to_owned(),
        value: vec![0xff; 9],
    };
    let broken = Any {
        type_url: RETRY_INFO_URL.to_owned(),
        value: vec![0x0a, 0x7f],
    };
    let details = vec![unknown.clone(), retry_info(7, 0), broken, unknown];
    let sent = RpcStatus {
        code: 99,
        message: "m".to_owned(),
        details,
    };
    let mut bytes = sent.encode_to_vec();
    // An unknown field 15 and a group of number 9.
    bytes.extend_from_slice(&[0x78, 0x01, 0x4b, 0x08, 0x01, 0x4c]);
    let read = Status::decode(&bytes).unwrap();
    assert_eq!(read.code, Code::Unknown);
    assert_eq!(read.message, "m");
    assert_eq!(read.retry_after, Some(Duration::from_secs(7)));
}

#[test]
fn a_delay_out_of_range_is_bounded() {
    for (seconds, nanos, expected) in [
        (-5, 0, Duration::ZERO),
        (0, -1, Duration::ZERO),
        (
            i64::MAX,
            i32::MAX,
            Duration::new(i64::MAX as u64 + 2, 147_483_647),
        ),
    ] {
        let sent = RpcStatus {
            details: vec![retry_info(seconds, nanos)],
            ..RpcStatus::default()
        };
        let read = Status::decode(&sent.encode_to_vec()).unwrap();
        assert_eq!(read.retry_after, Some(expected));
    }
}

#[test]
fn bytes_that_are_not_a_status_are_noticed() {
    let whole = status(Code::Unavailable, Some(Duration::from_secs(1))).encode();
    for cut in [1, 3, whole.len() - 1] {
        assert!(Status::decode(&whole[..cut]).is_none(), "cut at {cut}");
    }
    assert!(Status::decode(b"upstream connect error").is_none());
}

#[test]
fn json_is_that_of_google_rpc_status() {
    assert_eq!(
        status(Code::Unavailable, Some(Duration::from_millis(1500))).to_json(),
        r#"{"code":14,"message":"log is full","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}]}"#
    );
    assert_eq!(
        Status::new(Code::InvalidArgument, "a \"quote\"").to_json(),
        r#"{"code":3,"message":"a \"quote\""}"#
    );
}

#[test]
fn size_is_told_from_quantity_whoever_complains() {
    for message in [
        "batch is too large: 413",
        "http: request body too large",
        "request entity too big",
        "grpc: received message larger than max (5000000 vs. 4194304)",
        "gRPC message exceeds maximum size 4194304: 5000000",
        "request exceeds the maximum allowed message size",
        "Error decompressing: size limit, of 10 bytes, exceeded",
        "Error, decoded message length Too Large: found 9 bytes, the limit is: 8 bytes",
    ] {
        assert!(is_about_size(message), "{message}");
    }
    for message in [
        "",
        "data refused due to high memory usage",
        "RATE_LIMITED: ingestion rate limit (15000000 bytes) exceeded while adding 9 bytes",
        "exceeds the maximum number of requests per second",
    ] {
        assert!(!is_about_size(message), "{message}");
    }
}

#[test]
fn only_a_refusal_that_may_not_be_repeated_is_too_large() {
    let too_large = |number, retry_after| {
        let message = "message is too large".to_owned();
        let code = Code::from_number(number);
        Status {
            code,
            message,
            retry_after,
        }
        .is_too_large()
    };
    for number in 0..17 {
        assert_eq!(
            too_large(number, None),
            matches!(number, 8 | 11),
            "{number}"
        );
        assert!(!too_large(number, Some(Duration::ZERO)), "{number}");
    }
}
