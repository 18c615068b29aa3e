//! Asking a process's admin server.

use crate::fail::{Outcome, bail};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// GETs a page; gives status and body.
pub(crate) fn get(address: &str, path: &str) -> Outcome<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        bail!("{address}{path} gave no HTTP answer")
    };
    let Some(status) = head.split(' ').nth(1).and_then(|code| code.parse().ok()) else {
        bail!("{address}{path} gave no HTTP status: {head}")
    };
    Ok((status, body.to_owned()))
}

/// A counter, summed over its lines that have `label`.
pub(crate) fn counter(address: &str, name: &str, label: &str) -> Outcome<u64> {
    let (_status, page) = get(address, "/metrics")?;
    let lines = page
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
    let lines = lines.filter(|labels| labels.contains(label));
    let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    Ok(counts.sum())
}

/// The receiver's ledger.
pub(crate) struct Ledger(Value);

impl Ledger {
    pub(crate) fn read(address: &str) -> Outcome<Self> {
        let (status, body) = get(address, "/ledger")?;
        if status != 200 {
            bail!("{address}/ledger answered {status}: {body}");
        }
        Ok(Self(serde_json::from_str(&body)?))
    }

    /// A count summed over the lines that `choose` takes.
    pub(crate) fn sum(&self, field: &str, choose: impl Fn(&Value) -> bool) -> u64 {
        let lines = self.lines().iter().filter(|line| choose(line));
        lines.filter_map(|line| line[field].as_u64()).sum()
    }

    pub(crate) fn lines(&self) -> &[Value] {
        self.0["lines"].as_array().map_or(&[], Vec::as_slice)
    }

    /// Items of a signal that were acked, whatever the exporters.
    pub(crate) fn accepted(&self, signal: &str) -> u64 {
        let signals = self.0["signals"].as_array().map_or(&[][..], Vec::as_slice);
        let line = signals.iter().find(|line| line["signal"] == signal);
        line.and_then(|line| line["accepted_items"].as_u64())
            .unwrap_or_default()
    }

    /// `accepted = delivered + rejected + dropped + held` on every line.
    pub(crate) fn check_law(&self) -> Outcome {
        for line in self.lines() {
            let count = |field: &str| line[field].as_u64().unwrap_or(u64::MAX / 8);
            let fates = count("delivered") + count("rejected") + count("dropped") + count("held");
            if count("accepted") != fates {
                bail!("the ledger does not balance: {line}");
            }
        }
        Ok(())
    }
}
