//! The admin server: `/livez`, `/readyz`, `/metrics` and pages of its owner.

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use penstock_runtime::Tasks;
use penstock_runtime::accept::accept;
use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

#[cfg(test)]
mod tests;

/// Connections served at once; more wait to be accepted.
const MAX_CONNECTIONS: usize = 64;
/// Time to send a request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// What a page answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// `content-type`.
    pub content_type: Cow<'static, str>,
    /// `www-authenticate` of status 401.
    pub challenge: Option<&'static str>,
    /// `content-encoding`, unless the body is as it is.
    pub content_encoding: Option<&'static str>,
    /// Body.
    pub body: Bytes,
}

impl Page {
    /// Plain text with status 200.
    #[must_use]
    pub fn text(body: impl Into<String>) -> Self {
        Self {
            status: 200,
            content_type: Cow::Borrowed("text/plain; charset=utf-8"),
            challenge: None,
            content_encoding: None,
            body: Bytes::from(body.into()),
        }
    }

    /// JSON with status 200.
    #[must_use]
    pub fn json(body: impl Into<String>) -> Self {
        Self {
            status: 200,
            content_type: Cow::Borrowed("application/json"),
            challenge: None,
            content_encoding: None,
            body: Bytes::from(body.into()),
        }
    }

    /// The same page for somebody who has to say who it is.
    #[must_use]
    pub fn with_challenge(self, challenge: &'static str) -> Self {
        Self {
            status: 401,
            challenge: Some(challenge),
            ..self
        }
    }

    /// The same page with another status.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }
}

/// What is asked of a page: what follows the `?` of a request, and its headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    text: String,
    headers: HeaderMap,
}

impl From<&str> for Query {
    fn from(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            headers: HeaderMap::new(),
        }
    }
}

impl Query {
    /// The value of a key, empty when it has none, as in `?verbose`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let pairs = self.text.split('&');
        let mut pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs
            .find(|(known, _)| *known == key)
            .map(|(_, value)| value)
    }

    /// All values of a header as one list, empty when there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        let values = self.headers.get_all(name).iter();
        let values = values.filter_map(|value| value.to_str().ok());
        values.collect::<Vec<_>>().join(", ")
    }
}

type Answer = Pin<Box<dyn Future<Output = Page> + Send>>;
type Handler = Box<dyn Fn(Query) -> Answer + Send + Sync>;

/// What pages are served over.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

type Entered = Pin<Box<dyn Future<Output = Option<Box<dyn Connection>>> + Send>>;
type Door = Box<dyn Fn(TcpStream, SocketAddr) -> Entered + Send + Sync>;

/// The pages of one admin server. `/livez` answers as long as the process can answer at all.
pub struct Admin {
    pages: Vec<(String, Handler)>,
    door: Option<Door>,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.pages.iter().map(|(path, _)| path))
            .finish()
    }
}

impl Admin {
    /// `/livez` alone.
    #[must_use]
    pub fn new() -> Self {
        Self::bare().page("/livez", || Page::text("ok\n"))
    }

    /// No page at all.
    #[must_use]
    pub fn bare() -> Self {
        Self {
            pages: Vec::new(),
            door: None,
        }
    }

