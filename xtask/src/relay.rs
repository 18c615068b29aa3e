//! One address for several servers, as a Service is: each connection goes to the next that answers, and does not live long, so
//! that a client with keep-alive meets all of them.

use crate::fail::Outcome;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Longer than an answer takes, shorter than a scrape interval.
const LIFE: Duration = Duration::from_millis(900);

/// Runs until it is dropped.
pub(crate) struct Relay {
    address: String,
    ended: Arc<AtomicBool>,
}

impl Relay {
    pub(crate) fn start(targets: Vec<String>) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let ended = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&ended);
        let turn = AtomicUsize::new(0);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let first = turn.fetch_add(1, Ordering::Relaxed);
                let mut order = (0..targets.len()).map(|n| &targets[(first + n) % targets.len()]);
                if let Some(server) = order.find_map(|target| TcpStream::connect(target).ok()) {
                    thread::spawn(move || join(&client, &server));
                }
            }
        });
        Ok(Self { address, ended })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes whoever waits for a connection.
        let _woken = TcpStream::connect(&self.address).is_ok();
    }
}

fn join(client: &TcpStream, server: &TcpStream) {
    thread::scope(|scope| {
        scope.spawn(|| copy(client, server));
        scope.spawn(|| copy(server, client));
        crate::process::pause(LIFE);
        for end in [client, server] {
            let _ended = end.shutdown(Shutdown::Both).is_ok();
        }
    });
}

fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    let _copied = io::copy(&mut from, &mut to).is_ok();
}
