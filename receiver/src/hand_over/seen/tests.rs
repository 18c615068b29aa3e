//! What is remembered, and for how long.

use super::*;
use penstock_hop::Origin;
use penstock_hop::metadata::HandOver;

fn batch(exporter: &str, block: Option<u64>) -> HandedOver {
    let origin = |block| Origin {
        log_id: "log".to_owned(),
        first_block: block,
        last_block: block,
        part: 0,
        parts: 1,
        share: None,
    };
    HandedOver {
        cursor: HandOver {
            pipeline: "logs".to_owned(),
            exporter: exporter.to_owned(),
        },
        origin: block.map(origin),
    }
}

#[test]
fn a_batch_is_known_for_its_own_cursor_only() {
    let seen = Seen::default();
    seen.add(&batch("otlp/a", Some(1)));
    seen.add(&batch("otlp/a", Some(1)));
    assert!(seen.has(&batch("otlp/a", Some(1))));
    assert!(!seen.has(&batch("otlp/b", Some(1))));
    assert!(!seen.has(&batch("otlp/a", Some(2))));
}

#[test]
fn what_has_no_name_is_never_taken_for_another() {
    let seen = Seen::default();
    seen.add(&batch("otlp/a", None));
    assert!(!seen.has(&batch("otlp/a", None)));
}

#[test]
fn the_oldest_is_forgotten_first_and_memory_is_bounded() {
    let seen = Seen::default();
    let last = REMEMBERED as u64;
    (0..=last).for_each(|block| seen.add(&batch("otlp/a", Some(block))));
    assert!(!seen.has(&batch("otlp/a", Some(0))));
    assert!(seen.has(&batch("otlp/a", Some(1))));
    assert!(seen.has(&batch("otlp/a", Some(last))));
    let state = seen.state.lock().unwrap();
    let sizes = (state.known.len(), state.in_order.len());
    assert_eq!(sizes, (REMEMBERED, REMEMBERED));
}
