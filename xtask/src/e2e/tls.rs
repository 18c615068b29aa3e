//! mTLS with clients that share nothing with ours, gRPC for Python and curl: certificates change under load, and whoever is
//! refused is told of in the log and in the counts, on both ports and between the tiers.

use super::delivered::items;
use super::tiers::{ExporterProcess, GRPC, ReceiverProcess, folder};
use crate::admin::counter;
use crate::fail::{Outcome, bail};
use crate::process::{Process, binary_path, wait_until};
use crate::{sh, tools};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// As many servers as the authority has made.
const SERVERS: usize = 5;
const FAILURES: &str = "penstock_tls_handshake_failures_total";
const PEER: &str = "integration-tests/peers/tls_client.py";

/// Who is refused at a port: the folder of its certificate, how it is counted, and words of what is said.
const REFUSED: [(&str, &str, &str); 6] = [
    (
        "another-authority",
        "unknown_authority",
        "is of an authority that receivers.otlp.protocols",
    ),
    ("expired", "expired", "has expired"),
    (
        "another-name",
        "client_name",
        "has none of the names in penstock.receivers.otlp.client_names; it has: other.test",
    ),
    ("bare", "no_certificate", "shows no certificate"),
    ("plain", "plaintext", "speaks plaintext to a port with TLS"),
    (
        "distrusting",
        "refused_by_peer",
        "may not trust our certificate",
    ),
];

pub(crate) fn run() -> Outcome {
    rotated()?;
    between_the_tiers()
}

/// What the authority has issued, and a secret as Kubernetes mounts one.
struct Pki(PathBuf);

impl Pki {
    fn new(folder: &Path) -> Outcome<Self> {
        let pki = folder.join("pki");
        let program = binary_path("debug", "pki");
        sh::run(&program.to_string_lossy(), [&pki])?;
        Ok(Self(pki))
    }

    fn of(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Leads the link `..data` of the secret `name` to what `identity` has, in one step.
    fn mount(&self, name: &str, identity: &str) -> Outcome<PathBuf> {
        let secret = self.0.join("mounted").join(name);
        fs::create_dir_all(&secret)?;
        let next = secret.join("..data_tmp");
        symlink(self.of(identity), &next)?;
        fs::rename(next, secret.join("..data"))?;
        for file in ["ca.crt", "tls.crt", "tls.key"] {
            let link = secret.join(file);
            if fs::symlink_metadata(&link).is_err() {
                symlink(Path::new("..data").join(file), link)?;
            }
        }
        Ok(secret)
    }
}

/// A port's settings.
fn server(secret: &Path) -> String {
    format!(
        "{{cert_file: {0}/tls.crt, key_file: {0}/tls.key, client_ca_file: {0}/ca.crt, reload_interval: 100ms}}",
        secret.display()
    )
}

fn rotated() -> Outcome {
    let folder = folder("tls")?;
    let pki = Pki::new(&folder)?;
    let tls = server(&pki.mount("receiver", "server-1")?);
    let out = folder.join("otlp.jsonl");
    let settings = format!("{{path: {}}}", out.display());
    let exporter = ExporterProcess::start(&folder, "file", "file", &settings, "127.0.0.1:0")?;
    let top = format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{tls: {tls}}}, http: {{tls: {tls}}}}}}}}}\n\
         penstock: {{receivers: {{otlp: {{client_names: [client.test]}}}}}}\n"
    );
    let hops = [exporter.hop.clone()];
    let exporters = [("file", settings.as_str(), &hops[..])];
    let mut receiver = ReceiverProcess::start_under(&folder, GRPC, &exporters, &top)?;

    let calls = load(&folder, &pki, &receiver)?;
    let failures = |setting: &str| counter(receiver.address("admin")?, FAILURES, setting);
    if failures("")? > 0 {
        bail!("handshakes failed while certificates changed");
    }
    refused(&pki, &mut receiver)?;
    let ledger = receiver.settled(&[("logs", calls)])?;
    if ledger.accepted("logs") != calls {
        bail!("{} calls, and {} accepted", calls, ledger.accepted("logs"));
    }
    receiver.stop()?;
    exporter.drain()?;
    let arrived = items(&out)?;
    let mut distinct = arrived.clone();
    distinct.dedup();
    if (arrived.len() as u64, distinct.len()) != (calls, arrived.len()) {
        bail!(
            "{calls} calls, and {} of {} records arrived",
            distinct.len(),
            arrived.len()
        );
    }
    Ok(())
}

