//! Framing and status headers, also of peers that write them badly.
use super::*;
use http::HeaderValue;
use penstock_otlp::compress::decompress;
use std::time::Duration;

fn written(message: &Message) -> Vec<u8> {
    message.frames.iter().flatten().copied().collect()
}

#[test]
fn chunks_become_one_message_without_a_copy() {
    let chunks = [
        Bytes::from_static(b"ab"),
        Bytes::new(),
        Bytes::from_static(b"cde"),
    ];
    let message = Message::new(&chunks, Encoding::Identity).unwrap();
    assert_eq!(written(&message), b"\0\0\0\0\x05abcde");
    assert_eq!(message.frames[1].as_ptr(), chunks[0].as_ptr());
    assert_eq!(message.frames[2].as_ptr(), chunks[2].as_ptr());
}

#[test]
fn a_compressed_message_says_so_and_inflates_to_the_chunks() {
    let chunks = [Bytes::from(vec![1; 3000]), Bytes::from(vec![2; 3000])];
    let bytes = written(&Message::new(&chunks, Encoding::Zstd).unwrap());
    assert_eq!(bytes[0], 1);
    let body = Bytes::copy_from_slice(&bytes[PREFIX..]);
    assert_eq!(
        decompress(Encoding::Zstd, &body, 10_000).unwrap(),
        chunks.concat()
    );
}

#[test]
fn a_response_is_one_whole_message() {
    assert_eq!(unframe(b""), Some(&b""[..]));
    assert_eq!(unframe(b"\0\0\0\0\0"), Some(&b""[..]));
    assert_eq!(unframe(b"\0\0\0\0\x02ab"), Some(&b"ab"[..]));
    for broken in [
        &b"\0\0\0"[..],
        b"\0\0\0\0\x03ab",
        b"\0\0\0\0\x01ab",
        b"\x01\0\0\0\x02ab",
    ] {
        assert_eq!(unframe(broken), None, "{broken:?}");
    }
}

#[test]
fn status_headers_are_read_as_grpc_writes_them() {
    let sent = Status {
        code: Code::Unavailable,
        message: "100 % weg: ü".to_owned(),
        retry_after: Some(Duration::from_millis(1500)),
    };
    let mut headers = HeaderMap::new();
    headers.insert("grpc-status", HeaderValue::from_static("14"));
    headers.insert(
        "grpc-message",
        HeaderValue::from_static("100 %25 weg: %C3%BC"),
    );
    let details = base64::engine::general_purpose::STANDARD.encode(sent.encode());
    for details in [details.as_str(), details.trim_end_matches('=')] {
        headers.insert(
            "grpc-status-details-bin",
            HeaderValue::from_str(details).unwrap(),
        );
        let read = status(&headers).unwrap();
        assert_eq!(
            (read.code, &read.message, read.retry_after),
            (sent.code, &sent.message, sent.retry_after)
        );
    }
}

#[test]
fn broken_status_headers_are_still_a_status() {
    let mut headers = HeaderMap::new();
    assert!(status(&headers).is_none());
    headers.insert("grpc-status", HeaderValue::from_static("x"));
    headers.insert("grpc-message", HeaderValue::from_static("%"));
    headers.insert("grpc-status-details-bin", HeaderValue::from_static("***"));
    let read = status(&headers).unwrap();
    assert_eq!(
        (read.code, read.message.as_str(), read.retry_after),
        (Code::Unknown, "%", None)
    );
    for (written, decoded) in [
        ("%4", "%4"),
        ("%zz", "%zz"),
        ("%ff", "\u{fffd}"),
        ("a%20b", "a b"),
    ] {
        assert_eq!(percent_decode(written.as_bytes()), decoded);
    }
}
