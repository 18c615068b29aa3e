//! Choice and ejection, on paused time. Says nothing about connections.
use super::*;
use penstock_otlp::compress::Encoding;
use std::collections::HashMap;
use tokio::time::advance;

const EJECT_FOR: Duration = Duration::from_secs(1);
const WHEN_EMPTY: Duration = Duration::from_secs(5);

fn replicas(addresses: &[&str]) -> Replicas {
    let hop = penstock_settings::Hop {
        timeout_margin: Duration::ZERO,
        connect_timeout: Duration::ZERO,
        keepalive_time: Duration::ZERO,
        keepalive_timeout: Duration::ZERO,
        resolve_interval: WHEN_EMPTY,
        eject_for: EJECT_FOR,
        move_after: 3 * EJECT_FOR,
        compression: Encoding::Identity,
        tls: None,
    };
    let settings = ConnectionSettings::new(&hop, None);
    let metrics = HopMetrics::new("debug");
    let replicas = Replicas::new(EJECT_FOR, WHEN_EMPTY, settings, metrics, Tasks::new());
    replicas.update(&places(addresses));
    replicas
}

fn places(addresses: &[&str]) -> Vec<Place> {
    let place = |address: &&str| Place {
        address: (*address).to_owned(),
        authority: Authority::from_static("exporter:4400"),
    };
    addresses.iter().map(place).collect()
}

fn address(lease: &Lease) -> String {
    lease.place().address.clone()
}

/// Leases until every replica holds `each` calls.
fn fill(replicas: &Replicas, count: usize) -> Vec<Lease> {
    (0..count).map(|_| replicas.choose().unwrap()).collect()
}

fn lease_of(replicas: &Replicas, wanted: &str) -> Lease {
    let mut others = Vec::new();
    loop {
        let lease = replicas.choose().unwrap();
        if address(&lease) == wanted {
            return lease;
        }
        others.push(lease);
    }
}

#[test]
fn calls_in_flight_are_spread_evenly() {
    let replicas = replicas(&["a", "b", "c"]);
    let leases = fill(&replicas, 30);
    let mut load: HashMap<String, usize> = HashMap::new();
    for lease in &leases {
        *load.entry(address(lease)).or_default() += 1;
    }
    assert_eq!(
        load,
        HashMap::from([("a".into(), 10), ("b".into(), 10), ("c".into(), 10)])
    );
}

#[test]
fn the_replica_that_answers_faster_gets_the_next_call() {
    let replicas = replicas(&["a", "b"]);
    let mut leases = fill(&replicas, 20);
    let first_of_b = leases
        .iter()
        .position(|lease| address(lease) == "b")
        .unwrap();
    leases.remove(first_of_b);
    assert_eq!(address(&replicas.choose().unwrap()), "b");
}

