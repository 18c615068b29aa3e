//! An OTLP backend that records what it gets and answers by script.
//!
//! *Invariant:* a request is recorded before it is answered, and counts as delivered only once its answer says so.
//!
//! One port speaks OTLP/gRPC and OTLP/HTTP. It is plain `hyper`, since a real OTLP server has no way to misbehave on
//! demand.

use crate::request::Request;
use crate::{Identity, Pki};
use bytes::{Buf, Bytes};
use http::{HeaderMap, request::Parts};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

mod answer;

pub use answer::{Answer, Gate};

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Over gRPC, or else over HTTP.
    pub grpc: bool,
    /// The path.
    pub path: String,
    /// `traces`, `metrics` or `logs`.
    pub signal: &'static str,
    /// Request headers.
    pub headers: HeaderMap,
    /// The message as it was on the wire: without gRPC's prefix, still compressed.
    pub wire: Bytes,
    /// The message after decompression.
    pub body: Bytes,
    /// The message as `prost` (or, for JSON, `serde_json`) reads it.
    pub request: Request,
    /// Which connection it came on, from 0.
    pub connection: usize,
    /// The answer it got or will get.
    pub answer: Answer,
    /// Whether the answer was given. False while it is held, and for ever when the sender gave up.
    pub answered: bool,
}

/// A running backend on a loopback port; it stops when dropped.
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    state: Arc<State>,
    server: JoinSet<()>,
}

#[derive(Debug)]
struct State {
    books: Mutex<Books>,
    arrived: watch::Sender<usize>,
    connections: AtomicUsize,
}

#[derive(Debug)]
struct Books {
    script: VecDeque<Answer>,
    otherwise: Answer,
    recorded: Vec<Recorded>,
    faults: Vec<String>,
}

impl State {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend {
    /// Starts a backend without TLS that answers OK.
    ///
    /// # Panics
    /// When no loopback port can be had.
    pub async fn start() -> Self {
        Self::serve("127.0.0.1:0", None).await
    }

    /// Starts one on a given address, for a backend that comes back.
    ///
    /// # Panics
    /// When the address cannot be had.
    pub async fn start_at(address: SocketAddr) -> Self {
        Self::serve(&address.to_string(), None).await
    }

    /// Starts one with TLS; with `client_ca`, clients need a certificate of that authority.
    ///
    /// # Panics
    /// When the identity is of no use.
    pub async fn start_tls(identity: &Identity, client_ca: Option<&Pki>) -> Self {
        Self::serve("127.0.0.1:0", Some(acceptor(identity, client_ca))).await
    }