/// Certificates change while real clients call; gives the number of calls, of which none may have failed.
fn load(folder: &Path, pki: &Pki, receiver: &ReceiverProcess) -> Outcome<u64> {
    let end = folder.join("end");
    let mut command = Command::new(tools::python()?);
    command
        .args([PEER, "load"])
        .args([receiver.address("grpc")?, receiver.address("http")?])
        .args([pki.of("client"), end.clone()])
        .current_dir(sh::root());
    let mut peer = Process::start("clients", folder, &mut command)?;
    for number in 1..=SERVERS {
        let name = format!("server-{number}");
        if number > 1 {
            pki.mount("receiver", &name)?;
        }
        let seen = format!("\"{name}.test\"");
        peer.wait_line(&seen, |line| line.contains(&seen).then_some(()))?;
    }
    fs::write(end, "")?;
    let told = peer.ready("load ended")?;
    peer.wait()?;
    let none = Value::Array(Vec::new());
    if told["failed"] != none || told["lost"] != none {
        bail!("calls failed or a connection was lost: {told}");
    }
    let calls = ["steady", "anew", "curl"].map(|kind| told["calls"][kind].as_u64().unwrap_or(0));
    println!(
        "{SERVERS} certificates, calls over one channel, over new ones and by curl: {calls:?}, none failed"
    );
    Ok(calls.iter().sum())
}

/// Each of those who are to be refused calls each port.
fn refused(pki: &Pki, receiver: &mut ReceiverProcess) -> Outcome {
    for (who, reason, words) in REFUSED {
        for port in ["grpc", "http"] {
            let address = receiver.address(port)?.to_owned();
            if call(pki, port, &address, who)? {
                bail!("{who} was served on {port}");
            }
            let setting = format!("receivers.otlp.protocols.{port}.tls");
            let reason = match (who, port) {
                // gRPC's TLS goes away without a word; curl's says why.
                ("distrusting", "grpc") => "gone",
                _ => reason,
            };
            let reason = format!("\"{reason}\"");
            receiver.says(&[
                "TLS handshake failed",
                &reason,
                words,
                &setting_of(who, &setting),
            ])?;
            let of_reason = format!("reason={reason}");
            let admin = receiver.address("admin")?;
            let (_, page) = crate::admin::get(admin, "/metrics")?;
            let count = count(&page, &setting, &of_reason);
            // curl tries once; gRPC as often as it likes.
            if count == 0 || (port == "http" && count != 1) {
                bail!("{who} on {port} was counted {count} times as {reason}");
            }
        }
    }
    println!(
        "{} clients were refused on both ports, each told and counted",
        REFUSED.len()
    );
    Ok(())
}

/// Where a line tells to look: names of clients are in a section of ours.
fn setting_of(who: &str, setting: &str) -> String {
    if who == "another-name" {
        return "penstock.receivers.otlp.client_names".to_owned();
    }
    setting.to_owned()
}

fn count(page: &str, setting: &str, reason: &str) -> u64 {
    let lines = page.lines().filter(|line| line.starts_with(FAILURES));
    let lines = lines.filter(|line| line.contains(setting) && line.contains(reason));
    let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    counts.sum()
}

