//! Tests of the bytes of segments.

use super::*;
use proptest::prelude::*;

const AT: Totals = Totals {
    seq: 0x0102_0304,
    items: 0x1112_1314,
    bytes: 0x2122_2324,
};

fn segment_header() -> SegmentHeader {
    SegmentHeader {
        version: VERSION,
        signal: Some(Signal::Metrics),
        purpose: Purpose::Log,
        log_id: LogId([7; 16]),
        first: AT,
        created_ns: 0x3132,
        boot: 0x4142,
    }
}

fn record_header() -> RecordHeader {
    RecordHeader {
        kind: Kind::Block,
        payload_len: 0x51,
        items: 0x52,
        at: AT,
        since_ns: 0x53,
        tag: 0x54,
        payload_crc: 0x55,
    }
}

#[test]
fn segment_headers_are_as_documented() {
    let bytes = segment_header().encode();
    assert_eq!(bytes.len(), 96);
    assert_eq!(&bytes[..8], b"PENSTOCK");
    assert_eq!(bytes[8..12], [1, 0, 2, 0]);
    assert_eq!(bytes[16..32], [7; 16]);
    assert_eq!(bytes[32..40], 0x0102_0304_u64.to_le_bytes());
    assert_eq!(bytes[40..48], 0x1112_1314_u64.to_le_bytes());
    assert_eq!(bytes[48..56], 0x2122_2324_u64.to_le_bytes());
    assert_eq!(bytes[56..64], 0x3132_u64.to_le_bytes());
    assert_eq!(bytes[64..72], 0x4142_u64.to_le_bytes());
    assert_eq!(bytes[92..], crc32fast::hash(&bytes[..92]).to_le_bytes());
    assert_eq!(SegmentHeader::decode(&bytes), Some(segment_header()));
}

#[test]
fn record_headers_are_as_documented() {
    let bytes = record_header().encode();
    assert_eq!(bytes.len(), 64);
    assert_eq!(&bytes[..4], b"PREC");
    assert_eq!(bytes[4..8], [1, 0, 0, 0]);
    assert_eq!(bytes[8..12], 0x51_u32.to_le_bytes());
    assert_eq!(bytes[12..16], 0x52_u32.to_le_bytes());
    assert_eq!(bytes[16..24], 0x0102_0304_u64.to_le_bytes());
    assert_eq!(bytes[24..32], 0x1112_1314_u64.to_le_bytes());
    assert_eq!(bytes[32..40], 0x2122_2324_u64.to_le_bytes());
    assert_eq!(bytes[40..48], 0x53_u64.to_le_bytes());
    assert_eq!(bytes[48..52], 0x54_u32.to_le_bytes());
    assert_eq!(bytes[52..56], 0x55_u32.to_le_bytes());
    assert_eq!(bytes[60..], crc32fast::hash(&bytes[..60]).to_le_bytes());
    assert_eq!(RecordHeader::decode(&bytes), Some(record_header()));
}

#[test]
fn the_index_is_as_documented() {
    let mark = Mark { at: AT, offset: 9 };
    let index = Index {
        books_at: 5,
        marks: vec![mark],
    };
    let bytes = index.encode();
    assert_eq!(bytes[..8], 5_u64.to_le_bytes());
    assert_eq!(bytes[8..12], 1_u32.to_le_bytes());
    assert_eq!(bytes[12..20], AT.seq.to_le_bytes());
    assert_eq!(bytes[20..28], 9_u64.to_le_bytes());
    assert_eq!(bytes[28..36], AT.items.to_le_bytes());
    assert_eq!(bytes[36..44], AT.bytes.to_le_bytes());
    assert_eq!(bytes[44..48], (64 + 52_u32).to_le_bytes());
    assert_eq!(&bytes[48..], b"PEND");
    assert_eq!(Index::decode(&bytes), Some(index));
}

#[test]
fn log_ids_are_told_apart_and_read_back() {
    let (one, other) = (LogId::new(), LogId::new());
    assert_ne!(one, other);
    assert_eq!(one.to_string().parse(), Ok(one));
    assert_eq!(one.to_string().len(), 32);
    assert!("00".parse::<LogId>().is_err());
}

#[test]
fn marks_are_as_sparse_as_they_may_be() {
    let mut marks = Vec::new();
    for block in 0..1000 {
        let at = Totals {
            seq: block,
            ..Totals::default()
        };
        mark(&mut marks, at, block * 1024);
    }
    let offsets: Vec<_> = marks.iter().map(|mark| mark.offset).collect();
    assert_eq!(offsets, [0, 256 << 10, 512 << 10, 768 << 10]);
}

#[test]
fn a_header_whose_block_would_end_beyond_all_numbers_is_none() {
    let mut header = record_header();
    header.at.items = u64::MAX - 1;
    assert_eq!(RecordHeader::decode(&header.encode()), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_changed_bit_is_noticed(at in 0..92_usize * 8) {
        let mut bytes = segment_header().encode();
        bytes[at / 8] ^= 1 << (at % 8);
        prop_assert_eq!(SegmentHeader::decode(&bytes), None);
        if at < 64 * 8 {
            let mut bytes = record_header().encode();
            bytes[at / 8] ^= 1 << (at % 8);
            prop_assert_eq!(RecordHeader::decode(&bytes), None);
        }
    }

    #[test]
    fn no_bytes_are_too_strange_for_an_index(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(index) = Index::decode(&bytes) {
            prop_assert!(index.marks.len() * MARK < bytes.len());
        }
    }
}
