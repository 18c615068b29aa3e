//! Replicas that add up numbers, over a network in memory that may be slow or cut.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashSet};
use tokio::task::yield_now;

const LIMIT: Duration = Duration::from_secs(1);

/// Keeps a sum of each Resource.
#[derive(Debug, Default)]
struct Sums(Mutex<HashMap<u64, u64>>);

impl Sums {
    fn count(&self, key: u64, value: u64) {
        *self.0.lock().unwrap().entry(key).or_default() += value;
    }
}

fn decoded(kept: &Bytes) -> u64 {
    u64::from_be_bytes(kept.as_ref().try_into().unwrap())
}

impl Keeper for Sums {
    type Kept = u64;

    fn keeps(&self, key: u64) -> bool {
        self.0.lock().unwrap().contains_key(&key)
    }

    fn all(&self) -> Vec<(u64, u64)> {
        let sums = self.0.lock().unwrap();
        sums.iter().map(|(key, sum)| (*key, *sum)).collect()
    }

    fn take(&self, keys: &[u64]) -> Vec<(u64, u64)> {
        let mut sums = self.0.lock().unwrap();
        let taken = keys
            .iter()
            .filter_map(|key| Some((*key, sums.remove(key)?)));
        taken.collect()
    }

    fn add(&self, key: u64, kept: Bytes) {
        self.count(key, decoded(&kept));
    }

    fn encode(kept: &u64) -> Bytes {
        Bytes::copy_from_slice(&kept.to_be_bytes())
    }
}

type Replica = Replicas<Sums, Net>;

/// Every replica by its address. Calls take some turns of the runtime each way.
#[derive(Clone, Debug, Default)]
struct Net(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    replicas: BTreeMap<String, Arc<Replica>>,
    cut: HashSet<String>,
    turns: Vec<u8>,
}

impl Net {
    fn start(&self, address: &str) -> Arc<Replica> {
        let replica = Arc::new(Replicas::over(Arc::default(), self.clone()));
        let mut state = self.0.lock().unwrap();
        state
            .replicas
            .insert(address.to_owned(), Arc::clone(&replica));
        replica
    }

    fn remove(&self, address: &str) -> Option<Arc<Replica>> {
        self.0.lock().unwrap().replicas.remove(address)
    }

    fn cut(&self, address: &str) {
        self.0.lock().unwrap().cut.insert(address.to_owned());
    }

    async fn lag(&self) {
        let turns = {
            let mut state = self.0.lock().unwrap();
            let turns = state.turns.pop().unwrap_or_default();
            state.turns.insert(0, turns);
            turns
        };
        for _ in 0..turns {
            yield_now().await;
        }
    }
}

impl Network for Net {
    fn all(&self) -> Owners {
        Owners::new(self.0.lock().unwrap().replicas.keys().map(String::as_str))
    }

    async fn call(
        &self,
        replica: &Owner,
        name: &'static str,
        message: Bytes,
        _: Duration,
    ) -> Result<Bytes, String> {
        self.lag().await;
        let found = {
            let state = self.0.lock().unwrap();
            let cut = state.cut.contains(replica.address());
            state
                .replicas
                .get(replica.address())
                .filter(|_| !cut)
                .cloned()
        };
        let answer = found.ok_or("cannot be reached")?.answer(name, &message);
        self.lag().await;
        answer.ok_or_else(|| "not served".to_owned())
    }
}

fn total(gathered: &Gathered<u64>) -> u64 {
    let others = gathered.others.iter().map(|(_, kept)| decoded(kept));
    others.chain(gathered.own.iter().map(|(_, sum)| *sum)).sum()
}

async fn count(replica: &Replica, key: u64, value: u64) {
    replica.claim(&[key]).await;
    replica.keeper.count(key, value);
}

#[tokio::test]
async fn what_another_replica_keeps_comes_with_the_data() {
    let net = Net::default();
    let (a, b) = (net.start("a"), net.start("b"));
    count(&a, 1, 10).await;
    count(&b, 1, 5).await;
    assert!(!a.keeper.keeps(1));
    assert_eq!(b.keeper.all(), [(1, 15)]);
    for replica in [a, b] {
        assert_eq!(total(&replica.gather(LIMIT).await), 15);
    }
}

#[tokio::test]
async fn whoever_cannot_be_asked_is_named_and_the_rest_is_told() {
    let net = Net::default();
    let (a, b, c) = (net.start("a"), net.start("b"), net.start("c"));
    for (replica, key) in [(&a, 1), (&b, 2), (&c, 3)] {
        count(replica, key, 1).await;
    }
    net.cut("c");
    let gathered = a.gather(LIMIT).await;
    assert_eq!(total(&gathered), 2);
    assert_eq!(
        gathered.siblings,
        [("b".to_owned(), true), ("c".to_owned(), false)]
    );
}

#[tokio::test]
async fn a_replica_that_stops_leaves_all_it_kept_to_those_who_will_own_it() {
    let net = Net::default();
    let (a, b, c) = (net.start("a"), net.start("b"), net.start("c"));
    for key in 0..100 {
        count(&a, key, key).await;
    }
    net.remove("a");
    a.hand_over(LIMIT).await;
    assert!(a.keeper.all().is_empty());
    assert_eq!(total(&b.gather(LIMIT).await), 4950);
    let owners = net.all();
    for (index, replica) in [b, c].iter().enumerate() {
        let kept = replica.keeper.all();
        assert!(!kept.is_empty());
        assert!(
            kept.iter()
                .all(|(key, _)| owners.index_of(*key) == Some(index))
        );
    }
}

#[tokio::test]
async fn the_last_replica_keeps_what_nobody_can_take() {
    let net = Net::default();
    let a = net.start("a");
    count(&a, 1, 7).await;
    a.hand_over(LIMIT).await;
    assert_eq!(total(&a.gather(LIMIT).await), 7);
}

async fn run(counts: Vec<(usize, u64)>, turns: Vec<u8>) {
    let net = Net::default();
    net.0.lock().unwrap().turns = turns;
    let replicas = ["a", "b", "c"].map(|address| net.start(address));
    let truth = Mutex::new(0);
    let counting = async {
        for (replica, key) in counts {
            // Before it is counted, so that the truth is never behind.
            *truth.lock().unwrap() += 1;
            count(&replicas[replica], key, 1).await;
        }
    };
    let gathering = async {
        for replica in replicas.iter().cycle().take(12) {
            let gathered = replica.gather(LIMIT).await;
            assert!(total(&gathered) <= *truth.lock().unwrap(), "counted twice");
            yield_now().await;
        }
    };
    futures_util::join!(counting, gathering);
    let gathered = replicas[0].gather(LIMIT).await;
    assert_eq!(total(&gathered), *truth.lock().unwrap(), "lost");
    let others = gathered.others.iter().map(|(key, _)| *key);
    let all: Vec<u64> = others
        .chain(gathered.own.iter().map(|(key, _)| *key))
        .collect();
    let keys: HashSet<u64> = all.iter().copied().collect();
    assert_eq!(keys.len(), all.len(), "two replicas keep the same");
}

proptest! {
    #[test]
    fn nothing_is_lost_or_counted_twice_wherever_data_goes(
        counts in prop::collection::vec((0_usize..3, 0_u64..4), 1..60),
        turns in prop::collection::vec(0_u8..6, 0..7),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(counts, turns));
    }
}
