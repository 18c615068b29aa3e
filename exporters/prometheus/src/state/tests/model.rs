//! Deltas of all types, in any order and more than once, moved between replicas, against what was counted.

use super::*;
use penstock_exporter_series::{BucketSpan, Histogram};
use proptest::prelude::*;

const BOUNDS: [f64; 3] = [1.0, 10.0, 100.0];

/// What one delta counts: observations of a counter, a classic and a native histogram.
fn delta(observed: &[u8], millis: i64) -> Vec<Point> {
    let count = u64::try_from(observed.len()).unwrap();
    let sum: f64 = observed.iter().map(|value| f64::from(*value)).sum();
    let below = |bound: &f64| {
        let below = observed.iter().filter(|value| f64::from(**value) <= *bound);
        u64::try_from(below.count()).unwrap()
    };
    let classic = Buckets {
        bounds: BOUNDS.to_vec(),
        counts: BOUNDS.iter().map(below).collect(),
        count,
        sum: Some(sum),
    };
    // All in the one bucket of schema -4 that ends at 2^16.
    let native = Histogram {
        count: Some(count),
        sum,
        schema: -4,
        zero_count: Some(0),
        positive_spans: vec![BucketSpan {
            offset: 1,
            length: 1,
        }],
        positive_deltas: vec![i64::try_from(count).unwrap()],
        ..Histogram::default()
    };
    vec![
        point("counter", Value::Number(sum), true, millis),
        point("classic", Value::Buckets(Box::new(classic)), true, millis),
        point("native", Value::Native(Box::new(native)), true, millis),
    ]
}

/// What is done with the next delta.
#[derive(Clone, Debug)]
struct Step {
    observed: Vec<u8>,
    /// Comes so many places later.
    late_by: usize,
    /// Comes again right away.
    twice: bool,
    /// What is kept moves to another replica first.
    moves: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let observed = prop::collection::vec(any::<u8>(), 0..6);
    let parts = (observed, 0_usize..5, any::<bool>(), any::<bool>());
    parts.prop_map(|(observed, late_by, twice, moves)| Step {
        observed,
        late_by,
        twice,
        moves,
    })
}

fn unlimited() -> State {
    State::new(Limits {
        max_series: 1000,
        max_series_per_metric: 1000,
        expiration: EXPIRATION,
    })
}

proptest! {
    #[test]
    fn deltas_become_what_was_counted(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _time = runtime.enter();
        let mut order: Vec<(usize, &Step)> = steps.iter().enumerate().collect();
        order.sort_by_key(|(at, step)| at + step.late_by);
        let (mut here, mut there) = (unlimited(), unlimited());
        for (at, step) in order {
            if step.moves {
                for (key, kept) in here.take(&[1]) {
                    there.add(key, State::encode(&kept));
                }
                std::mem::swap(&mut here, &mut there);
            }
            let points = delta(&step.observed, i64::try_from(at).unwrap() + 1);
            prop_assert_eq!(here.apply(1, points.clone()), Refused::new());
            if step.twice {
                let refused: usize = here.apply(1, points).values().sum();
                prop_assert_eq!(refused, 3);
            }
        }
        let all: Vec<u8> = steps.iter().flat_map(|step| step.observed.clone()).collect();
        let mut kept = values(&here);
        for expected in delta(&all, 1) {
            let found = kept.remove(&expected.family.name).unwrap().value;
            match (found, expected.value) {
                // Spans may be written in several ways.
                (Value::Native(found), Value::Native(expected)) => {
                    prop_assert_eq!((found.count, found.sum), (expected.count, expected.sum));
                    prop_assert_eq!(found.positive_deltas.iter().sum::<i64>(), expected.positive_deltas[0]);
                }
                (found, expected) => prop_assert_eq!(found, expected),
            }
        }
        prop_assert_eq!(series(&here), 8);
    }
}
