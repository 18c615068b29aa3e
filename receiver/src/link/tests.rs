//! What one end says, the other understands.

use super::*;
use std::io::Read;
use std::net::TcpStream;
use std::thread;

fn pair() -> (tokio::net::UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (tokio::net::UnixStream::from_std(ours).unwrap(), theirs)
}

#[tokio::test]
async fn a_worker_gets_the_configuration_and_the_sockets_themselves() {
    // More than what the kernel keeps for a reader, with lines in it.
    let sources = ["one\n".to_owned(), "two\nthree\n".repeat(100_000)].map(|yaml| Source::Text {
        name: "file".to_owned(),
        yaml,
    });
    let names = ["otlp/grpc", "otlp/http", "admin"];
    let wanted = names.map(|name| Wanted {
        name: name.to_owned(),
        endpoint: "127.0.0.1:0".to_owned(),
    });
    let sockets = Sockets::bind_beside(&wanted, &Sockets::default())
        .await
        .unwrap();
    let facts = Facts {
        restarts: 3,
        ..Facts::default()
    };
    let (ours, theirs) = pair();
    let reads = thread::spawn(move || {
        let mut reader = Reader::new(theirs);
        let start = reader.start().unwrap();
        (reader, start)
    });
    let signals = [Signal::Traces, Signal::Logs];
    give(&ours, &sources, Some(&signals), &sockets, &facts)
        .await
        .unwrap();
    let (mut reader, start) = reads.join().unwrap();
    assert!(start.sources == sources);
    assert_eq!(start.signals.unwrap(), signals);
    assert_eq!(start.facts, facts);
    for ((given, socket), wanted) in start.sockets.iter().zip(sockets.iter()).zip(&wanted) {
        assert_eq!(given.wanted, *wanted);
        let address = socket.listener.local_addr().unwrap();
        assert_eq!(given.listener.local_addr().unwrap(), address);
        // A connection to one is in the queue of the other.
        let _connection = TcpStream::connect(address).unwrap();
        given.listener.set_nonblocking(false).unwrap();
        given.listener.accept().unwrap();
    }
    drop(ours);
    assert!(reader.next().unwrap().is_none());
}

#[tokio::test]
async fn lines_of_a_newer_version_are_left_out() {
    let (ours, theirs) = pair();
    ours.writable().await.unwrap();
    let later = b"{\"Tomorrow\":{\"x\":1}}\n{\"Facts\":{\"reloads\":2,\"x\":1}}\n";
    assert_eq!(ours.try_write(later).unwrap(), later.len());
    let Some(ToWorker::Facts(facts)) = Reader::new(theirs).next().unwrap() else {
        panic!("no facts")
    };
    assert_eq!(facts.reloads, 2);
}

#[test]
fn the_end_of_the_other_is_no_error_whatever_it_left_unread() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    tell(&theirs, &ToSupervisor::Ready);
    drop(ours);
    assert!(Reader::new(theirs).next().unwrap().is_none());

    let (mut ours, theirs) = UnixStream::pair().unwrap();
    tell(&theirs, &ToSupervisor::Failed("no\nport".to_owned()));
    drop(theirs);
    let mut said = String::new();
    ours.read_to_string(&mut said).unwrap();
    assert_eq!(said, "{\"Failed\":\"no\\nport\"}\n");
}
