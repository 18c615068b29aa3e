//! Where the replicas are: a fixed list, or names that are resolved again and again.
//!
//! *Invariant:* a lookup that fails changes nothing; replicas that are really gone are ejected by those who call them.

use crate::replicas::{Place, Replicas};
use http::uri::Authority;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

#[cfg(test)]
mod tests;

/// The addresses behind a name, in time.
pub type Lookup<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// Something that knows the addresses behind `host:port`.
pub trait Resolve: Send + Sync + 'static {
    /// All addresses now.
    fn resolve<'a>(&'a self, name: &'a str) -> Lookup<'a>;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> Lookup<'a> {
        Box::pin(async move { Ok(tokio::net::lookup_host(name).await?.collect()) })
    }
}

/// One entry of `replicas`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `dns:///host:port`: each address is a replica.
    Name(String),
    /// `host:port`: one replica, whatever its addresses.
    Fixed(String),
}

impl Target {
    pub(crate) fn parse(entry: &str) -> Self {
        match entry.strip_prefix("dns:///") {
            Some(name) => Self::Name(name.to_owned()),
            None => Self::Fixed(entry.to_owned()),
        }
    }
}

/// Keeps `replicas` up to date until the client is gone.
pub(crate) struct Discovery {
    names: Vec<Name>,
    fixed: Vec<Place>,
    interval: Duration,
    resolver: Arc<dyn Resolve>,
    replicas: Arc<Replicas>,
}

/// A name and what the last good lookup found.
#[derive(Debug)]
struct Name {
    name: String,
    addresses: Vec<SocketAddr>,
    failing: bool,
}

impl Name {
    fn found(&mut self, mut found: Vec<SocketAddr>) {
        found.sort_unstable();
        if self.works_again() {
            tracing::info!(name = self.name, "lookup of exporter works again");
        }
        if self.addresses != found {
            tracing::info!(name = self.name, addresses = ?found, "exporter replicas found");
            self.addresses = found;
        }
    }

    fn failed(&mut self, error: &io::Error) {
        let is_news = self.fails_anew();
        let (name, known) = (&self.name, self.addresses.len());
        if is_news {
            tracing::warn!(%error, name, known, "lookup of exporter failed");
        } else {
            tracing::debug!(%error, name, known, "lookup of exporter still fails");
        }
    }

    /// Whether a lookup that failed is news: the state is, not every lookup in it.
    fn fails_anew(&mut self) -> bool {
        !std::mem::replace(&mut self.failing, true)
    }

    /// Whether one that did not fail is.
    fn works_again(&mut self) -> bool {
        std::mem::take(&mut self.failing)
    }
}

impl Discovery {
    /// Also makes the fixed replicas known at once.
    pub(crate) fn new(
        targets: impl Iterator<Item = Target>,
        interval: Duration,
        resolver: Arc<dyn Resolve>,
        replicas: Arc<Replicas>,
    ) -> Self {
        let (mut names, mut fixed) = (Vec::new(), Vec::new());
        for target in targets {
            match target {
                Target::Name(name) => names.push(Name {
                    name,
                    addresses: Vec::new(),
                    failing: false,
                }),
                Target::Fixed(address) => fixed.push(place(address.clone(), &address)),
            }
        }
        let discovery = Self {
            names,
            fixed,
            interval,
            resolver,
            replicas,
        };
        discovery.publish();
        discovery
    }

    /// Whether there is anything to look up.
    pub(crate) fn is_fixed(&self) -> bool {
        self.names.is_empty()
    }

    /// Looks all names up every interval; `looked` becomes true after the first time.
    pub(crate) async fn run(mut self, looked: watch::Sender<bool>) {
        loop {
            for name in &mut self.names {
                match self.resolver.resolve(&name.name).await {
                    Ok(found) => name.found(found),
                    Err(error) => name.failed(&error),
                }
            }
            self.publish();
            looked.send_replace(true);
            tokio::time::sleep(self.interval).await;
        }
    }

    fn publish(&self) {
        let found = self.names.iter().flat_map(|name| {
            name.addresses
                .iter()
                .map(|address| place(address.to_string(), &name.name))
        });
        let places: Vec<Place> = self.fixed.iter().cloned().chain(found).collect();
        self.replicas.update(&places);
    }
}

fn place(address: String, name: &str) -> Place {
    // Only logs of the peer show it, so a name that no URI can carry is no reason to stop.
    let authority = name
        .parse()
        .unwrap_or_else(|_| Authority::from_static("penstock-exporter"));
    Place { address, authority }
}
