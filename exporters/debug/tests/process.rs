//! The binary as its users run it: settings, ready line, metrics, ledger, drain, exit codes.
//!
//! Stands for all exporters: everything but the printing is the harness's.
#![expect(clippy::unwrap_used, reason = "test code: a panic is how a test fails")]

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use penstock_metrics::otelcol;
use penstock_testkit::exposition::families;
use penstock_testkit::{numbered, traces};
use prost::Message;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use tempfile::NamedTempFile;

const CONFIG: &str = "
receivers: {otlp: {protocols: {grpc: {}}}}
exporters: {debug: {}}
service:
  telemetry: {logs: {encoding: json}}
  pipelines:
    traces: {receivers: [otlp], exporters: [debug]}
";

fn config(yaml: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(yaml.as_bytes()).unwrap();
    file
}

fn command(config: &NamedTempFile) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_penstock-exporter-debug"));
    command.arg("--config").arg(config.path());
    command.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(command: &mut Command) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = [stdout, stderr].concat();
    (status.code(), String::from_utf8(text).unwrap())
}

/// A running exporter, killed when the test ends early.
struct Process {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
    hop: String,
    admin: String,
}

impl Process {
    fn start(config: &NamedTempFile) -> Self {
        let mut child = command(config).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut process = Self {
            child,
            log,
            hop: String::new(),
            admin: String::new(),
        };
        while process.hop.is_empty() {
            let mut line = String::new();
            assert_ne!(
                process.log.read_line(&mut line).unwrap(),
                0,
                "ended before it was ready"
            );
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if line["message"] == "exporter ready" {
                assert_eq!(line["exporter"], "debug");
                process.hop = line["hop"].as_str().unwrap().to_owned();
                process.admin = line["admin"].as_str().unwrap().to_owned();
            }
        }
        process
    }

    fn page(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.admin).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Exit code, standard output, and the rest of the log.
    fn terminate(mut self) -> (Option<i32>, String, String) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let (mut out, mut log) = (String::new(), String::new());
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut out)
            .unwrap();
        self.log.read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), out, log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails when it has ended, as it should have.
        let _killed = self.child.kill().is_ok() && self.child.wait().is_ok();
    }
}

