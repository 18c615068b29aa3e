//! The client side: one call of one batch, at the replica that should have it.
//!
//! *Invariant:* [`HopClient::send`] ends by its deadline, and a batch that a replica may have seen is never given to
//! another one within the same call.

use crate::connection::{Answer, CallError, ConnectionSettings};
use crate::discovery::{Discovery, Resolve, SystemResolver, Target};
use crate::metadata::HandOver;
use crate::metrics::HopMetrics;
use crate::replicas::{Lease, Place, Replicas};
use crate::wire::Message;
use crate::{Batch, Origin, Outcome, Owner, Owners, Transport, metadata};
use http::header::{CONTENT_TYPE, TE};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Uri};
use penstock_otlp::Signal;
use penstock_otlp::compress::Encoding;
use penstock_otlp::response::ExportResponse;
use penstock_otlp::status::Code;
use penstock_runtime::Tasks;
use penstock_settings::{Exporter, Hop};
use penstock_tls::{ClientSide, Credentials};
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

/// Replicas that one call may try while none of them can have seen the batch. More would hide from the caller's
/// back-off that the exporter is in trouble.
const MAX_TRIES: usize = 3;
/// How long an owner that has no place for a call, as it stops, is left alone.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);
/// Between two looks at who owns what.
const SHORTEST_LOOK: Duration = Duration::from_millis(50);

/// Sends batches to the replicas of one exporter.
pub struct HopClient {
    exporter: String,
    timeout: Duration,
    compression: Encoding,
    peers: Arc<Peers>,
    /// Set when the peers are other receivers and no exporters.
    hand_over: Option<HandOver>,
    credentials: Option<Arc<Credentials>>,
}

/// Those who may take a call.
pub(crate) struct Peers {
    replicas: Arc<Replicas>,
    /// Every Resource has an owner.
    affinity: bool,
    looked: watch::Receiver<bool>,
    metrics: HopMetrics,
    // Discovery ends when this is dropped.
    _alive: watch::Sender<()>,
}

impl fmt::Debug for HopClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HopClient")
            .field("exporter", &self.exporter)
            .field("hand_over", &self.hand_over)
            .finish_non_exhaustive()
    }
}

impl Peers {
    /// Discovery, if there is anything to discover, runs as a task of `tasks` on the current runtime.
    pub(crate) fn new<'a>(
        name: &str,
        entries: impl Iterator<Item = &'a String>,
        hop: &Hop,
        settings: ConnectionSettings,
        tasks: &Tasks,
        resolver: Arc<dyn Resolve>,
        affinity: bool,
    ) -> Arc<Self> {
        let metrics = HopMetrics::new(name);
        let replicas = Arc::new(Replicas::new(
            hop.eject_for,
            hop.resolve_interval,
            settings,
            metrics.clone(),
            tasks.clone(),
        ));
        let discovery = Discovery::new(
            entries.map(|entry| Target::parse(entry)),
            hop.resolve_interval,
            resolver,
            Arc::clone(&replicas),
        );
        let (alive, mut dropped) = watch::channel(());
        let (looked_sender, looked) = watch::channel(discovery.is_fixed());
        if !discovery.is_fixed() {
            tasks.spawn("hop discovery", async move {
                tokio::select! {
                    () = discovery.run(looked_sender) => {}
                    _ = dropped.changed() => {}
                }
            });
        }
        if affinity {
            replicas.reckon(hop.move_after);
        }
        Arc::new(Self {
            replicas,
            affinity,
            looked,
            metrics,
            _alive: alive,
        })
    }
}

impl Peers {
    /// All that are known now.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.replicas.addresses()
    }

    /// A place at one of them, whether or not it fails.
    pub(crate) fn take(&self, owner: &Owner) -> Result<Lease, String> {
        let lease = self.replicas.take(owner);
        lease.map_err(|_| format!("{} is no replica", owner.address()))
    }
}

impl HopClient {
    /// A client for `exporter`'s replicas, by `tls` if there is any; discovery and connections run as tasks of `tasks` on the
    /// current runtime and end when the client is dropped.
    #[must_use]
    pub fn new(
        exporter: &Exporter,
        hop: &Hop,
        tls: Option<&Arc<ClientSide>>,
        tasks: &Tasks,
    ) -> Arc<Self> {
        Self::with_resolver(exporter, hop, tls, tasks, Arc::new(SystemResolver))
    }