    async fn serve(address: &str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let state = Arc::new(State {
            books: Mutex::new(Books {
                script: VecDeque::new(),
                otherwise: Answer::Ok,
                recorded: Vec::new(),
                faults: Vec::new(),
            }),
            arrived: watch::Sender::new(0),
            connections: AtomicUsize::new(0),
        });
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(accept(listener, tls, Arc::clone(&state)));
        Self {
            address,
            state,
            server,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers the next requests with these, one each, in order.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.books().script.extend(answers);
    }

    /// What requests get when the script is at its end.
    pub fn otherwise(&self, answer: Answer) {
        self.state.books().otherwise = answer;
    }

    /// Everything recorded so far.
    #[must_use]
    pub fn recorded(&self) -> Vec<Recorded> {
        self.state.books().recorded.clone()
    }

    /// The last request.
    ///
    /// # Panics
    /// When there was none.
    #[must_use]
    pub fn last(&self) -> Recorded {
        self.state
            .books()
            .recorded
            .last()
            .cloned()
            .expect("a request")
    }

    /// Waits until `count` requests have arrived since the start, and returns all.
    ///
    /// # Panics
    /// Never in practice: the sender lives as long as `self`.
    pub async fn arrived(&self, count: usize) -> Vec<Recorded> {
        let mut arrived = self.state.arrived.subscribe();
        arrived.wait_for(|arrived| *arrived >= count).await.unwrap();
        self.recorded()
    }

    /// Ids of the items of `signal` that this backend has said yes to, in order of arrival.
    #[must_use]
    pub fn delivered(&self, signal: &str) -> Vec<String> {
        let books = self.state.books();
        let yes = |recorded: &&Recorded| {
            recorded.signal == signal && recorded.answered && recorded.answer.is_yes()
        };
        books
            .recorded
            .iter()
            .filter(yes)
            .flat_map(|recorded| recorded.request.ids())
            .collect()
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// What was wrong with requests that could not be read. A test that expects none asserts that this is empty.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        self.state.books().faults.clone()
    }

    /// Stops listening and closes every connection, as a killed process does.
    pub async fn stop(mut self) {
        self.server.shutdown().await;
    }
}

fn acceptor(identity: &Identity, client_ca: Option<&Pki>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = vec![CertificateDer::from_pem_slice(identity.cert_pem.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap();
    let verifier = match client_ca {
        None => rustls::server::WebPkiClientVerifier::no_client_auth(),
        Some(pki) => {
            let mut roots = rustls::RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(pki.ca_pem.as_bytes()).unwrap())
                .unwrap();
            rustls::server::WebPkiClientVerifier::builder_with_provider(
                Arc::new(roots),
                Arc::clone(&provider),
            )
            .build()
            .unwrap()
        }
    };
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let number = state.connections.fetch_add(1, Ordering::Relaxed);
        let (tls, state) = (tls.clone(), Arc::clone(&state));
        connections.spawn(async move {
            match tls {
                None => converse(stream, number, &state).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => converse(stream, number, &state).await,
                    Err(error) => state.books().faults.push(format!("handshake: {error}")),
                },
            }
        });
    }
}

async fn converse<S>(stream: S, connection: usize, state: &Arc<State>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let hang_up = Arc::new(Notify::new());
    let service = service_fn(|request: http::Request<Incoming>| {
        let (state, hang_up) = (Arc::clone(state), Arc::clone(&hang_up));
        async move { Ok::<_, Infallible>(respond(request, connection, &state, &hang_up).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let conversation = builder.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // How a connection ends says nothing of the requests on it.
        _ = conversation => {}
        () = hang_up.notified() => {}
    }
}

async fn respond(
    request: http::Request<Incoming>,
    connection: usize,
    state: &State,
    hang_up: &Notify,
) -> http::Response<Body> {
    let (head, body) = request.into_parts();
    let grpc = is_grpc(&head.headers);
    let read = match body.collect().await {
        Ok(body) => read(&head, body.to_bytes()),
        Err(error) => Err(format!("body: {error}")),
    };
    let (recorded, index) = {
        let mut books = state.books();
        let answer = books
            .script
            .pop_front()
            .unwrap_or_else(|| books.otherwise.clone());
        let recorded = match read {
            Ok(read) => Recorded {
                connection,
                answer,
                ..read
            },
            Err(fault) => {
                books.faults.push(fault.clone());
                return answer::malformed(grpc, &fault);
            }
        };
        books.recorded.push(recorded.clone());
        let count = books.recorded.len();
        state.arrived.send_replace(count);
        (recorded, count - 1)
    };
    let answer = recorded.answer.released().await;
    state.books().recorded[index].answered = true;
    match answer::response(&answer, &recorded) {
        Some(response) => response,
        None => {
            hang_up.notify_one();
            std::future::pending().await
        }
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    header(headers, "content-type").starts_with("application/grpc")
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// Reads a request as strictly as a good backend would.
fn read(head: &Parts, mut body: Bytes) -> Result<Recorded, String> {
    let grpc = is_grpc(&head.headers);
    let path = head.uri.path().to_owned();
    let signal = match path.as_str() {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" if grpc => "traces",
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" if grpc => "metrics",
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" if grpc => "logs",
        path if !grpc && path.ends_with("/v1/traces") => "traces",
        path if !grpc && path.ends_with("/v1/metrics") => "metrics",
        path if !grpc && path.ends_with("/v1/logs") => "logs",
        other => return Err(format!("unknown path {other}")),
    };
    if head.method != http::Method::POST {
        return Err(format!("method {}", head.method));
    }
    let encoding = if grpc {
        if body.len() < 5 {
            return Err("gRPC message without its prefix".to_owned());
        }
        let compressed = body.get_u8();
        let length = body.get_u32();
        if usize::try_from(length).ok() != Some(body.len()) {
            return Err(format!(
                "gRPC message of {} bytes says {length}",
                body.len()
            ));
        }
        let encoding = header(&head.headers, "grpc-encoding");
        if compressed == 0 {
            "identity"
        } else {
            encoding
        }
    } else {
        header(&head.headers, "content-encoding")
    };
    let wire = body;
    let body = inflate(encoding, &wire)?;
    let content_type = header(&head.headers, "content-type");
    let request = match content_type {
        "application/json" => {
            Request::from_json(signal, &body).map_err(|error| error.to_string())?
        }
        "application/x-protobuf" | "application/grpc" | "application/grpc+proto" => {
            Request::decode(signal, &body).map_err(|error| error.to_string())?
        }
        other => return Err(format!("content type {other}")),
    };
    let headers = head.headers.clone();
    let (connection, answer, answered) = (0, Answer::Ok, false);
    Ok(Recorded {
        grpc,
        path,
        signal,
        headers,
        wire,
        body,
        request,
        connection,
        answer,
        answered,
    })
}

fn inflate(encoding: &str, body: &Bytes) -> Result<Bytes, String> {
    const LIMIT: u64 = 256 << 20;
    let reader: Box<dyn Read + '_> = match encoding {
        "" | "identity" => return Ok(body.clone()),
        "gzip" => Box::new(flate2::read::GzDecoder::new(&body[..])),
        "deflate" => Box::new(flate2::read::ZlibDecoder::new(&body[..])),
        "zstd" => {
            Box::new(zstd::Decoder::with_buffer(&body[..]).map_err(|error| error.to_string())?)
        }
        other => return Err(format!("unknown encoding {other}")),
    };
    let mut output = Vec::new();
    std::io::copy(&mut reader.take(LIMIT), &mut output).map_err(|error| error.to_string())?;
    Ok(Bytes::from(output))
}
