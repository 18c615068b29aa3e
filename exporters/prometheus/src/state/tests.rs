//! What is kept of values of both temporalities, over moves between replicas, limits and time.

mod model;

use super::*;
use penstock_exporter_series::{Buckets, Exemplar, Family, Kind, Value};
use tokio::time::advance;

const EXPIRATION: Duration = Duration::from_secs(100);

fn state() -> State {
    State::new(Limits {
        max_series: 6,
        max_series_per_metric: 4,
        expiration: EXPIRATION,
    })
}

fn point(name: &str, value: Value, delta: bool, millis: i64) -> Point {
    Point {
        family: Arc::new(Family {
            name: name.to_owned(),
            kind: Kind::Counter,
            help: "What it is.".to_owned(),
            unit: String::new(),
        }),
        labels: Vec::new(),
        value,
        ends: false,
        delta,
        millis,
        created: 0,
        exemplars: Vec::new(),
        number: 0,
        more: 0,
    }
}

fn points(name: &str, delta: bool, values: &[(i64, f64)]) -> Vec<Point> {
    let values = values.iter();
    let point = |(millis, value): &(i64, f64)| point(name, Value::Number(*value), delta, *millis);
    values.map(point).collect()
}

fn labelled(name: &str, label: &str) -> Point {
    Point {
        labels: vec![("x".to_owned(), label.to_owned())],
        ..point(name, Value::Number(1.0), false, 1)
    }
}

fn end(name: &str) -> Point {
    Point {
        ends: true,
        ..point(name, Value::Number(0.0), false, 9)
    }
}

/// A histogram with one bound.
fn buckets(bound: f64, below: u64, count: u64) -> Value {
    Value::Buckets(Box::new(Buckets {
        bounds: vec![bound],
        counts: vec![below],
        count,
        sum: Some(1.0),
    }))
}

fn values(state: &State) -> BTreeMap<String, Kept> {
    let mut found = BTreeMap::new();
    for (_, held) in state.all() {
        for (key, kept) in &held.items {
            let name = held.family(key).unwrap().name.clone();
            found.insert(name, kept.clone());
        }
    }
    found
}

fn numbers(state: &State) -> BTreeMap<String, f64> {
    let number = |(name, kept): (String, Kept)| match kept.value {
        Value::Number(value) => (name, value),
        other => panic!("{name} is {other:?}"),
    };
    values(state).into_iter().map(number).collect()
}

fn series(state: &State) -> usize {
    state.lock().counts.all
}

#[tokio::test]
async fn deltas_add_up_and_cumulative_values_replace_older_ones() {
    let state = state();
    for both in [[(1, 5.0), (2, 6.0)], [(3, 7.0), (4, 8.0)]] {
        let mut all = points("d", true, &both);
        all.extend(points("c", false, &both));
        assert!(state.apply(1, all).is_empty());
    }
    assert!(state.apply(1, points("c", false, &[(3, 1.0)])).is_empty());
    assert_eq!(
        numbers(&state),
        BTreeMap::from([("c".to_owned(), 8.0), ("d".to_owned(), 26.0)])
    );
}

#[tokio::test]
async fn of_a_batch_only_the_deltas_that_came_before_are_rejected() {
    let state = state();
    state.apply(1, points("d", true, &[(1, 5.0), (2, 6.0)]));
    let refused = state.apply(
        1,
        points("d", true, &[(1, 5.0), (2, 6.0), (3, 7.0), (4, 1.0)]),
    );
    assert_eq!(
        refused,
        Refused::from([("added before, or too old to know", 2)])
    );
    assert_eq!(numbers(&state)["d"], 19.0);
}

#[tokio::test]
async fn a_delta_that_is_the_sum_of_two_is_rejected_as_two() {
    let state = state();
    let both = Point {
        more: 1,
        ..point("d", Value::Number(3.0), true, 1)
    };
    assert!(state.apply(1, vec![both.clone()]).is_empty());
    let refused = state.apply(1, vec![both]);
    assert_eq!(refused.values().sum::<usize>(), 2);
}

#[tokio::test]
async fn deltas_that_come_in_another_order_are_all_added() {
    let state = state();
    for millis in [5, 2, 4, 1, 3] {
        assert!(
            state
                .apply(1, points("d", true, &[(millis, 1.0)]))
                .is_empty()
        );
    }
    assert_eq!(numbers(&state)["d"], 5.0);
}

#[tokio::test]
async fn gaps_and_overlaps_between_deltas_change_no_value() {
    let state = state();
    let of = |from: i64, to: i64, value: f64| Point {
        created: from,
        ..point("d", Value::Number(value), true, to)
    };
    // In order, after a gap, over the one before, after a sender that began anew, and late.
    let all = vec![
        of(100, 200, 1.0),
        of(300, 400, 2.0),
        of(350, 450, 4.0),
        of(900, 950, 8.0),
        of(200, 300, 16.0),
    ];
    assert!(state.apply(1, all).is_empty());
    let kept = &values(&state)["d"];
    assert_eq!(kept.value, Value::Number(31.0));
    assert_eq!((kept.created, kept.millis), (100, 950));
}

#[tokio::test]
async fn a_cumulative_value_that_begins_anew_says_since_when() {
    let state = state();
    let of = |from: i64, to: i64, value: f64| Point {
        created: from,
        ..point("c", Value::Number(value), false, to)
    };
    state.apply(1, vec![of(100, 200, 9.0), of(300, 400, 2.0)]);
    let kept = &values(&state)["c"];
    assert_eq!(kept.value, Value::Number(2.0));
    assert_eq!((kept.created, kept.since), (300, 300));
}

