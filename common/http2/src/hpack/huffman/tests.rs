//! Known strings, every symbol against another implementation, and bad endings.

use super::*;

fn decoded(input: &[u8]) -> Result<Vec<u8>, Invalid> {
    let mut output = Vec::new();
    decode(input, &mut output).map(|()| output)
}

#[test]
fn strings_of_the_rfc_decode() {
    let host = [
        0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff,
    ];
    assert_eq!(decoded(&host).unwrap(), b"www.example.com");
    assert_eq!(
        decoded(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]).unwrap(),
        b"no-cache"
    );
    assert_eq!(decoded(&[]).unwrap(), b"");
}

#[test]
fn padding_of_a_whole_byte_is_invalid() {
    assert_eq!(
        decoded(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf, 0xff]),
        Err(Invalid)
    );
    assert_eq!(decoded(&[0xff]), Err(Invalid));
}

#[test]
fn padding_with_zeros_is_invalid() {
    // `1` is 00001; the three bits behind it must be ones.
    assert_eq!(decoded(&[0b0000_1111]).unwrap(), b"1");
    assert_eq!(decoded(&[0b0000_1000]), Err(Invalid));
    assert_eq!(decoded(&[0b0000_1110]), Err(Invalid));
}

#[test]
fn end_of_string_symbol_is_invalid() {
    assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xff]), Err(Invalid));
    assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xfc]), Err(Invalid));
}

#[test]
fn lengths_make_a_complete_prefix_code() {
    let sum: u64 = LENGTHS
        .iter()
        .map(|length| 1 << (LONGEST - usize::from(*length)))
        .sum();
    assert_eq!(sum, 1 << LONGEST);
}
