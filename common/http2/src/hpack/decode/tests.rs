//! The examples of RFC 7541, appendix C; malformed blocks; and another implementation as the judge.

use httlib_hpack::{Decoder as OtherDecoder, Encoder as OtherEncoder};
use proptest::prelude::*;

use super::*;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<Fields, HpackError> {
    let mut fields = Vec::new();
    decoder.decode(block, |name, value| {
        fields.push((name.to_vec(), value.to_vec()));
    })?;
    Ok(fields)
}

fn texts(fields: Fields) -> Vec<(String, String)> {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    fields
        .into_iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn three_requests_of_the_rfc_share_one_table() {
    let blocks = [
        (
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        ),
        (
            "8286 84be 5808 6e6f 2d63 6163 6865",
            "8286 84be 5886 a8eb 1064 9cbf",
        ),
        (
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ),
    ];
    let (mut plain, mut huffman) = (Decoder::new(4096), Decoder::new(4096));
    let mut last = Vec::new();
    for (block, compressed) in blocks {
        last = decode(&mut plain, &hex(block)).unwrap();
        assert_eq!(last, decode(&mut huffman, &hex(compressed)).unwrap());
    }
    let expected = [
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/index.html"),
        (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ];
    assert_eq!(
        texts(last),
        expected.map(|(n, v)| (n.to_owned(), v.to_owned()))
    );
}

#[test]
fn responses_of_the_rfc_evict_from_a_table_of_256_bytes() {
    let mut decoder = Decoder::new(256);
    decode(
        &mut decoder,
        &hex(
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
              2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        ),
    )
    .unwrap();
    let second = decode(&mut decoder, &hex("4883 640e ffc1 c0bf")).unwrap();
    assert_eq!(texts(second)[0], (":status".to_owned(), "307".to_owned()));
    assert_eq!(decoder.table.size(), 222);
}

#[test]
fn malformed_blocks_are_told_apart() {
    let cases: [(&[u8], HpackError); 9] = [
        (&[0x80], HpackError::Index),
        (&[0xbe], HpackError::Index),
        (&[0xff], HpackError::Truncated),
        (
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            HpackError::Integer,
        ),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], HpackError::Integer),
        (&[0x00, 0x05, b'a'], HpackError::Truncated),
        (&[0x00, 0x81, 0x00, 0x00], HpackError::Huffman),
        (&[0x3f, 0xe2, 0x1f], HpackError::SizeUpdate),
        (&[0x82, 0x20], HpackError::SizeUpdate),
    ];
    for (block, error) in cases {
        assert_eq!(
            decode(&mut Decoder::new(4096), block),
            Err(error),
            "{block:02x?}"
        );
    }
}

#[test]
fn sizes_may_shrink_and_grow_before_the_first_field() {
    let mut decoder = Decoder::new(4096);
    decode(&mut decoder, &hex("400161 0162")).unwrap();
    let fields = decode(&mut decoder, &[0x20, 0x3f, 0xe1, 0x1f, 0x82]).unwrap();
    assert_eq!(texts(fields)[0].1, "GET");
    assert_eq!(decode(&mut decoder, &[0xbe]), Err(HpackError::Index));
}

/// A header, and the way the other implementation is told to encode it.
fn header() -> impl Strategy<Value = (Vec<u8>, Vec<u8>, u8)> {
    let name = prop_oneof![
        "(:path|:method|user-agent|te|x-a|x-b)".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 1..20),
    ];
    let value = prop_oneof![
        "(/|POST|trailers|v1|v2)".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..60),
    ];
    let ways = [
        0,
        OtherEncoder::HUFFMAN_NAME | OtherEncoder::HUFFMAN_VALUE,
        OtherEncoder::WITH_INDEXING | OtherEncoder::BEST_FORMAT,
        OtherEncoder::WITH_INDEXING | OtherEncoder::HUFFMAN_VALUE,
        OtherEncoder::NEVER_INDEXED | OtherEncoder::HUFFMAN_NAME,
        OtherEncoder::BEST_FORMAT,
    ];
    (name, value, prop::sample::select(ways.to_vec()))
}

proptest! {
    #[test]
    fn what_another_implementation_encodes_decodes_to_the_same(
        lists in prop::collection::vec(prop::collection::vec(header(), 0..12), 1..8),
        table in prop::sample::select(vec![0u32, 100, 4096]),
    ) {
        let mut encoder = OtherEncoder::with_dynamic_size(table);
        let mut decoder = Decoder::new(4096);
        decoder.table.resize(table as usize);
        for list in lists {
            let mut block = Vec::new();
            for header in &list {
                encoder.encode(header.clone(), &mut block).unwrap();
            }
            let expected: Fields = list.into_iter().map(|(name, value, _)| (name, value)).collect();
            prop_assert_eq!(decode(&mut decoder, &block), Ok(expected));
        }
    }

    #[test]
    fn what_we_accept_of_random_blocks_another_implementation_reads_alike(
        blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..6),
    ) {
        let mut other = OtherDecoder::with_dynamic_size(4096);
        let mut decoder = Decoder::new(4096);
        for block in blocks {
            // The other one panics on some malformed blocks, so ours goes first.
            let Ok(ours) = decode(&mut decoder, &block) else { break };
            let mut theirs = Vec::new();
            prop_assert!(other.decode(&mut block.clone(), &mut theirs).is_ok());
            let theirs: Fields = theirs.into_iter().map(|(name, value, _)| (name, value)).collect();
            prop_assert_eq!(ours, theirs);
        }
    }
}
