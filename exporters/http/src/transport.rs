//! Requests to one host, spread over all addresses that its name has.
//!
//! *Invariant:* a request is sent again by itself only when it has certainly not been sent before: when no connection
//! could be had.
//!
//! Every address has a client of its own with its own connections. Addresses take turns, those that could not be
//! reached lately come last, and names are resolved again and again, so that a headless Service is balanced and new
//! pods are found. A dead peer is noticed by unacknowledged bytes and not by pings, which gRPC servers take for abuse.

use crate::body::Body;
use crate::{BuildError, Tls, tls};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::{HttpConnector, dns::Name};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use penstock_otlp::causes::with_causes;
use penstock_tls::ClientSide;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tower::Service;

/// How long the addresses of a name are believed.
const RESOLVE_EVERY: Duration = Duration::from_secs(10);
/// How long an address that could not be reached comes last.
const AVOID_FOR: Duration = Duration::from_secs(10);
/// Short, so that the next address has its turn within one attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Sent bytes that stay unacknowledged for so long end a connection.
const UNACKNOWLEDGED_FOR: Duration = Duration::from_secs(10);
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
/// As in the Collector.
const IDLE_CONNECTION: Duration = Duration::from_secs(90);
/// What is kept of an answer's body: enough for its message.
const KEPT_BYTES: usize = 64 << 10;
/// OTLP's limit for an answer; more is not read.
const LONGEST_ANSWER: usize = 4 << 20;

/// An answer, read as far as it is of interest.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// The first 64 KiB of its body.
    pub body: Bytes,
    /// What comes after the body.
    pub trailers: HeaderMap,
    /// Why it was not read to its end, if it was not.
    pub cut: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The host has no address that is known.
    #[error("{0} cannot be resolved: {1}")]
    Resolve(String, String),
    /// No connection, or one that broke.
    #[error("{address}: {what}")]
    Connection {
        /// Whose.
        address: SocketAddr,
        /// What happened.
        what: String,
    },
    /// Sent, and then nothing.
    #[error("{address}: no answer within {timeout:?}")]
    Timeout {
        /// To whom.
        address: SocketAddr,
        /// The limit.
        timeout: Duration,
    },
    /// The name has no addresses.
    #[error("{0} has no address")]
    NoAddress(String),
}

/// The way to one host.
#[derive(Debug)]
pub struct Transport {
    host: String,
    port: u16,
    http2_only: bool,
    tls: Security,
    peers: Mutex<Peers>,
    resolving: tokio::sync::Mutex<()>,
}

/// How connections are made.
#[derive(Debug)]
enum Security {
    /// Without TLS, which the connector does not know.
    Plain(Arc<ClientConfig>),
    Tls(Arc<ClientSide>),
}

impl Security {
    /// For a new connection.
    fn config(&self) -> Arc<ClientConfig> {
        match self {
            Self::Plain(unused) => Arc::clone(unused),
            Self::Tls(side) => side.config(),
        }
    }

    /// The name to verify, if it is not the host's.
    fn server_name(&self) -> Option<ServerName<'static>> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(side) => side.server_name().cloned(),
        }
    }

    /// Why a request failed, with the setting to look at if it was for TLS.
    fn explain(&self, error: &legacy::Error) -> String {
        let explained = match self {
            Self::Plain(_) => None,
            Self::Tls(side) => side.explain(error),
        };
        match explained {
            Some(failed) => failed.to_string(),
            None => with_causes(error),
        }
    }
}

#[derive(Debug, Default)]
struct Peers {
    list: Vec<Peer>,
    turn: usize,
    resolved: Option<Instant>,
    /// Whether the last lookup failed, so that only the first of many failures warns.
    lookup_failing: bool,
}

type HttpClient = Client<HttpsConnector<HttpConnector<FixedAddress>>, Body>;

#[derive(Clone, Debug)]
struct Peer {
    address: SocketAddr,
    client: HttpClient,
    /// What the client's connections are made with.
    config: Arc<ClientConfig>,
    /// Tells a client from the one that took its place.
    generation: u64,
    failed: Option<Instant>,
}

