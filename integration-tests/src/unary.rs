//! A server of unary OTLP/gRPC calls on `common/http2`, as cheap as it can be made: a message is received whole, shown to a
//! function, and answered with OK or INTERNAL.

use bytes::{Buf, Bytes};
use penstock_http2::{Block, Body, Head, Http2, Http2Settings, Response};
use penstock_otlp::Signal;
use penstock_otlp::compress::{Encoding, decompress};
use penstock_runtime::Tasks;
use std::error::Error;
use std::future::{Future, pending};
use tokio::net::TcpListener;

/// Largest message, the receiver's default.
pub const MAX_MESSAGE: usize = 16 << 20;

/// Answers, encoded once.
#[derive(Clone)]
struct Answers {
    headers: Block,
    ok: Block,
    failed: Block,
}

/// Serves all connections; `take` says whether a message is answered with OK.
///
/// # Errors
/// Wrong settings, and whatever ends the listener.
pub async fn serve<T, F>(
    listener: TcpListener,
    settings: Http2Settings,
    take: T,
) -> Result<(), Box<dyn Error + Send + Sync>>
where
    T: Fn(Signal, Bytes) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = bool> + Send + 'static,
{
    let server = Http2::new(settings)?;
    let answers = Answers {
        headers: Block::response(200)
            .field("content-type", b"application/grpc")
            .build(),
        ok: Block::trailers().field("grpc-status", b"0").build(),
        failed: Block::response(200)
            .field("content-type", b"application/grpc")
            .field("grpc-status", b"13")
            .build(),
    };
    let tasks = Tasks::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (server, take, answers) = (server.clone(), take.clone(), answers.clone());
        tasks.spawn("connection", async move {
            let service = |head: Head, body: Body| {
                let (take, answers) = (take.clone(), answers.clone());
                async move {
                    let taken = match message(&head, body).await {
                        Some((signal, message)) => take(signal, message).await,
                        None => false,
                    };
                    if !taken {
                        return Response::headers(answers.failed);
                    }
                    let empty_message = Bytes::from_static(&[0; 5]);
                    Response::unary(answers.headers, empty_message, answers.ok)
                }
            };
            let _end = server.serve(stream, service, pending()).await;
        });
    }
}

async fn message(head: &Head, mut body: Body) -> Option<(Signal, Bytes)> {
    let signal = Signal::from_grpc_path(str::from_utf8(head.path()).ok()?)?;
    let mut framed = body.collect(MAX_MESSAGE).await.ok()?;
    let compressed = framed.try_get_u8().ok()? != 0;
    let length = framed.try_get_u32().ok()? as usize;
    if length != framed.len() {
        return None;
    }
    let message = match compressed {
        // Some peers compress whatever they are told.
        true => {
            let encoding = str::from_utf8(head.get("grpc-encoding")?).ok()?;
            decompress(Encoding::from_header(encoding)?, &framed, MAX_MESSAGE).ok()?
        }
        false => framed,
    };
    Some((signal, message))
}
