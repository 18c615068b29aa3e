//! A real Prometheus, Debian's: started with a configuration of ours and asked over its HTTP API.

use crate::fail::{Outcome, bail};
use crate::process::{Process, fixed_port, wait_until};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A running Prometheus with a folder of its own.
pub(crate) struct Prometheus {
    process: Process,
    folder: PathBuf,
    address: String,
    how: How,
}

/// Which Prometheus, and what of it is on.
#[derive(Clone)]
pub(crate) struct How {
    pub(crate) program: PathBuf,
    /// Of `--enable-feature`.
    pub(crate) features: &'static str,
    /// What the scrapes have to show, as lines of the job.
    pub(crate) shows: String,
}

impl Default for How {
    /// Debian's, as it is.
    fn default() -> Self {
        Self {
            program: PathBuf::from("prometheus"),
            features: "",
            shows: String::new(),
        }
    }
}

impl Prometheus {
    /// Starts one that scrapes `targets` every second as one job, and takes remote write.
    pub(crate) fn start(folder: &Path, targets: &[String]) -> Outcome<Self> {
        Self::start_with(folder, targets, How::default())
    }

    /// The same of another one.
    pub(crate) fn start_with(folder: &Path, targets: &[String], how: How) -> Outcome<Self> {
        fs::create_dir_all(folder)?;
        let address = format!("127.0.0.1:{}", fixed_port()?);
        let mut config = "global: {scrape_interval: 1s, scrape_timeout: 1s}\n".to_owned();
        if !targets.is_empty() {
            config.push_str(&format!(
                "scrape_configs:\n  - job_name: penstock\n    honor_labels: true\n    static_configs: [{{targets: {targets:?}}}]\n{}",
                how.shows
            ));
        }
        fs::write(folder.join("prometheus.yaml"), config)?;
        Self::run(folder, address, how)
    }

    fn run(folder: &Path, address: String, how: How) -> Outcome<Self> {
        let mut command = Command::new(&how.program);
        command
            .arg(format!(
                "--config.file={}",
                folder.join("prometheus.yaml").display()
            ))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("tsdb").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .arg("--web.enable-remote-write-receiver");
        if !how.features.is_empty() {
            command.arg(format!("--enable-feature={}", how.features));
        }
        let process = Process::start("prometheus", folder, &mut command)?;
        let prometheus = Self {
            process,
            folder: folder.to_owned(),
            address,
            how,
        };
        wait_until("a ready Prometheus", || {
            let ready = prometheus
                .get("/-/ready")
                .is_ok_and(|(status, _)| status == 200);
            Ok(ready.then_some(()))
        })?;
        Ok(prometheus)
    }

    /// Ends it, lets `meanwhile` happen, and starts it again with what it has stored.
    pub(crate) fn restart(self, meanwhile: impl FnOnce()) -> Outcome<Self> {
        let Self {
            process,
            folder,
            address,
            how,
        } = self;
        process.stop()?;
        meanwhile();
        Self::run(&folder, address, how)
    }

    pub(crate) fn stop(self) -> Outcome {
        self.process.stop().map(drop)
    }

    /// Where it takes remote write.
    pub(crate) fn write_url(&self) -> String {
        format!("http://{}/api/v1/write", self.address)
    }

    /// The series of an instant query, each with its value now.
    pub(crate) fn query(&self, expression: &str) -> Outcome<Vec<(Value, f64)>> {
        let escaped: String = expression
            .bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect();
        let (status, body) = self.get(&format!("/api/v1/query?query={escaped}"))?;
        let answer: Value = serde_json::from_str(&body)?;
        let Some(result) = answer["data"]["result"]
            .as_array()
            .filter(|_| status == 200)
        else {
            bail!("`{expression}` gave {status}: {body}");
        };
        let value = |series: &Value| {
            let value = series["value"][1].as_str()?.parse().ok()?;
            Some((series["metric"].clone(), value))
        };
        Ok(result.iter().filter_map(value).collect())
    }

    /// HTTP/1.0, which has no chunks.
    fn get(&self, path: &str) -> Outcome<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nhost: {}\r\n\r\n",
            self.address
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Ok((status.unwrap_or_default(), body.to_owned()))
    }
}

/// Prometheus' own judge of a page.
pub(crate) fn check_page(folder: &Path, address: &str, path: &str) -> Outcome {
    let (_, page) = crate::admin::get(address, path)?;
    let file = folder.join("page.txt");
    fs::write(&file, page)?;
    let output = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(fs::File::open(&file)?)
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("promtool on {address}{path}: {said}");
    }
    Ok(())
}
