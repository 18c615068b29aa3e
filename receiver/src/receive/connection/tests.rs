//! How connections live and end, with a stand-in for hyper's and paused time.

use super::*;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use tokio::time::Instant;

const LIFE: Life = Life {
    first_byte: Duration::from_secs(10),
    head: Duration::from_secs(5),
    idle: Duration::from_secs(60),
    age: Some(Duration::from_secs(600)),
    grace: Duration::from_secs(30),
};

/// Ends as soon as it is asked to, if it is idle.
#[derive(Default)]
struct Connection {
    asked: bool,
    busy: Arc<AtomicBool>,
    waker: Option<Waker>,
}

impl Connection {
    fn end(mut self: Pin<&mut Self>) {
        self.asked = true;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Future for Connection {
    type Output = Result<(), Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.waker = Some(cx.waker().clone());
        if self.asked && !self.busy.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }
}

/// How long a connection lived.
async fn lived(activity: &Activity, life: Life, drain: &Drain, busy: bool) -> Duration {
    let connection = Connection {
        busy: Arc::new(busy.into()),
        ..Connection::default()
    };
    let start = Instant::now();
    live(connection, Connection::end, activity, &life, drain).await;
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn one_that_sends_nothing_is_closed_soon() {
    let lived = lived(&Activity::new(Instant::now()), LIFE, &Drain::new(), false).await;
    assert_eq!(lived, LIFE.first_byte);
}

#[tokio::test(start_paused = true)]
async fn one_that_never_ends_its_head_is_closed_soon() {
    let activity = Activity::new(Instant::now());
    activity.bytes();
    assert_eq!(
        lived(&activity, LIFE, &Drain::new(), false).await,
        LIFE.head
    );
}

#[tokio::test(start_paused = true)]
async fn a_first_head_has_its_time_from_the_beginning() {
    let activity = Activity::new(Instant::now());
    tokio::time::advance(LIFE.head / 2).await;
    activity.bytes();
    assert_eq!(
        lived(&activity, LIFE, &Drain::new(), false).await,
        LIFE.head / 2
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_has_called_may_be_idle_for_longer() {
    let activity = Activity::new(Instant::now());
    activity.bytes();
    drop(activity.call(true));
    assert_eq!(
        lived(&activity, LIFE, &Drain::new(), false).await,
        LIFE.idle
    );
    activity.bytes();
    assert_eq!(
        lived(&activity, LIFE, &Drain::new(), false).await,
        LIFE.head
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_in_flight_is_not_idleness() {
    let activity = Activity::new(Instant::now());
    let _call = activity.call(false);
    let life = Life {
        age: Some(Duration::from_secs(1000)),
        ..LIFE
    };
    let lived = lived(&activity, life, &Drain::new(), false).await;
    assert!(lived >= Duration::from_secs(900), "{lived:?}");
}

#[tokio::test(start_paused = true)]
async fn ages_are_spread_by_a_tenth() {
    let life = Life {
        idle: Duration::from_secs(6000),
        grace: Duration::ZERO,
        ..LIFE
    };
    let mut ages = Vec::new();
    for _ in 0..50 {
        let activity = Activity::new(Instant::now());
        drop(activity.call(false));
        ages.push(lived(&activity, life, &Drain::new(), false).await);
    }
    let (least, most) = (ages.iter().min().unwrap(), ages.iter().max().unwrap());
    assert!(*least >= Duration::from_secs(539) && *most <= Duration::from_secs(661));
    assert!(
        *most - *least > Duration::from_secs(20),
        "{least:?} {most:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn calls_in_flight_have_the_grace_and_no_longer() {
    let activity = Activity::new(Instant::now());
    let _call = activity.call(false);
    let drain = Drain::new();
    drain.begin(Duration::from_secs(100));
    assert_eq!(lived(&activity, LIFE, &drain, true).await, LIFE.grace);
}

#[tokio::test(start_paused = true)]
async fn http1_is_told_with_an_answer_before_it_is_closed() {
    let activity = Activity::new(Instant::now());
    drop(activity.call(true));
    let drain = Drain::new();
    drain.begin(Duration::from_secs(100));
    assert_eq!(lived(&activity, LIFE, &drain, false).await, HTTP1_FAREWELL);
    assert!(activity.closes_after_answer());
}

#[tokio::test(start_paused = true)]
async fn one_made_while_draining_may_make_its_first_call() {
    let drain = Drain::new();
    drain.begin(Duration::from_secs(100));
    assert_eq!(
        lived(&Activity::new(Instant::now()), LIFE, &drain, false).await,
        FIRST_CALL
    );
}
