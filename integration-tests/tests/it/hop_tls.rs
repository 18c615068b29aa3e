//! TLS between the tiers: who is not believed gets nothing, and nothing is lost for it.

use crate::support::{
    Client, Seat, Setup, assert_law, eventually, keep_pushing, line, push, settle,
};
use penstock_settings::{ClientTls, Pem};
use penstock_testkit::{Backend, Identity, Oracle, Pki, Verdict, numbered};
use penstock_tls::ClientSide;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

const EXPORTER: &str = "otlp/only";

/// Certificates of both tiers, mounted as Kubernetes mounts secrets: a link is led elsewhere.
struct Mounted(TempDir);

impl Mounted {
    fn new(secrets: &[(&str, &Pki, &Identity)]) -> Self {
        let mounted = Self(TempDir::new().unwrap());
        for (name, trusted, identity) in secrets {
            mounted.put(name, trusted, identity);
        }
        mounted
    }

    /// Makes `identity` and the authority `trusted` what the secret `name` has.
    fn put(&self, name: &str, trusted: &Pki, identity: &Identity) {
        let root = self.0.path().join(name);
        fs::create_dir_all(&root).unwrap();
        let version = format!("..{}", fs::read_dir(&root).unwrap().count());
        let folder = root.join(&version);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("ca.crt"), &trusted.ca_pem).unwrap();
        fs::write(folder.join("tls.crt"), &identity.cert_pem).unwrap();
        fs::write(folder.join("tls.key"), &identity.key_pem).unwrap();
        symlink(&version, root.join("..next")).unwrap();
        fs::rename(root.join("..next"), root.join("..data")).unwrap();
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.0.path().join(name).join("..data")
    }

    /// The receiver's side.
    fn client(&self) -> String {
        let folder = self.folder("receiver");
        format!(
            "penstock: {{hop: {{tls: {{ca_file: {0}/ca.crt, cert_file: {0}/tls.crt, key_file: {0}/tls.key, \
             server_name_override: exporter.test, reload_interval: 100ms}}}}}}",
            folder.display()
        )
    }

    /// The exporter's side, which asks for a certificate.
    fn server(&self) -> String {
        server(&self.folder("exporter"))
    }
}

fn server(folder: &Path) -> String {
    format!(
        "penstock: {{exporters: {{{EXPORTER}: {{tls: {{cert_file: {0}/tls.crt, key_file: {0}/tls.key, \
         client_ca_file: {0}/ca.crt, reload_interval: 100ms}}}}}}}}",
        folder.display()
    )
}

/// Both tiers with logs into one exporter.
fn setup(backend: &Backend, seat: &Seat) -> Setup {
    Setup::new()
        .otlp(EXPORTER, backend, &[seat])
        .pipeline("logs", &[EXPORTER])
}

/// What is pushed while the hop does not get through is held, and why is told in these `words`; once an exporter of `mended`
/// is there, everything arrives.
async fn held_until_mended(
    receivers: &Setup,
    broken: &Setup,
    mended: &Setup,
    (backend, seat): (&Backend, &Seat),
    words: &[&str],
) {
    let process = broken.process(EXPORTER, seat).await;
    let receiver = receivers.receiver().await;
    let client = Client::http2(receiver.grpc().next().unwrap()).await;
    let oracle = Oracle::new();
    let ids = numbered("record", 20);
    assert!(push(&client, &oracle, "logs", &ids).await.is_ack());
    let ledger = receiver.ledger().clone();
    eventually(&format!("the hop says {words:?}"), || {
        ledger.health().iter().any(|health| {
            let told = health.last_error.as_deref().unwrap_or_default();
            words.iter().all(|word| told.contains(word))
        })
    })
    .await;
    assert_eq!(line(&receiver, EXPORTER).held, 20);
    assert_eq!(backend.recorded().len(), 0);
    process.stop().await;
    let process = mended.process(EXPORTER, seat).await;
    settle(&receiver).await;
    assert_eq!(receiver.stop().await.dropped, 0);
    process.stop().await;
    assert_law(&ledger.lines());
    oracle.arrive(&backend.delivered("logs"));
    assert_eq!(oracle.verdict(), Verdict::default());
}

