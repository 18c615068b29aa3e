//! What is kept of values of both temporalities, over moves between replicas, limits and time.

use super::*;
use penstock_exporter_series::{Family, Kind, Sample};
use std::sync::Arc;
use tokio::time::advance;

const EXPIRATION: Duration = Duration::from_secs(100);

fn state() -> State {
    State::new(3, EXPIRATION)
}

fn series(name: &str, delta: bool, values: &[(i64, f64)]) -> Series {
    let sample = |(timestamp, value): &(i64, f64)| Sample {
        value: *value,
        timestamp: *timestamp,
    };
    Series {
        labels: vec![("__name__".to_owned(), name.to_owned())],
        family: Arc::new(Family {
            name: name.to_owned(),
            kind: Kind::Counter,
            help: "What it is.".to_owned(),
            unit: String::new(),
        }),
        samples: values.iter().map(sample).collect(),
        histograms: Vec::new(),
        exemplars: Vec::new(),
        delta,
        created: 0,
        points: (0..values.len()).collect(),
    }
}

fn kept(state: &State) -> BTreeMap<String, f64> {
    let all = state
        .all()
        .into_iter()
        .flat_map(|(_, kept)| read(kept).unwrap());
    all.map(|(labels, kept)| (labels[0].1.clone(), kept.value))
        .collect()
}

#[tokio::test]
async fn deltas_add_up_and_cumulative_values_replace_older_ones() {
    let state = state();
    for values in [[(1, 5.0), (2, 6.0)], [(3, 7.0), (4, 8.0)]] {
        assert!(
            state
                .apply(
                    1,
                    vec![series("d", true, &values), series("c", false, &values)]
                )
                .is_empty()
        );
    }
    state.apply(1, vec![series("c", false, &[(3, 1.0)])]);
    assert_eq!(
        kept(&state),
        BTreeMap::from([("c".to_owned(), 8.0), ("d".to_owned(), 26.0)])
    );
}

#[tokio::test]
async fn a_delta_that_came_before_is_counted_and_not_added_again() {
    let state = state();
    state.apply(1, vec![series("d", true, &[(1, 5.0), (2, 6.0)])]);
    let refused = state.apply(1, vec![series("d", true, &[(2, 6.0)])]);
    assert_eq!(refused.values().sum::<usize>(), 1);
    assert_eq!(kept(&state)["d"], 11.0);
}

#[tokio::test]
async fn deltas_that_come_in_another_order_are_all_added() {
    let state = state();
    for millis in [5, 2, 4, 1, 3] {
        let one = series("d", true, &[(millis, 1.0)]);
        assert!(state.apply(1, vec![one]).is_empty());
    }
    assert_eq!(kept(&state)["d"], 5.0);
}

#[tokio::test]
async fn what_moves_is_kept_once_and_sums_add_up_where_they_meet() {
    let (one, other) = (state(), state());
    one.apply(
        1,
        vec![
            series("d", true, &[(1, 5.0)]),
            series("c", false, &[(9, 9.0)]),
        ],
    );
    other.apply(
        1,
        vec![
            series("d", true, &[(2, 6.0)]),
            series("c", false, &[(3, 3.0)]),
        ],
    );
    for (key, kept) in one.take(&[1, 2]) {
        other.add(key, kept);
    }
    assert!(!one.keeps(1) && one.all().is_empty());
    assert_eq!(
        kept(&other),
        BTreeMap::from([("c".to_owned(), 9.0), ("d".to_owned(), 11.0)])
    );
}

#[tokio::test]
async fn series_beyond_the_limit_are_counted_and_those_that_are_kept_go_on() {
    let state = state();
    let many: Vec<_> = ["a", "b", "c", "d"]
        .map(|name| series(name, false, &[(1, 1.0)]))
        .into();
    assert_eq!(
        state.apply(1, many),
        Refused::from([("max_series are kept", 1)])
    );
    state.apply(1, vec![series("a", false, &[(2, 2.0)])]);
    assert_eq!(kept(&state)["a"], 2.0);
    // One that ends makes room.
    state.apply(1, vec![series("b", false, &[(2, STALE)])]);
    assert!(
        state
            .apply(2, vec![series("e", false, &[(1, 1.0)])])
            .is_empty()
    );
    assert_eq!(kept(&state).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn series_without_news_are_forgotten_without_a_scrape() {
    let state = state();
    state.apply(1, vec![series("a", false, &[(1, 1.0)])]);
    advance(EXPIRATION / 2).await;
    state.apply(2, vec![series("b", false, &[(1, 1.0)])]);
    advance(EXPIRATION / 2).await;
    state.forget_old();
    assert_eq!(kept(&state).into_keys().collect::<Vec<_>>(), ["b"]);
    assert!(!state.keeps(1));
}
