//! What the admin server guarantees.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn served(admin: Admin) -> SocketAddr {
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

#[tokio::test]
async fn a_process_that_must_be_ended_says_so_and_why() {
    let admin = Admin::new().alive(|| Err("shard 1 has done nothing for 61 s".to_owned()));
    let answer = get(served(admin).await, "/livez").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(
        answer.ends_with("shard 1 has done nothing for 61 s\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_page_knows_the_headers_and_says_how_it_is_encoded() {
    let page = |query: &Query| Page {
        content_encoding: Some("gzip"),
        ..Page::text(query.header("Host"))
    };
    let address = served(Admin::new().page_for("/page", page)).await;
    let answer = get(address, "/page").await.to_lowercase();
    assert!(
        answer.contains("\r\ncontent-encoding: gzip\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\nadmin"), "{answer}");
}

#[tokio::test]
async fn what_is_asked_for_reaches_the_page() {
    let page = |query: &Query| Page::text(format!("{:?} {:?}", query.get("a"), query.get("b")));
    let address = served(Admin::new().page_for("/page", page)).await;
    let answer = get(address, "/page?b=2&a").await;
    assert!(answer.ends_with("Some(\"\") Some(\"2\")"), "{answer}");
    assert!(get(address, "/page").await.ends_with("None None"));
}
