//! Remote write into a real Prometheus, over a killed replica and a Prometheus that is away: what is queried back is what was
//! counted.

use super::counters::{Counters, Totals, key};
use super::lossless::Options;
use super::prometheus::{compare, peer};
use super::tiers::{ExporterProcess, ReceiverProcess, folder};
use crate::admin::Ledger;
use crate::fail::{Outcome, bail};
use crate::process::{fixed_port, pause, wait_until};
use crate::prometheus::{How, Prometheus};
use crate::tools;
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Data points that the peer sends in a round without deltas.
const POINTS: u64 = 6;
const EXPORTER: &str = "prometheusremotewrite";

pub(crate) fn run(options: &Options) -> Outcome {
    let folder = folder("remote-write")?;
    tools::prometheus()?;
    let phase = Duration::from_secs(if options.short { 2 } else { 20 });
    let mut prometheus = Prometheus::start(&folder, &[])?;
    let settings = format!(
        "{{endpoint: \"{}\", external_labels: {{mesh: e2e}}}}",
        prometheus.write_url()
    );
    let ports = [fixed_port()?, fixed_port()?];
    let replicas = ports.map(|port| format!("127.0.0.1:{port}"));
    let mut one = ExporterProcess::start(&folder, "one", EXPORTER, &settings, &replicas[0])?;
    let other = ExporterProcess::start(&folder, "other", EXPORTER, &settings, &replicas[1])?;
    let receiver = ReceiverProcess::start(&folder, &[(EXPORTER, &settings, &replicas)])?;
    let targets = [receiver.address("grpc")?.to_owned()];
    let words = ["--cumulative", "--sidecars", "20", "--interval", "0.2"];
    let counters = Counters::start(&folder, &targets, &words)?;
    pause(phase);
    one = one.kill_and_restart(&folder, || pause(Duration::from_secs(1)))?;
    pause(phase);
    prometheus = prometheus.restart(|| pause(phase))?;
    pause(phase);
    let [totals, _] = counters.stop()?;
    // Nothing was rejected: not even for being out of order.
    receiver.settled(&[("metrics", totals.len() as u64)])?;
    let mut found = Totals::new();
    wait_until("the last values", || {
        let series = prometheus.query("requests_total{mesh=\"e2e\"}")?;
        found = series
            .iter()
            .map(|(labels, value)| (key(labels), *value))
            .collect();
        Ok((found == totals).then_some(()))
    })
    .map_err(|error| format!("{error}: {found:?} is not {totals:?}"))?;
    let targets = prometheus.query("count(target_info{mesh=\"e2e\"})")?;
    if targets.first().map(|(_, value)| *value) != Some(20.0) {
        bail!("not every Resource has its target_info: {targets:?}");
    }
    receiver.stop()?;
    one.drain()?;
    other.drain()?;
    prometheus.stop()?;
    too_late()?;
    println!(
        "{} counters of {} sidecars, all equal",
        totals.len(),
        totals.len() / 4
    );
    // Building the other Prometheus takes longer than all of this.
    if options.short {
        println!("protocol 2.0: skipped in the short form");
        return Ok(());
    }
    match tools::newer_prometheus()? {
        Some(program) => version_2(program),
        None => {
            println!("protocol 2.0: skipped, without Go there is no Prometheus that knows it");
            Ok(())
        }
    }
}

/// Values older than what Prometheus has are refused by it: rejected, counted, and not sent again and again.
fn too_late() -> Outcome {
    let folder = folder("remote-write-late")?;
    let how = How {
        features: "native-histograms",
        ..How::default()
    };
    let prometheus = Prometheus::start_with(&folder, &[], how)?;
    let settings = format!("{{endpoint: \"{}\"}}", prometheus.write_url());
    let hops = [format!("127.0.0.1:{}", fixed_port()?)];
    let exporter = ExporterProcess::start(&folder, "exporter", EXPORTER, &settings, &hops[0])?;
    let receiver = ReceiverProcess::start(&folder, &[(EXPORTER, &settings, &hops)])?;
    let begun = (SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() - 10).to_string();
    let send = |round: &str| {
        let words = ["--rounds", round, "--begun", &begun, "--no-deltas"];
        peer("metric_types.py", receiver.address("grpc")?, &words)
    };
    let truth = send("3-3")?;
    receiver.settled(&[("metrics", POINTS)])?;
    send("2-2")?;
    let admin = receiver.address("admin")?.to_owned();
    let ledger = wait_until("the end of what is late", || {
        let ledger = Ledger::read(&admin)?;
        let done = ledger.accepted("metrics") == 2 * POINTS && ledger.sum("held", |_| true) == 0;
        Ok(done.then_some(ledger))
    })?;
    ledger.check_law()?;
    let [delivered, rejected, dropped] =
        ["delivered", "rejected", "dropped"].map(|field| ledger.sum(field, |_| true));
    if (delivered, rejected, dropped) != (POINTS, POINTS, 0) {
        bail!("late values: {delivered} delivered, {rejected} rejected, {dropped} dropped");
    }
    compare(
        &prometheus,
        &prometheus,
        &json!({"classic": truth["classic"]}),
    )?;
    println!("{rejected} values that came too late are rejected and counted");
    receiver.stop()?;
    exporter.drain()?;
    prometheus.stop()
}

/// Every type of metric by protocol 2.0, native histograms too.
fn version_2(program: PathBuf) -> Outcome {
    let folder = folder("remote-write-2")?;
    let how = How {
        program,
        ..How::default()
    };
    let prometheus = Prometheus::start_with(&folder, &[], how)?;
    let settings = format!(
        "{{endpoint: \"{}\", protobuf_message: io.prometheus.write.v2.Request}}",
        prometheus.write_url()
    );
    let hops = [format!("127.0.0.1:{}", fixed_port()?)];
    let exporter = ExporterProcess::start(&folder, "exporter", EXPORTER, &settings, &hops[0])?;
    let receiver = ReceiverProcess::start(&folder, &[(EXPORTER, &settings, &hops)])?;
    // Its points are seconds apart, and none may be in the future.
    let begun = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() - 10;
    let begun = begun.to_string();
    let words = ["--rounds", "1-3", "--begun", &begun, "--no-deltas"];
    let truth = peer("metric_types.py", receiver.address("grpc")?, &words)?;
    receiver.settled(&[("metrics", 3 * POINTS)])?;
    compare(&prometheus, &prometheus, &truth)?;
    receiver.stop()?;
    exporter.drain()?;
    prometheus.stop()
}
