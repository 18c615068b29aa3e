//! Several replicas that come, go and die: nothing is lost.

use crate::hop::{Names, batch, client, client_of, deliver, ids};
use crate::script::{Process, Script, Step};
use futures_util::future::join_all;
use penstock_hop::{HopClient, Outcome, Transport};
use penstock_testkit::{Gate, Oracle};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

const LONG: Duration = Duration::from_secs(60);

/// Sends batches one after another in several lanes until `enough` says so, noting each one that is acked.
async fn load(client: &HopClient, oracle: &Oracle, enough: impl Fn() -> bool + Copy) {
    const LANES: u64 = 6;
    let lane = |lane: u64| async move {
        let mut block = lane;
        while !enough() {
            oracle.issue(&ids(block));
            deliver(client, &batch(block)).await;
            oracle.ack(&ids(block));
            block += LANES;
        }
    };
    join_all((0..LANES).map(lane)).await;
}

fn arrived(oracle: &Oracle, scripts: &[&Arc<Script>]) {
    for script in scripts {
        for (signal, body) in script.bodies() {
            oracle.arrive(&penstock_testkit::ids(signal, &body));
        }
    }
}

#[tokio::test]
async fn a_call_in_flight_is_finished_by_the_drain_and_the_exporter_closed_after_it() {
    let gate = Gate::new();
    let process = Process::start(&Script::new([Step::Held(gate.clone())])).await;
    let client = client(&[process.address]);
    let (first, second) = (batch(1), batch(2));
    let (outcome, ()) = tokio::join!(client.send(&first, 1), async {
        process.script.arrived(1).await;
        process.begin_drain(LONG);
        // Refused at the latest when the listener is closed; a call that comes in before that is served.
        while matches!(client.send(&second, 1).await, Outcome::Delivered { .. }) {}
        assert!(!process.script.is_closed());
        gate.open();
    });
    assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    let script = Arc::clone(&process.script);
    assert_eq!(process.drained().await, 0);
    assert!(script.is_closed());
}

#[tokio::test]
async fn a_replica_that_goes_away_fails_no_calls_while_there_is_another() {
    let gate = Gate::new();
    let leaving = Process::start(&Script::new([Step::Held(gate.clone())])).await;
    let names = Arc::new(Names::default());
    names.set(&[leaving.address]);
    let client = client_of(&names);
    let first = batch(0);
    let (outcome, ()) = tokio::join!(client.send(&first, 1), async {
        leaving.script.arrived(1).await;
        let staying = Process::start(&Script::new([])).await;
        names.set(&[leaving.address, staying.address]);
        // Both are known, and connected to, when calls have arrived at the new one.
        while staying.script.bodies().is_empty() {
            assert!(matches!(
                client.send(&batch(1), 1).await,
                Outcome::Delivered { .. }
            ));
        }
        leaving.begin_drain(LONG);
        while TcpStream::connect(leaving.address).await.is_ok() {}
        for block in 2..20 {
            let outcome = client.send(&batch(block), 1).await;
            assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
        }
        gate.open();
    });
    assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
}

#[tokio::test]
async fn the_drain_waits_for_exports_whose_callers_have_gone() {
    let gate = Gate::new();
    let process = Process::start(&Script::new([Step::Held(gate.clone())])).await;
    let address = process.address;
    let script = Arc::clone(&process.script);
    {
        let (client, first) = (client(&[address]), batch(1));
        tokio::select! {
            outcome = client.send(&first, 1) => panic!("{outcome:?}"),
            () = script.arrived(1) => {}
        }
    }
    process.begin_drain(LONG);
    let (cut_off, ()) = tokio::join!(process.drained(), async {
        while TcpStream::connect(address).await.is_ok() {}
        assert!(!script.is_closed());
        gate.open();
    });
    assert_eq!(cut_off, 0);
    assert!(script.is_closed());
}

