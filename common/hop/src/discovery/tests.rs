//! What becomes of names, on paused time and a scripted resolver.
use super::*;
use crate::connection::ConnectionSettings;
use crate::metrics::HopMetrics;
use penstock_otlp::compress::Encoding;
use penstock_runtime::Tasks;
use std::collections::BTreeSet;
use std::sync::Mutex;
use tokio::time::advance;

const INTERVAL: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Script(Mutex<Option<Vec<u16>>>);

impl Script {
    fn set(&self, ports: Option<&[u16]>) {
        *self.0.lock().unwrap() = ports.map(<[u16]>::to_vec);
    }
}

impl Resolve for Script {
    fn resolve<'a>(&'a self, _: &'a str) -> Lookup<'a> {
        let ports = self.0.lock().unwrap().clone();
        Box::pin(async move {
            let ports = ports.ok_or(io::ErrorKind::NotFound)?;
            Ok(ports
                .into_iter()
                .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
                .collect())
        })
    }
}

fn replicas() -> Arc<Replicas> {
    let hop = penstock_settings::Hop {
        timeout_margin: Duration::ZERO,
        connect_timeout: Duration::ZERO,
        keepalive_time: Duration::ZERO,
        keepalive_timeout: Duration::ZERO,
        resolve_interval: INTERVAL,
        eject_for: INTERVAL,
        move_after: Duration::from_secs(3),
        compression: Encoding::Identity,
        tls: None,
    };
    let metrics = HopMetrics::new("debug");
    Arc::new(Replicas::new(
        INTERVAL,
        INTERVAL,
        ConnectionSettings::new(&hop, None),
        metrics,
        Tasks::new(),
    ))
}

/// The addresses that calls go to, and the names they go under.
fn known(replicas: &Replicas) -> BTreeSet<(String, String)> {
    let leases: Vec<_> = (0..50).map_while(|_| replicas.choose().ok()).collect();
    leases
        .iter()
        .map(|lease| {
            (
                lease.place().address.clone(),
                lease.place().authority.to_string(),
            )
        })
        .collect()
}

fn at(ports: &[u16]) -> BTreeSet<(String, String)> {
    ports
        .iter()
        .map(|port| (format!("127.0.0.1:{port}"), "exporter:4400".to_owned()))
        .collect()
}

#[test]
fn only_names_marked_so_are_looked_up() {
    assert_eq!(
        Target::parse("dns:///a.b:4400"),
        Target::Name("a.b:4400".to_owned())
    );
    assert_eq!(
        Target::parse("a.b:4400"),
        Target::Fixed("a.b:4400".to_owned())
    );
}

#[test]
fn fixed_replicas_are_known_without_a_lookup() {
    let replicas = replicas();
    let targets = ["a:1", "b:2"].map(Target::parse);
    let discovery = Discovery::new(
        targets.into_iter(),
        INTERVAL,
        Arc::new(Script::default()),
        Arc::clone(&replicas),
    );
    assert!(discovery.is_fixed());
    let expected = ["a:1", "b:2"].map(|at| (at.to_owned(), at.to_owned()));
    assert_eq!(known(&replicas), BTreeSet::from(expected));
}

#[tokio::test(start_paused = true)]
async fn replicas_follow_the_name_and_survive_a_failed_lookup() {
    let (script, replicas) = (Arc::new(Script::default()), replicas());
    script.set(Some(&[1, 2]));
    let targets = std::iter::once(Target::parse("dns:///exporter:4400"));
    let resolver: Arc<dyn Resolve> = Arc::<Script>::clone(&script);
    let discovery = Discovery::new(targets, INTERVAL, resolver, Arc::clone(&replicas));
    let (looked, mut first) = watch::channel(false);
    Tasks::new().spawn("discovery", discovery.run(looked));

    first.wait_for(|looked| *looked).await.unwrap();
    assert_eq!(known(&replicas), at(&[1, 2]));
    for (answer, expected) in [
        (Some(&[2, 3][..]), &[2, 3][..]),
        (None, &[2, 3]),
        (Some(&[3]), &[3]),
        (Some(&[]), &[]),
    ] {
        script.set(answer);
        advance(INTERVAL).await;
        tokio::task::yield_now().await;
        assert_eq!(known(&replicas), at(expected));
    }
}

// Not by what is logged: which lines a thread's own subscriber gets depends on what other threads log at the same places.
#[test]
fn a_name_that_cannot_be_looked_up_is_news_when_it_begins_and_when_it_ends() {
    let mut name = Name {
        name: "exporter:4400".to_owned(),
        addresses: Vec::new(),
        failing: false,
    };
    assert!(!name.works_again(), "it has never failed");
    for _ in 0..2 {
        assert_eq!([name.fails_anew(), name.fails_anew()], [true, false]);
        assert_eq!([name.works_again(), name.works_again()], [true, false]);
    }
}
