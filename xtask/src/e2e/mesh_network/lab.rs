//! A cluster in one topology, and what is done to it.

use super::chart::Chart;
use super::envoys::{self, Proxy, Requests};
use super::network::{self, FABRIC, NODES, Pod};
use super::pods::{Backend, EXPORTERS, Load, PEERS, SHORT_AGE, Sender, Tier};
use super::report::Row;
use super::service::{Endpoint, Policy, Service};
use crate::e2e::lossless::books::{Arrived, Sent, Verdict};
use crate::fail::{Outcome, bail};
use crate::mesh;
use crate::process::{pause, wait_within};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Until the endpoint of a pod that crashed is gone.
const CRASH_NOTICED: Duration = Duration::from_secs(1);
/// Until the endpoints of a node that is gone are; Kubernetes takes 40 s.
const NODE_NOTICED: Duration = Duration::from_secs(2);
/// Before, between and after what happens.
pub(super) const MOMENT: Duration = Duration::from_millis(700);
/// Until everything that is held has been delivered, back-offs included.
const SETTLE: Duration = Duration::from_secs(60);
/// Ids of one event, and of one sender in it.
const IDS: u64 = 1_000_000;
const IDS_OF_SENDER: u64 = IDS / NODES as u64;
/// Pods that send and exporters are numbered from here; receivers from 10.
const SENDERS: u8 = 200;
const PROXIES: u8 = 201;
const FIRST_EXPORTER: u8 = 150;
const FIRST_RECEIVER: u8 = 10;

/// What a sidecar and its neighbours on the node send.
pub(super) const LOAD: Load = Load {
    items_a_second: 300,
    items_a_call: 3,
    connections: 2,
};

pub(super) struct Lab {
    pub(super) folder: PathBuf,
    topology: &'static str,
    chart: Chart,
    service: Service,
    pub(super) policy: Policy,
    pub(super) receivers: Vec<Tier>,
    exporters: Vec<Tier>,
    backend: Backend,
    senders: Vec<Pod>,
    /// Envoys, where there are any.
    proxies: Vec<Proxy>,
    /// How long a receiver or the backend is missing.
    absence: Duration,
    /// Of connections of receivers that are started.
    connection_age: Option<Duration>,
    /// Pods so far.
    made: u8,
    /// Events so far.
    events: u64,
}

impl Lab {
    /// Starts backend, exporters, and a receiver on each of `nodes`.
    pub(super) fn start(
        folder: &Path,
        topology: &'static str,
        nodes: &[u8],
        absence: Duration,
    ) -> Outcome<Self> {
        network::build()?;
        let chart = Chart::read(folder)?;
        let policy = chart.policy()?;
        let senders: Outcome<Vec<_>> = (1..=NODES)
            .map(|node| network::pod(node, SENDERS))
            .collect();
        let mut lab = Self {
            folder: folder.to_owned(),
            topology,
            chart,
            service: Service::new(policy),
            policy,
            receivers: Vec::new(),
            exporters: Vec::new(),
            backend: Backend::start(folder)?,
            senders: senders?,
            proxies: Vec::new(),
            absence,
            connection_age: None,
            made: 0,
            events: 0,
        };
        lab.add_exporter(1)?;
        lab.add_exporter(3)?;
        for node in nodes {
            lab.add_receiver(*node)?;
        }
        for pod in lab.receivers.iter().chain(&lab.exporters) {
            pod.is_secured()?;
        }
        Ok(lab)
    }

    /// An Envoy on each node, with an application behind it.
    pub(super) fn add_proxies(&mut self, envoy: &Path) -> Outcome {
        let application = mesh::application(FABRIC)?;
        for node in 1..=NODES {
            let pod = network::pod(node, PROXIES)?;
            let target = self.service.target(node);
            let proxy = Proxy::start(&self.folder, pod, envoy, &target, application)?;
            self.proxies.push(proxy);
        }
        Ok(())
    }

