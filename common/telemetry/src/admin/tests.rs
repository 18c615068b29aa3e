//! What the admin server guarantees.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn served(admin: Admin) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    admin.serve(listener, &Tasks::new());
    address
}

#[tokio::test]
async fn readiness_says_why_not() {
    let address = served(Admin::new().ready(|| Err("draining".to_owned()))).await;
    let answer = get(address, "/readyz").await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.ends_with("draining\n"),
        "{answer}"
    );
    assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_unknown_path_lists_what_there_is() {
    let address = served(Admin::new().page("/ledger", || Page::json("[]"))).await;
    let answer = get(address, "/nothing").await;
    assert!(
        answer.starts_with("HTTP/1.1 404") && answer.contains("/livez /ledger"),
        "{answer}"
    );
    assert!(get(address, "/ledger").await.ends_with("[]"));
}