impl Transport {
    /// The way to the host of `uri`, with TLS if its scheme is https.
    ///
    /// # Errors
    /// What of the settings cannot work, whatever the host does.
    pub fn new(uri: &Uri, tls: &Tls, http2_only: bool) -> Result<Self, BuildError> {
        let wrong = |what: &str| BuildError::Endpoint {
            endpoint: uri.to_string(),
            what: what.to_owned(),
        };
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("neither http:// nor https://")),
        };
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| wrong("no host"))?;
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(if is_https { 443 } else { 80 }),
            http2_only,
            tls: if is_https {
                Security::Tls(tls.side()?)
            } else {
                Security::Plain(tls::unused()?)
            },
            peers: Mutex::default(),
            resolving: tokio::sync::Mutex::new(()),
        })
    }

    /// Sends the pieces of a body with the given head and reads the answer, all within `timeout`.
    ///
    /// # Errors
    /// There is no answer.
    ///
    /// # Cancel safety
    /// The backend may or may not have the request.
    pub async fn send(
        &self,
        head: &Request<()>,
        body: &[Bytes],
        timeout: Duration,
    ) -> Result<Answer, SendError> {
        let deadline = Instant::now() + timeout;
        match timeout_at(deadline, self.resolve()).await {
            Ok(resolved) => resolved?,
            Err(_) => return Err(SendError::Resolve(self.host.clone(), "timeout".to_owned())),
        }
        let mut last = SendError::NoAddress(self.host.clone());
        for Peer {
            address,
            client,
            generation,
            ..
        } in self.candidates()
        {
            let request = head.clone().map(|()| Body::new(body));
            let exchange = async { Ok(read(client.request(request).await?).await) };
            match timeout_at(deadline, exchange).await {
                Ok(Ok(answer)) => {
                    self.note(address, |peer| peer.failed = None);
                    return Ok(answer);
                }
                Ok(Err(error)) => {
                    let was_sent = !legacy::Error::is_connect(&error);
                    last = SendError::Connection {
                        address,
                        what: self.tls.explain(&error),
                    };
                    if was_sent {
                        return Err(last);
                    }
                    self.note(address, |peer| peer.failed = Some(Instant::now()));
                }
                Err(_) => {
                    // A fresh client has fresh connections: the old one may lead to a process that hangs, or to
                    // a pod that a Service's address stands for no more.
                    let fresh = self.peer(address);
                    self.note(address, |peer| {
                        peer.failed = Some(Instant::now());
                        if peer.generation == generation {
                            peer.renew(fresh);
                        }
                    });
                    return Err(SendError::Timeout { address, timeout });
                }
            }
        }
        Err(last)
    }

    fn peers(&self) -> MutexGuard<'_, Peers> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, address: SocketAddr, change: impl FnOnce(&mut Peer)) {
        if let Some(peer) = self
            .peers()
            .list
            .iter_mut()
            .find(|peer| peer.address == address)
        {
            change(peer);
        }
    }

    /// All peers, beginning with the one whose turn it is; those that failed lately come last.
    fn candidates(&self) -> Vec<Peer> {
        let config = self.tls.config();
        let mut peers = self.peers();
        // Other certificates are for new connections: calls on old ones go on.
        for peer in &mut peers.list {
            if !Arc::ptr_eq(&peer.config, &config) {
                peer.renew(self.peer(peer.address));
            }
        }
        peers.turn = peers.turn.wrapping_add(1);
        let mut list = peers.list.clone();
        let first = peers.turn % list.len().max(1);
        list.rotate_left(first);
        list.sort_by_key(|peer| {
            peer.failed
                .is_some_and(|failed| failed.elapsed() < AVOID_FOR)
        });
        list
    }

    /// Makes sure that there are addresses and that they are not old. Old ones stay in use while new ones are asked
    /// for, and when there is no answer.
    async fn resolve(&self) -> Result<(), SendError> {
        let is_fresh = |peers: &Peers| {
            peers
                .resolved
                .is_some_and(|resolved| resolved.elapsed() < RESOLVE_EVERY)
        };
        if is_fresh(&self.peers()) {
            return Ok(());
        }
        let has_none = self.peers().list.is_empty();
        let _one_at_a_time = if has_none {
            self.resolving.lock().await
        } else if let Ok(guard) = self.resolving.try_lock() {
            guard
        } else {
            return Ok(());
        };
        if is_fresh(&self.peers()) {
            return Ok(());
        }
        let found = tokio::net::lookup_host((&*self.host, self.port)).await;
        let mut peers = self.peers();
        match found {
            Ok(addresses) => {
                if std::mem::take(&mut peers.lookup_failing) {
                    tracing::info!(host = self.host, "name resolved again");
                }
                let mut known = std::mem::take(&mut peers.list);
                for address in addresses {
                    if peers.list.iter().any(|peer| peer.address == address) {
                        continue;
                    }
                    let old = known.iter().position(|peer| peer.address == address);
                    let peer = match old {
                        Some(place) => known.swap_remove(place),
                        None => self.peer(address),
                    };
                    peers.list.push(peer);
                }
            }
            Err(error) if peers.list.is_empty() => {
                return Err(SendError::Resolve(self.host.clone(), error.to_string()));
            }
            Err(error) => {
                if std::mem::replace(&mut peers.lookup_failing, true) {
                    tracing::debug!(%error, host = self.host, "name still not resolved");
                } else {
                    tracing::warn!(%error, host = self.host, "name not resolved, keeping its addresses");
                }
            }
        }
        peers.resolved = Some(Instant::now());
        Ok(())
    }

    fn peer(&self, address: SocketAddr) -> Peer {
        let config = self.tls.config();
        Peer {
            address,
            client: self.client(address, &config),
            config,
            generation: 0,
            failed: None,
        }
    }

    fn client(&self, address: SocketAddr, config: &Arc<ClientConfig>) -> HttpClient {
        let mut tcp = HttpConnector::new_with_resolver(FixedAddress(address));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_keepalive(Some(TCP_KEEPALIVE));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED_FOR));
        let builder = HttpsConnectorBuilder::new()
            .with_tls_config(ClientConfig::clone(config))
            .https_or_http();
        let builder = match self.tls.server_name() {
            Some(name) => builder.with_server_name_resolver(FixedServerNameResolver::new(name)),
            None => builder,
        };
        let connector = if self.http2_only {
            builder.enable_http2().wrap_connector(tcp)
        } else {
            builder.enable_all_versions().wrap_connector(tcp)
        };
        Client::builder(TokioExecutor::new())
            .http2_only(self.http2_only)
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .build(connector)
    }
}

