//! Ownership over random sets of replicas.

use super::*;
use proptest::collection::btree_set;
use proptest::prelude::*;

fn owner(owners: &Owners, key: u64) -> Option<&str> {
    owners
        .index_of(key)
        .map(|index| owners.list()[index].address())
}

fn addresses(most: usize) -> impl Strategy<Value = Vec<String>> {
    btree_set("10\\.0\\.[0-9]\\.[0-9]{1,2}:4400", 1..most).prop_map(|set| set.into_iter().collect())
}

fn owners(addresses: &[String]) -> Owners {
    Owners::new(addresses.iter().map(String::as_str))
}

proptest! {
    #[test]
    fn receivers_that_know_the_same_replicas_name_the_same_owner(
        list in addresses(9).prop_shuffle(),
        keys in prop::collection::vec(any::<u64>(), 1..50),
    ) {
        let mut other = list.clone();
        other.reverse();
        other.push(list[0].clone());
        let (one, two) = (owners(&list), owners(&other));
        prop_assert_eq!(one.epoch(), two.epoch());
        for key in keys {
            prop_assert_eq!(owner(&one, key), owner(&two, key));
        }
    }

    #[test]
    fn a_replica_that_goes_moves_only_what_it_owned(
        list in addresses(9),
        gone in any::<prop::sample::Index>(),
        keys in prop::collection::vec(any::<u64>(), 1..50),
    ) {
        let gone = gone.index(list.len());
        let mut rest = list.clone();
        let gone = rest.remove(gone);
        let (before, after) = (owners(&list), owners(&rest));
        prop_assert_ne!(before.epoch(), after.epoch());
        for key in keys {
            if owner(&before, key) != Some(&gone) {
                prop_assert_eq!(owner(&before, key), owner(&after, key));
            }
        }
    }
}

#[test]
fn replicas_own_about_equal_parts() {
    let owners = Owners::new(["10.0.0.1:4400", "10.0.0.2:4400", "10.0.0.3:4400"]);
    let mut owned = [0_u32; 3];
    for key in 0..30_000 {
        owned[owners.index_of(mix(key)).unwrap_or_default()] += 1;
    }
    assert!(
        owned.iter().all(|owned| (9_500..10_500).contains(owned)),
        "{owned:?}"
    );
}

#[test]
fn nobody_owns_anything_when_there_are_no_replicas() {
    assert_eq!(Owners::default().index_of(7), None);
}
