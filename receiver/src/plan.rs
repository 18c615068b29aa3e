//! From settings to what this process runs: ports, and which signal of which receiver feeds which exporters.
//!
//! *Invariant:* pure; what is wrong with the settings as a whole is told here, before anything is started.

use crate::StartError;
use crate::sockets::{ADMIN, HEALTH_CHECK, Wanted};
use penstock_batcher::log::strays::Served;
use penstock_otlp::Signal;
use penstock_settings::{
    Batch, ComponentId, GrpcServer, HealthCheck, HttpServer, Settings, Storage,
};
use std::collections::BTreeSet;

#[cfg(test)]
mod tests;

/// What is to be run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) ports: Vec<Port>,
    pub(crate) feeds: Vec<Feed>,
    /// Exporters that some feed leads to.
    pub(crate) exporters: BTreeSet<ComponentId>,
    /// Bytes for each served signal, by index.
    pub(crate) budgets: [Option<usize>; 3],
    /// The same of the disk.
    pub(crate) disk: [u64; 3],
    /// The largest request that any port takes.
    pub(crate) max_request_bytes: usize,
}

/// One port to listen on.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) receiver: ComponentId,
    pub(crate) server: Server,
}

/// What a port speaks.
#[derive(Clone, Debug)]
pub(crate) enum Server {
    Grpc(Box<GrpcServer>),
    Http(Box<HttpServer>),
}

/// One signal of one receiver: one log per shard, with a cursor per exporter of each pipeline that takes from it.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    pub(crate) receiver: ComponentId,
    pub(crate) signal: Signal,
    pub(crate) targets: Vec<Target>,
}

/// One exporter of one pipeline.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) pipeline: String,
    pub(crate) exporter: ComponentId,
    pub(crate) batch: Batch,
}

impl Plan {
    /// The plan for `settings`.
    pub(crate) fn new(settings: Settings) -> Result<Self, StartError> {
        let mut feeds: Vec<Feed> = Vec::new();
        for pipeline in &settings.pipelines {
            if !settings.penstock.signals.contains(&pipeline.signal) {
                continue;
            }
            for receiver in &pipeline.receivers {
                let targets = pipeline.exporters.iter().map(|exporter| Target {
                    pipeline: pipeline.id.clone(),
                    exporter: exporter.clone(),
                    batch: settings
                        .exporters
                        .get(exporter)
                        .and_then(|exporter| exporter.batch.clone())
                        .unwrap_or_else(|| pipeline.batch.clone()),
                });
                let known = feeds
                    .iter_mut()
                    .find(|feed| feed.receiver == *receiver && feed.signal == pipeline.signal);
                match known {
                    Some(feed) => feed.targets.extend(targets),
                    None => feeds.push(Feed {
                        receiver: receiver.clone(),
                        signal: pipeline.signal,
                        targets: targets.collect(),
                    }),
                }
            }
        }
        let mut ports = Vec::new();
        for (id, receiver) in &settings.receivers {
            let grpc = receiver.grpc.clone().map(Box::new).map(Server::Grpc);
            let http = receiver.http.clone().map(Box::new).map(Server::Http);
            ports.extend([grpc, http].into_iter().flatten().map(|server| Port {
                receiver: id.clone(),
                server,
            }));
        }
        if feeds.is_empty() || ports.is_empty() {
            return Err(StartError::NothingToServe);
        }
        let exporters: BTreeSet<_> = feeds
            .iter()
            .flat_map(|feed| feed.targets.iter().map(|target| target.exporter.clone()))
            .collect();
        if let Some(unknown) = exporters
            .iter()
            .find(|id| !settings.exporters.contains_key(id))
        {
            return Err(StartError::UnknownExporter(unknown.clone()));
        }
        let budgets = budgets(&settings, &feeds);
        let disk = budgets.map(|bytes| disk_share(&settings, bytes.unwrap_or(0)));
        let max_request_bytes = ports.iter().map(Port::max_bytes).max().unwrap_or(0);
        Ok(Self {
            settings,
            ports,
            feeds,
            exporters,
            budgets,
            disk,
            max_request_bytes,
        })
    }

