//! From one replica of an exporter to the others: they are found as receivers find them.
//!
//! *Invariant:* a call goes to one replica and is never made again by itself; what it means is the caller's.

use crate::client::Peers;
use crate::connection::{CallError, ConnectionSettings};
use crate::discovery::SystemResolver;
use crate::wire::Message;
use crate::{Owner, Owners};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderValue, Method, Request, Uri};
use penstock_otlp::compress::Encoding;
use penstock_otlp::status::Code;
use penstock_runtime::Tasks;
use penstock_settings::{Exporter, Hop};
use penstock_tls::{ClientSide, TlsFault, Watched, watch};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Stands for the exporter in the hop's metrics.
const NAME: &str = "siblings";
/// In front of the name of what is called.
pub const SERVICE: &str = "/penstock.exporter.Siblings/";

/// All replicas of an exporter, the caller too.
pub struct Siblings {
    peers: Arc<Peers>,
}

impl fmt::Debug for Siblings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Siblings").finish_non_exhaustive()
    }
}

impl Siblings {
    /// The replicas of `exporter`, whose answers have at most `max_answer` bytes. Nothing is connected before it is needed;
    /// lookups run as a task of `tasks` on the current runtime, and so do looks at the files of `hop.tls`.
    ///
    /// # Errors
    /// `hop.tls` cannot be used.
    pub fn new(
        exporter: &Exporter,
        hop: &Hop,
        max_answer: usize,
        tasks: &Tasks,
    ) -> Result<Self, TlsFault> {
        let tls = hop.tls.as_ref();
        let tls = tls.map(|tls| ClientSide::new(tls, &["h2"]).map(Arc::new));
        let tls = tls.transpose()?;
        if let Some(tls) = &tls {
            let watched: Arc<dyn Watched> = Arc::<ClientSide>::clone(tls);
            tasks.spawn("files", watch(watched));
        }
        let mut settings = ConnectionSettings::new(hop, tls.as_ref());
        settings.max_answer = max_answer;
        let entries = exporter.hop.replicas.iter();
        let resolver = Arc::new(SystemResolver);
        Ok(Self {
            peers: Peers::new(NAME, entries, hop, settings, tasks, resolver, false),
        })
    }

    /// All that are known now.
    #[must_use]
    pub fn all(&self) -> Owners {
        let addresses = self.peers.addresses();
        Owners::new(addresses.iter().map(String::as_str))
    }

    /// Calls `name` at one replica.
    ///
    /// # Errors
    /// Why there is no answer.
    ///
    /// # Cancel safety
    /// The replica may or may not have done what it was asked.
    pub async fn call(
        &self,
        replica: &Owner,
        name: &str,
        message: Bytes,
        limit: Duration,
    ) -> Result<Bytes, String> {
        let lease = self.peers.take(replica)?;
        let body = Message::new(&[message], Encoding::Identity).ok_or("message is too large")?;
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        let scheme = lease.connection().scheme();
        let uri = format!("{scheme}://{}{SERVICE}{name}", lease.place().authority);
        *request.uri_mut() = uri
            .parse::<Uri>()
            .map_err(|error| format!("{uri}: {error}"))?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        let call = lease.connection().call(request, || false);
        let answer = match timeout(limit, call).await {
            Err(_) => return Err(format!("no answer within {limit:?}")),
            Ok(Err(CallError::Connect(why) | CallError::Refused(why) | CallError::Broken(why))) => {
                return Err(why);
            }
            Ok(Ok(answer)) => answer,
        };
        match answer.status.code {
            Code::Ok => Ok(answer.message),
            code => Err(format!("{}: {}", code.name(), answer.status.message)),
        }
    }
}
