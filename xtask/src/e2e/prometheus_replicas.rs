//! Three replicas of the scrape exporter behind one address, two receivers, sidecars whose counters only grow: what Prometheus
//! makes of it is what was counted, while a replica is added, drained and killed.
//!
//! With any replica for any Resource, and none that asks another, the same judge has to find a fault: otherwise it could find none. That
//! is how collectors behind one address are, and what it finds then is counters that go back at every other scrape.

use super::counters::{Counters, Totals, key};
use super::lossless::Options;
use super::tiers::{ExporterProcess, ReceiverProcess, folder};
use crate::fail::{Outcome, bail};
use crate::process::{fixed_port, pause, wait_until};
use crate::prometheus::{Prometheus, check_page};
use crate::relay::Relay;
use crate::tools;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Scrape intervals of growth that may be missing or too many: one for what a killed replica had added up since it was scraped,
/// one for what `rate()` itself adds at the end of what it has seen.
const INTERVALS: f64 = 2.0;
const SCRAPE: Duration = Duration::from_secs(1);

pub(crate) fn run(options: &Options) -> Outcome {
    tools::prometheus()?;
    let phase = Duration::from_secs(if options.short { 5 } else { 75 });
    if let Some(fault) = judged("prometheus-replicas", true, phase)? {
        bail!("{fault}");
    }
    match judged("prometheus-replicas-without", false, phase)? {
        None => bail!("no fault was found without owners: the judge is blind"),
        Some(fault) => println!("without owners, as it must be: {fault}"),
    }
    Ok(())
}

/// Runs it all and compares; gives what of Prometheus' numbers is not true.
fn judged(name: &str, owners: bool, phase: Duration) -> Outcome<Option<String>> {
    let folder = folder(name)?;
    let mut hops = Vec::new();
    let mut scraped = Vec::new();
    for _ in 0..4 {
        hops.push(format!("127.0.0.1:{}", fixed_port()?));
        scraped.push(format!("127.0.0.1:{}", fixed_port()?));
    }
    let affinity = if owners { "resource" } else { "none" };
    let extra = |replicas: &[String]| {
        format!(
            "penstock:\n  hop: {{eject_for: 100ms, move_after: 1s}}\n  exporters:\n    prometheus: {{replicas: {replicas:?}, affinity: {affinity}}}\n"
        )
    };
    let settings = |n: usize| format!("{{endpoint: \"{}\", gather_timeout: 500ms}}", scraped[n]);
    let start = |n: usize| {
        ExporterProcess::start_with(
            &folder,
            &format!("replica-{n}"),
            "prometheus",
            &settings(n),
            &hops[n],
            &extra(if owners { &hops[..] } else { &hops[n..=n] }),
        )
    };
    let mut replicas: Vec<_> = (0..3).map(start).collect::<Outcome<_>>()?;
    let relay = Relay::start(scraped.clone())?;
    let receivers = ["receiver-a", "receiver-b"]
        .into_iter()
        .map(|name| {
            let settings = settings(0);
            let exporters = [("prometheus", settings.as_str())];
            ReceiverProcess::start_named(&folder, name, &exporters, &extra(&hops))
        })
        .collect::<Outcome<Vec<_>>>()?;
    let grpc: Vec<_> = receivers
        .iter()
        .map(|r| r.address("grpc").map(str::to_owned))
        .collect::<Outcome<_>>()?;
    let prometheus = Prometheus::start(&folder, &[relay.address().to_owned()])?;
    let counters = Counters::start(&folder, &grpc, &["--sidecars", "50", "--settle", "4"])?;
    let begun = Instant::now();
    pause(phase);
    replicas.push(start(3)?);
    pause(phase);
    replicas.remove(0).drain()?;
    pause(phase);
    replicas.remove(0).kill()?;
    pause(phase);
    let totals = counters.stop()?;
    let ran = begun.elapsed();
    for receiver in &receivers {
        receiver.settled(&[("metrics", 1)])?;
    }
    // The whole, and a replica's own part.
    check_page(&folder, &scraped[2], "/metrics")?;
    check_page(&folder, &scraped[3], "/metrics?local")?;
    // Two scrapes more, so that the last values are there.
    pause(3 * SCRAPE);
    let fault = compare(&prometheus, &totals, ran)?;
    let missing = prometheus.query("min(penstock_exporter_sibling_up)")?;
    if owners && missing.first().map(|(_, up)| *up) != Some(0.0) {
        bail!("the replicas that are gone are not named: {missing:?}");
    }
    for receiver in receivers {
        receiver.stop()?;
    }
    for replica in replicas {
        replica.drain()?;
    }
    prometheus.stop()?;
    Ok(fault)
}

/// Last values and growth of every counter; gives what of the growth is not true.
fn compare(
    prometheus: &Prometheus,
    [cumulative, delta]: &[Totals; 2],
    ran: Duration,
) -> Outcome<Option<String>> {
    // The range begins before the first value and ends after the last one.
    let range = ran.as_secs() + 10;
    let back = one(&prometheus.query(&format!("sum(resets(requests_total[{range}s]))"))?)?;
    println!("requests_total: went back {back} times");
    if back > 0.0 {
        return Ok(Some(format!(
            "counters that only grow went back {back} times"
        )));
    }
    let mut found = Totals::new();
    wait_until("the last values", || {
        let series = prometheus.query("requests_total")?;
        found = series
            .iter()
            .map(|(labels, value)| (key(labels), *value))
            .collect();
        Ok((found == *cumulative).then_some(()))
    })?;
    // `sum` of all, at the last moment.
    let sum = one(&prometheus.query("sum(requests_total)")?)?;
    let truth: f64 = cumulative.values().sum();
    if sum != truth {
        bail!("sum(requests_total) is {sum}, and {truth} were counted");
    }
    for (metric, totals) in [
        ("requests_total", cumulative),
        ("delta_requests_total", delta),
    ] {
        let grown = one(&prometheus.query(&format!("sum(rate({metric}[{range}s])) * {range}"))?)?;
        let truth: f64 = totals.values().sum();
        let interval = truth * SCRAPE.as_secs_f64() / ran.as_secs_f64();
        let off = (grown - truth).abs();
        println!(
            "{metric}: {grown:.0} by rate(), {truth:.0} counted, {:.1} scrape intervals off",
            off / interval
        );
        if off > INTERVALS * interval {
            return Ok(Some(format!(
                "{metric} grew by {grown:.0}, and {truth:.0} were counted"
            )));
        }
    }
    Ok(None)
}

fn one(series: &[(Value, f64)]) -> Outcome<f64> {
    match series {
        [(_, value)] => Ok(*value),
        other => bail!("one value was expected: {other:?}"),
    }
}
