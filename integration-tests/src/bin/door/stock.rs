//! tonic as its users set it up, with one concession to speed: a codec that leaves messages as bytes.
//!
//! The service is what tonic's code generator makes of a service with one unary method. There is no router before it,
//! which makes tonic a little cheaper than most users have it.

use crate::Outcome;
use crate::stages::Stages;
use bytes::{Buf, BufMut, Bytes};
use penstock_integration_tests::unary::MAX_MESSAGE;
use penstock_otlp::Signal;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::TcpListener;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::{Body, BoxFuture, Service, StdError, http};
use tonic::server::{Grpc, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

pub(crate) async fn serve(listener: TcpListener, stages: Arc<Stages>) -> Outcome {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = tonic::transport::Server::builder();
    Ok(server.serve_with_incoming(Export(stages), incoming).await?)
}

#[derive(Clone)]
struct Export(Arc<Stages>);

impl<B> Service<http::Request<B>> for Export
where
    B: Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let Some(signal) = Signal::from_grpc_path(request.uri().path()) else {
            return Box::pin(async { Ok(Status::unimplemented("").into_http()) });
        };
        let method = Method {
            stages: Arc::clone(&self.0),
            signal,
        };
        Box::pin(async move {
            let mut grpc = Grpc::new(Raw).max_decoding_message_size(MAX_MESSAGE);
            Ok(grpc.unary(method, request).await)
        })
    }
}

struct Method {
    stages: Arc<Stages>,
    signal: Signal,
}

impl UnaryService<Bytes> for Method {
    type Response = Bytes;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Status>> + Send>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (stages, signal) = (Arc::clone(&self.stages), self.signal);
        Box::pin(async move {
            if stages.take(signal, request.into_inner()).await {
                Ok(Response::new(Bytes::new()))
            } else {
                Err(Status::internal(""))
            }
        })
    }
}

/// Messages as they are.
#[derive(Clone, Copy)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = message.remaining();
        Ok(Some(message.copy_to_bytes(length)))
    }
}
