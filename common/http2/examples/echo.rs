//! A unary responder like an OTLP receiver: takes each call's body and answers with an empty message.
//!
//! `cargo run -p penstock-http2 --example echo -- 127.0.0.1:4317`. Any path, any content; other tools (h2spec, h2load,
//! grpcio, Envoy) are pointed at it by hand.

use bytes::Bytes;
use penstock_http2::{Block, Http2, Http2Settings, Response};
use tokio::net::TcpListener;

/// Bodies above this are answered with RESOURCE_EXHAUSTED.
const MAX_BODY: usize = 64 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:4317".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let server = Http2::new(Http2Settings::default())?;
    let headers = Block::response(200)
        .field("content-type", b"application/grpc")
        .build();
    let ok = Block::trailers().field("grpc-status", b"0").build();
    let too_large = Block::trailers().field("grpc-status", b"8").build();
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (io, _) = listener.accept().await?;
        io.set_nodelay(true)?;
        let server = server.clone();
        let (headers, ok, too_large) = (headers.clone(), ok.clone(), too_large.clone());
        connections.spawn(async move {
            let service = |_head, mut body: penstock_http2::Body| {
                let (headers, ok, too_large) = (headers.clone(), ok.clone(), too_large.clone());
                async move {
                    match body.collect(MAX_BODY).await {
                        Ok(_) => Response::unary(headers, Bytes::from_static(&[0; 5]), ok),
                        Err(_) => Response::unary(headers, Bytes::new(), too_large),
                    }
                }
            };
            server.serve(io, service, std::future::pending()).await
        });
        while connections.try_join_next().is_some() {}
    }
}
