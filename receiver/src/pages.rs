//! The receiver's pages on the admin server: readiness, metrics, ledger, supervisor.
//!
//! *Invariant:* reads only; gauges are brought up to date when somebody looks.

use crate::link::{self, Facts};
use crate::metrics::{self, SignalCounts, publish_budget, publish_max_connections, publish_parked};
use crate::otelcol_names;
use crate::shard::Shared;
use penstock_batcher::health::Health;
use penstock_batcher::ledger::Line;
use penstock_metrics::describe;
use penstock_otlp::Signal;
use penstock_telemetry::admin::{Admin, Page, Query};
use penstock_telemetry::{Process, Recorder, profile};
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
    // Listeners are bound and shards run before this server answers at all.
    let (ready, alive, health) = (shared.clone(), shared.clone(), shared.clone());
    let admin = Admin::new()
        .ready(move || ready.ready())
        .alive(move || alive.alive())
        .page_for("/healthz", move |query| health_page(&health, query));
    let ledger = shared.clone();
    let admin = admin.page("/ledger", move || ledger_page(&ledger));
    let facts = supervisor.clone();
    let admin = admin.page("/supervisor", move || {
        json(&SupervisorPage {
            worker: std::process::id(),
            supervisor: facts.as_ref().map(|facts| facts.borrow().clone()),
        })
    });
    let admin = if shared.plan.settings.penstock.telemetry.profiles {
        profile::pages(admin)
    } else {
        admin
    };
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

/// `/healthz?verbose`: this process, and each exporter as this process sees it.
#[derive(Serialize)]
struct HealthPage {
    /// `ok`, or why it does not accept.
    status: String,
    exporters: Vec<Health>,
}

/// An exporter that fails does not make this process unhealthy: what is for it is kept, and to end this process would help
/// nobody.
fn health_page(shared: &Shared, query: &Query) -> Page {
    let ready = shared.alive().and_then(|()| shared.ready());
    let code = if ready.is_ok() { 200 } else { 503 };
    let status = ready.err().unwrap_or_else(|| "ok".to_owned());
    if query.get("verbose").is_none() {
        return Page::text(format!("{status}\n")).with_status(code);
    }
    let exporters = shared.ledger.health();
    json(&HealthPage { status, exporters }).with_status(code)
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