#[tokio::test]
async fn the_drain_ends_at_its_deadline_whatever_the_backend_does() {
    let process = Process::start(&Script::new([Step::Held(Gate::new())])).await;
    let client = client(&[process.address]);
    let first = batch(1);
    let (outcome, cut_off) = tokio::join!(client.send(&first, 1), async {
        process.script.arrived(1).await;
        process.begin_drain(Duration::from_millis(20));
        process.drained().await
    });
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    assert_eq!(cut_off, 1);
}

#[tokio::test]
async fn a_killed_replica_is_a_retry_and_its_successor_gets_the_batch() {
    let names = Arc::new(Names::default());
    let dying = Process::start(&Script::new([Step::Held(Gate::new())])).await;
    names.set(&[dying.address]);
    let client = client_of(&names);
    let first = batch(1);
    let (outcome, ()) = tokio::join!(client.send(&first, 1), async {
        dying.script.arrived(1).await;
        dying.kill().await;
    });
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");

    let next = Process::start(&Script::new([])).await;
    names.set(&[next.address]);
    deliver(&client, &first).await;
    assert_eq!(next.script.bodies().len(), 1);
}

#[tokio::test]
async fn replicas_share_the_load() {
    let (one, two) = (
        Process::start(&Script::new([])).await,
        Process::start(&Script::new([])).await,
    );
    let client = client(&[one.address, two.address]);
    let oracle = Oracle::new();
    let both = || one.script.bodies().len() >= 20 && two.script.bodies().len() >= 20;
    load(&client, &oracle, both).await;
    arrived(&oracle, &[&one.script, &two.script]);
    assert!(oracle.complete(), "{:?}", oracle.verdict());
    assert!(oracle.verdict().duplicates.is_empty());
}

#[tokio::test]
async fn one_replica_drained_and_one_added_under_load_lose_and_repeat_nothing() {
    let scripts = [Script::new([]), Script::new([]), Script::new([])];
    let (leaving, staying) = (
        Process::start(&scripts[0]).await,
        Process::start(&scripts[1]).await,
    );
    let names = Arc::new(Names::default());
    names.set(&[leaving.address, staying.address]);
    let client = client_of(&names);
    let oracle = Oracle::new();
    let enough = || scripts[2].bodies().len() >= 50;
    let (_, added) = tokio::join!(load(&client, &oracle, enough), async {
        scripts[0].arrived(20).await;
        scripts[1].arrived(20).await;
        leaving.begin_drain(LONG);
        assert_eq!(leaving.drained().await, 0);
        // Where the name still leads to a replica that has gone, the other one takes the calls.
        let before = scripts[1].bodies().len();
        scripts[1].arrived(before + 20).await;
        let added = Process::start(&scripts[2]).await;
        names.set(&[staying.address, added.address]);
        added
    });
    arrived(&oracle, &scripts.each_ref());
    assert!(oracle.complete(), "{:?}", oracle.verdict());
    assert!(
        oracle.verdict().duplicates.is_empty(),
        "{:?}",
        oracle.verdict()
    );
    assert!(staying.traces().balances() && added.traces().balances());
}

#[tokio::test]
async fn a_replica_killed_under_load_loses_nothing() {
    let scripts = [Script::new([]), Script::new([])];
    let (dying, staying) = (
        Process::start(&scripts[0]).await,
        Process::start(&scripts[1]).await,
    );
    let client = client(&[dying.address, staying.address]);
    let oracle = Oracle::new();
    let enough = || scripts[1].bodies().len() >= 200;
    tokio::join!(load(&client, &oracle, enough), async {
        scripts[0].arrived(20).await;
        dying.kill().await;
    });
    arrived(&oracle, &scripts.each_ref());
    // What the killed one had exported without being able to say so is exported again: at least once.
    assert!(
        oracle.verdict().missing.is_empty(),
        "{:?}",
        oracle.verdict()
    );
    assert!(staying.traces().balances());
}
