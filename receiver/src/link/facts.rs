//! What a supervisor tells of itself, and how its worker shows it: a supervisor serves nothing.

use metrics::{counter, describe_counter, describe_gauge, gauge};
use serde::{Deserialize, Serialize};

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
        counter!("penstock_supervisor_worker_restarts_total").absolute(self.restarts);
        counter!("penstock_supervisor_reloads_total").absolute(self.reloads);
        counter!("penstock_supervisor_reload_failures_total").absolute(self.reload_failures);
        let faulty = u8::from(self.configuration_fault.is_some());
        gauge!("penstock_supervisor_configuration_faulty").set(faulty);
    }

    /// Tells the recorder what each of them means.
    pub(crate) fn describe() {
        describe_counter!(
            "penstock_supervisor_worker_restarts_total",
            "Workers that took the place of one that had ended unasked."
        );
        describe_counter!(
            "penstock_supervisor_reloads_total",
            "Configurations that took the place of another."
        );
        describe_counter!(
            "penstock_supervisor_reload_failures_total",
            "Configurations that could not be used."
        );
        describe_gauge!(
            "penstock_supervisor_configuration_faulty",
            "1 when what is in the files cannot be used and an older configuration runs."
        );
    }
}
