//! Windows in both directions.

use super::*;

#[test]
fn window_is_given_back_when_half_of_it_was_consumed() {
    let mut window = RecvWindow::new(1000);
    window.take(1000).unwrap();
    assert_eq!(window.available(), 0);
    assert_eq!(window.give(499), None);
    assert_eq!(window.give(1), Some(500));
    assert_eq!(window.available(), 500);
    assert_eq!(window.give(0), None);
}

#[test]
fn overrun_is_noticed() {
    let mut window = RecvWindow::new(10);
    assert_eq!(window.take(11), Err(WindowError));
    window.take(10).unwrap();
    assert_eq!(window.take(1), Err(WindowError));
}

#[test]
fn connection_window_starts_at_the_default_of_the_protocol() {
    assert_eq!(RecvWindow::connection(DEFAULT_WINDOW).1, None);
    assert_eq!(RecvWindow::connection(DEFAULT_WINDOW + 9).1, Some(9));
}

#[test]
fn send_window_may_fall_below_zero_and_not_rise_above_its_maximum() {
    let mut window = SendWindow::new(100);
    window.take(80);
    window.add(-100).unwrap();
    assert_eq!(window.available(), 0);
    window.add(90).unwrap();
    assert_eq!(window.available(), 10);
    assert_eq!(window.add(i64::from(MAX_WINDOW)), Err(WindowError));
}
