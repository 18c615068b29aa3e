//! What the content encodings promise.
use super::*;
use proptest::prelude::*;

const ALL: [Encoding; 4] = [
    Encoding::Identity,
    Encoding::Gzip,
    Encoding::Zstd,
    Encoding::Deflate,
];
const COMPRESSED: [Encoding; 3] = [Encoding::Gzip, Encoding::Zstd, Encoding::Deflate];

fn one(data: &[u8]) -> [Bytes; 1] {
    [Bytes::copy_from_slice(data)]
}

fn is_invalid(result: &Result<Bytes, DecompressError>) -> bool {
    matches!(result, Err(DecompressError::Invalid { .. }))
}

fn is_too_large(result: &Result<Bytes, DecompressError>) -> bool {
    matches!(result, Err(DecompressError::TooLarge { .. }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_compressed_comes_back(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5000), 0..4),
    ) {
        let chunks: Vec<Bytes> = chunks.into_iter().map(Bytes::from).collect();
        let whole = chunks.concat();
        for encoding in ALL {
            let compressed = compress(encoding, &chunks);
            let back = decompress(encoding, &compressed, whole.len()).unwrap();
            prop_assert_eq!(&back[..], &whole[..]);
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for encoding in ALL {
            let _ = decompress(encoding, &Bytes::from(body.clone()), 1000);
        }
    }
}

#[test]
fn header_values_are_read_in_any_case() {
    for (value, expected) in [
        ("", Some(Encoding::Identity)),
        ("identity", Some(Encoding::Identity)),
        ("GZip", Some(Encoding::Gzip)),
        ("x-gzip", Some(Encoding::Gzip)),
        (" zstd ", Some(Encoding::Zstd)),
        ("Deflate", Some(Encoding::Deflate)),
        ("zlib", Some(Encoding::Deflate)),
        ("br", None),
        ("gzip, gzip", None),
    ] {
        assert_eq!(Encoding::from_header(value), expected, "{value:?}");
    }
    for encoding in ALL {
        assert_eq!(Encoding::from_header(encoding.as_str()), Some(encoding));
    }
}

#[test]
fn output_of_the_limit_passes_and_one_byte_more_does_not() {
    for size in [1usize, 1000, 1024, 200_000] {
        let data = vec![7u8; size];
        for encoding in ALL {
            let body = compress(encoding, &one(&data));
            assert_eq!(
                decompress(encoding, &body, size).unwrap(),
                data,
                "{encoding:?} {size}"
            );
            assert!(
                is_too_large(&decompress(encoding, &body, size - 1)),
                "{encoding:?} {size}"
            );
        }
    }
}

#[test]
fn a_bomb_is_stopped_one_byte_after_the_limit() {
    struct Endless(usize);
    impl Read for Endless {
        fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
            self.0 += output.len();
            Ok(output.len())
        }
    }
    let limit = 300_000;
    for expected in [0, 5_000, 299_999, usize::MAX] {
        let mut source = Endless(0);
        assert!(
            read_limited(&mut source, expected, limit)
                .unwrap()
                .is_none()
        );
        assert_eq!(source.0, limit + 1);
    }
}

#[test]
fn a_body_that_is_cut_short_is_refused_at_every_length() {
    let data: Vec<u8> = (0..3000u32).flat_map(|n| (n * n).to_le_bytes()).collect();
    for encoding in COMPRESSED {
        let body = compress(encoding, &one(&data));
        for cut in (0..body.len())
            .step_by(97)
            .chain(body.len() - 12..body.len())
        {
            let result = decompress(encoding, &body.slice(..cut), 1 << 20);
            assert!(
                is_invalid(&result),
                "{encoding:?} cut at {cut} of {}",
                body.len()
            );
        }
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    for encoding in COMPRESSED {
        for tail in [&b"garbage that is no header"[..], &[0; 16], b"x"] {
            let mut body = compress(encoding, &one(b"some telemetry")).to_vec();
            body.extend_from_slice(tail);
            let result = decompress(encoding, &Bytes::from(body), 1000);
            assert!(is_invalid(&result), "{encoding:?} {tail:?} {result:?}");
        }
    }
}

#[test]
fn a_damaged_checksum_is_noticed() {
    for encoding in [Encoding::Gzip, Encoding::Deflate] {
        let mut body = compress(encoding, &one(b"some telemetry")).to_vec();
        let end = body.len() - 5;
        body[end] ^= 0x10;
        body[end + 1] ^= 0x10;
        assert!(
            is_invalid(&decompress(encoding, &Bytes::from(body), 1000)),
            "{encoding:?}"
        );
    }
}

#[test]
fn concatenated_members_and_frames_are_one_body() {
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let body = [
            compress(encoding, &one(b"one ")),
            compress(encoding, &one(b"two")),
        ]
        .concat();
        assert_eq!(
            decompress(encoding, &Bytes::from(body.clone()), 7).unwrap(),
            &b"one two"[..]
        );
        assert!(
            is_too_large(&decompress(encoding, &Bytes::from(body), 6)),
            "{encoding:?}"
        );
    }
}

#[test]
fn deflate_without_the_zlib_wrapper_is_read() {
    for data in [&b"some telemetry, some telemetry"[..], b"", &[0x78; 4000]] {
        for level in [0, 1, 9] {
            let mut encoder =
                flate2::write::DeflateEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(data).unwrap();
            let body = Bytes::from(encoder.finish().unwrap());
            assert_eq!(decompress(Encoding::Deflate, &body, 4000).unwrap(), data);
        }
    }
}

#[test]
fn a_zstd_frame_cannot_ask_for_a_huge_window() {
    // Magic, a frame header with window descriptor only, one raw block "a".
    let frame = |descriptor: u8| {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, descriptor];
        frame.extend_from_slice(&[0x09, 0x00, 0x00, b'a']);
        Bytes::from(frame)
    };
    let window = |log: u8| (log - 10) << 3;
    assert_eq!(
        decompress(Encoding::Zstd, &frame(window(23)), 10).unwrap(),
        &b"a"[..]
    );
    assert!(is_invalid(&decompress(
        Encoding::Zstd,
        &frame(window(24)),
        10
    )));
    assert_eq!(
        decompress(Encoding::Zstd, &frame(window(24)), 16 << 20).unwrap(),
        &b"a"[..]
    );
    assert!(is_invalid(&decompress(
        Encoding::Zstd,
        &frame(window(27)),
        usize::MAX
    )));
}

#[test]
fn a_declared_size_is_not_believed() {
    // Single segment, content size of 2^40 bytes in eight bytes, then one raw block "a".
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0];
    frame.extend_from_slice(&(1u64 << 40).to_le_bytes());
    frame.extend_from_slice(&[0x09, 0x00, 0x00, b'a']);
    assert!(is_invalid(&decompress(
        Encoding::Zstd,
        &Bytes::from(frame),
        1000
    )));
}

#[test]
fn an_empty_body_has_no_encoding_but_identity() {
    assert_eq!(
        decompress(Encoding::Identity, &Bytes::new(), 0).unwrap(),
        Bytes::new()
    );
    for encoding in COMPRESSED {
        assert!(
            is_invalid(&decompress(encoding, &Bytes::new(), 10)),
            "{encoding:?}"
        );
    }
}
