//! Our door: `common/http2` and gRPC's five bytes before a message.

use crate::stages::Stages;
use crate::{MAX_MESSAGE, Outcome};
use bytes::{Buf, Bytes};
use penstock_http2::{Block, Body, Head, Http2, Http2Settings, Response};
use penstock_otlp::Signal;
use penstock_runtime::Tasks;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Answers, encoded once.
#[derive(Clone)]
struct Answers {
    headers: Block,
    ok: Block,
    failed: Block,
}

pub(crate) async fn serve(listener: TcpListener, stages: Arc<Stages>) -> Outcome {
    let server = Http2::new(Http2Settings::default())?;
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
        let (server, stages, answers) = (server.clone(), Arc::clone(&stages), answers.clone());
        tasks.spawn("connection", async move {
            let service = |head: Head, body: Body| {
                let (stages, answers) = (Arc::clone(&stages), answers.clone());
                async move {
                    let taken = message(&head, body)
                        .await
                        .is_some_and(|(signal, message)| stages.take(signal, message));
                    if !taken {
                        return Response::headers(answers.failed);
                    }
                    let empty_message = Bytes::from_static(&[0; 5]);
                    Response::unary(answers.headers, empty_message, answers.ok)
                }
            };
            let _end = server.serve(stream, service, std::future::pending()).await;
        });
    }
}

async fn message(head: &Head, mut body: Body) -> Option<(Signal, Bytes)> {
    let signal = Signal::from_grpc_path(str::from_utf8(head.path()).ok()?)?;
    let mut framed = body.collect(MAX_MESSAGE).await.ok()?;
    let uncompressed = framed.try_get_u8().ok()? == 0;
    let length = framed.try_get_u32().ok()? as usize;
    (uncompressed && length == framed.len()).then_some((signal, framed))
}
