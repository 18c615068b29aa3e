//! Wake-ups are neither lost nor doubled.

use std::sync::atomic::AtomicUsize;

use super::*;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn setup() -> (Arc<Ready>, Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (
        Arc::new(Ready::default()),
        Arc::clone(&count),
        Waker::from(count),
    )
}

fn woken(count: &Count) -> usize {
    count.0.load(Ordering::Relaxed)
}

#[test]
fn many_ready_calls_wake_the_task_once() {
    let (ready, count, task) = setup();
    ready.enter(&task);
    assert!(ready.leave());
    let slots: Vec<_> = (0..5)
        .map(|slot| Waker::from(SlotWaker::new(&ready, slot)))
        .collect();
    for slot in slots.iter().chain(&slots) {
        slot.wake_by_ref();
    }
    assert_eq!(woken(&count), 1);
    let mut queue = Vec::new();
    ready.enter(&task);
    ready.take(&mut queue);
    assert_eq!(queue, [0, 1, 2, 3, 4]);
}

#[test]
fn wakeups_while_polling_keep_the_connection_from_resting() {
    let (ready, count, task) = setup();
    ready.enter(&task);
    Waker::from(SlotWaker::new(&ready, 7)).wake();
    assert!(!ready.leave());
    let mut queue = Vec::new();
    ready.take(&mut queue);
    assert_eq!(queue, [7]);
    ready.wake();
    assert!(!ready.leave());
    assert!(ready.leave());
    assert_eq!(woken(&count), 0);
}

#[test]
fn slot_counts_wakeups_again_once_it_was_polled() {
    let (ready, count, task) = setup();
    ready.enter(&task);
    assert!(ready.leave());
    let flag = SlotWaker::new(&ready, 1);
    let waker = Waker::from(Arc::clone(&flag));
    waker.wake_by_ref();
    ready.enter(&task);
    ready.take(&mut Vec::new());
    flag.polled();
    assert!(ready.leave());
    waker.wake_by_ref();
    assert_eq!(woken(&count), 2);
    ready.wake();
    assert_eq!(woken(&count), 3);
}
