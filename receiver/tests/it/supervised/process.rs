//! A receiver as the processes that it is in production, with one scripted exporter behind it.

use crate::support::{Answer, Raw, post};
use penstock_testkit::{Backend, request};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// For what other processes do on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a configuration differs in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Config<'a> {
    /// `protocols.http` of the first receiver, after its endpoint.
    pub(super) http: &'a str,
    /// Further receivers, as YAML lines with their indentation.
    pub(super) receivers: &'a str,
    /// Their ids for pipelines, each after a comma.
    pub(super) ids: &'a str,
}

pub(super) const PLAIN: Config<'static> = Config {
    http: "",
    receivers: "",
    ids: "",
};

impl Config<'_> {
    fn text(&self, exporter: SocketAddr, folder: &Path) -> String {
        let Self {
            http,
            receivers,
            ids,
        } = self;
        let log = folder.join("log");
        let log = log.display();
        format!(
            "
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'{http}}}}}}}
{receivers}
processors: {{batch: {{timeout: 10ms}}}}
exporters: {{otlp: {{endpoint: 'backend:4317', retry_on_failure: {{initial_interval: 10ms}}}}}}
service:
  telemetry: {{logs: {{encoding: json}}}}
  pipelines:
    traces: {{receivers: [otlp{ids}], processors: [batch], exporters: [otlp]}}
penstock:
  admin: {{endpoint: '127.0.0.1:0'}}
  shards: 1
  log: {{directory: {log}}}
  exporters: {{otlp: {{replicas: ['{exporter}']}}}}
"
        )
    }
}

/// A supervisor, whatever workers it has, and what they say.
pub(super) struct Supervised {
    supervisor: Owned,
    lines: Receiver<String>,
    pub(super) said: Vec<String>,
    pub(super) backend: Backend,
    pub(super) folder: TempDir,
    http: Vec<SocketAddr>,
    admin: SocketAddr,
}

impl Supervised {
    /// Starts one and waits until it serves.
    pub(super) async fn start(config: Config<'_>) -> Self {
        let mut started = Self::begin(config, Command::new(binary())).await;
        started.serves().await;
        started
    }

    /// Starts one by a command to which our words are added.
    pub(super) async fn begin(config: Config<'_>, mut command: Command) -> Self {
        let backend = Backend::start().await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        fs::write(&path, config.text(backend.address(), folder.path())).unwrap();
        let mut supervisor = command
            .arg("--config")
            .arg(&path)
            .stderr(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(supervisor.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            supervisor: Owned(supervisor),
            lines,
            said: Vec::new(),
            backend,
            folder,
            http: Vec::new(),
            admin: ([127, 0, 0, 1], 0).into(),
        }
    }

    /// Waits until a worker says that it is ready, and takes its addresses.
    pub(super) async fn serves(&mut self) {
        let ready = self.says("receiver ready").await;
        let addresses = |what: &str| ready[what].as_str().unwrap().to_owned();
        let http = addresses("http");
        self.http = http.split(',').map(|at| at.parse().unwrap()).collect();
        self.admin = addresses("admin").parse().unwrap();
    }

    /// Waits for a line with this message.
    pub(super) async fn says(&mut self, message: &str) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let ended = self.hear();
            while !self.said.is_empty() {
                let line = self.said.remove(0);
                let value: Value = serde_json::from_str(&line).unwrap_or_default();
                if value["message"] == message {
                    return value;
                }
            }
            assert!(!ended, "ended without `{message}`");
            assert!(Instant::now() < end, "does not say `{message}`");
            look_again().await;
        }
    }

    /// Takes in what was said; true when nobody is left who could say more.
    fn hear(&mut self) -> bool {
        loop {
            match self.lines.try_recv() {
                Ok(line) => self.said.push(line),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
    }

    /// Changes the configuration file, as an editor does that writes in place.
    pub(super) fn configure(&self, config: Config<'_>) {
        let text = config.text(self.backend.address(), self.folder.path());
        self.write(&text);
    }

    pub(super) fn write(&self, text: &str) {
        fs::write(self.config(), text).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("config.yaml")
    }

    pub(super) fn http(&self) -> SocketAddr {
        self.http[0]
    }

    pub(super) fn last_http(&self) -> SocketAddr {
        *self.http.last().unwrap()
    }

    pub(super) fn supervisor(&self) -> Pid {
        Pid::from_child(&self.supervisor.0)
    }

    /// The page of an admin server: whoever serves it now.
    pub(super) async fn page(&self, path: &str) -> String {
        let mut raw = Raw::connect(self.admin).await;
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        raw.write(head).await;
        String::from_utf8(raw.answer().await.body).unwrap()
    }

    /// What is told of supervisor and worker.
    pub(super) async fn state(&self) -> Value {
        serde_json::from_str(&self.page("/supervisor").await).unwrap()
    }

    /// The process that serves.
    pub(super) async fn worker(&self) -> Pid {
        let worker = self.state().await["worker"].as_i64().unwrap();
        Pid::from_raw(worker.try_into().unwrap()).unwrap()
    }

    /// Waits until what is told of the supervisor is so.
    pub(super) async fn is(&self, field: &str, wanted: impl Into<Value>) {
        let wanted = wanted.into();
        let end = Instant::now() + PATIENCE;
        loop {
            let state = self.state().await;
            if state["supervisor"][field] == wanted {
                return;
            }
            assert!(Instant::now() < end, "{field} is not {wanted} but {state}");
            look_again().await;
        }
    }

    /// Sends one span; it must be acked.
    pub(super) async fn send(&self, id: &str) {
        assert_eq!(send(self.http(), id).await.status, 200);
    }

    /// Waits until every worker and the supervisor have ended.
    pub(super) async fn ended(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        while !self.hear() {
            assert!(Instant::now() < end, "not all have ended");
            look_again().await;
        }
        self.supervisor.0.wait().unwrap()
    }

    /// SIGTERM; nothing may be lost, and nobody left.
    pub(super) async fn stop(mut self) -> Backend {
        signal(self.supervisor(), Signal::TERM);
        let status = self.ended().await;
        assert_eq!(status.into_raw(), 0, "{:#?}", self.said);
        self.backend
    }
}

/// A process that does not outlive its test.
struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

pub(super) fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_penstock-receiver")
}

pub(super) fn signal(pid: Pid, signal: Signal) {
    kill_process(pid, signal).unwrap();
}

/// A connection with a request written to it.
pub(super) async fn asked(address: SocketAddr, id: &str) -> Raw {
    let mut raw = Raw::over(TcpStream::connect(address).await.unwrap());
    let body = request("traces", &[id]);
    raw.write(post("/v1/traces", "application/x-protobuf", &body))
        .await;
    raw
}

pub(super) async fn send(address: SocketAddr, id: &str) -> Answer {
    asked(address, id).await.answer().await
}

/// The state letter of a process, if there is one.
pub(super) fn state_of(pid: Pid) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim().chars().next()
}

/// The processes whose parent is `pid`.
pub(super) fn children_of(pid: Pid) -> Vec<Pid> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let pids = children.split_ascii_whitespace();
    pids.filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
        .collect()
}

/// Waits until it is so.
pub(super) async fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "{what}");
        look_again().await;
    }
}

/// Other processes can only be polled.
async fn look_again() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}
