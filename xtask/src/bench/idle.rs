//! What idle connections cost: each made one call and then keeps still, like a sidecar without traffic.

use super::TRACES;
use super::machine::{Cores, Usage, command, mib};
use super::rig::{Server, fixture};
use crate::fail::{Outcome, bail};
use crate::process::{Process, pause};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const CONNECTIONS: u32 = 10_000;
/// For all of them together.
const TARGET_BYTES: f64 = 100e6;
/// After which memory of the last calls has been given back.
const SETTLE: Duration = Duration::from_secs(5);

/// Resident memory of a server.
pub(super) struct Idle {
    system: &'static str,
    before: f64,
    after: f64,
}

/// Opens the connections, looks, and closes them.
pub(super) fn measure(
    folder: &Path,
    cores: &Cores,
    system: &'static str,
    server: &Server,
) -> Outcome<Idle> {
    let before = Usage::of(&server.process)?.resident_bytes;
    let connections = CONNECTIONS.to_string();
    let file = fixture(TRACES.request);
    let words = ["idle", &server.address, &file, &connections];
    let mut load = command(cores.others.as_deref(), "bench-load", &words);
    let mut load = Process::start("idle", folder, &mut load)?;
    let idle = load.ready("idle")?;
    if idle["failures"].as_u64() != Some(0) {
        bail!("calls failed: {idle}");
    }
    pause(SETTLE);
    let after = Usage::of(&server.process)?.resident_bytes;
    load.stop()?;
    Ok(Idle {
        system,
        before,
        after,
    })
}

impl Idle {
    fn each(&self) -> f64 {
        (self.after - self.before) / f64::from(CONNECTIONS)
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "system": self.system,
            "connections": CONNECTIONS,
            "resident_before_bytes": self.before,
            "resident_after_bytes": self.after,
            "bytes_a_connection": self.each(),
            "target_bytes": TARGET_BYTES,
        })
    }

    pub(super) fn markdown(all: &[Self]) -> String {
        let mut text = format!(
            "{CONNECTIONS} idle connections, each after one call; at most {:.0} MB in all:\n\n\
             | system | RSS before MiB | RSS after MiB | bytes per connection | target |\n|---|---|---|---|---|\n",
            TARGET_BYTES / 1e6
        );
        for idle in all {
            let met = idle.after - idle.before <= TARGET_BYTES;
            text.push_str(&format!(
                "| {} | {:.1} | {:.1} | {:.0} | {} |\n",
                idle.system,
                mib(idle.before),
                mib(idle.after),
                idle.each(),
                if met { "met" } else { "MISSED" },
            ));
        }
        text
    }
}
