//! The life of one HTTP connection: how long it may be silent, idle and old, and how it is told to go away.
//!
//! *Invariant:* a call that has begun is never cut off before the grace has passed, and a sender that keeps to its
//! protocol loses nothing by being told to go: HTTP/2 gets GOAWAY, HTTP/1 gets `connection: close` with an answer.

mod activity;
mod stream;

#[cfg(test)]
mod tests;

pub(crate) use activity::Activity;
use penstock_runtime::{Drain, Phase};
use penstock_settings::HttpServer;
use std::fmt::Display;
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;
pub(crate) use stream::Stream;
use tokio::time::{sleep, timeout};

/// How far ages are spread, so that connections made together do not come back together.
const AGE_JITTER: f64 = 0.1;
/// How long an idle HTTP/1 connection is left to learn from its next answer that it ends. Longer than the 5 s after which
/// a sidecar flushes what it has.
const HTTP1_FAREWELL: Duration = Duration::from_secs(6);
/// How long a new connection may take to make its first call before it is told to go.
pub(crate) const FIRST_CALL: Duration = Duration::from_secs(1);
/// For the GOAWAY to reach one that is stuck.
const STUCK_GRACE: Duration = Duration::from_millis(100);

/// How long a connection may live, by what it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    /// Without a single byte, from when it was accepted.
    pub(crate) first_byte: Duration,
    /// Within the head of a request (HTTP/1), or from when it was accepted to its first request.
    pub(crate) head: Duration,
    /// Between calls.
    pub(crate) idle: Duration,
    /// In all.
    pub(crate) age: Option<Duration>,
    /// For what is in flight at that age.
    pub(crate) grace: Duration,
}

impl Life {
    /// As the settings say.
    pub(crate) fn of(http: &HttpServer) -> Self {
        Self {
            first_byte: http.read_header_timeout.min(http.idle_timeout),
            head: http.read_header_timeout,
            idle: http.idle_timeout,
            age: http.keepalive.max_connection_age,
            grace: http.keepalive.max_connection_age_grace,
        }
    }
}

/// Why a connection has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Age,
    Drain,
    Idle,
    /// It has begun something and does not go on.
    Stuck,
}

/// Runs a connection to its end. `end` asks it to end as soon as its calls have ended.
pub(crate) async fn live<C, E>(
    connection: C,
    end: impl FnOnce(Pin<&mut C>),
    activity: &Activity,
    life: &Life,
    drain: &Drain,
) where
    C: Future<Output = Result<(), E>>,
    E: Display,
{
    let mut connection = pin!(connection);
    let over = async {
        tokio::select! {
            () = old(life.age) => Over::Age,
            () = drain.reached(Phase::Closing) => Over::Drain,
            over = activity.quiet(life) => over,
        }
    };
    let over = tokio::select! {
        ended = connection.as_mut() => return log_end(ended),
        over = over => over,
    };
    tracing::debug!(?over, "connection has to go");
    let farewell = async {
        // Before the first call we do not know which protocol it speaks, and a sender that has just connected is
        // about to send.
        if !activity.has_called() {
            let _called = timeout(FIRST_CALL, activity.first_call()).await.is_ok();
        }
        if activity.is_http1() {
            activity.close_after_answer();
            sleep(HTTP1_FAREWELL.min(life.grace)).await;
        }
    };
    if matches!(over, Over::Age | Over::Drain) {
        tokio::select! {
            ended = connection.as_mut() => return log_end(ended),
            () = farewell => {}
        }
    }
    end(connection.as_mut());
    let grace = if over == Over::Stuck {
        STUCK_GRACE.min(life.grace)
    } else {
        life.grace
    };
    tokio::select! {
        ended = connection.as_mut() => log_end(ended),
        () = sleep(grace) => tracing::debug!("connection cut off after its grace"),
        // From here on the log takes nothing: no answer could be an ack.
        () = drain.reached(Phase::Flushing) => {}
    }
}

async fn old(age: Option<Duration>) {
    match age {
        None => std::future::pending().await,
        Some(age) => {
            let spread = 1.0 - AGE_JITTER + 2.0 * AGE_JITTER * fastrand::f64();
            sleep(age.mul_f64(spread)).await;
        }
    }
}

fn log_end(ended: Result<(), impl Display>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
