//! Random lives of a log on a simulated disk: senders, exporters, faults, kills, crashes at any byte, damage, full disks,
//! restarts with other settings, adoption. After every step the ledger's law holds; in the end everything that was acked has
//! been delivered, or is counted as lost where something was done that may cost data.
//!
//! Proves nothing about the kernel, nor about threads: all runs on one, with simulated time.

use super::support::process::{Config, Process, segments};
use super::support::{Answer, Scripted, batch, cursor};
use crate::CursorSettings;
use crate::log::disk::sim::{Faults, Leaves, SimDisk};
use penstock_settings::{OnFull, QueueLimit, StartAt, SyncPolicy};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// So many requests at once, of so many items.
    Append(u64, u64),
    Pass(u64),
    /// What the exporters do from now on, one way for each.
    Answers([u8; 2]),
    /// The process dies.
    Kill,
    /// The machine stops.
    Crash(bool, u64),
    /// The process stops after so many bytes written, in the middle of whatever it does.
    StopAfter(u64),
    Fail(Fault),
    Heal,
    /// One byte of one segment is another.
    Damage(u64, u64),
    /// The process ends in order.
    Drain,
    /// The next process is there before this one ends.
    Replace,
    /// From the next start on the second exporter is there, or is not.
    Second(bool),
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Writes(u32),
    ShortWrites(u32),
    Syncs(u32),
    Reads(u32),
    Removes(u32),
    /// No more than this above what is there.
    Capacity(u64),
}

#[derive(Clone, Debug)]
struct Plan {
    config: Config,
    batch: (usize, usize),
    queue: Option<u64>,
    in_flight: usize,
    steps: Vec<Step>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fault = prop_oneof![
        (1_u32..4).prop_map(Fault::Writes),
        (1_u32..4).prop_map(Fault::ShortWrites),
        (1_u32..4).prop_map(Fault::Syncs),
        (1_u32..3).prop_map(Fault::Reads),
        (1_u32..3).prop_map(Fault::Removes),
        (0_u64..20_000).prop_map(Fault::Capacity),
    ];
    let step = prop_oneof![
        12 => (1_u64..20, 1_u64..60).prop_map(|(requests, items)| Step::Append(requests, items)),
        8 => prop_oneof![0_u64..20, 100_u64..3000].prop_map(Step::Pass),
        4 => [0_u8..6, 0_u8..6].prop_map(Step::Answers),
        3 => Just(Step::Kill),
        1 => (any::<bool>(), any::<u64>()).prop_map(|(any, seed)| Step::Crash(any, seed)),
        2 => (1_u64..6000).prop_map(Step::StopAfter),
        2 => fault.prop_map(Step::Fail),
        2 => Just(Step::Heal),
        1 => (any::<u64>(), any::<u64>()).prop_map(|(file, at)| Step::Damage(file, at)),
        1 => Just(Step::Drain),
        1 => Just(Step::Replace),
        1 => any::<bool>().prop_map(Step::Second),
    ];
    prop::collection::vec(step, 1..60)
}

prop_compose! {
    fn plan()(
        sync in prop_oneof![
            Just(SyncPolicy::None),
            Just(SyncPolicy::Interval(Duration::from_millis(300))),
            Just(SyncPolicy::Commit),
        ],
        drops in prop::bool::weighted(0.2),
        disk_bytes in prop_oneof![3 => Just(1_u64 << 30), 1 => Just(150_u64 << 10)],
        memory_bytes in prop_oneof![Just(1_usize << 30), Just(24_usize << 10)],
        block_bytes in prop_oneof![Just(1_usize << 20), 50_usize..2000],
        oldest in any::<bool>(),
        batch in (1_usize..200, prop::option::of(0_usize..50)),
        queue in prop::option::weighted(0.15, 100_u64..2000),
        in_flight in 1_usize..5,
        steps in steps(),
    ) -> Plan {
        let mut config = Config {
            disk_bytes,
            memory_bytes,
            block_bytes,
            new_exporter: if oldest { StartAt::Oldest } else { StartAt::Tail },
            ..Config::default()
        };
        config.files.sync = sync;
        config.files.segment_bytes = 16 << 10;
        config.files.on_full = if drops { OnFull::DropOldest } else { OnFull::Hold };
        let max = batch.1.map_or(0, |headroom| batch.0 + headroom);
        Plan { config, batch: (batch.0, max), queue, in_flight, steps }
    }
}

/// An exporter that does as the model says.
struct Exporter {
    scripted: Arc<Scripted>,
    answer: Arc<AtomicU64>,
}

impl Exporter {
    fn new() -> Self {
        let answer = Arc::new(AtomicU64::new(0));
        let now = Arc::clone(&answer);
        let scripted = Scripted::slow(move |attempt| {
            let answer = match now.load(Ordering::Relaxed) {
                0 | 1 => Answer::Take,
                2 => Answer::Retry,
                3 => Answer::Unreached(Duration::from_millis(50)),
                // It takes some, and others only in smaller pieces.
                4 if attempt.ids.len() > 7 => Answer::TooLarge,
                4 if attempt.ids[0].is_multiple_of(3) => Answer::Retry,
                4 => Answer::Take,
                _ => Answer::Silence,
            };
            (Duration::from_millis(attempt.ids[0] % 5), answer)
        });
        Self { scripted, answer }
    }
}

