//! What is told of lines that repeat themselves.

use super::*;
use crate::logs::testing::{Captured, logged};
use tracing_subscriber::layer::SubscriberExt;

/// Runs `act` with a limit; gives it and what came through.
fn limited(act: impl FnOnce(&Repeats)) -> Captured {
    let repeats = Repeats::default();
    let subscriber = tracing_subscriber::registry().with(repeats.clone());
    logged(subscriber, || act(&repeats))
}

fn peer_does_it_again() {
    tracing::warn!(peer = "10.0.0.1", "connection not taken over");
}

#[test]
fn a_line_that_a_peer_repeats_is_told_a_few_times_and_then_counted() {
    let told = limited(|repeats| {
        (0..1000).for_each(|_| peer_does_it_again());
        repeats.tell_now();
        repeats.tell_now();
    });
    let lines = told.lines();
    let (last, first) = lines.split_last().unwrap();
    assert_eq!(first.len() as u64, FIRST);
    assert!(
        first
            .iter()
            .all(|line| line["message"] == "connection not taken over")
    );
    assert_eq!(last["message"], "lines left out");
    assert_eq!(last["suppressed"], 1000 - FIRST);
    assert_eq!(last["line"], "connection not taken over");
}

#[test]
fn lines_of_a_loss_are_all_told() {
    let told = limited(|repeats| {
        for items in 0..1000 {
            tracing::error!(items, "items dropped");
        }
        repeats.tell_now();
    });
    assert_eq!(told.lines().len(), 1000);
}

#[test]
fn one_places_flood_hides_no_other_line() {
    let told = limited(|_| {
        (0..1000).for_each(|_| peer_does_it_again());
        tracing::warn!("exporter fails, its batches wait");
    });
    let lines = told.lines();
    assert_eq!(
        lines.last().unwrap()["message"],
        "exporter fails, its batches wait"
    );
}

#[test]
fn after_a_while_lines_are_told_again() {
    let repeats = Repeats::default();
    let now = Arc::new(Mutex::new(Instant::now()));
    let clock = Clock(repeats.clone(), Arc::clone(&now));
    let subscriber = tracing_subscriber::registry().with(clock);
    tracing::subscriber::with_default(subscriber, || {
        (0..FIRST + 7).for_each(|_| peer_does_it_again());
        *now.lock().unwrap() += WINDOW;
        (0..FIRST + 1).for_each(|_| peer_does_it_again());
    });
    assert_eq!(repeats.take()[0].count, 8);
    assert!(repeats.take().is_empty());
}

/// The limit with a clock of the test's.
struct Clock(Repeats, Arc<Mutex<Instant>>);

impl<S: Subscriber> Layer<S> for Clock {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        self.0.passes(event, *self.1.lock().unwrap())
    }
}
