//! What a supervisor tells of itself, and how its worker shows it: a supervisor serves nothing.

use metrics::{counter, gauge};
use penstock_metrics::{Metric, Unit};
use serde::{Deserialize, Serialize};

const RESTARTS: Metric = Metric::counter(
    "penstock_supervisor_worker_restarts_total",
    Unit::One,
    &[],
    "Workers that took the place of one that had ended unasked.",
);
const RELOADS: Metric = Metric::counter(
    "penstock_supervisor_reloads_total",
    Unit::One,
    &[],
    "Configurations that took the place of another.",
);
const RELOAD_FAILURES: Metric = Metric::counter(
    "penstock_supervisor_reload_failures_total",
    Unit::One,
    &[],
    "Configurations that could not be used.",
);
const FAULTY: Metric = Metric::gauge(
    "penstock_supervisor_configuration_faulty",
    Unit::One,
    &[],
    "1 when what is in the files cannot be used and an older configuration runs: alert on this.",
);

/// All of them.
pub(crate) const METRICS: &[Metric] = &[RESTARTS, RELOADS, RELOAD_FAILURES, FAULTY];

/// What is known of the supervisor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Facts {
    /// Its process id.
    pub(crate) pid: u32,
    /// Workers that took the place of one that had ended unasked.
    pub(crate) restarts: u64,
    /// Configurations that took the place of another.
    pub(crate) reloads: u64,
    /// Configurations that could not be used.
    pub(crate) reload_failures: u64,
    /// Why what is in the files now is not what runs.
    pub(crate) configuration_fault: Option<String>,
}

impl Facts {
    /// Hands them to the process's recorder.
    pub(crate) fn publish(&self) {
        counter!(RESTARTS.name).absolute(self.restarts);
        counter!(RELOADS.name).absolute(self.reloads);
        counter!(RELOAD_FAILURES.name).absolute(self.reload_failures);
        let faulty = u8::from(self.configuration_fault.is_some());
        gauge!(FAULTY.name).set(faulty);
    }
}
