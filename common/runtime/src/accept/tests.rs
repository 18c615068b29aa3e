//! Real connections on loopback.

use super::accept;
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn a_cancelled_wait_loses_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    tokio::select! {
        biased;
        _ = accept(&listener, "test") => panic!("nobody came"),
        () = std::future::ready(()) => {}
    }
    let address = listener.local_addr().unwrap();
    let (client, (_, peer)) = tokio::join!(TcpStream::connect(address), accept(&listener, "test"));
    assert_eq!(client.unwrap().local_addr().unwrap(), peer);
}