#[tokio::test]
async fn a_delta_histogram_with_other_buckets_begins_again() {
    let state = state();
    let of = |bound, millis| point("h", buckets(bound, 1, 2), true, millis);
    assert!(state.apply(1, vec![of(1.0, 1), of(1.0, 3)]).is_empty());
    assert_eq!(values(&state)["h"].value.series(), 4);
    assert!(state.apply(1, vec![of(5.0, 4)]).is_empty());
    let Value::Buckets(kept) = values(&state).remove("h").unwrap().value else {
        panic!("no buckets")
    };
    assert_eq!((kept.bounds, kept.count), (vec![5.0], 2));
    // One of before cannot be added to it.
    assert_eq!(
        state.apply(1, vec![of(1.0, 2)]),
        Refused::from([("of before its buckets changed", 1)])
    );
}

#[tokio::test]
async fn what_moves_is_kept_once_and_sums_add_up_where_they_meet() {
    let (one, other) = (state(), state());
    let mut first = points("d", true, &[(1, 5.0)]);
    first.extend(points("c", false, &[(9, 9.0)]));
    let exemplar = Exemplar {
        labels: vec![("trace_id".to_owned(), "01".to_owned())],
        value: 5.0,
        millis: 1,
    };
    first[0].exemplars.push(exemplar.clone());
    one.apply(1, first);
    let mut second = points("d", true, &[(2, 6.0)]);
    second.extend(points("c", false, &[(3, 3.0)]));
    other.apply(1, second);
    for (key, kept) in one.take(&[1, 2]) {
        other.add(key, State::encode(&kept));
    }
    assert!(!one.keeps(1) && one.all().is_empty());
    assert_eq!((series(&one), series(&other)), (0, 2));
    assert_eq!(
        numbers(&other),
        BTreeMap::from([("c".to_owned(), 9.0), ("d".to_owned(), 11.0)])
    );
    assert_eq!(values(&other)["d"].exemplars, Box::from([exemplar]));
    // What has moved is not added again.
    assert_eq!(other.apply(1, points("d", true, &[(1, 5.0)])).len(), 1);
}

#[tokio::test]
async fn series_beyond_the_limits_are_counted_and_those_that_are_kept_go_on() {
    let state = state();
    let many = ["a", "b", "c", "d", "e"].map(|label| labelled("wild", label));
    assert_eq!(
        state.apply(1, many.to_vec()),
        Refused::from([("max_series_per_metric are kept", 1)])
    );
    let others = ["a", "b", "c"].map(|name| labelled(name, "x"));
    assert_eq!(
        state.apply(2, others.to_vec()),
        Refused::from([("max_series are kept", 1)])
    );
    // A histogram is several series.
    let histogram = vec![point("h", buckets(1.0, 1, 1), false, 1)];
    assert_eq!(state.apply(2, histogram).len(), 1);
    // What is known goes on, and one that ends makes room.
    assert!(state.apply(2, points("a", false, &[])).is_empty());
    let end = Point {
        labels: vec![("x".to_owned(), "a".to_owned())],
        ..end("wild")
    };
    assert!(state.apply(1, vec![end]).is_empty());
    assert!(state.apply(1, vec![labelled("wild", "e")]).is_empty());
    assert_eq!(series(&state), 6);
}

#[tokio::test]
async fn what_is_refused_leaves_nothing_behind() {
    let state = state();
    let label = |number: usize| labelled("wild", &number.to_string());
    state.apply(1, (0..1000).map(label).collect());
    assert_eq!(state.all()[0].1.labels.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn series_without_news_are_forgotten_without_a_scrape() {
    let state = state();
    state.apply(1, points("a", false, &[(1, 1.0)]));
    advance(EXPIRATION / 2).await;
    state.apply(2, points("b", false, &[(1, 1.0)]));
    advance(EXPIRATION / 2).await;
    state.forget_old();
    assert_eq!(numbers(&state).into_keys().collect::<Vec<_>>(), ["b"]);
    assert!(!state.keeps(1));
    assert_eq!(series(&state), 1);
}

#[tokio::test(start_paused = true)]
async fn labels_of_series_that_are_gone_are_forgotten_too() {
    let state = State::new(Limits {
        max_series: 1000,
        max_series_per_metric: 1000,
        expiration: EXPIRATION,
    });
    let label = |number: usize| labelled("a", &number.to_string());
    state.apply(1, (0..500).map(label).collect());
    advance(EXPIRATION / 2).await;
    state.apply(1, vec![label(7)]);
    advance(EXPIRATION / 2).await;
    state.forget_old();
    let all = state.all();
    assert_eq!((all[0].1.items.len(), all[0].1.labels.len()), (1, 1));
    assert!(state.apply(1, vec![label(7)]).is_empty());
    assert_eq!(series(&state), 1);
}

#[tokio::test]
async fn a_page_under_way_keeps_what_it_has() {
    let state = state();
    state.apply(1, points("c", false, &[(1, 1.0)]));
    let seen = state.all();
    state.apply(1, points("c", false, &[(2, 2.0)]));
    let (key, kept) = seen[0].1.items.iter().next().unwrap();
    assert_eq!(seen[0].1.family(key).unwrap().name, "c");
    assert_eq!(kept.value, Value::Number(1.0));
    assert_eq!(numbers(&state)["c"], 2.0);
}

#[test]
fn what_another_version_wrote_is_not_taken_in() {
    assert!(read(Bytes::from_static(b"\xff\xff")).is_none());
    // An item whose labels are not there.
    assert!(read(Bytes::from_static(b"\x22\x04\x0a\x02\x00\x07")).is_none());
}
