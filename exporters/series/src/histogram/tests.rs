//! Native histograms added up, against counts that nobody has joined.

use super::*;
use proptest::prelude::*;

/// Of observations in buckets of a schema, by index.
fn histogram(schema: i32, zero_threshold: f64, positive: &[(i32, i64)]) -> Histogram {
    let (positive_spans, positive_deltas) = spans(positive.iter().copied());
    let count = positive.iter().map(|(_, count)| *count).sum::<i64>();
    Histogram {
        count: Some(u64::try_from(count).unwrap()),
        schema,
        zero_threshold,
        zero_count: Some(0),
        positive_spans,
        positive_deltas,
        ..Histogram::default()
    }
}

#[test]
fn the_wider_zero_bucket_takes_what_it_covers() {
    // Buckets of schema 0 end at 1, 2, 4: index 0, 1, 2. 1.5 cuts the bucket that ends at 2.
    let mut sum = histogram(0, 1e-128, &[(0, 1), (1, 2), (2, 4)]);
    sum.add(&histogram(0, 1.5, &[(2, 8)]));
    assert_eq!((sum.zero_count, sum.zero_threshold), (Some(3), 2.0));
    assert_eq!(counts(&sum.positive_spans, &sum.positive_deltas), [(2, 12)]);
    assert_eq!(sum.count, Some(15));
}

proptest! {
    #[test]
    fn no_count_is_lost_and_the_coarser_resolution_remains(
        one in (-4_i32..=8, prop::collection::btree_map(-50_i32..50, 1_i64..9, 0..20)),
        other in (-4_i32..=8, prop::collection::btree_map(-50_i32..50, 1_i64..9, 0..20)),
    ) {
        let list = |counts: &BTreeMap<i32, i64>| counts.clone().into_iter().collect::<Vec<_>>();
        let mut sum = histogram(one.0, 0.0, &list(&one.1));
        sum.add(&histogram(other.0, 0.0, &list(&other.1)));
        let mut expected = Counts::new();
        let schema = one.0.min(other.0);
        prop_assert_eq!(sum.schema, schema);
        for (from, counts) in [&one, &other] {
            for (index, count) in counts {
                // The coarser bucket is the one that ends at or after this one's end.
                let wide = 1_i32 << (from - schema);
                let joined = index.div_euclid(wide) + i32::from(index.rem_euclid(wide) != 0);
                *expected.entry(joined).or_default() += count;
            }
        }
        prop_assert_eq!(
            counts(&sum.positive_spans, &sum.positive_deltas).into_iter().collect::<Counts>(),
            expected
        );
    }
}
