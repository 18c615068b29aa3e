//! What is remembered of a batch, and for how long.
use super::*;
use futures_util::FutureExt;

fn origin(block: u64) -> Origin {
    Origin {
        log_id: "log".to_owned(),
        first_block: block,
        last_block: block,
        part: 0,
        parts: 1,
        share: None,
    }
}

fn claim(duplicates: &Duplicates, block: u64) -> Claim {
    match duplicates.look(Signal::Traces, origin(block)) {
        Seen::New(claim) => claim,
        other => panic!("block {block} is known: {other:?}"),
    }
}

fn running(duplicates: &Duplicates, block: u64) -> Running {
    match duplicates.look(Signal::Traces, origin(block)) {
        Seen::Running(running) => running,
        other => panic!("block {block} is not running: {other:?}"),
    }
}

fn exported(rejected: usize) -> Exported {
    Exported {
        rejected,
        message: "some".to_owned(),
    }
}

#[test]
fn a_delivered_batch_is_answered_from_memory() {
    let duplicates = Duplicates::new(8);
    claim(&duplicates, 1).answer(Ok(exported(3)));
    for _ in 0..2 {
        match duplicates.look(Signal::Traces, origin(1)) {
            Seen::Delivered(known) => assert_eq!(known, exported(3)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_batch_that_failed_is_exported_again() {
    let duplicates = Duplicates::new(8);
    let reason = "down".to_owned();
    claim(&duplicates, 1).answer(Err(ExportError::Retry {
        after: None,
        reason,
    }));
    claim(&duplicates, 1).answer(Ok(exported(0)));
}

#[tokio::test]
async fn repeats_of_a_batch_in_flight_get_its_answer() {
    let duplicates = Duplicates::new(8);
    let first = claim(&duplicates, 1);
    let repeats = [running(&duplicates, 1), running(&duplicates, 1)];
    let [one, two] = repeats.map(|running| Box::pin(running.answer()));
    let mut one = one;
    assert!((&mut one).now_or_never().is_none());
    first.answer(Ok(exported(2)));
    assert_eq!((one.await, two.await), (Ok(exported(2)), Ok(exported(2))));
}

#[tokio::test]
async fn an_export_given_up_sends_its_repeats_away_and_can_be_claimed_again() {
    let duplicates = Duplicates::new(8);
    let first = claim(&duplicates, 1);
    let repeat = running(&duplicates, 1);
    drop(first);
    assert!(matches!(
        repeat.answer().await,
        Err(ExportError::Retry { .. })
    ));
    drop(claim(&duplicates, 1));
}

#[test]
fn signals_and_pieces_are_told_apart() {
    let duplicates = Duplicates::new(8);
    claim(&duplicates, 1).answer(Ok(exported(0)));
    assert!(matches!(
        duplicates.look(Signal::Logs, origin(1)),
        Seen::New(_)
    ));
    let piece = Origin {
        parts: 2,
        ..origin(1)
    };
    assert!(matches!(
        duplicates.look(Signal::Traces, piece),
        Seen::New(_)
    ));
}

#[test]
fn the_memory_keeps_to_its_bound_and_forgets_the_oldest() {
    let duplicates = Duplicates::new(2);
    for block in 1..=3 {
        claim(&duplicates, block).answer(Ok(exported(0)));
    }
    assert!(matches!(
        duplicates.look(Signal::Traces, origin(3)),
        Seen::Delivered(_)
    ));
    assert!(matches!(
        duplicates.look(Signal::Traces, origin(2)),
        Seen::Delivered(_)
    ));
    drop(claim(&duplicates, 1));
    let state = duplicates.lock();
    assert_eq!(
        (
            state.delivered.len(),
            state.order.len(),
            state.running.len()
        ),
        (2, 2, 0)
    );
}
