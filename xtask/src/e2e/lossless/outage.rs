//! `e2e outage`: the backend is gone for minutes under full load. Nothing is lost or refused, memory stays within its budget,
//! the backlog goes at a multiple of the rate at which it came, and then everything is as before.
//!
//! The whole has release binaries; as part of everything it is smaller in all measures, so that the same limits are met.

use super::Options;
use super::books::{Arrived, Sent};
use super::rig::{Oracle, Plan, Rig};
use crate::admin::Ledger;
use crate::fail::{Outcome, bail};
use crate::process::pause;
use crate::steps;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const MIB: f64 = 1024.0 * 1024.0;
/// Code, stacks, tables and buffers of two processes, and what the allocator keeps.
const ALLOWANCE: f64 = 64.0 * MIB;
/// What the log has on disk for what it holds, at most: headers, books, and segments of which only a part is needed.
const ON_DISK: f64 = 1.25;
/// How many times faster than the load the backlog must go, live data included.
const CATCH_UP: f64 = 3.0;
const SAMPLE: Duration = Duration::from_millis(100);
/// From ack to backend when all is well, at most; and the same for what is sent while the backlog goes.
const FRESH: Duration = Duration::from_secs(3);

struct Size {
    profile: &'static str,
    rate: u32,
    memory_mib: u32,
    disk_mib: u32,
    outage: Duration,
    /// Before and after.
    calm: Duration,
}

impl Size {
    fn segment_mib(&self) -> u32 {
        (self.disk_mib / 64).max(1)
    }
}

/// Of two signals on two shards, which are as many as the test has.
const LOGS: u32 = 4;

/// See the module.
pub(crate) fn outage(options: &Options) -> Outcome {
    let seconds = |default| Duration::from_secs(options.seconds.unwrap_or(default).into());
    let size = if options.short {
        Size {
            profile: "debug",
            rate: 8000,
            memory_mib: 8,
            disk_mib: 96,
            outage: seconds(20),
            calm: Duration::from_secs(4),
        }
    } else {
        if !options.built {
            steps::binaries(true)?;
        }
        Size {
            profile: "release",
            rate: 20_000,
            memory_mib: 256,
            disk_mib: 2048,
            outage: seconds(300),
            calm: Duration::from_secs(15),
        }
    };
    let (memory, disk) = (size.memory_mib, size.disk_mib);
    let mut rig = Rig::start(&Plan {
        name: "outage",
        profile: size.profile,
        signals: &["traces", "logs"],
        log: &format!(
            "max_bytes: {disk}MiB, segment_size: {}MiB",
            size.segment_mib()
        ),
        penstock: &format!("  shards: 2\n  memory: {{limit: {memory}MiB}}\n"),
        exporters: &["otlp"],
        wrapper: Vec::new(),
    })?;
    let oracle = rig.oracle(size.rate, 100)?;
    let trial = Trial::run(&mut rig, &size, oracle)?;
    rig.nothing_lost(size.outage)?;
    let (sent, arrived) = (rig.sent()?, rig.arrived()?);
    rig.stop()?;
    trial.judge(&size, &sent, &arrived)
}

/// Moments and measures of a run.
struct Trial {
    /// The first delivery after the backend came back, and the end of the backlog, Unix milliseconds.
    caught_up: u64,
    waited: Duration,
    took: Duration,
    /// Items delivered meanwhile.
    delivered: u64,
    backlog: u64,
    resident: f64,
    on_disk: f64,
}