#[tokio::test]
async fn a_process_serves_tells_drains_and_exits_with_0() {
    let file = config(CONFIG);
    let process = Process::start(&file);
    assert!(process.page("/readyz").starts_with("HTTP/1.1 200"));
    let mut client = TraceServiceClient::connect(format!("http://{}", process.hop))
        .await
        .unwrap();
    let request = ExportTraceServiceRequest::decode(traces(&numbered("a", 3))).unwrap();
    client.export(request).await.unwrap();

    let health = process.page("/healthz?verbose");
    assert!(health.contains(r#""exporter": "debug""#), "{health}");
    assert!(health.contains(r#""state": "ok""#), "{health}");
    let ledger = process.page("/ledger");
    assert!(ledger.contains(r#""received":3,"delivered":3"#), "{ledger}");
    let metrics = process.page("/metrics");
    for line in [
        r#"penstock_export_delivered_items_total{signal="traces",exporter="debug"} 3"#,
        r#"penstock_export_batches_in_flight{exporter="debug"} 0"#,
        r#"otelcol_exporter_sent_spans_total{exporter="debug"} 3"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }

    let (_, text) = metrics.split_once("\r\n\r\n").unwrap();
    let aliases = otelcol::EXPORTERS.iter().copied().flatten();
    let declared = penstock_exporter_harness::metrics().metrics.iter();
    let declared: Vec<_> = declared.chain(aliases).chain(otelcol::PROCESS).collect();
    let families = families(text);
    for family in &families {
        let metric = declared.iter().find(|metric| metric.name == family.name);
        let metric = metric.unwrap_or_else(|| panic!("{} is not declared", family.name));
        assert_eq!(
            (&*family.kind, &*family.help),
            (metric.kind.name(), metric.help)
        );
        assert_eq!(family.labels(), metric.labels.iter().copied().collect());
    }
    // All but the one for batches that are not OTLP.
    assert_eq!(families.len(), declared.len() - 1);

    // Off this thread, on which the client has to hear that the exporter goes away.
    let ended = tokio::task::spawn_blocking(|| process.terminate()).await;
    let (code, out, log) = ended.unwrap();
    assert_eq!(code, Some(0), "{log}");
    assert!(
        out.ends_with("\"resource spans\": 1, \"spans\": 3}\n"),
        "{out}"
    );
    assert!(log.contains("exporter stopped"), "{log}");
}

#[test]
fn dashboards_of_older_collectors_find_their_names() {
    let names = "penstock: {telemetry: {otelcol_names: legacy, otelcol_service_labels: true}}\n";
    let process = Process::start(&config(&[CONFIG, names].concat()));
    let metrics = process.page("/metrics");
    let line = metrics
        .lines()
        .find(|line| line.starts_with("otelcol_exporter_sent_spans{"));
    let line = line.unwrap_or_else(|| panic!("{metrics}"));
    for label in [
        "service_name=\"penstock-exporter-debug\",",
        "service_instance_id=\"",
        "service_version=\"",
        "exporter=\"debug\"} 0",
    ] {
        assert!(line.contains(label), "{line}");
    }
    assert!(
        !metrics.contains("otelcol_exporter_sent_spans_total"),
        "{metrics}"
    );
}

#[test]
fn lines_have_the_fields_of_the_settings_and_go_where_they_say() {
    let file = NamedTempFile::new().unwrap();
    let logs = format!(
        "{{encoding: json, output_paths: [stderr, {}], initial_fields: {{cluster: \"east \\\"1\\\"\"}}}}",
        file.path().display()
    );
    let process = Process::start(&config(&CONFIG.replace("{encoding: json}", &logs)));
    let (code, _, _) = process.terminate();
    assert_eq!(code, Some(0));
    let text = std::fs::read_to_string(file.path()).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        lines.iter().any(|line| line["message"] == "exporter ready"),
        "{text}"
    );
    assert!(
        lines.iter().all(|line| line["cluster"] == "east \"1\""),
        "{text}"
    );
}

#[test]
fn profiles_are_made_by_those_that_are_told_to() {
    let on = "penstock: {telemetry: {profiles: true}}\n";
    let process = Process::start(&config(&[CONFIG, on].concat()));
    assert!(process.page("/debug/memory").contains("\"resident\": "));
    let refused = process.page("/debug/pprof/profile?seconds=0");
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
    let process = Process::start(&config(CONFIG));
    for path in ["/debug/memory", "/debug/pprof/profile?seconds=1"] {
        let answer = process.page(path);
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }
}

#[test]
fn a_mistake_in_the_settings_is_told_with_its_place_and_exits_with_2() {
    let file = config(&CONFIG.replace("{debug: {}}", "{debug: {verbosty: basic}}"));
    let (code, text) = run(&mut command(&file));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("verbosty") && text.contains(":3:"), "{text}");
}

#[test]
fn an_exporter_that_is_not_there_exits_with_2() {
    let file = config(CONFIG);
    let (code, text) = run(command(&file).args(["--exporter", "debug/other"]));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("debug/other"), "{text}");
}

#[test]
fn an_address_that_cannot_be_had_exits_with_2() {
    let file = config(CONFIG);
    let process = Process::start(&file);
    for [listen, admin] in [
        [&*process.hop, "127.0.0.1:0"],
        ["127.0.0.1:0", &*process.admin],
        ["999", "127.0.0.1:0"],
    ] {
        let mut second = Command::new(env!("CARGO_BIN_EXE_penstock-exporter-debug"));
        second.arg("--config").arg(file.path());
        let (code, text) = run(second.args(["--listen", listen, "--admin", admin]));
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains("cannot listen on"), "{text}");
    }
}

#[test]
fn the_version_is_told_without_a_configuration() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_penstock-exporter-debug"));
    let (code, text) = run(command.arg("--version"));
    assert_eq!(code, Some(0));
    assert!(text.starts_with("penstock-exporter-debug "), "{text}");
}