/// A receiver and a sound exporter, and an exporter that shows something else.
async fn refused(shown: impl FnOnce(&Pki) -> Identity, trusted: Option<&Pki>, words: &[&str]) {
    let (backend, seat, pki) = (Backend::start().await, Seat::new(), Pki::new());
    let mounted = Mounted::new(&[
        ("receiver", &pki, &pki.client("receiver.test")),
        ("exporter", &pki, &pki.server(&["exporter.test"])),
        ("broken", trusted.unwrap_or(&pki), &shown(&pki)),
    ]);
    let receivers = setup(&backend, &seat).with(mounted.client());
    let broken = receivers.clone().with(server(&mounted.folder("broken")));
    let mended = receivers.clone().with(mounted.server());
    held_until_mended(&receivers, &broken, &mended, (&backend, &seat), words).await;
}

#[tokio::test]
async fn an_exporter_of_another_authority_gets_nothing_and_nothing_is_lost() {
    let other = Pki::new();
    let words = ["an authority that penstock.hop.tls.ca_file does not have"];
    refused(|_| other.server(&["exporter.test"]), None, &words).await;
}

#[tokio::test]
async fn an_exporter_whose_certificate_has_expired_gets_nothing_and_nothing_is_lost() {
    let words = ["the server's certificate has expired", "penstock.hop.tls"];
    refused(|pki| pki.expired(&["exporter.test"]), None, &words).await;
}

#[tokio::test]
async fn an_exporter_of_another_name_gets_nothing_and_nothing_is_lost() {
    let words = ["for another name", "penstock.hop.tls.server_name_override"];
    refused(|pki| pki.server(&["other.test"]), None, &words).await;
}

#[tokio::test]
async fn a_receiver_that_the_exporter_does_not_believe_is_told_so_and_nothing_is_lost() {
    let other = Pki::new();
    let words = ["the server gave up", "penstock.hop.tls.cert_file"];
    refused(|pki| pki.server(&["exporter.test"]), Some(&other), &words).await;
}

#[tokio::test]
async fn an_exporter_without_tls_gets_nothing_from_a_receiver_with_it() {
    let (backend, seat, pki) = (Backend::start().await, Seat::new(), Pki::new());
    let mounted = Mounted::new(&[
        ("receiver", &pki, &pki.client("receiver.test")),
        ("exporter", &pki, &pki.server(&["exporter.test"])),
    ]);
    let receivers = setup(&backend, &seat).with(mounted.client());
    let mended = receivers.clone().with(mounted.server());
    let words = ["TLS", "(penstock.hop.tls)"];
    held_until_mended(&receivers, &receivers, &mended, (&backend, &seat), &words).await;
}

#[tokio::test]
async fn a_receiver_without_tls_or_certificate_delivers_nothing_to_an_exporter_that_asks() {
    let (backend, seat, pki) = (Backend::start().await, Seat::new(), Pki::new());
    let mounted = Mounted::new(&[
        ("receiver", &pki, &pki.client("receiver.test")),
        ("exporter", &pki, &pki.server(&["exporter.test"])),
    ]);
    let plain = setup(&backend, &seat);
    let broken = plain.clone().with(mounted.server());
    held_until_mended(
        &plain,
        &broken,
        &plain,
        (&backend, &seat),
        &["penstock.hop.tls"],
    )
    .await;

    let (backend, seat) = (Backend::start().await, Seat::new());
    let nobody = "penstock: {hop: {tls: {cert_file: \"\", key_file: \"\"}}}";
    let receivers = setup(&backend, &seat).with(mounted.client()).with(nobody);
    let broken = receivers.clone().with(mounted.server());
    let asks_nobody =
        format!("penstock: {{exporters: {{{EXPORTER}: {{tls: {{client_ca_file: \"\"}}}}}}}}");
    let mended = broken.clone().with(asks_nobody);
    let words = ["asks for a certificate; set penstock.hop.tls.cert_file"];
    held_until_mended(&receivers, &broken, &mended, (&backend, &seat), &words).await;
}

