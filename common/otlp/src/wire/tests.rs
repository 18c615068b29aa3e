//! Varints and edits at their edges.

use super::{Edited, Edits, Fault, Fields, put_field, put_varint, varint, varint_len};

#[test]
fn varints_of_every_length_come_back() {
    for bits in 0..64 {
        for value in [1_u64 << bits, (1 << bits) - 1, u64::MAX >> bits] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out.len(), varint_len(value));
            assert_eq!(varint(&out, 0), Ok((value, out.len())));
        }
    }
}

#[test]
fn varints_end_within_ten_bytes_and_64_bits() {
    assert_eq!(varint(&[], 0), Err(Fault::Truncated));
    assert_eq!(varint(&[0x80; 9], 0), Err(Fault::Truncated));
    assert_eq!(varint(&[0x80; 10], 0), Err(Fault::Varint));
    let mut widest = [0xff; 10];
    widest[9] = 1;
    assert_eq!(varint(&widest, 0), Ok((u64::MAX, 10)));
    widest[9] = 2;
    assert_eq!(varint(&widest, 0), Err(Fault::Varint));
    // Longer than needed is valid.
    assert_eq!(varint(&[0x81, 0x80, 0x00], 0), Ok((1, 3)));
}

#[test]
fn edits_carry_growth_through_every_enclosing_length() {
    // The outer length needs a second byte once the text has grown.
    let mut inner = Vec::new();
    put_field(&mut inner, 1, b"text");
    put_field(&mut inner, 2, &[b'x'; 110]);
    let mut request = Vec::new();
    put_field(&mut request, 3, &inner);

    let outer = Fields::of(&request).next().unwrap();
    let mut edits = Edits::default();
    edits.within(&outer, |edits| {
        let text = Fields::new(&request, outer.inner()).next().unwrap();
        edits.within(&text, |edits| {
            edits.replace(text.inner(), b"much longer text");
        });
    });
    let edited = Edited::new(request.into(), edits).into_bytes();

    let mut inner = Vec::new();
    put_field(&mut inner, 1, b"much longer text");
    put_field(&mut inner, 2, &[b'x'; 110]);
    let mut expected = Vec::new();
    put_field(&mut expected, 3, &inner);
    assert_eq!(edited, expected);
}

#[test]
fn a_field_without_edits_inside_is_left_alone() {
    let request = [0x0a, 0x01, 0x00];
    let field = Fields::of(&request).next().unwrap();
    let mut edits = Edits::default();
    edits.within(&field, |_| {});
    assert!(edits.is_empty());
}
