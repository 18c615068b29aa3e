//! An application behind a sidecar, and bounded traffic towards it.

use crate::fail::{Outcome, bail};
use crate::process::pause;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const BODY: &str = "hello from demo-app\n";

/// Serves HTTP/1.1 on an address of this machine until the process ends; gives the port. `/err...` answers 500, `/notfound...` 404.
pub(crate) fn application(address: &str) -> Outcome<u16> {
    let listener = TcpListener::bind((address, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || serve(stream));
        }
    });
    Ok(port)
}

fn serve(stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let first = read_head(&mut reader)?;
        let status = match first.split(' ').nth(1)? {
            path if path.starts_with("/err") => "500 Internal Server Error",
            path if path.starts_with("/notfound") => "404 Not Found",
            _ => "200 OK",
        };
        let length = BODY.len();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{BODY}");
        writer.write_all(answer.as_bytes()).ok()?;
    }
}

/// Reads up to the empty line and gives the first one.
fn read_head(reader: &mut impl BufRead) -> Option<String> {
    let mut first = String::new();
    reader
        .read_line(&mut first)
        .ok()
        .filter(|&bytes| bytes > 0)?;
    let mut line = String::new();
    while reader
        .read_line(&mut line)
        .ok()
        .filter(|&bytes| bytes > 0)?
        > 2
    {
        line.clear();
    }
    Some(first)
}

/// Traffic: `requests` at `rate` a second over a few keep-alive connections.
pub(crate) struct Traffic {
    pub(crate) requests: usize,
    pub(crate) rate: f64,
    /// Part of each request's id, `rid-<tag>-<n>-end`, which is in its path and so in its spans and records. (As
    /// `x-request-id` it would not do: Envoy keeps its decision to trace in there.)
    pub(crate) tag: &'static str,
}

impl Traffic {
    /// The id of the n-th request.
    pub(crate) fn id(&self, n: usize) -> String {
        format!("rid-{}-{n}-end", self.tag)
    }

    /// Sends all of it and fails if a request was not answered.
    pub(crate) fn send(&self, port: u16) -> Outcome {
        const CONNECTIONS: usize = 4;
        let (next, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let start = Instant::now();
        thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| self.connection(port, start, &next, &answered));
            }
        });
        let answered = answered.into_inner();
        if answered != self.requests {
            bail!(
                "{answered} of {} requests through the sidecars were answered",
                self.requests
            );
        }
        Ok(())
    }

    fn connection(
        &self,
        port: u16,
        start: Instant,
        next: &AtomicUsize,
        answered: &AtomicUsize,
    ) -> Option<()> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        // Pieces that wait for each other's acknowledgement would halve the rate.
        stream.set_nodelay(true).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .ok()?;
        let mut writer = stream.try_clone().ok()?;
        let mut reader = BufReader::new(stream);
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= self.requests {
                return Some(());
            }
            #[expect(clippy::cast_precision_loss, reason = "a few thousand requests")]
            let due = start + Duration::from_secs_f64(n as f64 / self.rate);
            pause(due.saturating_duration_since(Instant::now()));
            let path = match n % 10 {
                8 => "/notfound",
                9 => "/err",
                _ => "/ok/items",
            };
            let id = self.id(n);
            let request = format!(
                "GET {path}/{id}?page=2 HTTP/1.1\r\nhost: demo-app.kong-mesh-demo.svc:5050\r\n\
                 user-agent: demo-client/1.0\r\nx-forwarded-for: 10.42.0.17\r\n\r\n"
            );
            writer.write_all(request.as_bytes()).ok()?;
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader
                    .read_line(&mut line)
                    .ok()
                    .filter(|&bytes| bytes > 0)?;
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().ok()?;
                }
                if line == "\r\n" {
                    break;
                }
            }
            let mut body = vec![0; length];
            std::io::Read::read_exact(&mut reader, &mut body).ok()?;
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}