    /// The same with a resolver of the caller's.
    #[must_use]
    pub fn with_resolver(
        exporter: &Exporter,
        hop: &Hop,
        tls: Option<&Arc<ClientSide>>,
        tasks: &Tasks,
        resolver: Arc<dyn Resolve>,
    ) -> Arc<Self> {
        let id = exporter.id.to_string();
        let entries = exporter.hop.replicas.iter();
        let affinity = exporter.hop.affinity;
        let connections = ConnectionSettings::new(hop, tls);
        let client = Arc::new(Self {
            peers: Peers::new(&id, entries, hop, connections, tasks, resolver, affinity),
            exporter: id,
            timeout: exporter.timeout.saturating_add(hop.timeout_margin),
            compression: hop.compression,
            hand_over: None,
            credentials: None,
        });
        if affinity {
            let watched = Arc::downgrade(&client);
            tasks.spawn("hop owners", watch_owners(watched, hop.clone()));
        }
        client
    }

    /// A client for other receivers, with batches for one cursor of theirs.
    pub(crate) fn to_receivers(
        peers: &Arc<Peers>,
        cursor: HandOver,
        timeout: Duration,
        compression: Encoding,
        credentials: Option<Arc<Credentials>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            exporter: cursor.exporter.clone(),
            timeout,
            compression,
            peers: Arc::clone(peers),
            hand_over: Some(cursor),
            credentials,
        })
    }

    async fn try_replicas(&self, batch: &Batch, attempt: u32, deadline: Instant) -> Outcome {
        let Some(message) = Message::new(&batch.chunks, self.compression) else {
            return too_large();
        };
        // Before the first lookup nobody knows whether there are replicas.
        let mut looked = self.peers.looked.clone();
        if timeout_at(deadline, looked.wait_for(|looked| *looked))
            .await
            .is_err()
        {
            let reason = format!("replicas of {} cannot be looked up", self.exporter);
            return Outcome::Retry {
                after: None,
                reason,
            };
        }
        let mut reason = format!("no replica of {} can be reached", self.exporter);
        // Held to the end, so that the next choice falls on another replica if there is one.
        let mut refused = Vec::new();
        for _ in 0..MAX_TRIES {
            let lease = match self.peers.replicas.choose() {
                Ok(lease) => lease,
                Err(after) => return Outcome::Unreached { after, reason },
            };
            match self
                .call(&lease, batch, attempt, deadline, message.clone())
                .await
            {
                Ok(outcome) => return outcome,
                Err(unseen) => reason = unseen,
            }
            refused.push(lease);
        }
        Outcome::Retry {
            after: None,
            reason,
        }
    }

    /// One call at one replica.
    ///
    /// # Errors
    /// Why the replica has not seen the batch.
    async fn call(
        &self,
        lease: &Lease,
        batch: &Batch,
        attempt: u32,
        deadline: Instant,
        message: Message,
    ) -> Result<Outcome, String> {
        let request = self.request(lease, batch, attempt, deadline, message);
        let call = lease.connection().call(request, || lease.is_outdated());
        match timeout_at(deadline, call).await {
            Ok(Ok(answer)) => {
                lease.answered();
                if answer.status.code != Code::Ok {
                    self.look_elsewhere(lease).await;
                }
                Ok(outcome(answer, batch.items))
            }
            Ok(Err(CallError::Refused(why))) => Err(why),
            Ok(Err(CallError::Connect(why))) => {
                lease.failed(&why);
                Err(why)
            }
            Ok(Err(CallError::Broken(why))) => {
                self.look_elsewhere(lease).await;
                Ok(broken(lease, &why))
            }
            // An exporter answers within its own time-out, so one that does not is stuck.
            Err(_) => {
                self.look_elsewhere(lease).await;
                Ok(broken(lease, "no answer in time"))
            }
        }
    }

    /// Asks replicas that fail and own nothing for as much as an answer: no batch will find out that they are back.
    async fn probe_lost(&self, limit: Duration) {
        for lease in self.peers.replicas.lost() {
            let nothing = Batch {
                signal: Signal::Metrics,
                chunks: Vec::new(),
                items: 0,
                origin: Origin::default(),
            };
            let Some(message) = Message::new(&nothing.chunks, self.compression) else {
                return;
            };
            let deadline = Instant::now() + limit;
            // What became of it, the lease has been told.
            let _outcome = self.call(&lease, &nothing, 1, deadline, message).await;
        }
    }

    /// Behind a Service's one address there are more receivers, one for each connection: the next call may find one that
    /// has more room.
    async fn look_elsewhere(&self, lease: &Lease) {
        if self.hand_over.is_some() {
            lease.connection().leave().await;
        }
    }

    fn request(
        &self,
        lease: &Lease,
        batch: &Batch,
        attempt: u32,
        deadline: Instant,
        message: Message,
    ) -> Request<Message> {
        let mut request = Request::new(message);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri(lease.connection().scheme(), lease.place(), batch);
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        if let Ok(value) = HeaderValue::from_str(&grpc_timeout(deadline - Instant::now())) {
            headers.insert("grpc-timeout", value);
        }
        if self.compression != Encoding::Identity {
            let name = HeaderValue::from_static(self.compression.as_str());
            headers.insert("grpc-encoding", name);
        }
        metadata::insert(headers, &batch.origin, batch.items, &self.exporter, attempt);
        if let Some(cursor) = &self.hand_over {
            cursor.insert(headers);
        }
        if let Some(credentials) = &self.credentials {
            credentials.insert(headers);
        }
        request
    }
}

