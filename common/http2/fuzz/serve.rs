//! Serves bytes to their end, in paused time, with a service that echoes, ignores or holds by the path's length.

use std::future::pending;

use penstock_http2::{Block, Body, ErrorCode, Head, Http2, Http2Settings, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

/// Preface and SETTINGS of a client.
pub fn handshake() -> Vec<u8> {
    [
        &penstock_http2::frame::PREFACE[..],
        &[0, 0, 0, 4, 0, 0, 0, 0, 0],
    ]
    .concat()
}

async fn answer(head: Head, mut body: Body) -> Response {
    match head.path().len() % 3 {
        1 => match body.collect(1 << 20).await {
            Ok(bytes) => Response::unary(
                Block::response(200).build(),
                bytes,
                Block::trailers().field("grpc-status", b"0").build(),
            ),
            Err(_) => Response::reset(ErrorCode::CANCEL),
        },
        2 => Response::headers(Block::response(404).build()),
        _ => pending().await,
    }
}

/// Runs one connection over `bytes`, written `chunk` bytes at a time.
pub fn serve(bytes: &[u8], chunk: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without drivers can be made");
    runtime.block_on(async {
        let (peer, io) = duplex(16 << 10);
        let (mut reader, mut writer) = tokio::io::split(peer);
        let server = Http2::new(Http2Settings::default()).expect("defaults are valid");
        let say = async {
            for part in bytes.chunks(chunk) {
                if writer.write_all(part).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
            writer.shutdown().await.ok();
        };
        let hear = async {
            let mut sink = [0; 4096];
            while reader.read(&mut sink).await.is_ok_and(|n| n > 0) {}
        };
        tokio::join!(server.serve(io, answer, pending()), say, hear);
    });
}
