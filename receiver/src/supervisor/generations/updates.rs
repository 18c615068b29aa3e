//! How another configuration comes in.
//!
//! *Invariant:* what runs goes on until a worker of the other configuration is ready; until then nothing of it counts.

use super::super::Event;
use super::super::child::{Child, Update};
use super::super::files::{Config, Found};
use super::{Generations, MARGIN, tell_warnings};
use crate::sockets::Sockets;
use rustix::process::Signal;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// For the names in new endpoints to be resolved.
const RESOLVE: Duration = Duration::from_secs(2);

/// A configuration that somebody wants to run.
#[derive(Debug)]
pub(super) struct Wish {
    config: Config,
    /// A new worker is wanted even if it is what runs.
    asked: bool,
}

impl Generations {
    /// Takes in what is in the files now.
    pub(super) fn found(&mut self, found: Found) {
        let known = found.contents == *self.seen.borrow();
        if self.stopping() || (known && !found.asked) {
            return;
        }
        self.seen.send_replace(found.contents);
        let earlier = self.waiting.take();
        let asked = found.asked || earlier.is_some_and(|earlier| earlier.asked);
        match found.config {
            Ok(config) => self.take_over(Wish { config, asked }),
            Err(fault) => self.refuse(&fault),
        }
    }

    /// Goes for another configuration, now or when there is time for it.
    pub(super) fn take_over(&mut self, wish: Wish) {
        if self.busy() {
            tracing::info!("configuration waits for the one before it");
            self.waiting = Some(wish);
            return;
        }
        if !wish.asked && wish.config.sources == self.config.sources {
            tracing::info!("configuration is again what runs");
            self.fault_is_over();
            return;
        }
        tell_warnings(&wish.config);
        self.binding = true;
        let (there, events) = (Arc::clone(&self.sockets), self.around.events.clone());
        let binds = async move {
            let config = wish.config;
            let bind = Sockets::bind_beside(&config.wanted, &there);
            let bound = match timeout(RESOLVE, bind).await {
                Ok(Ok(sockets)) => Ok(Update {
                    config,
                    sockets: Arc::new(sockets),
                }),
                Ok(Err(error)) => Err(error.to_string()),
                Err(late) => Err(format!("an endpoint's name is not resolved: {late}")),
            };
            drop(there);
            // Nobody listens only when all is over.
            _ = events.send(Event::Bound(bound)).await;
        };
        self.around.tasks.spawn("bind", binds);
    }

    /// Starts a worker with another configuration, or says why not.
    pub(super) fn bound(&mut self, bound: Result<Update, String>) {
        self.binding = false;
        if self.stopping() {
            return;
        }
        match bound {
            Err(fault) => self.refuse(&fault),
            // The one that served has died meanwhile.
            Ok(update) if self.starting.is_some() => self.later(update.config),
            Ok(update) => self.start(Some(update)),
        }
    }

    /// Nobody serves any more: what has shown that it can comes first.
    pub(super) fn put_back(&mut self) {
        let hopeful = |next: &mut Child| next.status.is_none() && next.fault.is_none();
        let Some(mut next) = self.starting.take_if(hopeful) else {
            return;
        };
        let update = next.update.take();
        // In order, as it may serve already.
        next.signal(Signal::TERM);
        next.within(MARGIN);
        self.retiring.push(next);
        if let Some(update) = update {
            self.later(update.config);
        }
    }

    /// Lets a configuration that was on its way in wait, unless there is a newer one.
    fn later(&mut self, config: Config) {
        tracing::info!("configuration waits until a worker serves again");
        self.waiting.get_or_insert(Wish {
            config,
            asked: true,
        });
    }

    /// What runs stays, and it is told why.
    pub(super) fn refuse(&self, fault: &str) {
        tracing::error!(
            error = fault,
            "configuration not taken over; the old one runs on"
        );
        self.facts.send_modify(|facts| {
            facts.reload_failures += 1;
            facts.configuration_fault = Some(fault.to_owned());
        });
    }

    /// What runs now is without fault; what is in the files may be something else again.
    pub(super) fn fault_is_over(&self) {
        if self.config.is_in(&self.seen.borrow()) {
            self.facts
                .send_modify(|facts| facts.configuration_fault = None);
        }
    }
}
