//! Lines that repeat themselves: the first of them are told, the rest are counted, and their number is told.
//!
//! A peer that fails or means ill may cause the same line as often as it likes. So every line of level info or warn is
//! limited, by the place in the code that it comes from, which bounds the memory as well; who writes a line need not think
//! of it. Lines of level error are never left out: one of them is a loss, or needs a person. Nor are debug and trace: who
//! asks for them wants all.
//!
//! *Invariant:* every line is told, or is in a number that is told.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

#[cfg(test)]
mod tests;

/// Lines of one place that are told within [`WINDOW`]: what starts or ends together, as replicas do, is told in full.
const FIRST: u64 = 50;
/// How long the rest is left out, and how often their number is told.
const WINDOW: Duration = Duration::from_secs(10);
/// Most bytes of a line that are kept to name it.
const MAX_MESSAGE: usize = 120;

/// The limit, as a layer of the process's subscriber. Clones are the same limit.
#[derive(Clone, Debug, Default)]
pub struct Repeats(Arc<Mutex<HashMap<Identifier, Site>>>);

/// A place in the code.
#[derive(Debug)]
struct Site {
    since: Instant,
    lines: u64,
    left_out: u64,
    target: &'static str,
    message: String,
}

/// Lines that were left out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LeftOut {
    count: u64,
    target: &'static str,
    message: String,
}

impl Repeats {
    /// Tells how many lines were left out, as long as the runtime lives.
    pub async fn tell(self) {
        loop {
            tokio::time::sleep(WINDOW).await;
            self.tell_now();
        }
    }

    /// Tells how many lines were left out since this was last told: the last word of a process.
    pub fn tell_now(&self) {
        for LeftOut {
            count,
            target,
            message,
        } in self.take()
        {
            tracing::warn!(
                suppressed = count,
                of = target,
                line = message,
                "lines left out"
            );
        }
    }

    fn take(&self) -> Vec<LeftOut> {
        let mut sites = self.sites();
        let left_out = sites.values_mut().filter(|site| site.left_out > 0);
        let left_out = left_out.map(|site| LeftOut {
            count: std::mem::take(&mut site.left_out),
            target: site.target,
            message: site.message.clone(),
        });
        left_out.collect()
    }

    fn passes(&self, event: &Event<'_>, now: Instant) -> bool {
        let metadata = event.metadata();
        if ![Level::INFO, Level::WARN].contains(metadata.level()) {
            return true;
        }
        let mut sites = self.sites();
        let site = sites.entry(metadata.callsite()).or_insert_with(|| Site {
            since: now,
            lines: 0,
            left_out: 0,
            target: metadata.target(),
            message: message(event),
        });
        if now.saturating_duration_since(site.since) >= WINDOW {
            (site.since, site.lines) = (now, 0);
        }
        site.lines += 1;
        let passes = site.lines <= FIRST;
        site.left_out += u64::from(!passes);
        passes
    }

    fn sites(&self) -> MutexGuard<'_, HashMap<Identifier, Site>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for Repeats {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        self.passes(event, Instant::now())
    }
}

/// What a line says; ours are constant.
fn message(event: &Event<'_>) -> String {
    struct Message(String);
    impl Visit for Message {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            if field.name() == "message" {
                self.0 = format!("{value:?}");
            }
        }
    }
    let mut message = Message(String::new());
    event.record(&mut message);
    let end = message.0.floor_char_boundary(MAX_MESSAGE);
    message.0.truncate(end);
    message.0
}