    /// Under load: lets something happen, waits until all that was acked is delivered, and tells what became of everything.
    pub(super) fn event(
        &mut self,
        name: &'static str,
        load: &Load,
        nodes: &[u8],
        happens: impl FnOnce(&mut Self) -> Outcome,
    ) -> Outcome<Vec<Row>> {
        eprintln!("{}: {name}", self.topology);
        let first = self.events * IDS;
        self.events += 1;
        let pods = self.senders.iter().filter(|pod| nodes.contains(&pod.node));
        let senders: Outcome<Vec<_>> = pods
            .map(|pod| {
                let first = first + u64::from(pod.node - 1) * IDS_OF_SENDER;
                let target = self.service.target(pod.node);
                Sender::start(&self.folder, pod, &target, load, first)
            })
            .collect();
        let senders = senders?;
        let proxies = std::mem::take(&mut self.proxies);
        let served = proxies
            .iter()
            .filter(|proxy| nodes.contains(&proxy.pod.node));
        let requests = Requests::start(served, first)?;
        pause(MOMENT);
        happens(self)?;
        pause(MOMENT);
        let sent: Outcome<Vec<_>> = senders.into_iter().map(Sender::stop).collect();
        let made = requests.stop()?;
        self.proxies = proxies;
        self.settle()?;
        let sent = Sent::read(&sent?)?;
        let arrived = Arrived::of_sink(&self.backend.record)?;
        let verdict = Verdict::of("backend", &sent, &arrived.within(first..first + IDS))?;
        verdict.nothing_lost("backend")?;
        let mut rows = Row::all(self.topology, name, &verdict);
        if !self.proxies.is_empty() {
            let ids = made.first..made.first + IDS;
            let arrived = Arrived::of_sink(&self.backend.record)?.within(ids);
            rows.extend(Row::of_envoys(
                self.topology,
                name,
                &made,
                &envoys::told(&made, &arrived)?,
            ));
        }
        Ok(rows)
    }

    /// Waits until no receiver holds anything; their books must balance.
    fn settle(&self) -> Outcome {
        for receiver in &self.receivers {
            let what = format!("delivery of what {} holds", receiver.name);
            let ledger = wait_within(SETTLE, &what, || {
                let ledger = receiver.ledger()?;
                Ok((ledger.sum("held", |_| true) == 0).then_some(ledger))
            })?;
            ledger.check_law()?;
        }
        Ok(())
    }

    /// What the headless Services tell.
    fn tell_names(&self) -> Outcome {
        let of = |tier: &[Tier]| tier.iter().map(|one| one.pod.address.clone()).collect();
        network::names(&[
            (EXPORTERS, of(&self.exporters)),
            (PEERS, of(&self.receivers)),
        ])
    }

    fn next(&mut self) -> u8 {
        self.made += 1;
        self.made
    }

    /// A new pod that is ready.
    pub(super) fn add_receiver(&mut self, node: u8) -> Outcome {
        let number = self.next();
        let pod = network::pod(node, FIRST_RECEIVER + number)?;
        let name = format!("receiver-{number}");
        let age = self.connection_age;
        let receiver = Tier::start(&self.folder, &self.chart, "receiver", name, pod, age)?;
        self.serve(&receiver.pod, false)?;
        self.receivers.push(receiver);
        self.tell_names()
    }

    fn serve(&mut self, pod: &Pod, terminating: bool) -> Outcome {
        self.service.set(Endpoint {
            address: pod.address.clone(),
            node: pod.node,
            terminating,
        })
    }

    /// Deletes the pod as the kubelet does: its endpoint goes first. What it holds has to be delivered or handed over.
    pub(super) fn remove_receiver(&mut self, place: usize) -> Outcome {
        let receiver = self.receivers.remove(place);
        self.tell_names()?;
        self.serve(&receiver.pod, true)?;
        let address = receiver.pod.address.clone();
        receiver.stop()?;
        self.service.remove(&address)
    }

