//! Remote write into a real Prometheus, over a killed replica and a Prometheus that is away: what is queried back is what was
//! counted.

use super::counters::{Counters, Totals, key};
use super::lossless::Options;
use super::tiers::{ExporterProcess, ReceiverProcess, folder};
use crate::fail::{Outcome, bail};
use crate::process::{fixed_port, pause, wait_until};
use crate::prometheus::Prometheus;
use crate::tools;
use std::time::Duration;

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
    println!(
        "{} counters of {} sidecars, all equal",
        totals.len(),
        totals.len() / 4
    );
    Ok(())
}
