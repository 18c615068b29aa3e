//! A sender of whatever bytes a test likes, over HTTP/1.1 or HTTP/2: real clients cannot be made to misbehave.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use penstock_otlp::Signal;
use penstock_otlp::status::Status;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// One connection; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    sender: Sender,
    _connection: JoinSet<()>,
}

#[derive(Debug)]
enum Sender {
    Http1(Mutex<http1::SendRequest<Body>>),
    Http2(http2::SendRequest<Body>),
}

impl Client {
    pub(crate) async fn http1(address: SocketAddr) -> Self {
        let stream = connect(address).await;
        let (sender, connection) = http1::handshake(stream).await.unwrap();
        let mut tasks = JoinSet::new();
        // How a connection ends is told by its calls.
        tasks.spawn(async move { _ = connection.await });
        Self {
            address,
            sender: Sender::Http1(Mutex::new(sender)),
            _connection: tasks,
        }
    }

    pub(crate) async fn http2(address: SocketAddr) -> Self {
        let stream = connect(address).await;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), stream)
            .await
            .unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { _ = connection.await });
        Self {
            address,
            sender: Sender::Http2(sender),
            _connection: tasks,
        }
    }

    /// Sends a request whose URI is a path, as it is.
    pub(crate) async fn send<B>(&self, request: Request<B>) -> Result<Reply, hyper::Error>
    where
        B: http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let mut request = request.map(BodyExt::boxed_unsync);
        let host = self.address.to_string();
        let response = match &self.sender {
            Sender::Http1(sender) => {
                request.headers_mut().insert(HOST, host.try_into().unwrap());
                sender.lock().await.send_request(request).await?
            }
            Sender::Http2(sender) => {
                let uri = format!("http://{host}{}", request.uri());
                *request.uri_mut() = uri.parse::<Uri>().unwrap();
                sender.clone().send_request(request).await?
            }
        };
        Reply::read(response).await
    }

    /// Sends one message as gRPC clients do.
    pub(crate) async fn export(&self, signal: &str, body: Bytes) -> Result<Reply, hyper::Error> {
        let path = Signal::from_name(signal).unwrap().grpc_path();
        self.send(grpc(path).body(Full::new(framed(&body))).unwrap())
            .await
    }

    /// Posts a protobuf body as OTLP/HTTP clients do.
    pub(crate) async fn post(&self, signal: &str, body: Bytes) -> Result<Reply, hyper::Error> {
        let path = Signal::from_name(signal).unwrap().http_path();
        let request = Request::post(path).header(CONTENT_TYPE, "application/x-protobuf");
        self.send(request.body(Full::new(body)).unwrap()).await
    }
}

async fn connect(address: SocketAddr) -> TokioIo<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    TokioIo::new(stream)
}

/// The head of a gRPC call.
pub(crate) fn grpc(path: &str) -> http::request::Builder {
    Request::post(path)
        .header(CONTENT_TYPE, "application/grpc")
        .header("te", "trailers")
}

/// A message in gRPC's frame, not compressed.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    frame(0, message)
}

/// A message in gRPC's frame with its compressed flag.
pub(crate) fn frame(flag: u8, message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(5 + message.len());
    framed.put_u8(flag);
    framed.put_u32(message.len().try_into().unwrap());
    framed.put_slice(message);
    framed.freeze()
}

/// An answer of either transport.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// HTTP's status.
    pub(crate) status: u16,
    /// gRPC's code, if there is one.
    pub(crate) code: Option<u16>,
    /// What is said about an error.
    pub(crate) message: String,
    /// RetryInfo or Retry-After.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

impl Reply {
    async fn read(response: Response<Incoming>) -> Result<Self, hyper::Error> {
        let (head, body) = response.into_parts();
        let collected = body.collect().await?;
        let trailers = collected.trailers().cloned().unwrap_or_default();
        let body = collected.to_bytes();
        let field = |name: &str| text(&head.headers, name).or_else(|| text(&trailers, name));
        let (message, retry_after) = match field("grpc-status") {
            Some(_) => {
                let details = field("grpc-status-details-bin")
                    .and_then(|details| STANDARD_NO_PAD.decode(details).ok())
                    .and_then(|details| Status::decode(&details));
                let retry_after = details.and_then(|status| status.retry_after);
                (field("grpc-message").unwrap_or_default(), retry_after)
            }
            None => {
                let seconds = field(RETRY_AFTER.as_str()).map(|value| value.parse().unwrap());
                let content_type = field(CONTENT_TYPE.as_str()).unwrap_or_default();
                (
                    said(head.status.is_success(), &content_type, &body),
                    seconds.map(Duration::from_secs),
                )
            }
        };
        Ok(Self {
            status: head.status.as_u16(),
            code: field("grpc-status").map(|code| code.parse().unwrap()),
            message,
            retry_after,
            body,
        })
    }

    /// Whether the items are the receiver's from now on.
    pub(crate) fn is_ack(&self) -> bool {
        self.status == 200 && self.code.is_none_or(|code| code == 0)
    }
}

/// The words of an OTLP/HTTP error.
fn said(success: bool, content_type: &str, body: &Bytes) -> String {
    match content_type {
        _ if success => String::new(),
        "application/x-protobuf" => Status::decode(body).unwrap().message,
        "application/json" => {
            let status: serde_json::Value = serde_json::from_slice(body).unwrap();
            status["message"].as_str().unwrap().to_owned()
        }
        _ => String::from_utf8(body.to_vec()).unwrap(),
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?;
    Some(value.to_str().unwrap().to_owned())
}