/// Whether one call was answered.
fn call(pki: &Pki, port: &str, address: &str, who: &str) -> Outcome<bool> {
    let folder = match who {
        "bare" | "plain" => pki.of("client"),
        who => pki.of(who),
    };
    let mut command = if port == "grpc" {
        let mut command = Command::new(tools::python()?);
        command.args([PEER, "once", address]);
        match who {
            "plain" => command.arg("plain"),
            "bare" => command.arg("bare").arg(&folder),
            _ => command.arg(&folder),
        };
        command.arg(who).current_dir(sh::root());
        command
    } else {
        let mut command = Command::new("curl");
        command
            .args([
                "--silent",
                "--fail",
                "--max-time",
                "10",
                "--output",
                "/dev/null",
            ])
            .args(["--cacert", "ca.crt", "--data", "{}"])
            .args(["--header", "content-type: application/json"])
            .current_dir(&folder);
        if who != "bare" {
            command.args(["--cert", "tls.crt", "--key", "tls.key"]);
        }
        let scheme = if who == "plain" { "http" } else { "https" };
        command.arg(format!("{scheme}://{address}/v1/logs"));
        command
    };
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(command.status()?.success())
}

/// An exporter of another authority gets nothing and says why, as does the receiver; its secret is mended where it is, and
/// everything arrives.
fn between_the_tiers() -> Outcome {
    let folder = folder("tls-hop")?;
    let pki = Pki::new(&folder)?;
    let exporters_own = pki.mount("exporter", "server-of-another-authority")?;
    let receivers_own = pki.mount("receiver", "client")?;
    let settings = format!("{{path: {}}}", folder.join("otlp.jsonl").display());
    let shows = format!(
        "penstock: {{exporters: {{file: {{tls: {}}}}}}}\n",
        server(&exporters_own)
    );
    let mut exporter =
        ExporterProcess::start_with(&folder, "file", "file", &settings, "127.0.0.1:0", &shows)?;
    let top = format!(
        "penstock: {{hop: {{tls: {{ca_file: {0}/ca.crt, cert_file: {0}/tls.crt, key_file: {0}/tls.key, reload_interval: 100ms}}}}}}\n",
        receivers_own.display()
    );
    let hops = [exporter.hop.clone()];
    let exporters = [("file", settings.as_str(), &hops[..])];
    let mut receiver = ReceiverProcess::start_under(&folder, GRPC, &exporters, &top)?;
    let python = tools::python()?.to_string_lossy().into_owned();
    sh::run(
        &python,
        [PEER, "once", receiver.address("grpc")?, "plain", "one"],
    )?;

    receiver.says(&["is of an authority that penstock.hop.tls.ca_file does not have"])?;
    exporter.says(&[
        "TLS handshake failed",
        "\"refused_by_peer\"",
        "penstock.exporters.file.tls.cert_file",
    ])?;
    counted(
        receiver.address("admin")?,
        "penstock.hop.tls",
        "unknown_authority",
    )?;
    counted(
        &exporter.admin,
        "penstock.exporters.file.tls",
        "refused_by_peer",
    )?;

    // Now it is the receiver who is refused.
    pki.mount("receiver", "expired")?;
    pki.mount("exporter", "server-1")?;
    exporter.says(&[
        "TLS handshake failed",
        "\"expired\"",
        "the client's certificate has expired",
    ])?;
    counted(&exporter.admin, "penstock.exporters.file.tls", "expired")?;
    counted(
        receiver.address("admin")?,
        "penstock.hop.tls",
        "refused_by_peer",
    )?;

    pki.mount("receiver", "client")?;
    receiver.settled(&[("logs", 1)])?;
    receiver.stop()?;
    exporter.drain()?;
    println!(
        "both tiers told and counted whom they refused, and delivered once the secrets were right"
    );
    Ok(())
}

fn counted(admin: &str, setting: &str, reason: &str) -> Outcome {
    let (setting, reason) = (
        format!("setting=\"{setting}\""),
        format!("reason=\"{reason}\""),
    );
    wait_until(&format!("{FAILURES} of {setting}, {reason}"), || {
        let (_, page) = crate::admin::get(admin, "/metrics")?;
        Ok((count(&page, &setting, &reason) > 0).then_some(()))
    })
}
