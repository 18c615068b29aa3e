//! `--demo`: two real Envoy sidecars as Kuma configures them, an application and steady traffic.

use crate::envoy::{Route, Sidecars};
use crate::fail::Outcome;
use crate::mesh::{self, Traffic};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// Requests a second.
const RATE: f64 = 100.0;

/// A running demonstration.
pub(crate) struct Demo {
    sidecars: Sidecars,
    stopping: Arc<AtomicBool>,
    traffic: JoinHandle<()>,
}

impl Demo {
    pub(crate) fn start(folder: &Path, collector: u16) -> Outcome<Self> {
        let sidecars = Sidecars::start(
            folder,
            &Route::Direct { port: collector },
            mesh::application("127.0.0.1")?,
        )?;
        println!(
            "demo: two Envoy sidecars and {RATE} requests a second on 127.0.0.1:{}",
            sidecars.outbound
        );
        let stopping = Arc::new(AtomicBool::new(false));
        let (stop, port) = (Arc::clone(&stopping), sidecars.outbound);
        let traffic = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                if let Err(error) = (Traffic {
                    requests: 100,
                    rate: RATE,
                    tag: "demo",
                })
                .send(port)
                {
                    if !stop.load(Ordering::Relaxed) {
                        eprintln!("demo: {error}");
                    }
                    return;
                }
            }
        });
        Ok(Self {
            sidecars,
            stopping,
            traffic,
        })
    }

    pub(crate) fn stop(self) -> Outcome {
        self.stopping.store(true, Ordering::Relaxed);
        let _ended = self.traffic.join().is_ok();
        self.sidecars.stop()
    }
}