impl Transport for HopClient {
    /// # Cancel safety
    /// The replica may or may not have the batch.
    async fn send(&self, batch: &Batch, attempt: u32) -> Outcome {
        let _in_flight = self.peers.metrics.begin();
        let deadline = Instant::now() + self.timeout;
        let outcome = self.try_replicas(batch, attempt, deadline).await;
        self.peers.metrics.count(&outcome);
        outcome
    }

    fn owners(&self) -> Option<Owners> {
        let owners = || self.peers.replicas.owners().borrow().clone();
        self.peers.affinity.then(owners)
    }

    async fn moved(&self, epoch: u64) {
        let mut owners = self.peers.replicas.owners().subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _moved = owners
            .wait_for(|owners| owners.epoch() != epoch)
            .await
            .is_ok();
    }

    /// # Cancel safety
    /// As for [`Transport::send`].
    async fn send_to(&self, owner: &Owner, batch: &Batch, attempt: u32) -> Outcome {
        let _in_flight = self.peers.metrics.begin();
        let deadline = Instant::now() + self.timeout;
        let Some(message) = Message::new(&batch.chunks, self.compression) else {
            return too_large();
        };
        let replicas = &self.peers.replicas;
        let outcome = match replicas.take(owner) {
            Ok(lease) => match self.call(&lease, batch, attempt, deadline, message).await {
                Ok(outcome) => outcome,
                Err(reason) => Outcome::Unreached {
                    after: replicas.take(owner).err().unwrap_or(REFUSED_PAUSE),
                    reason,
                },
            },
            Err(after) => Outcome::Unreached {
                after,
                reason: format!("{} is the owner and fails", owner.address()),
            },
        };
        self.peers.metrics.count(&outcome);
        outcome
    }
}

/// Keeps an eye on who owns what, until the client is gone.
async fn watch_owners(client: Weak<HopClient>, hop: Hop) {
    let pause = hop.eject_for.max(SHORTEST_LOOK);
    loop {
        if let Some(client) = client.upgrade() {
            client
                .probe_lost(hop.connect_timeout + hop.timeout_margin)
                .await;
            client.peers.replicas.reckon(hop.move_after);
        } else {
            return;
        }
        sleep(pause).await;
    }
}

fn too_large() -> Outcome {
    Outcome::TooLarge {
        reason: "batch is too large for gRPC".to_owned(),
    }
}

fn outcome(answer: Answer, items: usize) -> Outcome {
    if answer.status.code != Code::Ok {
        return answer.status.into();
    }
    // The status says that the batch was taken; a message that nobody can read does not change that.
    let response = ExportResponse::decode(&answer.message).unwrap_or_default();
    let rejected = usize::try_from(response.rejected)
        .unwrap_or(usize::MAX)
        .min(items);
    Outcome::Delivered {
        rejected,
        message: response.message,
    }
}

fn broken(lease: &Lease, why: &str) -> Outcome {
    lease.failed(why);
    Outcome::Retry {
        after: None,
        reason: format!("{}: {why}", lease.place().address),
    }
}

fn uri(scheme: Scheme, place: &Place, batch: &Batch) -> Uri {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = Some(place.authority.clone());
    parts.path_and_query = Some(PathAndQuery::from_static(batch.signal.grpc_path()));
    #[expect(
        clippy::expect_used,
        reason = "scheme, authority and path together are a URI"
    )]
    Uri::from_parts(parts).expect("URI of three parts")
}

/// gRPC allows eight digits.
fn grpc_timeout(left: Duration) -> String {
    match left.as_millis() {
        millis @ ..100_000_000 => format!("{}m", millis.max(1)),
        _ => format!("{}S", left.as_secs().min(99_999_999)),
    }
}
