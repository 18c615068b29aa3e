//! Messages come out as they were put in.

use super::*;

#[test]
fn pieces_are_taken_in_order_and_never_across_their_ends() {
    let pieces = ["ab", "", "cde"].map(Bytes::from).to_vec();
    let mut message = Message::from(pieces);
    assert_eq!(message.len(), 5);
    assert_eq!(message.take(9), "ab");
    assert_eq!(message.take(1), "c");
    assert_eq!(message.len(), 2);
    assert_eq!(message.take(9), "de");
    assert_eq!(message.take(9), "");
}
