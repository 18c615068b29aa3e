//! What admission guarantees, with a body by script and paused time.

use super::*;
use crate::metrics::RejectedFor;
use crate::pipeline::{BodyError, Fate};
use crate::testing::{LIMITS, MAX_HOLD, MIB, Script, Step, call};
use bytes::Bytes;
use penstock_otlp::compress::{Encoding, compress};
use penstock_otlp::status::Code;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// New work waits above half of it.
const BUDGET: usize = 4 * MIB;

fn admit() -> Admit {
    let budget = SignalBudget::new(BUDGET, 0.5, MIB);
    Admit::new(Signal::Traces, budget, MAX_HOLD)
}

fn request() -> Bytes {
    penstock_testkit::traces(&["a", "b", "c"])
}

fn fill(admit: &Admit) -> Permit {
    admit
        .budget
        .held
        .try_enter(BUDGET / 2)
        .expect("an empty budget")
}

fn take(admit: &Admit, call: Call, mut body: Script) -> JoinHandle<Result<Admitted, Denial>> {
    let admit = admit.clone();
    #[expect(
        clippy::disallowed_methods,
        reason = "owned by the test, which joins it"
    )]
    tokio::spawn(async move { admit.take(&call, &mut body).await })
}

async fn others_run() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

fn assert_refused(denial: &Denial, items: Option<usize>) {
    assert_eq!(
        denial.fate,
        Fate::Refused {
            why: RefusedFor::Memory,
            items
        }
    );
    assert_eq!(denial.status.code, Code::Unavailable);
    let after = denial.status.retry_after.expect("RetryInfo");
    assert!((1..=3).contains(&after.as_secs()), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn an_admitted_request_holds_exactly_its_bytes() {
    let (admit, body) = (admit(), request());
    for declared in [Some(body.len()), None] {
        let mut source = Script::of(&body);
        let admitted = admit.take(&call(declared), &mut source).await.unwrap();
        assert_eq!(admitted.request, body);
        assert_eq!(admitted.permit.bytes(), body.len());
        drop(admitted);
        assert_eq!(admit.budget.held.used(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn full_budget_holds_until_bytes_return_and_reads_nothing_meanwhile() {
    let (admit, body) = (admit(), request());
    let full = fill(&admit);
    let (call, mut source) = (call(Some(body.len())), Script::of(&body));
    {
        let mut taking = std::pin::pin!(admit.take(&call, &mut source));
        assert!(timeout(MAX_HOLD / 2, &mut taking).await.is_err());
        assert_eq!(admit.budget.held.waiting(), 1);
    }
    assert_eq!(source.pulled, 0);
    let taking = take(&admit, call, source);
    others_run().await;
    drop(full);
    assert_eq!(taking.await.unwrap().unwrap().request, body);
}

#[tokio::test(start_paused = true)]
async fn refused_only_after_the_longest_hold_and_with_items_counted() {
    let (admit, body) = (admit(), request());
    let _full = fill(&admit);
    let start = Instant::now();
    let mut source = Script::of(&body);
    let denial = admit
        .take(&call(Some(body.len())), &mut source)
        .await
        .unwrap_err();
    assert_eq!(start.elapsed(), MAX_HOLD);
    assert_refused(&denial, Some(3));
    assert_eq!(source.overdue, 1, "its transport may stop holding others");
}

#[tokio::test(start_paused = true)]
async fn items_of_a_refused_compressed_request_are_counted() {
    let admit = admit();
    let _full = fill(&admit);
    let body = compress(Encoding::Gzip, &[request()]);
    let call = Call {
        encoding: Encoding::Gzip,
        ..call(Some(body.len()))
    };
    let denial = admit.take(&call, &mut Script::of(&body)).await.unwrap_err();
    assert_refused(&denial, Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_refused_body_that_does_not_come_is_refused_uncounted() {
    let admit = admit();
    let _full = fill(&admit);
    let mut source = Script::new([Step::Stall]);
    let denial = admit.take(&call(Some(100)), &mut source).await.unwrap_err();
    assert_refused(&denial, None);
}

#[tokio::test(start_paused = true)]
async fn a_sender_with_little_patience_is_answered_before_it_gives_up() {
    let admit = admit();
    let _full = fill(&admit);
    let patience = Duration::from_secs(2);
    let call = Call {
        patience: Some(patience),
        ..call(Some(100))
    };
    let start = Instant::now();
    let mut source = Script::of(&penstock_testkit::traces(&["a"]));
    let denial = admit.take(&call, &mut source).await.unwrap_err();
    assert_refused(&denial, Some(1));
    assert!(start.elapsed() < patience);
    assert_eq!(source.overdue, 0, "others may wait longer");
}

#[tokio::test(start_paused = true)]
async fn what_declares_too_much_is_rejected_unread_and_not_to_come_back() {
    let admit = admit();
    let mut source = Script::new([Step::Stall]);
    let too_much = call(Some(LIMITS.max_bytes + 1));
    let denial = admit.take(&too_much, &mut source).await.unwrap_err();
    assert_eq!(denial.fate, Fate::Rejected(RejectedFor::TooLarge));
    assert_eq!(denial.status.code, Code::ResourceExhausted);
    assert!(!denial.status.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn what_grows_too_large_is_rejected_at_the_limit() {
    let admit = admit();
    let chunk = Bytes::from(vec![0; MIB / 4]);
    let mut source = Script::new((0..100).map(|_| Step::Chunk(chunk.clone())));
    let denial = admit.take(&call(None), &mut source).await.unwrap_err();
    assert_eq!(denial.fate, Fate::Rejected(RejectedFor::TooLarge));
    assert!(source.pulled <= LIMITS.max_bytes + chunk.len());
    assert_eq!(admit.budget.held.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_bomb_is_stopped_at_the_limit() {
    let admit = admit();
    for encoding in [Encoding::Gzip, Encoding::Zstd, Encoding::Deflate] {
        let bomb = compress(encoding, &[Bytes::from(vec![0; 64 * MIB])]);
        assert!(bomb.len() < MIB);
        let call = Call {
            encoding,
            ..call(Some(bomb.len()))
        };
        let denial = admit.take(&call, &mut Script::of(&bomb)).await.unwrap_err();
        assert_eq!(
            denial.fate,
            Fate::Rejected(RejectedFor::TooLarge),
            "{encoding:?}"
        );
        assert_eq!(admit.budget.held.used(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn compressed_bodies_hold_their_real_size_afterwards() {
    let admit = admit();
    let ids = penstock_testkit::numbered("span", 3000);
    let body = penstock_testkit::traces(&ids);
    for encoding in [Encoding::Gzip, Encoding::Zstd, Encoding::Deflate] {
        let packed = compress(encoding, std::slice::from_ref(&body));
        let call = Call {
            encoding,
            ..call(Some(packed.len()))
        };
        let admitted = admit.take(&call, &mut Script::of(&packed)).await.unwrap();
        assert_eq!(admitted.request, body);
        assert_eq!(admitted.permit.bytes(), body.len());
        assert_eq!(admitted.wire_bytes, packed.len());
    }
}

#[tokio::test(start_paused = true)]
async fn half_read_bodies_do_not_wait_for_each_other_for_ever() {
    let budget = SignalBudget::new(MIB, 1.0, MIB);
    let admit = Admit::new(Signal::Traces, budget, MAX_HOLD);
    let body = || {
        let chunk = Bytes::from(vec![0; MIB / 8]);
        Script::new((0..7).map(move |_| Step::Chunk(chunk.clone())))
    };
    let both = [
        take(&admit, call(None), body()),
        take(&admit, call(None), body()),
    ];
    for taking in both {
        // Not OTLP at all, so nobody looks further than admission.
        match taking.await.unwrap() {
            Ok(admitted) => drop(admitted),
            Err(denial) => assert!(matches!(denial.fate, Fate::Refused { .. }), "{denial:?}"),
        }
    }
    assert_eq!(admit.budget.held.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn growing_goes_on_above_the_high_mark() {
    let (admit, body) = (admit(), request());
    let (half, rest) = (body.slice(..10), body.slice(10..));
    let (open, gate) = oneshot::channel();
    let source = Script::new([
        Step::Chunk(half),
        Step::Wait(gate),
        Step::Chunk(Bytes::from(vec![0; 64 * 1024])),
        Step::Chunk(rest),
    ]);
    let taking = take(&admit, call(None), source);
    others_run().await;
    let _nearly_full = admit.budget.held.force(BUDGET / 2);
    open.send(()).unwrap();
    assert!(taking.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn bodies_that_do_not_arrive_are_told_apart() {
    let admit = admit();
    let slow = Script::new([Step::Chunk(Bytes::from_static(b"x")), Step::Stall]);
    let gone = Script::new([Step::Error(BodyError::Gone)]);
    for (mut body, why) in [(slow, RejectedFor::Slow), (gone, RejectedFor::Gone)] {
        let denial = admit.take(&call(Some(100)), &mut body).await.unwrap_err();
        assert_eq!(denial.fate, Fate::Rejected(why));
        assert_eq!(admit.budget.held.used(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn bad_encodings_and_bad_json_are_the_senders_fault() {
    let admit = admit();
    let junk = Bytes::from_static(b"junk");
    let zip = Call {
        encoding: Encoding::Gzip,
        ..call(Some(4))
    };
    let json = Call {
        json: true,
        ..call(Some(4))
    };
    for (call, why) in [(zip, RejectedFor::Compression), (json, RejectedFor::Json)] {
        let denial = admit.take(&call, &mut Script::of(&junk)).await.unwrap_err();
        assert_eq!(denial.fate, Fate::Rejected(why));
        assert_eq!(denial.status.code, Code::InvalidArgument);
    }
}

#[tokio::test(start_paused = true)]
async fn settling_follows_the_request_up_and_down() {
    let admit = admit();
    let mut permit = admit.budget.held.try_enter(100).unwrap();
    for bytes in [140, 30, 30] {
        admit.settle(&mut permit, bytes);
        assert_eq!((permit.bytes(), admit.budget.held.used()), (bytes, bytes));
    }
}