struct World {
    plan: Plan,
    disk: SimDisk,
    process: Option<Process>,
    exporters: [Exporter; 2],
    second: bool,
    next: u64,
    acked: BTreeSet<u64>,
    /// The process stops at any moment, or has stopped.
    stops: bool,
    /// The machine has stopped.
    crashed: bool,
    /// Something was done that may cost data, all of it counted.
    may_lose: bool,
    /// Something was done after which not all that is lost need be known.
    may_forget: bool,
}

impl World {
    fn new(plan: Plan) -> Self {
        let may_lose = plan.queue.is_some()
            || (plan.config.files.on_full == OnFull::DropOldest
                && plan.config.disk_bytes < 1 << 30);
        Self {
            plan,
            disk: SimDisk::default(),
            process: None,
            exporters: [Exporter::new(), Exporter::new()],
            second: false,
            next: 0,
            acked: BTreeSet::new(),
            stops: false,
            crashed: false,
            may_lose,
            may_forget: false,
        }
    }

    fn cursors(&self) -> Vec<CursorSettings<Scripted>> {
        let settings = |name: &str, exporter: &Exporter| {
            let mut settings = cursor(name, &exporter.scripted);
            settings.batch = penstock_settings::Batch {
                send_batch_size: self.plan.batch.0,
                send_batch_max_size: self.plan.batch.1,
                timeout: Duration::from_millis(50),
                ..batch()
            };
            settings.in_flight = self.plan.in_flight;
            settings.retry.initial_interval = Duration::from_millis(100);
            settings.retry.max_interval = Duration::from_secs(1);
            settings.queue_limit = self.plan.queue.map(QueueLimit::Items);
            settings
        };
        let mut cursors = vec![settings("first", &self.exporters[0])];
        if self.second {
            cursors.push(settings("second", &self.exporters[1]));
        }
        cursors
    }

    fn start(&self) -> Option<Process> {
        Process::try_start(&self.disk, &self.plan.config, self.cursors()).ok()
    }

    /// The process, which is started if there is none and the disk lets it.
    fn process(&mut self) -> Option<&Process> {
        if self.process.is_none() {
            self.process = self.start();
        }
        self.process.as_ref()
    }

    fn kill(&mut self) {
        self.process = None;
        self.stops = false;
        self.disk.kill();
    }

    /// A process that has stopped does not go on.
    fn alive(&mut self) {
        if self.stops {
            self.kill();
        }
    }