    /// Every connection goes through `door` first, as for TLS; none comes out when it is not let in. Must not take for ever.
    #[must_use]
    pub fn behind<F>(
        self,
        door: impl Fn(TcpStream, SocketAddr) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Option<Box<dyn Connection>>> + Send + 'static,
    {
        let door: Door = Box::new(move |stream, peer| Box::pin(door(stream, peer)));
        Self {
            door: Some(door),
            ..self
        }
    }

    /// `/readyz`: `ready` gives the reason why not, if there is one.
    #[must_use]
    pub fn ready(self, ready: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        self.page("/readyz", move || match ready() {
            Ok(()) => Page::text("ok\n"),
            Err(reason) => Page::text(format!("{reason}\n")).with_status(503),
        })
    }

    /// `/livez`: `alive` gives the reason why this process has to be ended, if there is one.
    #[must_use]
    pub fn alive(mut self, alive: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        self.pages.retain(|(path, _)| path != "/livez");
        self.page("/livez", move || match alive() {
            Ok(()) => Page::text("ok\n"),
            Err(reason) => Page::text(format!("{reason}\n")).with_status(503),
        })
    }

    /// Adds a page at `path`.
    #[must_use]
    pub fn page(self, path: &str, page: impl Fn() -> Page + Send + Sync + 'static) -> Self {
        self.page_for(path, move |_| page())
    }

    /// The same for a page that takes questions.
    #[must_use]
    pub fn page_for(
        self,
        path: &str,
        page: impl Fn(&Query) -> Page + Send + Sync + 'static,
    ) -> Self {
        self.slow_page(path, move |query| ready(page(&query)))
    }

    /// The same for a page that takes its time.
    #[must_use]
    pub fn slow_page<F>(
        mut self,
        path: &str,
        page: impl Fn(Query) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Page> + Send + 'static,
    {
        let handler: Handler = Box::new(move |query| Box::pin(page(query)));
        self.pages.push((path.to_owned(), handler));
        self
    }

    /// Serves on `listener` as tasks of `tasks`, until the runtime ends: the page that says "draining" must outlive
    /// the drain.
    pub fn serve(self, listener: TcpListener, tasks: &Tasks) {
        let connections = tasks.clone();
        tasks.spawn_forever("admin", self.accept(listener, connections));
    }

    /// The same until `end`, when the listener is closed. Connections are served on.
    pub fn serve_until<F>(self, listener: TcpListener, tasks: &Tasks, end: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let connections = tasks.clone();
        tasks.spawn("admin", async move {
            tokio::select! {
                () = self.accept(listener, connections) => {}
                () = end => {}
            }
        });
    }

    async fn accept(self, listener: TcpListener, tasks: Tasks) {
        let admin = Arc::new(self);
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let (stream, peer) = accept(&listener, "admin").await;
            let admin = Arc::clone(&admin);
            tasks.spawn("admin connection", async move {
                admin.connection(stream, peer).await;
                drop(place);
            });
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let entered = match &self.door {
            Some(door) => door(stream, peer).await,
            None => Some(Box::new(stream) as Box<dyn Connection>),
        };
        let Some(stream) = entered else { return };
        let service = service_fn(move |request: Request<Incoming>| {
            let admin = Arc::clone(&self);
            async move { Ok::<_, Infallible>(admin.answer(&request).await) }
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Err(err) = served {
            tracing::debug!(error = %err, "admin connection ended");
        }
    }

    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let (method, path) = (request.method(), request.uri().path());
        let page = match self.pages.iter().find(|(known, _)| *known == path) {
            Some(_) if method != Method::GET && method != Method::HEAD => {
                Page::text("only GET is served here\n").with_status(405)
            }
            Some((_, handler)) => {
                let query = Query {
                    text: request.uri().query().unwrap_or_default().to_owned(),
                    headers: request.headers().clone(),
                };
                handler(query).await
            }
            None => self.index().with_status(404),
        };
        let status = StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Response::new(Full::new(page.body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if let Ok(kind) = HeaderValue::from_str(&page.content_type) {
            headers.insert(header::CONTENT_TYPE, kind);
        }
        if let Some(challenge) = page.challenge {
            let challenge = HeaderValue::from_static(challenge);
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(encoding) = page.content_encoding {
            let encoding = HeaderValue::from_static(encoding);
            headers.insert(header::CONTENT_ENCODING, encoding);
        }
        response
    }

    fn index(&self) -> Page {
        let paths: Vec<_> = self.pages.iter().map(|(path, _)| path.as_str()).collect();
        Page::text(format!("pages here: {}\n", paths.join(" ")))
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self::new()
    }
}
