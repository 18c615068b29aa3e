//! Which sockets are kept when the wanted ports change.

use super::*;
use std::net::SocketAddr;

fn wanted(ports: &[(&str, &str)]) -> Vec<Wanted> {
    let port = |(name, endpoint): &(&str, &str)| Wanted {
        name: (*name).to_owned(),
        endpoint: (*endpoint).to_owned(),
    };
    ports.iter().map(port).collect()
}

async fn bound(ports: &[(&str, &str)], there: &Sockets) -> Sockets {
    Sockets::bind_beside(&wanted(ports), there).await.unwrap()
}

fn addresses(sockets: &Sockets) -> Vec<SocketAddr> {
    let address = |socket: &Socket| socket.listener.local_addr().unwrap();
    sockets.iter().map(address).collect()
}

#[tokio::test]
async fn ports_that_stay_keep_their_sockets() {
    let ports = [
        ("otlp/grpc", "127.0.0.1:0"),
        ("otlp/http", "127.0.0.1:0"),
        (ADMIN, "127.0.0.1:0"),
    ];
    let before = bound(&ports, &Sockets::default()).await;
    let [grpc, http, admin] = addresses(&before).try_into().unwrap();
    assert!(grpc != http && http != admin && admin != grpc);
    // In another order, with one more and one less.
    let changed = [ports[2], ("otlp/b/grpc", "127.0.0.1:0"), ports[0]];
    let after = addresses(&bound(&changed, &before).await);
    assert_eq!((after[0], after[2]), (admin, grpc));
    assert!(![grpc, http, admin].contains(&after[1]));
}

#[tokio::test]
async fn a_port_that_goes_to_another_receiver_keeps_its_socket() {
    let any = bound(&[("otlp/grpc", "127.0.0.1:0")], &Sockets::default()).await;
    let address = addresses(&any)[0];
    drop(any);
    let endpoint = address.to_string();
    let before = bound(&[("otlp/grpc", &endpoint)], &Sockets::default()).await;
    let after = bound(&[("otlp/mesh/grpc", &endpoint)], &before).await;
    assert_eq!(addresses(&after), [address]);
}

#[tokio::test]
async fn a_port_that_somebody_has_is_an_error_that_names_it() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = other.local_addr().unwrap().to_string();
    let fault = Sockets::bind_beside(&wanted(&[(ADMIN, &endpoint)]), &Sockets::default()).await;
    assert!(fault.unwrap_err().to_string().contains(&endpoint));
}
