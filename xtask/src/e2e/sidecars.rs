//! Real Envoy sidecars, as Kuma configures them, push spans and access logs: what they generate is delivered, by id,
//! to two backends.

use super::delivered::{check_pairs, ids_of_file, ids_of_sink};
use super::tiers::{ExporterProcess, ReceiverProcess, Sink, folder};
use crate::envoy::{Route, Sidecars};
use crate::fail::Outcome;
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
    delivered(&folder, |port| Ok((Route::Direct { port }, None)))
}

/// Envoy connects to a unix socket whose other end passes each call on, as kuma-dp does.
pub(crate) fn pipe() -> Outcome {
    let folder = folder("sidecars-pipe")?;
    delivered(&folder, |port| {
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
}

fn delivered(
    folder: &Path,
    route: impl FnOnce(u16) -> Outcome<(Route, Option<Process>)>,
) -> Outcome {
    let out = folder.join("otlp.jsonl");
    let file_settings = format!("{{path: {}}}", out.display());
    let sink = Sink::start(folder)?;
    let otlp_settings = format!("{{endpoint: {}, tls: {{insecure: true}}}}", sink.address);
    let file = ExporterProcess::start(folder, "file", "file", &file_settings, "127.0.0.1:0")?;
    let otlp =
        ExporterProcess::start(folder, "otlp", "otlp/second", &otlp_settings, "127.0.0.1:0")?;
    let receiver = ReceiverProcess::start(
        folder,
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
    let sidecars = Sidecars::start(folder, &route, mesh::application()?)?;
    TRAFFIC.send(sidecars.outbound)?;
    let items = 2 * TRAFFIC.requests as u64;
    receiver.settled(&[("traces", items), ("logs", items)])?;

    sidecars.stop()?;
    if let Some(relay) = relay {
        relay.stop()?;
    }
    receiver.stop()?;
    file.drain()?;
    otlp.drain()?;
    let generated = || (0..TRAFFIC.requests).map(|n| TRAFFIC.id(n));
    check_pairs("file exporter", &ids_of_file(&[&out])?, generated())?;
    check_pairs("second backend", &ids_of_sink(&sink.out)?, generated())?;
    sink.stop()
}
