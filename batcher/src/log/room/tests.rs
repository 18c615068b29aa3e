//! How the room is shared out.

use super::*;

const KIB: u64 = 1 << 10;

fn room(limit: u64) -> Arc<Room> {
    let memory = Budget::new(1 << 20, 1.0);
    Budgets::new(memory, limit).disk
}

#[test]
fn what_is_appended_leaves_the_books_their_part() {
    let room = room(1 << 20);
    assert!(room.has(1 << 20), "nobody has books");
    let mut one = Share::new(&room);
    assert!(room.has(1008 * KIB) && !room.has(1008 * KIB + 1));
    one.grow(1008 * KIB);
    assert!(!room.has(1));
    let two = Share::new(&room);
    one.set(992 * KIB);
    assert!(room.has(0) && !room.has(1));
    drop(two);
    assert!(room.has(16 * KIB));
}

#[test]
fn many_logs_books_do_not_take_the_whole() {
    let room = room(160 * KIB);
    let _shares: Vec<_> = (0..100).map(|_| Share::new(&room)).collect();
    assert!(room.has(150 * KIB) && !room.has(150 * KIB + 1));
}