#[test]
fn idle_replicas_all_get_their_turn() {
    let replicas = replicas(&["a", "b", "c"]);
    let mut seen: Vec<_> = (0..200)
        .map(|_| address(&replicas.choose().unwrap()))
        .collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn an_ejected_replica_gets_no_calls_until_one_call_probes_it() {
    let replicas = replicas(&["a", "b"]);
    lease_of(&replicas, "a").failed("test");
    assert!(
        fill(&replicas, 20)
            .iter()
            .all(|lease| address(lease) == "b")
    );

    advance(EJECT_FOR).await;
    let probe = replicas.choose().unwrap();
    assert_eq!(address(&probe), "a");
    assert!(
        fill(&replicas, 20)
            .iter()
            .all(|lease| address(lease) == "b")
    );

    probe.answered();
    drop(probe);
    assert_eq!(
        fill(&replicas, 20)
            .iter()
            .filter(|lease| address(lease) == "a")
            .count(),
        10
    );
}

#[tokio::test(start_paused = true)]
async fn ejection_doubles_up_to_its_limit_and_starts_afresh_after_an_answer() {
    let replicas = replicas(&["a"]);
    for seconds in [1, 2, 4, 5, 5] {
        replicas.choose().unwrap().failed("test");
        assert_eq!(replicas.choose().unwrap_err(), Duration::from_secs(seconds));
        advance(Duration::from_secs(seconds)).await;
    }
    replicas.choose().unwrap().answered();
    replicas.choose().unwrap().failed("test");
    assert_eq!(replicas.choose().unwrap_err(), EJECT_FOR);
}

#[tokio::test(start_paused = true)]
async fn one_broken_connection_is_one_failure_however_many_calls_it_carried() {
    let replicas = replicas(&["a"]);
    let leases = fill(&replicas, 10);
    for lease in &leases {
        lease.failed("test");
    }
    assert_eq!(replicas.choose().unwrap_err(), EJECT_FOR);
    assert!(leases.iter().all(Lease::is_outdated));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_given_up_lets_the_next_call_probe() {
    let replicas = replicas(&["a"]);
    replicas.choose().unwrap().failed("test");
    advance(EJECT_FOR).await;
    let probe = replicas.choose().unwrap();
    assert_eq!(replicas.choose().unwrap_err(), EJECT_FOR);
    drop(probe);
    assert!(replicas.choose().is_ok());
}

#[tokio::test(start_paused = true)]
async fn with_every_replica_ejected_the_wait_is_until_the_first_probe() {
    let replicas = replicas(&["a", "b"]);
    lease_of(&replicas, "a").failed("test");
    advance(Duration::from_millis(400)).await;
    lease_of(&replicas, "b").failed("test");
    assert_eq!(replicas.choose().unwrap_err(), Duration::from_millis(600));
}

#[test]
fn without_replicas_the_wait_is_until_the_next_lookup() {
    assert_eq!(replicas(&[]).choose().unwrap_err(), WHEN_EMPTY);
}

#[tokio::test(start_paused = true)]
async fn an_update_keeps_what_is_known_of_those_that_stay() {
    let replicas = replicas(&["a", "b"]);
    lease_of(&replicas, "a").failed("test");
    let held = fill(&replicas, 3);
    replicas.update(&places(&["c", "b", "a", "b"]));
    assert!(held.iter().all(|lease| address(lease) == "b"));
    assert!(fill(&replicas, 3).iter().all(|lease| address(lease) == "c"));
    replicas.update(&places(&["a"]));
    assert_eq!(replicas.choose().unwrap_err(), EJECT_FOR);
}

fn owners(replicas: &Replicas) -> Vec<String> {
    let owners = replicas.owners().borrow().clone();
    owners
        .list()
        .iter()
        .map(|owner| owner.address().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_a_failing_replica_owns_moves_after_a_time_and_comes_back_with_it() {
    let replicas = replicas(&["a", "b"]);
    let move_after = 3 * EJECT_FOR;
    replicas.reckon(move_after);
    assert_eq!(owners(&replicas), ["a", "b"]);
    let epoch = replicas.owners().borrow().epoch();
    replicas.take(&Owner::new("a")).unwrap().failed("no answer");
    advance(move_after - Duration::from_millis(1)).await;
    replicas.reckon(move_after);
    assert_eq!(owners(&replicas), ["a", "b"], "it may be back in a moment");
    advance(Duration::from_millis(1)).await;
    replicas.reckon(move_after);
    assert_eq!(owners(&replicas), ["b"]);
    let lost = replicas.lost();
    assert_eq!(lost.iter().map(address).collect::<Vec<_>>(), ["a"]);
    lost[0].answered();
    replicas.reckon(move_after);
    assert_eq!(owners(&replicas), ["a", "b"]);
    assert_eq!(replicas.owners().borrow().epoch(), epoch);
}

#[tokio::test(start_paused = true)]
async fn nothing_moves_when_all_replicas_fail() {
    let replicas = replicas(&["a", "b"]);
    replicas.reckon(EJECT_FOR);
    for name in ["a", "b"] {
        replicas
            .take(&Owner::new(name))
            .unwrap()
            .failed("no answer");
    }
    advance(60 * EJECT_FOR).await;
    replicas.reckon(EJECT_FOR);
    assert_eq!(owners(&replicas), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn an_ejected_owner_is_not_called_before_its_time() {
    let replicas = replicas(&["a", "b"]);
    let owner = Owner::new("a");
    replicas.take(&owner).unwrap().failed("no answer");
    assert_eq!(replicas.take(&owner).err(), Some(EJECT_FOR));
    advance(EJECT_FOR).await;
    assert_eq!(address(&replicas.take(&owner).unwrap()), "a");
}