impl Trial {
    fn run(rig: &mut Rig, size: &Size, oracle: Oracle) -> Outcome<Self> {
        let mut peaks = Peaks::default();
        peaks.watch(rig, size.calm, |_| false)?;
        rig.backend.kill()?;
        println!("backend gone");
        peaks.watch(rig, size.outage, |_| false)?;
        let held = |ledger: &Ledger| ledger.sum("held", |_| true);
        let delivered = |ledger: &Ledger| ledger.sum("delivered", |_| true);
        let before = rig.receiver.ledger()?;
        let (backlog, none) = (held(&before), delivered(&before));
        let (bytes, on_disk) = (
            rig.receiver.metric("penstock_log_held_bytes")?,
            bytes_in(&rig.data()),
        );
        let segments = f64::from(size.segment_mib() * LOGS) * MIB;
        if bytes == 0.0 || on_disk > bytes * ON_DISK + segments {
            bail!("{on_disk} bytes on disk for {bytes} that are held");
        }
        rig.backend.up()?;
        println!("backend back, {backlog} items held");
        let back = Instant::now();
        let first = peaks.watch(rig, size.outage, |now| delivered(now) > none)?;
        let (waited, start) = (back.elapsed(), Instant::now());
        // Less than what comes in half a second is no backlog: batches wait for their time.
        let rest = u64::from(size.rate / 2);
        let last = peaks.watch(rig, size.outage * 2, |now| held(now) < rest)?;
        let (Some(first), Some(last)) = (first, last) else {
            bail!(
                "the backlog did not go: {:?}",
                rig.receiver.ledger()?.lines()
            )
        };
        let (took, caught_up) = (start.elapsed(), unix_millis());
        peaks.watch(rig, size.calm, |_| false)?;
        let told = rig.silence(oracle)?;
        let others = ["refused_calls", "unreachable_calls", "unknown_calls"];
        if others.iter().any(|fate| told[fate].is_u64()) {
            bail!("not every call was acked: {told}");
        }
        if told["unsent"].is_u64() {
            bail!("acks came too slowly for the rate: {told}");
        }
        Ok(Self {
            caught_up,
            waited,
            took,
            delivered: delivered(&last) - delivered(&first),
            backlog,
            resident: peaks.resident,
            on_disk: peaks.on_disk,
        })
    }

    fn judge(&self, size: &Size, sent: &Sent, arrived: &Arrived) -> Outcome {
        #[expect(clippy::cast_precision_loss, reason = "a ratio")]
        let times = self.delivered as f64 / self.took.as_secs_f64() / f64::from(size.rate);
        let most = f64::from(size.memory_mib) * MIB + ALLOWANCE;
        let disk = f64::from(size.disk_mib) * MIB;
        println!(
            "outage of {:?} at {} items/s: {} items held; first delivery {:?} after the backend was back, backlog gone in {:?} at {times:.1} \
             times the rate; receiver at most {:.0} MiB resident (bound {:.0}), {:.0} MiB on disk (bound {:.0})",
            size.outage,
            size.rate,
            self.backlog,
            self.waited,
            self.took,
            self.resident / MIB,
            most / MIB,
            self.on_disk / MIB,
            disk / MIB
        );
        let late = self.lateness(sent, arrived)?;
        println!(
            "sent during catch-up: {} ms behind its end at most; sent later: at most {} ms from send to backend",
            late[0], late[1]
        );
        if times < CATCH_UP {
            bail!("the backlog went at {times:.1} times the rate, less than {CATCH_UP}");
        }
        if self.resident > most || self.on_disk > disk {
            bail!("memory or disk went beyond its bound");
        }
        if late
            .iter()
            .any(|late| u128::from(*late) > FRESH.as_millis())
        {
            bail!("new data was delayed by more than {FRESH:?}");
        }
        Ok(())
    }

    /// How long after the end of the backlog the last item of the time before came, and how long items of the time after took.
    fn lateness(&self, sent: &Sent, arrived: &Arrived) -> Outcome<[u64; 2]> {
        let end = sent.calls.last().map_or(0, |call| call.first + call.items);
        let at = arrived.at(end);
        let (mut before, mut after) = (0, 0);
        for call in &sent.calls {
            for id in call.first..call.first + call.items {
                let Some(at) = at[usize::try_from(id)?] else {
                    continue;
                };
                if call.begun < self.caught_up {
                    before = before.max(at.saturating_sub(self.caught_up));
                } else {
                    after = after.max(at.saturating_sub(call.begun));
                }
            }
        }
        Ok([before, after])
    }
}

#[derive(Default)]
struct Peaks {
    resident: f64,
    on_disk: f64,
}

impl Peaks {
    /// Looks at the receiver until `enough`, which gives the ledger of that moment, or for so long.
    fn watch(
        &mut self,
        rig: &Rig,
        limit: Duration,
        enough: impl Fn(&Ledger) -> bool,
    ) -> Outcome<Option<Ledger>> {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            self.resident = self.resident.max(rig.receiver.resident()?);
            self.on_disk = self.on_disk.max(bytes_in(&rig.data()));
            let ledger = rig.receiver.ledger()?;
            ledger.check_law()?;
            if enough(&ledger) {
                return Ok(Some(ledger));
            }
            pause(SAMPLE);
        }
        Ok(None)
    }
}

/// Bytes of all files below a folder.
pub(super) fn bytes_in(folder: &Path) -> f64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0.0;
    };
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        Ok(metadata) => metadata.len() as f64,
        // It has just been removed.
        Err(_) => 0.0,
    };
    entries.filter_map(Result::ok).map(bytes).sum()
}

fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
