//! `/metrics`: what all replicas keep, and with `?local` what this one keeps, as whoever scrapes asks for it.
//!
//! With `auth` only for those who may have them; `/livez` is for everybody.
//!
//! *Invariant:* data goes on coming in while a page is made. Few pages are made at once; whoever scrapes meanwhile waits.

use crate::page::{self, Answer, Hidden, Way, encoding};
use crate::state::{self, Held, State};
use bytes::Bytes;
use metrics::counter;
use penstock_auth::{Auth, Denied};
use penstock_exporter_siblings::{Gathered, Keeper, Replicas};
use penstock_metrics::{Metric, Unit};
use penstock_otlp::compress::{Encoding, compress};
use penstock_settings::Prometheus;
use penstock_telemetry::admin::{Admin, Connection, Page, Query};
use penstock_tls::ServerSide;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

#[cfg(test)]
mod tests;

/// Who asks without the right to.
pub(crate) const UNAUTHENTICATED: Metric = Metric::counter(
    "penstock_exporter_prometheus_unauthenticated_scrapes_total",
    Unit::One,
    &["reason"],
    "Scrapes without the credentials that `auth` asks for: they are `missing` or `wrong`, or too many wait to be checked (`busy`).",
);

/// Pages that are made at once: each is in memory as a whole, and takes a core.
const AT_ONCE: usize = 2;
/// Time for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What is needed to make a page.
#[derive(Debug)]
pub(crate) struct Scrape {
    auth: Option<Arc<Auth>>,
    state: Arc<State>,
    replicas: Arc<Replicas<State>>,
    gather_timeout: Duration,
    timestamps: bool,
    open_metrics: bool,
    places: Semaphore,
    /// What was hidden on the page before, so that it is told when it changes.
    hidden: Mutex<Hidden>,
}

impl Scrape {
    pub(crate) fn new(
        own: &Prometheus,
        auth: Option<Arc<Auth>>,
        state: &Arc<State>,
        replicas: &Arc<Replicas<State>>,
    ) -> Self {
        Self {
            auth,
            state: Arc::clone(state),
            replicas: Arc::clone(replicas),
            gather_timeout: own.gather_timeout,
            timestamps: own.send_timestamps,
            open_metrics: own.enable_open_metrics,
            places: Semaphore::new(AT_ONCE),
            hidden: Mutex::default(),
        }
    }

    pub(crate) fn pages(self) -> Admin {
        let scrape = Arc::new(self);
        Admin::new().slow_page("/metrics", move |query| {
            let scrape = Arc::clone(&scrape);
            async move {
                match scrape.denied(&query).await {
                    Some(page) => page,
                    None => scrape.page(query).await,
                }
            }
        })
    }

    /// What is told who may not have the page.
    async fn denied(&self, query: &Query) -> Option<Page> {
        let auth = self.auth.as_ref()?;
        let given = query.header(auth.header());
        let given = (!given.is_empty()).then_some(given.as_bytes());
        let denied = auth.check(given).await.err()?;
        counter!(UNAUTHENTICATED.name, "reason" => denied.label()).increment(1);
        let page = Page::text(format!("{}\n", denied.message()));
        Some(match denied {
            Denied::Busy => page.with_status(503),
            Denied::Missing | Denied::Wrong => page.with_challenge(auth.challenge()),
        })
    }

    async fn page(self: Arc<Self>, query: Query) -> Page {
        let Ok(_place) = self.places.acquire().await else {
            return Page::text("stopping\n").with_status(503);
        };
        let gathered = if query.get("local").is_some() {
            Gathered {
                own: self.state.all(),
                others: Vec::new(),
                siblings: Vec::new(),
            }
        } else {
            self.replicas.gather(self.gather_timeout).await
        };
        let answer = Answer::to(&query.header("accept"), self.open_metrics);
        let encoding = encoding(&query.header("accept-encoding"));
        let way = Way {
            format: answer.format,
            escaping: answer.escaping,
            timestamps: self.timestamps,
        };
        // It takes a core for a while.
        let made = spawn_blocking(move || {
            let (body, hidden) = page::page(
                &merged(gathered.own, gathered.others),
                &gathered.siblings,
                way,
            );
            (compress(encoding, &[body]), hidden)
        });
        let Ok((body, hidden)) = made.await else {
            return Page::text("the page could not be made\n").with_status(500);
        };
        self.tell(hidden);
        Page {
            status: 200,
            content_type: answer.content_type.into(),
            challenge: None,
            content_encoding: (encoding != Encoding::Identity).then(|| encoding.as_str()),
            body,
        }
    }

    /// Names what is hidden, when it is not what was hidden before.
    fn tell(&self, hidden: Hidden) {
        let mut before = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        for ((metric, reason), series) in &hidden {
            if !before.contains_key(&(metric.clone(), reason)) {
                tracing::warn!(metric, reason, series, "series are kept and not shown");
            }
        }
        *before = hidden;
    }
}

/// The same pages with TLS.
pub(crate) fn secured(pages: Admin, tls: Arc<ServerSide>) -> Admin {
    pages.behind(move |stream, peer| {
        let tls = Arc::clone(&tls);
        async move {
            match tls.accept(stream, HANDSHAKE).await {
                Ok(stream) => Some(Box::new(stream) as Box<dyn Connection>),
                Err(error) => {
                    let reason = error.reason.label();
                    tracing::warn!(%error, reason, %peer, "TLS handshake failed");
                    None
                }
            }
        }
    })
}

/// What is kept of each Resource, in the same order on every replica. Parts of one are put together.
fn merged(own: Vec<(u64, Arc<Held>)>, others: Vec<(u64, Bytes)>) -> Vec<Arc<Held>> {
    let mut merged: BTreeMap<u64, Arc<Held>> = own.into_iter().collect();
    for (key, kept) in others {
        let Some(held) = state::read(kept) else {
            tracing::warn!("state of another replica cannot be read");
            continue;
        };
        match merged.get_mut(&key) {
            Some(known) => Arc::make_mut(known).merge(held),
            None => _ = merged.insert(key, Arc::new(held)),
        }
    }
    merged.into_values().collect()
}
