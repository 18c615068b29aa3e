//! Every type of metric, scraped by a real Prometheus over a killed exporter: what is queried back is what was sent.
//!
//! Two of them scrape: one in OpenMetrics, and one in protobuf, which has native histograms. Independent parsers read the text forms.

use super::lossless::Options;
use super::tiers::{ExporterProcess, ReceiverProcess, folder};
use crate::admin::counter;
use crate::fail::{Outcome, bail};
use crate::process::{fixed_port, wait_until};
use crate::prometheus::{How, Prometheus, check_page};
use crate::{sh, tools};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Data points that the peer sends in a round.
const POINTS: u64 = 10;
/// All counts began so long ago.
const BEGUN: Duration = Duration::from_secs(100);

pub(crate) fn run(options: &Options) -> Outcome {
    tools::prometheus()?;
    every_type()?;
    guarded()?;
    // Building the other Prometheus takes longer than all of this.
    if options.short {
        println!("names of any characters: skipped in the short form");
        return Ok(());
    }
    match tools::newer_prometheus()? {
        Some(program) => any_names(program),
        None => {
            println!(
                "names of any characters: skipped, without Go there is no Prometheus that knows them"
            );
            Ok(())
        }
    }
}

fn every_type() -> Outcome {
    let folder = folder("prometheus")?;
    let scraped = format!("127.0.0.1:{}", fixed_port()?);
    let settings = format!("{{endpoint: \"{scraped}\", enable_open_metrics: true}}");
    let hop = format!("127.0.0.1:{}", fixed_port()?);
    let exporter = ExporterProcess::start(&folder, "exporter", "prometheus", &settings, &hop)?;
    let hops = [hop];
    let receiver = ReceiverProcess::start(&folder, &[("prometheus", &settings, &hops)])?;
    let targets = [scraped.clone()];
    let classic = Prometheus::start(&folder.join("classic"), &targets)?;
    let how = How {
        features: "native-histograms",
        ..How::default()
    };
    let native = Prometheus::start_with(&folder.join("native"), &targets, how)?;
    let begun = begun()?;
    let send = |rounds: &str, since: &str| {
        let words = ["--rounds", rounds, "--since", since, "--begun", &begun];
        peer("metric_types.py", receiver.address("grpc")?, &words)
    };
    let truth = send("1-3", "1")?;
    receiver.settled(&[("metrics", 3 * POINTS)])?;
    compare(&classic, &native, &truth)?;
    check_page(&folder, &scraped, "/metrics")?;
    let read = peer("scraped.py", &scraped, &[])?;
    println!("read by prometheus_client: {read}");
    if read["exemplars"].as_u64() < Some(1) {
        bail!("there are no exemplars: {read}");
    }
    // What was added up is gone with the process, and begins again.
    let exporter = exporter.kill_and_restart(&folder, || ())?;
    let truth = send("4-5", "4")?;
    receiver.settled(&[("metrics", 5 * POINTS)])?;
    compare(&classic, &native, &truth)?;
    receiver.stop()?;
    exporter.drain()?;
    classic.stop()?;
    native.stop()
}

