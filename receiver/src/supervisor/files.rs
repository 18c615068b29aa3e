//! The configuration files: read, judged, and looked at again and again.
//!
//! They are compared by what is in them and not by time stamps or events: Kubernetes replaces a ConfigMap by swapping a
//! symlink two folders up, editors rename, and some write in place. *Invariant:* what is told has stood unchanged from one
//! look to the next, since half of a file may be valid too.

use super::Event;
use crate::args::{self, Args, SettingsFault};
use crate::plan::Plan;
use crate::sockets::Wanted;
use penstock_otlp::Signal;
use penstock_settings::{ComponentId, Diagnostic, Faults, Settings, Source, Storage};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};

#[cfg(test)]
mod tests;

/// How often the files are looked at. A look is a read of some kilobytes; a ConfigMap takes a minute to get here.
const LOOK: Duration = Duration::from_secs(1);

/// What is in each file, or why that is not known.
pub(super) type Contents = Vec<Result<Source, Diagnostic>>;

/// Which files, for which signals.
#[derive(Clone, Debug)]
pub(super) struct Files {
    files: Vec<Source>,
    pub(super) signals: Option<Vec<Signal>>,
}

/// A configuration that can be used, as far as it can be known without starting it.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) sources: Vec<Source>,
    pub(super) wanted: Vec<Wanted>,
    pub(super) drain_deadline: Duration,
    pub(super) warnings: Vec<String>,
    /// What means something else here than in the Collector.
    pub(super) notes: Vec<String>,
    /// Where what was acked is kept, if it is on disk.
    pub(super) directory: Option<PathBuf>,
    /// What is on disk goes away with the process, unless another receiver gets it.
    pub(super) hand_over: bool,
    /// What there are logs of.
    feeds: Vec<(ComponentId, Signal)>,
}

/// What was found in the files.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) contents: Contents,
    pub(super) config: Result<Config, String>,
    /// By SIGHUP: a new worker is wanted even for the same contents.
    pub(super) asked: bool,
}

impl Files {
    pub(super) fn new(args: &Args) -> Self {
        Self {
            files: args.config.sources(),
            signals: args.signals.clone(),
        }
    }

    pub(super) fn read(&self) -> Contents {
        self.files.iter().map(Source::read).collect()
    }

    /// The settings that these contents give.
    pub(super) fn settings(
        &self,
        contents: &Contents,
    ) -> Result<(Vec<Source>, Settings), SettingsFault> {
        let unreadable = contents.iter().filter_map(|content| content.clone().err());
        let unreadable: Vec<_> = unreadable.collect();
        if !unreadable.is_empty() {
            return Err(Faults(unreadable).into());
        }
        let sources: Vec<_> = contents.iter().flatten().cloned().collect();
        let settings = args::settings(&sources, self.signals.as_deref())?;
        Ok((sources, settings))
    }

    /// Tells what the files hold now.
    pub(super) async fn tell(self, events: mpsc::Sender<Event>) {
        let found = spawn_blocking(move || {
            let contents = self.read();
            self.judge(contents, true)
        });
        send(found.await, &events).await;
    }

    /// Tells whenever the files hold something else than what was `seen` last. Reads in threads of their own, as a file
    /// system may hang.
    pub(super) async fn watch(self, seen: watch::Receiver<Contents>, events: mpsc::Sender<Event>) {
        let mut settled = Settled(seen.borrow().clone());
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let files = self.clone();
            let Ok(contents) = spawn_blocking(move || files.read()).await else {
                continue;
            };
            if settled.look(&contents) && contents != *seen.borrow() {
                let files = self.clone();
                let found = spawn_blocking(move || files.judge(contents, false));
                send(found.await, &events).await;
            }
        }
    }

    fn judge(&self, contents: Contents, asked: bool) -> Found {
        let config = self
            .settings(&contents)
            .map_err(|fault| fault.to_string())
            .and_then(|(sources, settings)| Config::new(sources, settings));
        Found {
            contents,
            config,
            asked,
        }
    }
}

impl Config {
    pub(super) fn new(sources: Vec<Source>, settings: Settings) -> Result<Self, String> {
        let warnings = settings.warnings.iter().map(ToString::to_string).collect();
        let notes = settings.notes.iter().map(ToString::to_string).collect();
        let plan = Plan::new(settings).map_err(|error| error.to_string())?;
        let penstock = &plan.settings.penstock;
        let directory = match &penstock.log.storage {
            Storage::Disk(disk) => Some(disk.directory.clone()),
            Storage::Memory => None,
        };
        let feeds = plan.feeds.iter();
        Ok(Self {
            sources,
            wanted: plan.sockets(),
            drain_deadline: penstock.drain_deadline,
            warnings,
            notes,
            hand_over: directory.is_some() && penstock.hand_over.is_some(),
            directory,
            feeds: feeds
                .map(|feed| (feed.receiver.clone(), feed.signal))
                .collect(),
        })
    }

    /// Why a worker of `next` will not look for all that a worker of this one has on disk.
    pub(super) fn strands(&self, next: &Self) -> Option<String> {
        let directory = self.directory.as_ref()?;
        if next.directory.as_ref() != Some(directory) {
            return Some(format!(
                "the log is not in {} any more",
                directory.display()
            ));
        }
        let gone = self.feeds.iter().find(|feed| !next.feeds.contains(feed));
        gone.map(|(receiver, signal)| format!("{signal} of {receiver} are not received any more"))
    }

    /// Whether this is what the files hold.
    pub(super) fn is_in(&self, contents: &Contents) -> bool {
        let held = contents.iter().map(Result::as_ref);
        held.eq(self.sources.iter().map(Ok))
    }
}

async fn send(found: Result<Found, JoinError>, events: &mpsc::Sender<Event>) {
    match found {
        Ok(found) => _ = events.send(Event::Found(found)).await,
        Err(error) => tracing::error!(%error, "configuration files not looked at"),
    }
}

/// Knows whether contents have stood since the last look.
#[derive(Debug)]
struct Settled(Contents);

impl Settled {
    fn look(&mut self, contents: &Contents) -> bool {
        let stands = *contents == self.0;
        self.0.clone_from(contents);
        stands
    }
}
