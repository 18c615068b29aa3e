//! Blocks decode to what was put in, by our decoder and by another.

use super::*;
use crate::hpack::Decoder;

fn decoded(block: &Block) -> Vec<(String, Vec<u8>)> {
    let mut ours = Vec::new();
    Decoder::new(0)
        .decode(block.as_bytes(), |name, value| {
            ours.push((String::from_utf8(name.to_vec()).unwrap(), value.to_vec()));
        })
        .unwrap();
    let mut theirs = Vec::new();
    httlib_hpack::Decoder::default()
        .decode(&mut block.as_bytes().to_vec(), &mut theirs)
        .unwrap();
    let theirs: Vec<_> = theirs
        .into_iter()
        .map(|(n, v, _)| (String::from_utf8(n).unwrap(), v))
        .collect();
    assert_eq!(ours, theirs);
    ours
}

#[test]
fn usual_statuses_take_one_byte_and_any_other_works() {
    assert_eq!(Block::response(200).build().as_bytes(), [0x88]);
    for status in [200, 204, 404, 415, 431, 503] {
        let expected = (":status".to_owned(), status.to_string().into_bytes());
        assert_eq!(decoded(&Block::response(status).build()), [expected]);
    }
}

#[test]
fn fields_keep_order_and_length() {
    let long = vec![b'x'; 5000];
    let block = Block::trailers()
        .field("grpc-status", b"0")
        .field("Content-Type", b"application/grpc")
        .field("x-long", &long)
        .build();
    let expected = [
        ("grpc-status".to_owned(), b"0".to_vec()),
        ("content-type".to_owned(), b"application/grpc".to_vec()),
        ("x-long".to_owned(), long),
    ];
    assert_eq!(decoded(&block), expected);
}

#[test]
fn bytes_that_no_value_may_hold_become_spaces() {
    let block = Block::trailers()
        .field("grpc-message", b"a\r\nb\0c")
        .build();
    assert_eq!(decoded(&block)[0].1, b"a  b c");
}
