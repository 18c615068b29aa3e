//! Peers that make noise or try to make us keep things.

use super::peer::*;
use crate::{
    Block, End, ErrorCode, Fault, Http2Settings,
    frame::{flag, kind, write},
};

fn settings() -> Http2Settings {
    Http2Settings {
        control_budget: 50,
        reset_budget: 50,
        ..Http2Settings::default()
    }
}

/// Says `bytes` again and again until the connection is closed for `fault`.
async fn floods(mut peer: Peer, bytes: &[u8], fault: Fault) {
    use tokio::io::AsyncWriteExt;
    for _ in 0..1000 {
        if peer.io.write_all(bytes).await.is_err() {
            break;
        }
    }
    assert_eq!(peer.goaway().await.1, ErrorCode::ENHANCE_YOUR_CALM);
    assert_eq!(peer.closed().await, End::Fault(fault));
}

#[tokio::test(start_paused = true)]
async fn frames_that_bring_nothing_run_out_of_budget() {
    let noise = [
        frame(kind::PING, 0, 0, &[0; 8]),
        frame(kind::PING, flag::ACK, 0, &[0; 8]),
        frame(kind::SETTINGS, 0, 0, &[]),
        frame(kind::SETTINGS, flag::ACK, 0, &[]),
        frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 3, 0]),
        frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
        frame(0x7f, 0, 0, b"unknown"),
    ];
    for bytes in noise {
        let peer = Peer::start(settings(), echo).await;
        floods(peer, &bytes, Fault::ControlFlood).await;
    }
    let mut peer = Peer::start(settings(), hold).await;
    peer.request(1, false).await;
    floods(peer, &frame(kind::DATA, 0, 1, &[]), Fault::ControlFlood).await;
}

#[tokio::test(start_paused = true)]
async fn rapid_reset_ends_the_connection() {
    use tokio::io::AsyncWriteExt;
    let mut peer = Peer::start(settings(), hold).await;
    for id in (1..2001).step_by(2) {
        let mut both = frame(kind::HEADERS, flag::END_HEADERS, id, REQUEST);
        write::reset(&mut both, id, ErrorCode::CANCEL);
        if peer.io.write_all(&both).await.is_err() {
            break;
        }
    }
    assert_eq!(peer.goaway().await.1, ErrorCode::ENHANCE_YOUR_CALM);
    assert_eq!(peer.closed().await, End::Fault(Fault::ResetFlood));
}

#[tokio::test(start_paused = true)]
async fn resets_that_we_are_made_to_send_count_too() {
    use tokio::io::AsyncWriteExt;
    let limits = Http2Settings {
        control_budget: 1000,
        ..settings()
    };
    let mut peer = Peer::start(limits, hold).await;
    for id in (1..2001).step_by(2) {
        let mut both = frame(kind::HEADERS, flag::END_HEADERS, id, REQUEST);
        write::window_update(&mut both, id, 0);
        if peer.io.write_all(&both).await.is_err() {
            break;
        }
    }
    assert_eq!(peer.goaway().await.1, ErrorCode::ENHANCE_YOUR_CALM);
    assert_eq!(peer.closed().await, End::Fault(Fault::ResetFlood));
}

#[tokio::test(start_paused = true)]
async fn busy_peer_never_runs_out_of_budget() {
    let mut peer = Peer::start(settings(), echo).await;
    for id in (1..1001).step_by(2) {
        peer.request(id, false).await;
        peer.frame(kind::PING, 0, 0, &[1; 8]).await;
        peer.frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]).await;
        peer.data(id, b"x", true).await;
        assert_eq!(peer.answer(id).await, "x");
    }
}

#[tokio::test(start_paused = true)]
async fn header_block_in_too_many_pieces_ends_the_connection() {
    let mut peer = Peer::start(settings(), echo).await;
    peer.frame(kind::HEADERS, 0, 1, REQUEST).await;
    for _ in 0..9 {
        peer.frame(kind::CONTINUATION, 0, 1, &[]).await;
    }
    assert_eq!(peer.goaway().await.1, ErrorCode::ENHANCE_YOUR_CALM);
    assert_eq!(peer.closed().await, End::Fault(Fault::ContinuationFlood));
}

#[tokio::test(start_paused = true)]
async fn header_block_of_too_many_bytes_ends_the_connection() {
    let mut peer = Peer::start(settings(), echo).await;
    peer.frame(kind::HEADERS, 0, 1, &[0x82; 16 << 10]).await;
    for _ in 0..3 {
        peer.frame(kind::CONTINUATION, 0, 1, &[0x82; 16 << 10])
            .await;
    }
    assert_eq!(peer.goaway().await.1, ErrorCode::ENHANCE_YOUR_CALM);
    assert_eq!(peer.closed().await, End::Fault(Fault::ContinuationFlood));
}

#[tokio::test(start_paused = true)]
async fn whole_block_in_a_few_pieces_is_a_call() {
    let mut peer = Peer::start(settings(), echo).await;
    peer.frame(kind::HEADERS, flag::END_STREAM, 1, &REQUEST[..1])
        .await;
    peer.frame(kind::CONTINUATION, 0, 1, &REQUEST[1..2]).await;
    peer.frame(kind::CONTINUATION, flag::END_HEADERS, 1, &REQUEST[2..])
        .await;
    assert_eq!(peer.answer(1).await, "");
}

#[tokio::test(start_paused = true)]
async fn frame_between_the_pieces_of_a_block_ends_the_connection() {
    for (kind, stream) in [(kind::DATA, 1), (kind::PING, 0), (kind::CONTINUATION, 3)] {
        let mut peer = Peer::start(settings(), echo).await;
        peer.frame(kind::HEADERS, 0, 1, REQUEST).await;
        peer.frame(kind, 0, stream, &[0; 8]).await;
        assert_eq!(peer.goaway().await.1, ErrorCode::PROTOCOL_ERROR);
    }
}

#[tokio::test(start_paused = true)]
async fn hpack_bomb_costs_its_own_bytes_and_gets_431() {
    let mut peer = Peer::start(settings(), echo).await;
    // One entry of almost the whole table, then thousands of references to it in one block.
    let mut bomb = REQUEST.to_vec();
    bomb.extend_from_slice(&[0x40, 1, b'a', 0x7f, 0xb0, 0x1e]);
    bomb.extend_from_slice(&[b'x'; 0x7f + 0x30 + (0x1e << 7)]);
    bomb.extend_from_slice(&[0xbe; 10_000]);
    let end = flag::END_HEADERS | flag::END_STREAM;
    peer.frame(kind::HEADERS, end, 1, &bomb).await;
    let (_, payload) = peer.hear().await.unwrap();
    assert_eq!(payload, Block::response(431).build().as_bytes());
}

#[tokio::test(start_paused = true)]
async fn answers_for_a_peer_that_does_not_read_are_bounded() {
    use tokio::io::AsyncWriteExt;
    let limits = Http2Settings {
        max_write_buffer_bytes: 4 << 10,
        control_budget: u32::MAX,
        ..Http2Settings::default()
    };
    let mut peer = Peer::start(limits, echo).await;
    // The pipe holds 64 KiB each way; beyond that and our buffers, the peer must find itself unable to write.
    let pings = frame(kind::PING, 0, 0, &[0; 8]).repeat(1000);
    let patience = std::time::Duration::from_millis(100);
    let mut said = 0;
    while let Ok(Ok(())) = tokio::time::timeout(patience, peer.io.write_all(&pings)).await {
        said += pings.len();
        assert!(said < 1 << 20, "the server reads on without end");
    }
    assert_eq!(peer.hang_up().await, End::Broken);
}
