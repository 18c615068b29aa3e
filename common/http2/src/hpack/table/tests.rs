//! Size accounting and eviction.

use super::*;

fn name(table: &Table, index: usize) -> Option<String> {
    table
        .get(index)
        .map(|(name, _)| String::from_utf8(name.to_vec()).unwrap())
}

#[test]
fn static_entries_come_first_and_newest_dynamic_ones_next() {
    let mut table = Table::new(4096);
    assert_eq!(table.get(0), None);
    assert_eq!(name(&table, 1).unwrap(), ":authority");
    assert_eq!(name(&table, 61).unwrap(), "www-authenticate");
    assert_eq!(name(&table, 62), None);
    table.insert(Entry::new(b"old", b"1"));
    table.insert(Entry::new(b"new", b"2"));
    assert_eq!(name(&table, 62).unwrap(), "new");
    assert_eq!(name(&table, 63).unwrap(), "old");
    assert_eq!(table.size(), 2 * 36);
}

#[test]
fn oldest_entries_are_evicted_to_make_room() {
    let mut table = Table::new(100);
    for n in ["a", "b", "c"] {
        table.insert(Entry::new(n.as_bytes(), b""));
    }
    assert_eq!(table.size(), 99);
    table.insert(Entry::new(b"d", b""));
    assert_eq!(name(&table, 62).unwrap(), "d");
    assert_eq!(name(&table, 64).unwrap(), "b");
    assert_eq!(name(&table, 65), None);
}

#[test]
fn entry_larger_than_the_table_empties_it() {
    let mut table = Table::new(64);
    table.insert(Entry::new(b"a", b""));
    table.insert(Entry::new(b"b", &[b'x'; 64]));
    assert_eq!(table.size(), 0);
    assert_eq!(name(&table, 62), None);
}

#[test]
fn smaller_maximum_evicts_at_once() {
    let mut table = Table::new(100);
    table.insert(Entry::new(b"a", b""));
    table.insert(Entry::new(b"b", b""));
    table.resize(40);
    assert_eq!(name(&table, 62).unwrap(), "b");
    assert_eq!(table.size(), 33);
}

#[test]
fn every_change_has_a_new_version() {
    let mut table = Table::new(100);
    let first = table.version();
    table.insert(Entry::new(b"a", b""));
    let second = table.version();
    table.resize(100);
    assert!(first < second && second < table.version());
}
