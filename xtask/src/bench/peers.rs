//! Other collectors, where their binaries are given: OTLP in, batches of about the receiver's size, OTLP out, set up as their
//! documentation says is best for that.

use super::machine::command;
use super::rig::{Core, Lab, Server};
use crate::fail::{Outcome, bail};
use crate::process::{Process, fixed_port, wait_until};
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// No `batch` processor, as the Collector's authors advise: its exporter's queue makes batches. Its queue holds senders
/// rather than refusing them. GOGC trades memory for CPU.
const OTELCOL: &str = "
receivers: {otlp: {protocols: {grpc: {endpoint: 'LISTEN', max_recv_msg_size_mib: 16}}}}
exporters:
  otlp:
    endpoint: BACKEND
    tls: {insecure: true}
    compression: none
    sending_queue:
      sizer: items
      queue_size: 1000000
      block_on_overflow: true
      num_consumers: 10
      batch: {flush_timeout: 200ms, min_size: 8192, max_size: 8192}
service:
  telemetry: {metrics: {level: none}, logs: {level: error}}
  pipelines:
    traces: {receivers: [otlp], exporters: [otlp]}
    metrics: {receivers: [otlp], exporters: [otlp]}
    logs: {receivers: [otlp], exporters: [otlp]}
";
/// `preserve` leaves OTLP as bytes from end to end.
const DF_ENGINE: &str = "
version: otel_dataflow/v1
engine: {http_admin: {bind_address: '127.0.0.1:ADMIN'}, telemetry: {logs: {level: error}}}
groups:
  default:
    pipelines:
      main:
        nodes:
          receiver: {type: 'receiver:otlp', config: {protocols: {grpc: {listening_addr: 'LISTEN'}}}}
          batch:
            type: 'processor:batch'
            config: {format: preserve, otlp: {min_size: 4128768, sizer: bytes}, flush_timeout: 200ms}
          exporter: {type: 'exporter:otlp_grpc', config: {grpc_endpoint: 'http://BACKEND'}}
        connections: [{from: receiver, to: batch}, {from: batch, to: exporter}]
";

/// A collector that is not ours.
#[derive(Clone)]
pub(super) struct Peer {
    kind: Kind,
    program: PathBuf,
}

#[derive(Clone, Copy)]
enum Kind {
    Otelcol,
    Rotel,
    DfEngine,
}

impl Peer {
    /// `otelcol=PATH`, `rotel=PATH` or `df_engine=PATH`.
    pub(super) fn named(word: &str) -> Outcome<Self> {
        let (name, path) = word.split_once('=').unwrap_or((word, ""));
        let kind = match name {
            "otelcol" => Kind::Otelcol,
            "rotel" => Kind::Rotel,
            "df_engine" => Kind::DfEngine,
            _ => bail!("peers are otelcol=PATH, rotel=PATH and df_engine=PATH, not `{word}`"),
        };
        let program = fs::canonicalize(path).map_err(|error| format!("peer `{word}`: {error}"))?;
        Ok(Self { kind, program })
    }

    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Otelcol => "otelcol",
            Kind::Rotel => "rotel",
            Kind::DfEngine => "df_engine",
        }
    }

    /// Starts it on the core of the system under test.
    pub(super) fn start(&self, lab: &Lab, backend: &str) -> Outcome<Server> {
        let listen = format!("127.0.0.1:{}", fixed_port()?);
        let settings = |text: &str| -> Outcome<String> {
            let text = text.replace("BACKEND", backend).replace("LISTEN", &listen);
            let text = text.replace("ADMIN", &fixed_port()?.to_string());
            let path = lab.folder.join(format!("{}.yaml", self.name()));
            fs::write(&path, text)?;
            Ok(path.to_string_lossy().into_owned())
        };
        let words: Vec<String> = match self.kind {
            Kind::Otelcol => vec!["--config".to_owned(), settings(OTELCOL)?],
            Kind::Rotel => rotel(&lab.folder, &listen, backend, fixed_port()?),
            Kind::DfEngine => {
                let config = settings(DF_ENGINE)?;
                ["--config", &config, "--num-cores", "1"]
                    .map(str::to_owned)
                    .to_vec()
            }
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = command(lab.cores.of(Core::Server), &self.program, &words);
        command.stdout(Stdio::null());
        if matches!(self.kind, Kind::Otelcol) {
            command.env("GOMAXPROCS", "1").env("GOGC", "400");
        }
        let process = Process::start(self.name(), &lab.folder, &mut command)?;
        wait_until(self.name(), || {
            Ok(TcpStream::connect(&listen).is_ok().then_some(()))
        })?;
        Ok(Server::foreign(process, listen))
    }
}

/// Its releases up to 0.0.1a15 compress towards gRPC backends whatever they are told.
fn rotel(folder: &Path, listen: &str, backend: &str, http: u16) -> Vec<String> {
    let (backend, http) = (format!("http://{backend}"), format!("127.0.0.1:{http}"));
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let words = [
        "start",
        "--pid-file",
        &file("rotel.pid"),
        "--log-file",
        &file("rotel.out"),
        "--otlp-grpc-endpoint",
        listen,
        "--otlp-http-endpoint",
        &http,
        "--otlp-grpc-max-recv-msg-size-mib",
        "16",
        "--exporter",
        "otlp",
        "--otlp-exporter-endpoint",
        &backend,
        "--otlp-exporter-protocol",
        "grpc",
        "--otlp-exporter-compression",
        "none",
        "--batch-max-size",
        "8192",
        "--batch-timeout",
        "200ms",
    ];
    words.map(str::to_owned).to_vec()
}
