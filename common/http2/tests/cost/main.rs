//! What a call costs, counted and not timed: allocations, wake-ups and polls of the connection's task, reads and writes. And the
//! memory of a connection that has none.
//!
//! Everything runs on the test's thread and without a reactor: the test says when bytes are there, and polls when the
//! connection asked for it. So each run counts the same.
//!
//! *Does not* count what a socket, a runtime or the stages behind a call cost.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic with a message is how a test fails"
)]

mod client;

use std::{
    cell::RefCell,
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use client::{Client, DATA, END_STREAM, MESSAGE, Wire};
use penstock_http2::{Block, Body, Head, Response, Service};
use tokio::runtime::{Builder, Runtime};

/// Counted, after as many that are not.
const CALLS: u32 = 4096;
/// Calls at a time, where there are many.
const TOGETHER: u32 = 32;
/// What one call costs, on average.
#[derive(Debug)]
struct Cost {
    allocations: f64,
    wakeups: f64,
    polls: f64,
    reads: f64,
    writes: f64,
}

impl Cost {
    /// What `CALLS` calls cost, made by rounds of some.
    fn of(client: &mut Client, calls_a_round: u32, mut round: impl FnMut(&mut Client)) -> Self {
        let mut rounds = |client: &mut Client| {
            for _ in 0..CALLS / calls_a_round {
                round(client);
                assert_eq!(client.answers(), calls_a_round);
            }
        };
        rounds(client);
        let before = client.count();
        let allocations = allocation_counter::measure(|| rounds(client)).count_total;
        let after = client.count();
        let each = |count: u64| count as f64 / f64::from(CALLS);
        let [wakeups, polls, reads, writes] = [0, 1, 2, 3].map(|n| each(after[n] - before[n]));
        Self {
            allocations: each(allocations),
            wakeups,
            polls,
            reads,
            writes,
        }
    }

    #[track_caller]
    fn at_most(&self, most: &Self) {
        let of = |cost: &Self| {
            let Self {
                allocations,
                wakeups,
                polls,
                reads,
                writes,
            } = *cost;
            [allocations, wakeups, polls, reads, writes]
        };
        println!("{self:?}");
        let within = of(self)
            .into_iter()
            .zip(of(most))
            .all(|(is, most)| is <= most);
        assert!(within, "{self:?}, at most {most:?}");
    }
}

/// Clocks for the connection's timers. They stand still.
fn clocks() -> Runtime {
    let mut runtime = Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap()
}

/// Takes the body whole and answers as gRPC does.
fn answer() -> impl Fn() -> Response + Clone {
    let headers = Block::response(200).field("content-type", b"application/grpc");
    let trailers = Block::trailers().field("grpc-status", b"0");
    let (headers, trailers) = (headers.build(), trailers.build());
    move || {
        Response::unary(
            headers.clone(),
            Bytes::from_static(&[0; 5]),
            trailers.clone(),
        )
    }
}

fn takes_and_answers() -> impl Service {
    let answer = answer();
    move |_head: Head, mut body: Body| {
        let answer = answer.clone();
        async move {
            assert_eq!(body.collect(1 << 20).await.unwrap().len(), MESSAGE.len());
            answer()
        }
    }
}

#[test]
fn a_call_alone_costs_a_wakeup_a_read_a_write_and_next_to_no_allocation() {
    let clocks = clocks();
    let _entered = clocks.enter();
    let cost = Cost::of(&mut Client::connect(takes_and_answers()), 1, |client| {
        client.call();
        client.arrive();
    });
    cost.at_most(&Cost {
        allocations: 0.01,
        wakeups: 1.0,
        polls: 1.0,
        reads: 1.0,
        writes: 1.0,
    });
}

#[test]
fn a_head_that_is_another_each_time_costs_a_handful_of_allocations() {
    let clocks = clocks();
    let _entered = clocks.enter();
    let cost = Cost::of(&mut Client::connect(takes_and_answers()), 1, |client| {
        let id = client.headers_with_timeout();
        client.frame(DATA, END_STREAM, id, &MESSAGE);
        client.arrive();
    });
    cost.at_most(&Cost {
        allocations: 4.0,
        wakeups: 1.0,
        polls: 1.0,
        reads: 1.0,
        writes: 1.0,
    });
}

#[test]
fn calls_that_come_together_share_wakeup_reads_and_write() {
    let clocks = clocks();
    let _entered = clocks.enter();
    let cost = Cost::of(
        &mut Client::connect(takes_and_answers()),
        TOGETHER,
        |client| {
            for _ in 0..TOGETHER {
                client.call();
            }
            client.arrive();
        },
    );
    cost.at_most(&Cost {
        allocations: 0.01,
        // They fill three buffers, and others get their turn after each.
        wakeups: 3.0 / 32.0,
        polls: 3.0 / 32.0,
        reads: 3.0 / 32.0,
        writes: 3.0 / 32.0,
    });
}

#[test]
fn a_body_in_pieces_wakes_nothing_but_its_own_connection() {
    let clocks = clocks();
    let _entered = clocks.enter();
    let cost = Cost::of(&mut Client::connect(takes_and_answers()), 1, |client| {
        let id = client.headers();
        client.arrive();
        let (first, second) = MESSAGE.split_at(1000);
        client.frame(DATA, 0, id, first);
        client.arrive();
        client.frame(DATA, END_STREAM, id, second);
        client.arrive();
    });
    cost.at_most(&Cost {
        allocations: 2.2,
        wakeups: 3.0,
        polls: 3.0,
        reads: 3.0,
        writes: 1.0,
    });
}

#[test]
fn a_connection_at_rest_keeps_little_memory() {
    let clocks = clocks();
    let _entered = clocks.enter();
    let make_calls = |client: &mut Client| {
        for _ in 0..TOGETHER {
            client.call();
        }
        client.arrive();
        assert_eq!(client.answers(), TOGETHER);
    };
    // The thread's read buffer is not the connection's.
    make_calls(&mut Client::connect(takes_and_answers()));
    let wire = Wire::new();
    let mut kept_alive = None;
    let made = allocation_counter::measure(|| {
        let mut client = Client::connect_over(wire, takes_and_answers());
        // The second time it was at rest before.
        for _ in 0..2 {
            make_calls(&mut client);
            clocks.block_on(tokio::time::advance(Duration::from_millis(150)));
            client.run();
        }
        kept_alive = Some(client);
    });
    println!("{} bytes", made.bytes_current);
    assert!(
        made.bytes_current <= 3 << 10,
        "{} bytes",
        made.bytes_current
    );
}

/// What calls wait for.
#[derive(Default)]
struct Gate {
    open: bool,
    waiting: Vec<Waker>,
}

#[test]
fn calls_that_are_let_go_together_cost_one_wakeup_and_leave_in_one_write() {
    let clocks = clocks();
    let _entered = clocks.enter();
    let gate = Rc::new(RefCell::new(Gate::default()));
    gate.borrow_mut().waiting.reserve(TOGETHER as usize);
    let (held, answer) = (Rc::clone(&gate), answer());
    let service = move |_head: Head, mut body: Body| {
        let (held, answer) = (Rc::clone(&held), answer.clone());
        async move {
            poll_fn(|cx| {
                let mut gate = held.borrow_mut();
                if gate.open {
                    return Poll::Ready(());
                }
                gate.waiting.push(cx.waker().clone());
                Poll::Pending
            })
            .await;
            assert_eq!(body.collect(1 << 20).await.unwrap().len(), MESSAGE.len());
            answer()
        }
    };
    let mut client = Client::connect(service);
    let cost = Cost::of(&mut client, TOGETHER, |client| {
        gate.borrow_mut().open = false;
        for _ in 0..TOGETHER {
            client.call();
        }
        client.arrive();
        assert_eq!(client.answers(), 0);
        gate.borrow_mut().open = true;
        let before = client.count();
        for waker in gate.borrow_mut().waiting.drain(..) {
            waker.wake();
        }
        client.run();
        let after = client.count();
        assert_eq!([0, 1, 3].map(|n| after[n] - before[n]), [1, 1, 1]);
    });
    cost.at_most(&Cost {
        allocations: 1.1,
        wakeups: 4.0 / 32.0,
        polls: 4.0 / 32.0,
        reads: 3.0 / 32.0,
        writes: 1.0 / 32.0,
    });
}
