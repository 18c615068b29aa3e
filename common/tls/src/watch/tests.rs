//! Looks that fail, and looks that come after.

use super::*;
use metrics_exporter_prometheus::PrometheusBuilder;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::runtime::Builder;
use tokio::sync::Notify;

type Look = fn() -> Result<bool, String>;

/// What each look finds, the last first; then always the same.
struct Scripted {
    looks: Mutex<Vec<Look>>,
    then: Look,
    /// A look after the script has been counted.
    done: Notify,
    after: AtomicBool,
}

impl Watched for Arc<Scripted> {
    fn setting(&self) -> &'static str {
        "port.tls"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn look(&self) -> Result<bool, String> {
        let next = self.looks.lock().map(|mut looks| looks.pop());
        match next.ok().flatten() {
            Some(look) => look(),
            None => {
                if self.after.swap(true, Ordering::Relaxed) {
                    self.done.notify_one();
                }
                (self.then)()
            }
        }
    }
}

/// Looks so often, and then at least once more.
async fn watched_through(looks: Vec<Look>, then: Look) {
    let scripted = Arc::new(Scripted {
        looks: Mutex::new(looks),
        then,
        done: Notify::new(),
        after: AtomicBool::new(false),
    });
    let watched: Arc<dyn Watched> = Arc::new(Arc::clone(&scripted));
    tokio::select! {
        () = watch(watched) => unreachable!("it looks for ever"),
        () = scripted.done.notified() => {}
    }
    assert!(scripted.looks.lock().unwrap().is_empty());
}

/// The metrics after such looks.
fn counted(looks: Vec<Look>, then: Look) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    ::metrics::with_local_recorder(&recorder, || {
        runtime.block_on(watched_through(looks, then));
    });
    handle.render()
}

const FAULT: Look = || Err("cut off".to_owned());
const SAME: Look = || Ok(false);

#[tokio::test(start_paused = true)]
async fn a_look_that_panics_is_not_the_last() {
    watched_through(vec![|| Ok(true), || panic!("at this file")], SAME).await;
}

#[test]
fn looks_are_counted_by_what_they_find_and_a_fault_stands_until_it_is_mended() {
    let mended = counted(vec![|| Ok(true), FAULT, FAULT], SAME);
    for line in [
        "penstock_files_reloads_total{setting=\"port.tls\",result=\"used\"} 1",
        "penstock_files_reloads_total{setting=\"port.tls\",result=\"faulty\"} 2",
        "penstock_files_faulty{setting=\"port.tls\"} 0",
    ] {
        assert!(mended.contains(line), "{mended}");
    }
    let broken = counted(vec![|| Ok(true)], FAULT);
    let line = "penstock_files_faulty{setting=\"port.tls\"} 1";
    assert!(broken.contains(line), "{broken}");
}