    fn append(&mut self, requests: u64, items: u64) {
        let first = self.next;
        self.next += requests * items;
        let Some(process) = self.process() else {
            return;
        };
        let acked = process.run(|| async {
            let appends = (0..requests).map(|request| async move {
                let ids = first + request * items..first + (request + 1) * items;
                let append = process.bench.append(ids.clone());
                let done = tokio::time::timeout(Duration::from_millis(500), append).await;
                matches!(done, Ok(Ok(()))).then_some(ids)
            });
            futures_util::future::join_all(appends).await
        });
        self.acked.extend(acked.into_iter().flatten().flatten());
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Append(requests, items) => self.append(requests, items),
            Step::Pass(millis) => {
                if let Some(process) = self.process() {
                    process.pass(millis);
                }
            }
            Step::Answers(answers) => {
                for (exporter, answer) in self.exporters.iter().zip(answers) {
                    exporter.answer.store(answer.into(), Ordering::Relaxed);
                }
            }
            Step::Kill => self.kill(),
            Step::Crash(any, seed) => {
                self.may_forget |= self.plan.config.files.sync != SyncPolicy::Commit;
                self.crashed = true;
                self.process = None;
                self.stops = false;
                let mut random = fastrand::Rng::with_seed(seed);
                let leaves = if any { Leaves::Any } else { Leaves::First };
                self.disk.crash(leaves, &mut |below| random.usize(..below));
            }
            Step::StopAfter(bytes) => {
                self.alive();
                self.stops = true;
                self.disk.fail(Faults {
                    stop_after: Some(bytes),
                    ..Faults::default()
                });
            }
            Step::Fail(fault) => {
                self.alive();
                let faults = self.faults(fault);
                self.disk.fail(faults);
            }
            Step::Heal => {
                self.alive();
                self.disk.fail(Faults::default());
            }
            Step::Damage(file, at) => self.damage(file, at),
            Step::Drain => {
                if let Some(process) = self.process.take() {
                    process.drain(Duration::from_secs(2));
                }
            }
            Step::Replace => {
                let new = self.start();
                if let Some(old) = self.process.take() {
                    old.drain(Duration::from_secs(1));
                }
                self.process = new;
            }
            Step::Second(there) => self.second = there,
        }
        self.check();
    }

    fn faults(&mut self, fault: Fault) -> Faults {
        let mut faults = Faults::default();
        match fault {
            Fault::Writes(times) => faults.writes = times,
            Fault::ShortWrites(times) => faults.short_writes = times,
            Fault::Syncs(times) => faults.syncs = times,
            Fault::Removes(times) => faults.removes = times,
            Fault::Reads(times) => {
                // After a few failures what cannot be read is given up, books as well.
                self.may_forget = true;
                faults.reads = times;
            }
            Fault::Capacity(more) => {
                self.may_lose |= self.plan.config.files.on_full == OnFull::DropOldest;
                faults.capacity = Some(self.disk.used() + more);
            }
        }
        faults
    }

    fn damage(&mut self, file: u64, at: u64) {
        let files = segments(&self.disk, file % 3);
        if files.is_empty() {
            return;
        }
        // Books that are damaged take counts with them.
        self.may_forget = true;
        let path = &files[usize::try_from(file).unwrap_or(0) % files.len()];
        self.disk.tamper(path, |bytes| {
            if !bytes.is_empty() {
                let at = usize::try_from(at).unwrap_or(0) % bytes.len();
                bytes[at] ^= 1;
            }
        });
    }

    fn check(&self) {
        if let Some(process) = &self.process {
            for line in process.ledger.lines() {
                assert!(line.balances(), "{line:?}");
            }
        }
    }

    /// All is well again, and there is time.
    fn finish(mut self) {
        self.disk.fail(Faults::default());
        for exporter in &self.exporters {
            exporter.answer.store(0, Ordering::Relaxed);
        }
        self.kill();
        let process = self.start().expect("nothing is wrong any more");
        process.pass(120_000);
        for line in process.ledger.lines() {
            assert!(line.balances(), "{line:?}");
            assert_eq!(line.held, 0, "{line:?}");
        }
        let line = process.line("first");
        let seen = self.exporters[0].scripted.seen();
        let arrived: BTreeSet<u64> = seen.delivered.iter().copied().collect();
        let missing = self.acked.difference(&arrived).count() as u64;
        if self.may_forget {
            return;
        }
        assert!(missing <= line.dropped, "{missing} of {line:?}");
        assert!(line.accepted >= self.acked.len() as u64, "{line:?}");
        if !self.may_lose {
            assert_eq!(missing, 0, "{line:?}");
        }
        // After a stop of the machine what was not acked may be missed, and what was delivered may be taken for lost.
        if !self.may_lose && !self.crashed {
            assert_eq!(line.dropped, 0, "{line:?}");
            assert_eq!(
                line.delivered,
                arrived.len() as u64,
                "each item is counted once"
            );
        }
        let left = process.bench.budget.used();
        assert_eq!(left, 0, "every byte of the budget is back");
    }
}

fn live(plan: Plan) {
    let steps = plan.steps.clone();
    let mut world = World::new(plan);
    for step in &steps {
        world.step(step);
    }
    world.finish();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_is_acked_is_delivered_or_counted_whatever_happens(plan in plan()) {
        live(plan);
    }
}

/// A life that was once found to go wrong.
fn found(with: impl FnOnce(&mut Config), steps: Vec<Step>) {
    let mut config = Config::default();
    config.files.segment_bytes = 16 << 10;
    with(&mut config);
    live(Plan {
        config,
        batch: (1, 0),
        queue: None,
        in_flight: 2,
        steps,
    });
}

#[test]
fn a_stop_in_the_middle_of_a_write_costs_nothing_that_was_acked() {
    for bytes in (1..4000).step_by(61) {
        found(
            |_| {},
            vec![
                Step::Append(5, 10),
                Step::StopAfter(bytes),
                Step::Append(10, 10),
                Step::Kill,
                Step::Append(5, 10),
            ],
        );
    }
}

#[test]
fn what_is_removed_to_make_room_is_known_to_the_books() {
    let commit = |config: &mut Config| {
        config.block_bytes = 206;
        config.files.sync = SyncPolicy::Commit;
    };
    for bytes in (2500..4000).step_by(41) {
        found(
            commit,
            vec![
                Step::Append(1, 16),
                Step::Pass(100),
                Step::Kill,
                Step::StopAfter(bytes),
                Step::Append(17, 9),
                Step::Kill,
                Step::Append(1, 1),
                Step::Fail(Fault::Capacity(0)),
                Step::Append(5, 44),
                Step::Append(1, 1),
            ],
        );
    }
}

#[test]
fn a_process_that_ends_does_not_adopt_its_own_log() {
    found(
        |config| config.files.sync = SyncPolicy::None,
        vec![Step::Append(1, 1), Step::Replace, Step::Drain],
    );
}

#[test]
fn counts_that_were_carried_survive_the_machine() {
    for millis in [0, 1, 100, 1100, 2500] {
        found(
            |config| config.files.sync = SyncPolicy::Commit,
            vec![
                Step::Append(1, 1),
                Step::Kill,
                Step::Append(1, 1),
                Step::Replace,
                Step::Pass(millis),
                Step::Crash(false, millis),
            ],
        );
    }
}
