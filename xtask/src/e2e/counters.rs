//! Sidecars whose counters only grow, and the truth about them.

use crate::fail::{Outcome, bail};
use crate::process::Process;
use crate::tools;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Pushes until it is stopped.
pub(crate) struct Counters(Process);

/// The total of each counter, by instance and counter.
pub(crate) type Totals = BTreeMap<(String, String), f64>;

impl Counters {
    pub(crate) fn start(folder: &Path, targets: &[String], words: &[&str]) -> Outcome<Self> {
        let mut command = Command::new(tools::python()?);
        command
            .arg("integration-tests/peers/counters.py")
            .args(targets)
            .args(words)
            .current_dir(crate::sh::root());
        let mut process = Process::start("counters", folder, &mut command)?;
        process.ready("counters ready")?;
        Ok(Self(process))
    }

    /// Lets all pushes end; gives what was counted by cumulative counters and by delta ones.
    pub(crate) fn stop(mut self) -> Outcome<[Totals; 2]> {
        self.0.signal("TERM")?;
        let done = self.0.ready("counters done")?;
        let mut totals = [Totals::new(), Totals::new()];
        for line in done["truth"].as_array().map_or(&[][..], Vec::as_slice) {
            let Some(total) = line["total"].as_f64() else {
                bail!("no total in {line}")
            };
            let delta = usize::from(line["delta"] == true);
            totals[delta].insert(key(line), total);
        }
        self.0.stop().ok();
        Ok(totals)
    }
}

/// Whose counter a series or a line is.
pub(crate) fn key(labels: &Value) -> (String, String) {
    let text = |name: &str| labels[name].as_str().unwrap_or_default().to_owned();
    (text("instance"), text("counter"))
}