impl Peer {
    /// Takes the connections of `fresh`; what is under way on the old ones goes on.
    fn renew(&mut self, fresh: Self) {
        self.client = fresh.client;
        self.config = fresh.config;
        self.generation += 1;
    }
}

async fn read(response: http::Response<Incoming>) -> Answer {
    let (head, mut incoming) = response.into_parts();
    let (mut body, mut trailers, mut length, mut cut) = (Vec::new(), HeaderMap::new(), 0, None);
    while let Some(frame) = incoming.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => {
                length += data.len();
                let room = KEPT_BYTES - body.len();
                body.extend_from_slice(&data[..data.len().min(room)]);
                if length > LONGEST_ANSWER {
                    cut = Some(format!("an answer of more than {LONGEST_ANSWER} bytes"));
                    break;
                }
            }
            Ok(Err(frame)) => trailers = frame.into_trailers().unwrap_or_default(),
            Err(error) => {
                cut = Some(with_causes(&error));
                break;
            }
        }
    }
    Answer {
        status: head.status,
        headers: head.headers,
        body: body.into(),
        trailers,
        cut,
    }
}

/// Resolves every name to one address.
#[derive(Clone, Debug)]
struct FixedAddress(SocketAddr);

impl Service<Name> for FixedAddress {
    type Response = std::iter::Once<SocketAddr>;
    type Error = std::convert::Infallible;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        ready(Ok(std::iter::once(self.0)))
    }
}

#[cfg(test)]
mod tests;