/// Whether the exporter at `seat` already believes and shows what the secret `name` has.
async fn believes(mounted: &Mounted, name: &str, seat: &Seat) -> bool {
    let file = |file: &str| Some(Pem::File(mounted.folder(name).join(file)));
    let tls = ClientTls {
        ca: file("ca.crt"),
        cert: file("tls.crt"),
        key: file("tls.key"),
        ..ClientTls::default()
    };
    let tls = Arc::new(ClientSide::new(&tls, &["h2"]).unwrap());
    let stream = TcpStream::connect(seat.address()).await.unwrap();
    let Ok(mut stream) = tls.connect("exporter.test", stream).await else {
        return false;
    };
    // A server that does not believe says so after the handshake; one that does begins to speak HTTP/2.
    stream.read_u8().await.is_ok()
}

#[tokio::test]
async fn the_authority_of_both_sides_changes_under_load_without_a_batch_sent_again() {
    let (backend, seat) = (Backend::start().await, Seat::new());
    let (old, new) = (Pki::new(), Pki::new());
    let mut both = Pki::new();
    both.ca_pem = format!("{}{}", old.ca_pem, new.ca_pem);
    let sides = |pki: &Pki| (pki.client("receiver.test"), pki.server(&["exporter.test"]));
    let (olds, news) = (sides(&old), sides(&new));
    let mounted = Mounted::new(&[
        ("receiver", &old, &olds.0),
        ("exporter", &old, &olds.1),
        ("probe", &both, &new.client("probe.test")),
        ("last", &new, &new.client("probe.test")),
        ("early", &both, &old.client("probe.test")),
    ]);
    let setup = setup(&backend, &seat)
        .with(mounted.client())
        .with(mounted.server());
    let process = setup.process(EXPORTER, &seat).await;
    let receiver = setup.receiver().await;
    let client = Client::http2(receiver.grpc().next().unwrap()).await;
    let (oracle, stop) = (Oracle::new(), AtomicBool::new(false));
    let load = keep_pushing(&client, &oracle, "logs", "a", &stop);
    let story = async {
        // Whom to believe first, then who to be, then whom not to believe any more.
        mounted.put("receiver", &both, &olds.0);
        mounted.put("exporter", &both, &olds.1);
        while !believes(&mounted, "probe", &seat).await {}
        mounted.put("exporter", &both, &news.1);
        mounted.put("receiver", &both, &news.0);
        while !believes(&mounted, "last", &seat).await {}
        mounted.put("receiver", &new, &news.0);
        mounted.put("exporter", &new, &news.1);
        while believes(&mounted, "early", &seat).await {}
        let acked = oracle.acked();
        eventually("senders notice nothing", || oracle.acked() > acked + 20).await;
        assert_eq!(line(&receiver, EXPORTER).retried, 0);
        // A new connection needs what the receiver has read again.
        process.stop().await;
        let process = setup.process(EXPORTER, &seat).await;
        eventually("batches flow again", || process.line("logs").delivered > 0).await;
        stop.store(true, Ordering::Relaxed);
        process
    };
    let (_, process) = tokio::join!(load, story);
    settle(&receiver).await;
    let ledger = receiver.ledger().clone();
    assert_eq!(receiver.stop().await.dropped, 0);
    process.stop().await;
    assert_law(&ledger.lines());
    oracle.arrive(&backend.delivered("logs"));
    assert_eq!(oracle.verdict(), Verdict::default());
}

#[tokio::test]
async fn a_handshake_that_does_not_end_holds_up_nobody() {
    let (backend, seat, pki) = (Backend::start().await, Seat::new(), Pki::new());
    let mounted = Mounted::new(&[
        ("receiver", &pki, &pki.client("receiver.test")),
        ("exporter", &pki, &pki.server(&["exporter.test"])),
    ]);
    let setup = setup(&backend, &seat)
        .with(mounted.client())
        .with(mounted.server());
    let process = setup.process(EXPORTER, &seat).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(seat.address()).await.unwrap());
    }
    let receiver = setup.receiver().await;
    let client = Client::http2(receiver.grpc().next().unwrap()).await;
    let oracle = Oracle::new();
    let ids = numbered("record", 20);
    assert!(push(&client, &oracle, "logs", &ids).await.is_ack());
    settle(&receiver).await;
    drop(silent);
    let ledger = receiver.ledger().clone();
    assert_eq!(receiver.stop().await.dropped, 0);
    process.stop().await;
    assert_law(&ledger.lines());
    oracle.arrive(&backend.delivered("logs"));
    assert_eq!(oracle.verdict(), Verdict::default());
}
