//! Which of a second's batches are printed.
use super::*;

fn admitted(sampler: &Sampler, signal: Signal, count: u32, now: Instant) -> Vec<u32> {
    (1..=count)
        .filter(|_| sampler.admits(signal, now))
        .collect()
}

fn which(initial: u32, thereafter: u32, count: u32) -> Vec<u32> {
    let (sampler, now) = (Sampler::new(initial, thereafter), Instant::now());
    (1..=count)
        .filter(|_| sampler.admits(Signal::Logs, now))
        .collect()
}

#[test]
fn the_first_of_a_second_are_printed_and_then_every_nth() {
    assert_eq!(which(2, 3, 10), [1, 2, 5, 8]);
    assert_eq!(which(0, 4, 10), [4, 8]);
    assert_eq!(which(3, 0, 10), [1, 2, 3]);
}

#[test]
fn the_defaults_print_all() {
    assert_eq!(which(2, 1, 5), [1, 2, 3, 4, 5]);
}

#[test]
fn each_second_and_each_signal_starts_afresh() {
    let (sampler, now) = (Sampler::new(1, 0), Instant::now());
    assert_eq!(admitted(&sampler, Signal::Logs, 5, now).len(), 1);
    assert_eq!(admitted(&sampler, Signal::Traces, 5, now).len(), 1);
    assert_eq!(admitted(&sampler, Signal::Logs, 5, now + TICK / 2).len(), 0);
    assert_eq!(admitted(&sampler, Signal::Logs, 5, now + TICK).len(), 1);
}
