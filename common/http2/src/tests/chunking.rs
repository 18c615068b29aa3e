//! The calls do not depend on how their bytes are cut on the way.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use proptest::prelude::*;
use tokio::task::yield_now;

use super::peer::*;
use crate::{
    Block, Body, Head, Http2Settings,
    frame::{PREFACE, flag, kind},
};

/// One call as it goes over the wire.
#[derive(Debug, Clone)]
struct Call {
    pieces: Vec<Vec<u8>>,
    padding: u8,
    split_headers: bool,
    trailers: bool,
}

fn call() -> impl Strategy<Value = Call> {
    let sizes = prop_oneof![0usize..20, 0usize..2000, 4000usize..16_000];
    let piece = (any::<u8>(), sizes).prop_map(|(byte, len)| vec![byte; len]);
    (
        prop::collection::vec(piece, 1..5),
        0u8..50,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(pieces, padding, split_headers, trailers)| Call {
            pieces,
            padding,
            split_headers,
            trailers,
        })
}

fn encode(id: u32, call: &Call) -> Vec<u8> {
    let path = format!("/{id}");
    let block = Block::trailers()
        .field(":method", b"POST")
        .field(":scheme", b"http")
        .field(":path", path.as_bytes())
        .build();
    let mut out = Vec::new();
    if call.split_headers {
        let (first, rest) = block.as_bytes().split_at(5);
        out.extend_from_slice(&frame(kind::HEADERS, 0, id, first));
        out.extend_from_slice(&frame(kind::CONTINUATION, flag::END_HEADERS, id, rest));
    } else {
        out.extend_from_slice(&frame(
            kind::HEADERS,
            flag::END_HEADERS,
            id,
            block.as_bytes(),
        ));
    }
    for (index, piece) in call.pieces.iter().enumerate() {
        let last = index + 1 == call.pieces.len() && !call.trailers;
        let end = if last { flag::END_STREAM } else { 0 };
        let padded = [
            &[call.padding],
            &piece[..],
            &vec![0; usize::from(call.padding)],
        ]
        .concat();
        out.extend_from_slice(&frame(kind::DATA, flag::PADDED | end, id, &padded));
    }
    if call.trailers {
        let block = Block::trailers().field("x-trailer", b"1").build();
        let flags = flag::END_HEADERS | flag::END_STREAM;
        out.extend_from_slice(&frame(kind::HEADERS, flags, id, block.as_bytes()));
    }
    out
}

type Seen = BTreeMap<Vec<u8>, Vec<u8>>;

/// What a service sees of `bytes`, written in chunks of these sizes in turn.
async fn seen(bytes: &[u8], sizes: &[usize], calls: usize) -> Seen {
    let seen = Arc::new(Mutex::new(Seen::new()));
    let record = Arc::clone(&seen);
    let service = move |head: Head, mut body: Body| {
        let record = Arc::clone(&record);
        async move {
            let bytes = body.collect(usize::MAX).await.unwrap();
            let before = record
                .lock()
                .unwrap()
                .insert(head.path().to_vec(), bytes.to_vec());
            assert!(before.is_none(), "a call was made twice");
            answer_with("")
        }
    };
    let mut peer = Peer::silent(Http2Settings::default(), service, std::future::pending());
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        let (chunk, after) = rest.split_at(rest.len().min(*size));
        peer.say(chunk).await;
        yield_now().await;
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    for _ in 0..calls {
        while !peer.hear_kind(kind::HEADERS).await.0.has(flag::END_STREAM) {}
    }
    peer.hang_up().await;
    Arc::into_inner(seen).unwrap().into_inner().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_chunking_of_the_same_bytes_gives_the_same_calls(
        calls in prop::collection::vec(call(), 1..5),
        sizes in prop::collection::vec(prop_oneof![1usize..30, 1usize..20_000], 1..8),
    ) {
        let mut bytes = PREFACE.to_vec();
        bytes.extend_from_slice(&frame(kind::SETTINGS, 0, 0, &[]));
        let mut expected = Seen::new();
        for (id, call) in (1..).step_by(2).zip(&calls) {
            bytes.extend_from_slice(&encode(id, call));
            expected.insert(format!("/{id}").into_bytes(), call.pieces.concat());
        }
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.unwrap();
        let whole = runtime.block_on(seen(&bytes, &[usize::MAX], calls.len()));
        prop_assert_eq!(&whole, &expected);
        let cut = runtime.block_on(seen(&bytes, &sizes, calls.len()));
        prop_assert_eq!(&cut, &expected);
    }
}
