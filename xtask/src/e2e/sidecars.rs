//! Real Envoy sidecars, as Kuma configures them, push spans, access logs and metrics: what they generate is delivered to
//! two backends, spans and records by id, data points by count.

use super::delivered::{check_pairs, check_points, ids_of_file, ids_of_sink};
use super::tiers::{ExporterProcess, GRPC, ReceiverProcess, Sink, folder};
use crate::admin;
use crate::envoy::{Route, Sidecars};
use crate::fail::{Outcome, bail};
use crate::mesh::{self, Traffic};
use crate::process::Process;
use crate::{sh, tools};
use std::path::Path;
use std::process::Command;

/// 200 requests a second for 20 s: 400 spans and 400 records a second.
const TRAFFIC: Traffic = Traffic {
    requests: 4000,
    rate: 200.0,
    tag: "mesh",
};

/// Envoy connects to the receiver itself.
pub(crate) fn direct() -> Outcome {
    let folder = folder("sidecars-direct")?;
    delivered(&folder, GRPC, |port| Ok((Route::Direct { port }, None))).map(drop)
}

/// The same with clusters named as Kuma 2.x does, whose `:authority` is no host.
pub(crate) fn legacy() -> Outcome {
    let folder = folder("sidecars-legacy")?;
    delivered(&folder, GRPC, |port| Ok((Route::Legacy { port }, None))).map(drop)
}

/// Connections are told to go away every two seconds.
pub(crate) fn goaway() -> Outcome {
    /// Far below what 20 s bring: each sidecar keeps a connection for spans and one for records.
    const LEAST: u64 = 10;
    let folder = folder("sidecars-goaway")?;
    let grpc = "endpoint: 127.0.0.1:0, keepalive: {server_parameters: {max_connection_age: 2s, max_connection_age_grace: 5s}}";
    let told = delivered(&folder, grpc, |port| Ok((Route::Direct { port }, None)))?;
    println!("{told} connections were told to go");
    if told < LEAST {
        bail!("{told} connections were told to go, {LEAST} at least expected");
    }
    Ok(())
}

/// Envoy connects to a unix socket whose other end passes each call on, as kuma-dp does.
pub(crate) fn pipe() -> Outcome {
    let folder = folder("sidecars-pipe")?;
    delivered(&folder, GRPC, |port| {
        let socket = folder.join("otel.sock");
        let mut command = Command::new(tools::python()?);
        command
            .arg("integration-tests/peers/pipe_relay.py")
            .arg(&socket);
        command
            .arg(format!("127.0.0.1:{port}"))
            .current_dir(sh::root());
        let mut relay = Process::start("relay", &folder, &mut command)?;
        relay.ready("relay ready")?;
        Ok((Route::Pipe { socket }, Some(relay)))
    })
    .map(drop)
}

/// Sends traffic by the route and checks that all of it is delivered. Tells how many connections ended because of their age.
fn delivered(
    folder: &Path,
    grpc: &str,
    route: impl FnOnce(u16) -> Outcome<(Route, Option<Process>)>,
) -> Outcome<u64> {
    let out = folder.join("otlp.jsonl");
    let file_settings = format!("{{path: {}}}", out.display());
    let sink = Sink::start(folder)?;
    let otlp_settings = format!("{{endpoint: {}, tls: {{insecure: true}}}}", sink.address);
    let file = ExporterProcess::start(folder, "file", "file", &file_settings, "127.0.0.1:0")?;
    let otlp =
        ExporterProcess::start(folder, "otlp", "otlp/second", &otlp_settings, "127.0.0.1:0")?;
    let receiver = ReceiverProcess::start_with(
        folder,
        grpc,
        &[
            ("file", &file_settings, std::slice::from_ref(&file.hop)),
            (
                "otlp/second",
                &otlp_settings,
                std::slice::from_ref(&otlp.hop),
            ),
        ],
    )?;

    let (route, relay) = route(receiver.grpc_port()?)?;
    let sidecars = Sidecars::start(folder, &route, mesh::application("127.0.0.1")?)?;
    TRAFFIC.send(sidecars.outbound)?;
    let items = 2 * TRAFFIC.requests as u64;
    receiver.settled(&[("traces", items), ("logs", items)])?;

    sidecars.stop()?;
    if let Some(relay) = relay {
        relay.stop()?;
    }
    // Metrics come until the sidecars are gone.
    let points = receiver.settled(&[("metrics", 1)])?.accepted("metrics");
    let name = "penstock_http2_connections_closed_total";
    let aged = admin::counter(receiver.address("admin")?, name, r#"reason="aged""#)?;
    receiver.stop()?;
    file.drain()?;
    otlp.drain()?;
    check_points(points, &out, &sink.out)?;
    let generated = || (0..TRAFFIC.requests).map(|n| TRAFFIC.id(n));
    check_pairs("file exporter", &ids_of_file(&[&out])?, generated())?;
    check_pairs("second backend", &ids_of_sink(&sink.out)?, generated())?;
    sink.stop()?;
    Ok(aged)
}
