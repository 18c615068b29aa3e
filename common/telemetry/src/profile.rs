//! What a running process can be asked for when it is switched on: a CPU profile, and what the kernel says of its memory.
//!
//! A profile interrupts whatever runs on a CPU 99 times a second and notes where it is; nothing is paid while none is made.
//! Samples within the C library and the unwinder are left out, as they may hold locks that unwinding needs.
//!
//! *Invariant:* one at a time, for a bounded time; a caller that goes away ends it.

use crate::admin::{Admin, Page, Query};
use crate::process;
use pprof::{ProfilerGuard, ProfilerGuardBuilder};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

mod encode;
#[cfg(test)]
mod tests;

/// Samples a second of CPU time. No divisor of the round numbers at which timers of ours go off.
const FREQUENCY: i32 = 99;
/// Where a sample would be a danger.
const LEFT_OUT: [&str; 4] = ["libc", "libgcc", "pthread", "vdso"];
/// How long a profile may take, in seconds.
const SECONDS: RangeInclusive<u64> = 1..=300;
/// How long it takes unless the caller says.
const USUAL_SECONDS: u64 = 30;

/// Adds the pages.
#[must_use]
pub fn pages(admin: Admin) -> Admin {
    let place = Arc::new(Semaphore::new(1));
    let cpu = move |query: Query| {
        let place = Arc::clone(&place);
        async move { cpu(&query, &place).await }
    };
    admin
        .slow_page("/debug/pprof/profile", cpu)
        .page("/debug/memory", memory)
}

async fn cpu(query: &Query, place: &Semaphore) -> Page {
    let seconds = match seconds(query) {
        Ok(seconds) => seconds,
        Err(mistake) => return Page::text(mistake).with_status(400),
    };
    let Ok(_place) = place.try_acquire() else {
        return Page::text("a profile is being made: try again when it is ready\n")
            .with_status(429);
    };
    match profile(Duration::from_secs(seconds)).await {
        Ok(bytes) => Page {
            content_type: "application/octet-stream".into(),
            body: bytes.into(),
            ..Page::text("")
        },
        Err(error) => Page::text(format!("no profile: {error}\n")).with_status(500),
    }
}

fn seconds(query: &Query) -> Result<u64, String> {
    let Some(said) = query.get("seconds") else {
        return Ok(USUAL_SECONDS);
    };
    let seconds = said
        .parse()
        .ok()
        .filter(|seconds| SECONDS.contains(seconds));
    let (least, most) = (SECONDS.start(), SECONDS.end());
    seconds.ok_or_else(|| format!("seconds is a whole number from {least} to {most}\n"))
}

/// A profile in pprof's format, compressed as its tools expect it.
async fn profile(time: Duration) -> Result<Vec<u8>, String> {
    let start = || {
        ProfilerGuardBuilder::default()
            .frequency(FREQUENCY)
            .blocklist(&LEFT_OUT)
            .build()
    };
    // The first one reads the process's map.
    let guard = spawn_blocking(start)
        .await
        .map_err(|error| error.to_string())?;
    let guard = guard.map_err(|error| error.to_string())?;
    tokio::time::sleep(time).await;
    // Names are read from debug information, which takes its time.
    let encoded = spawn_blocking(move || encoded(&guard)).await;
    encoded.map_err(|error| error.to_string())?
}

fn encoded(guard: &ProfilerGuard<'_>) -> Result<Vec<u8>, String> {
    let report = guard.report().build();
    // The tables that names were read from are many times what the process has otherwise.
    backtrace::clear_symbol_cache();
    let report = report.map_err(|error| error.to_string())?;
    encode::gzip(&encode::encode(&report)).map_err(|error| error.to_string())
}

fn memory() -> Page {
    match process::memory() {
        // Numbers only: it has a JSON form.
        Some(memory) => Page::json(serde_json::to_string_pretty(&memory).unwrap_or_default()),
        None => Page::text("/proc/self/status cannot be read\n").with_status(500),
    }
}
