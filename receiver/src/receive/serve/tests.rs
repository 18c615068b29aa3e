//! What a connection takes.

use super::*;

/// Size of the future that a function gives.
fn size<F>(
    _: impl FnOnce(Arc<Door>, TcpStream, SocketAddr, &'static Tasks, &'static Drain) -> F,
) -> usize {
    size_of::<F>()
}

#[test]
fn a_connection_has_no_room_for_what_it_does_not_speak() {
    let served = size(|door, stream, peer, tasks, drain| door.serve(stream, peer, tasks, drain));
    assert!(served <= 768, "{served} bytes");
}
