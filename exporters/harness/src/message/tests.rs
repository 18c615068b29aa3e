//! What is a message and what is not, however it is cut into frames.
use super::*;
use http::HeaderValue;
use http_body::Frame;
use http_body_util::StreamBody;
use penstock_otlp::compress::compress;
use std::convert::Infallible;

const LIMIT: usize = 1000;

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[flag], &length[..], message].concat()
}

async fn read_cut(encoding: &str, bytes: &[u8], frame: usize) -> Result<Bytes, Status> {
    let frames: Vec<_> = bytes
        .chunks(frame)
        .map(|chunk| Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(chunk))))
        .collect();
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let mut headers = HeaderMap::new();
    if !encoding.is_empty() {
        headers.insert("grpc-encoding", HeaderValue::from_str(encoding).unwrap());
    }
    let chunks = read(&headers, body, LIMIT).await?;
    Ok(join(&chunks))
}

async fn code(encoding: &str, bytes: &[u8]) -> Code {
    read_cut(encoding, bytes, 7).await.unwrap_err().code
}

#[tokio::test]
async fn a_message_is_the_same_in_any_frames_and_encodings() {
    let message = Bytes::from(vec![7; LIMIT]);
    for frame in [1, 4, 5, 6, 5000] {
        assert_eq!(
            read_cut("", &framed(0, &message), frame).await.unwrap(),
            message
        );
        assert_eq!(
            read_cut("gzip", &framed(0, &message), frame).await.unwrap(),
            message
        );
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            let bytes = framed(1, &compress(encoding, std::slice::from_ref(&message)));
            assert_eq!(
                read_cut(encoding.as_str(), &bytes, frame).await.unwrap(),
                message
            );
        }
    }
    assert_eq!(
        read_cut("", &framed(0, b""), 1).await.unwrap(),
        Bytes::new()
    );
}

#[tokio::test]
async fn a_message_over_the_limit_is_too_large_before_and_after_inflating() {
    let large = Bytes::from(vec![7; LIMIT + 1]);
    // The length alone says so, before a byte of it has come.
    assert_eq!(
        code("", &framed(0, &large)[..5]).await,
        Code::ResourceExhausted
    );
    let bomb = framed(1, &compress(Encoding::Zstd, std::slice::from_ref(&large)));
    let status = read_cut("zstd", &bomb, 7).await.unwrap_err();
    assert_eq!(status.code, Code::ResourceExhausted);
    assert!(
        status.message.contains("larger than 1000 bytes"),
        "{}",
        status.message
    );
    assert!(!status.is_retryable());
}

#[tokio::test]
async fn what_is_not_one_whole_message_may_be_sent_again() {
    let whole = framed(0, b"abc");
    assert_eq!(code("", b"").await, Code::Internal);
    assert_eq!(code("", &whole[..3]).await, Code::Internal);
    assert_eq!(code("", &whole[..7]).await, Code::Internal);
    assert_eq!(
        code("", &[&whole[..], &whole].concat()).await,
        Code::Internal
    );
    assert_eq!(code("", &framed(1, b"abc")).await, Code::Internal);
    assert_eq!(code("gzip", &framed(1, b"abc")).await, Code::Internal);
    assert_eq!(code("", &framed(2, b"abc")).await, Code::Internal);
}

#[tokio::test]
async fn an_unknown_encoding_is_named_with_those_that_are_known() {
    let status = read_cut("snappy", &framed(0, b"abc"), 7).await.unwrap_err();
    assert_eq!(status.code, Code::Unimplemented);
    assert!(status.message.contains("gzip,zstd"), "{}", status.message);
}