    /// One receiver after the other, in the order that the chart says.
    pub(super) fn rolling_restart(&mut self) -> Outcome {
        for _ in 0..self.receivers.len() {
            let node = self.receivers[0].pod.node;
            if self.chart.surges()? {
                self.add_receiver(node)?;
                pause(self.chart.min_ready()?);
                self.remove_receiver(0)?;
            } else {
                self.remove_receiver(0)?;
                self.add_receiver(node)?;
                pause(self.chart.min_ready()?);
            }
        }
        Ok(())
    }

    /// From now on connections do not get old.
    pub(super) fn rejuvenate(&mut self) -> Outcome {
        self.connection_age = Some(SHORT_AGE);
        self.rolling_restart()
    }

    /// A receiver dies without a word and comes again in its pod.
    pub(super) fn crash(&mut self) -> Outcome {
        let pod = self.receivers[0].pod.clone();
        self.receivers[0].crash()?;
        pause(CRASH_NOTICED);
        self.service.remove(&pod.address)?;
        pause(MOMENT);
        self.receivers[0].restart(&self.folder)?;
        self.serve(&pod, false)
    }

    /// A node is without its receiver for a while, which went in order.
    pub(super) fn receiver_missing(&mut self) -> Outcome {
        let node = self.receivers[0].pod.node;
        self.remove_receiver(0)?;
        pause(self.absence);
        self.add_receiver(node)
    }

    /// A node is cut off and dies, without a word to anybody, and comes back with its disk.
    pub(super) fn node_down(&mut self, node: u8) -> Outcome {
        network::uplink(node, false)?;
        let mut gone = Vec::new();
        for receiver in self.receivers.iter_mut().filter(|one| one.pod.node == node) {
            receiver.crash()?;
            gone.push(receiver.pod.clone());
        }
        pause(NODE_NOTICED);
        for pod in &gone {
            self.service.remove(&pod.address)?;
        }
        pause(MOMENT * 2);
        network::uplink(node, true)?;
        for receiver in self.receivers.iter_mut().filter(|one| one.pod.node == node) {
            receiver.restart(&self.folder)?;
        }
        gone.iter().try_for_each(|pod| self.serve(pod, false))
    }

    fn add_exporter(&mut self, node: u8) -> Outcome {
        let number = self.next();
        let pod = network::pod(node, FIRST_EXPORTER + number)?;
        let name = format!("exporter-{number}");
        let exporter = Tier::start(&self.folder, &self.chart, "exporter", name, pod, None)?;
        self.exporters.push(exporter);
        self.tell_names()
    }

    /// One exporter more, then one less.
    pub(super) fn scale_exporters(&mut self) -> Outcome {
        self.add_exporter(2)?;
        pause(MOMENT * 2);
        let exporter = self.exporters.remove(0);
        self.tell_names()?;
        exporter.stop()
    }

    /// All receivers are restarted while nothing can be delivered: what they hold is for those that follow, since their disks go.
    pub(super) fn hand_over(&mut self) -> Outcome {
        self.backend.down()?;
        self.rolling_restart()?;
        self.backend.up()
    }

    /// The backend is killed and comes back.
    pub(super) fn backend_down(&mut self) -> Outcome {
        self.backend.down()?;
        pause(self.absence);
        self.backend.up()
    }

    /// Ends everything in order.
    pub(super) fn end(mut self) -> Outcome {
        for proxy in self.proxies.drain(..) {
            proxy.stop()?;
        }
        for receiver in self.receivers.drain(..) {
            receiver.stop()?;
        }
        for exporter in self.exporters.drain(..) {
            exporter.stop()?;
        }
        self.backend.down()
    }

    /// Open connections of each receiver.
    pub(super) fn connections(&self) -> Outcome<Vec<u64>> {
        let one = |receiver: &Tier| {
            let (status, page) = crate::admin::get(&receiver.admin(), "/metrics")?;
            let line = page
                .lines()
                .find_map(|line| line.strip_prefix("penstock_http2_connections "));
            match line.and_then(|count| count.parse().ok()) {
                Some(count) => Ok(count),
                None => bail!("{} tells no connections, status {status}", receiver.name),
            }
        };
        self.receivers.iter().map(one).collect()
    }
}
