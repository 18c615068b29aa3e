//! The receiver's pages on the admin server: readiness, metrics, ledger, supervisor.
//!
//! *Invariant:* reads only; gauges are brought up to date when somebody looks.

use crate::link::{self, Facts};
use crate::metrics::{self, SignalCounts, publish_budget, publish_max_connections, publish_parked};
use crate::otelcol_names;
use crate::shard::Shared;
use penstock_batcher::ledger::Line;
use penstock_metrics::describe;
use penstock_otlp::Signal;
use penstock_runtime::Phase;
use penstock_telemetry::admin::{Admin, Page};
use penstock_telemetry::{Process, Recorder};
use serde::Serialize;
use tokio::sync::watch;

/// `/ledger`: both sides of the ack.
#[derive(Serialize)]
struct LedgerPage {
    /// Left of it, per signal.
    signals: Vec<SignalCounts>,
    /// Right of it, per signal, pipeline and exporter.
    lines: Vec<Line>,
}

/// `/supervisor`: who runs this process, if anybody does, and which process this is.
#[derive(Serialize)]
struct SupervisorPage {
    worker: u32,
    supervisor: Option<Facts>,
}

/// The admin server's pages.
pub(crate) fn admin(
    shared: &Shared,
    recorder: Option<Recorder>,
    supervisor: Option<watch::Receiver<Facts>>,
) -> Admin {
    let drain = shared.drain.clone();
    // Listeners are bound and shards run before this server answers at all.
    let admin = Admin::new().ready(move || match drain.phase() {
        Phase::Running => Ok(()),
        phase => Err(format!("draining: {}", phase.name())),
    });
    let ledger = shared.clone();
    let admin = admin.page("/ledger", move || ledger_page(&ledger));
    let facts = supervisor.clone();
    let admin = admin.page("/supervisor", move || {
        json(&SupervisorPage {
            worker: std::process::id(),
            supervisor: facts.as_ref().map(|facts| facts.borrow().clone()),
        })
    });
    let Some(recorder) = recorder else {
        return admin;
    };
    let recorder = recorder.spelled(
        shared
            .process
            .spelling(&shared.plan.settings.penstock.telemetry),
    );
    describe(metrics::METRICS);
    describe(link::METRICS);
    otelcol_names::describe();
    Process::describe();
    let shared = shared.clone();
    admin.page("/metrics", move || {
        publish(&shared);
        if let Some(facts) = &supervisor {
            facts.borrow().publish();
        }
        recorder.page()
    })
}

fn ledger_page(shared: &Shared) -> Page {
    let page = LedgerPage {
        signals: Signal::ALL.map(|signal| shared.counts.of(signal)).into(),
        lines: shared.ledger.lines(),
    };
    json(&page)
}

fn json(page: &impl Serialize) -> Page {
    match serde_json::to_string_pretty(page) {
        Ok(json) => Page::json(json),
        Err(error) => Page::text(error.to_string()).with_status(500),
    }
}

fn publish(shared: &Shared) {
    shared.counts.publish();
    shared.ledger.publish();
    for signal in Signal::ALL {
        if let Some(budget) = &shared.budgets[signal.index()] {
            let held = &budget.held;
            publish_budget(signal, held.used(), held.limit(), held.waiting());
        }
    }
    publish_parked(shared.parked.used(), shared.parked.waiting());
    publish_max_connections(shared.plan.settings.penstock.max_connections);
    otelcol_names::publish(shared);
    shared.process.publish();
}