/// Pages that ask for a token or a password: a Prometheus that shows it scrapes them, and one that does not is told to.
fn guarded() -> Outcome {
    let folder = folder("prometheus-guarded")?;
    let top = "extensions:
  bearertokenauth: {token: hush}
  basicauth: {htpasswd: {inline: \"ann:$$apr1$$abcdefgh$$h9FWgUz3n9YxylKLlR5SQ/\"}}
service: {extensions: [bearertokenauth, basicauth]}\n";
    for (authenticator, shows) in [
        (
            "bearertokenauth",
            "    authorization: {credentials: hush}\n",
        ),
        (
            "basicauth",
            "    basic_auth: {username: ann, password: secret}\n",
        ),
    ] {
        let scraped = format!("127.0.0.1:{}", fixed_port()?);
        let settings =
            format!("{{endpoint: \"{scraped}\", auth: {{authenticator: {authenticator}}}}}");
        let exporter = ExporterProcess::start_with(
            &folder,
            authenticator,
            "prometheus",
            &settings,
            "127.0.0.1:0",
            top,
        )?;
        let targets = [scraped.clone()];
        for (shows, up) in [(shows, 1.0), ("", 0.0)] {
            let how = How {
                shows: shows.to_owned(),
                ..How::default()
            };
            let tsdb = folder.join(format!("{authenticator}-{up}"));
            let prometheus = Prometheus::start_with(&tsdb, &targets, how)?;
            wait_until(&format!("up of {up} by {authenticator}"), || {
                let found = prometheus.query("up")?;
                Ok(matches!(&found[..], [(_, is_up)] if *is_up == up).then_some(()))
            })?;
            prometheus.stop()?;
        }
        let denied = "penstock_exporter_prometheus_unauthenticated_scrapes_total";
        let denied = counter(&exporter.admin, denied, "reason=\"missing\"")?;
        if denied == 0 {
            bail!("nobody was counted as denied");
        }
        exporter.drain()?;
        println!("{authenticator}: who shows it scrapes, and who does not is denied ({denied})");
    }
    Ok(())
}

/// Names as they were sent, to a Prometheus that takes them so.
fn any_names(program: PathBuf) -> Outcome {
    let folder = folder("prometheus-names")?;
    let scraped = format!("127.0.0.1:{}", fixed_port()?);
    let settings = format!(
        "{{endpoint: \"{scraped}\", translation_strategy: NoUTF8EscapingWithSuffixes, resource_constant_labels: {{included: [\"k8s.*\"]}}}}"
    );
    let hops = [format!("127.0.0.1:{}", fixed_port()?)];
    let exporter = ExporterProcess::start(&folder, "exporter", "prometheus", &settings, &hops[0])?;
    let receiver = ReceiverProcess::start(&folder, &[("prometheus", &settings, &hops)])?;
    let how = How {
        program,
        ..How::default()
    };
    let prometheus = Prometheus::start_with(&folder.join("tsdb"), &[scraped], how)?;
    let words = ["--rounds", "1-2", "--begun", &begun()?];
    peer("metric_types.py", receiver.address("grpc")?, &words)?;
    receiver.settled(&[("metrics", 2 * POINTS)])?;
    let truth = json!({"classic": {
        r#"{"delta.calls_total", "kuma.io/zone"="zone-1", "k8s.pod.name"="pod-1"}"#: 6,
        r#"{"delta.took_seconds_sum"}"#: 5,
        r#"{"delta.queue_bytes"}"#: -3,
    }});
    compare(&prometheus, &prometheus, &truth)?;
    receiver.stop()?;
    exporter.drain()?;
    prometheus.stop()
}

/// When all counts began, in seconds since 1970.
fn begun() -> Outcome<String> {
    let begun = SystemTime::now().duration_since(UNIX_EPOCH)? - BEGUN;
    Ok(begun.as_secs().to_string())
}

/// Runs a peer to its end, and gives what it prints.
pub(super) fn peer(script: &str, address: &str, words: &[&str]) -> Outcome<Value> {
    let output = Command::new(tools::python()?)
        .arg(format!("integration-tests/peers/{script}"))
        .arg(address)
        .args(words)
        .current_dir(sh::root())
        .output()?;
    if !output.status.success() {
        bail!("{script}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Waits until every query has the answer that it has to have.
pub(super) fn compare(classic: &Prometheus, native: &Prometheus, truth: &Value) -> Outcome {
    let mut compared = 0;
    for (prometheus, part) in [(classic, "classic"), (native, "native")] {
        for (query, expected) in truth[part].as_object().into_iter().flatten() {
            let expected = expected.as_f64().unwrap_or(f64::NAN);
            let mut found = Vec::new();
            wait_until(&format!("the answer to {query}"), || {
                found = prometheus.query(query)?;
                let is_it = matches!(&found[..], [(_, value)] if (value - expected).abs() < 1e-9);
                Ok(is_it.then_some(()))
            })
            .map_err(|error| format!("{error}: {part} has {found:?}, not {expected}"))?;
            compared += 1;
        }
    }
    println!("{compared} values are equal");
    Ok(())
}