    /// What has to be listened on.
    pub(crate) fn sockets(&self) -> Vec<Wanted> {
        let ports = self.ports.iter().map(Port::socket);
        let checks = self.settings.health_checks.iter().map(health_check_socket);
        ports.chain([self.admin_socket()]).chain(checks).collect()
    }

    /// What the admin server listens on.
    pub(crate) fn admin_socket(&self) -> Wanted {
        Wanted {
            name: ADMIN.to_owned(),
            endpoint: self.settings.penstock.admin.clone(),
        }
    }

    /// Whose logs are read.
    pub(crate) fn served(&self) -> Vec<Served> {
        let cursor = |target: &Target| (target.pipeline.clone(), target.exporter.to_string());
        let feeds = self.feeds.iter();
        feeds
            .map(|feed| Served {
                receiver: feed.receiver.to_string(),
                signal: feed.signal,
                cursors: feed.targets.iter().map(cursor).collect(),
            })
            .collect()
    }

    /// How many signals a receiver takes.
    pub(crate) fn signals_of(&self, receiver: &ComponentId) -> usize {
        let feeds = self.feeds.iter();
        feeds.filter(|feed| feed.receiver == *receiver).count()
    }

    /// The feed of one signal of one receiver.
    pub(crate) fn feed(&self, receiver: &ComponentId, signal: Signal) -> Option<&Feed> {
        self.feeds
            .iter()
            .find(|feed| feed.receiver == *receiver && feed.signal == signal)
    }
}

/// What a `health_check` extension listens on.
pub(crate) fn health_check_socket(check: &HealthCheck) -> Wanted {
    Wanted {
        name: HEALTH_CHECK.to_owned(),
        endpoint: check.endpoint.clone(),
    }
}

impl Port {
    /// Where the configuration says who may send to it.
    pub(crate) fn auth_setting(&self) -> String {
        let protocol = self.transport().label();
        format!("receivers.{}.protocols.{protocol}.auth", self.receiver)
    }

    fn max_bytes(&self) -> usize {
        match &self.server {
            Server::Grpc(grpc) => grpc.max_message_bytes,
            Server::Http(http) => http.max_body_bytes,
        }
    }

    /// What has to be listened on for it.
    pub(crate) fn socket(&self) -> Wanted {
        Wanted {
            name: format!("{}/{}", self.receiver, self.transport().label()),
            endpoint: self.endpoint().to_owned(),
        }
    }

    pub(crate) fn endpoint(&self) -> &str {
        match &self.server {
            Server::Grpc(grpc) => &grpc.endpoint,
            Server::Http(http) => &http.endpoint,
        }
    }
}

/// Shares are relative: a receiver that serves one signal only gives it the whole limit.
fn budgets(settings: &Settings, feeds: &[Feed]) -> [Option<usize>; 3] {
    let memory = &settings.penstock.memory;
    let served = Signal::ALL.map(|signal| feeds.iter().any(|feed| feed.signal == signal));
    let share = |signal: Signal| memory.shares[signal.index()].max(0.0);
    let all: f64 = Signal::ALL
        .into_iter()
        .filter(|s| served[s.index()])
        .map(share)
        .sum();
    Signal::ALL.map(|signal| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a part of a size in memory"
        )]
        let bytes = (memory.limit_bytes as f64 * share(signal) / all) as usize;
        served[signal.index()].then_some(bytes)
    })
}

/// The disk is split as the memory is.
fn disk_share(settings: &Settings, memory: usize) -> u64 {
    let Storage::Disk(disk) = &settings.penstock.log.storage else {
        return 0;
    };
    let all = settings.penstock.memory.limit_bytes.max(1);
    let share = u128::from(disk.max_bytes) * memory as u128 / all as u128;
    u64::try_from(share).unwrap_or(u64::MAX)
}
