//! `extensions`: most do nothing here; of a `file_storage` that a `sending_queue` names, the log takes what it can.

use super::checks::{not_declared, server_endpoint};
use super::client_auth::{self, Change, SETTER};
use super::findings::{At, Findings};
use super::{auth, unavailable};
use crate::model::{Authenticator, ClientCredentials, ComponentId, HealthCheck};
use crate::raw::extensions::{self as raw, FILE_STORAGE_NOTES, HEALTH_CHECK_NOTES};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Extensions that are accepted, since most files have them, and why they do nothing.
const WITHOUT_EFFECT: [(&str, &str); 2] = [
    (
        "pprof",
        "profiles are made by the admin server at penstock.admin.endpoint, with penstock.telemetry.profiles",
    ),
    (
        "zpages",
        "what there is to see is at penstock.admin.endpoint: /healthz?verbose, /ledger and /metrics",
    ),
];
const HEALTH_CHECK: &str = "health_check";
const FILE_STORAGE: &str = "file_storage";
/// Every extension that is accepted.
pub(crate) const KINDS: &[&str] = &[
    auth::BASIC,
    auth::BEARER,
    FILE_STORAGE,
    SETTER,
    HEALTH_CHECK,
    "pprof",
    "zpages",
];

/// A `file_storage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileStorage {
    /// `directory`, with the Collector's default: it is where the user's volume is.
    pub(crate) directory: PathBuf,
    /// `fsync`.
    pub(crate) fsync: bool,
}

/// What an extension does for a client.
#[derive(Clone, Debug)]
pub(crate) enum Client {
    /// Changes headers.
    Headers(Vec<Change>),
    /// Says who it is.
    Credentials(ClientCredentials),
}

/// By extension.
pub(crate) type Clients = BTreeMap<ComponentId, Client>;

/// What the file declares, and which storages exporters use.
#[derive(Debug, Default)]
pub(crate) struct Extensions {
    declared: BTreeMap<ComponentId, Option<FileStorage>>,
    used: Vec<ComponentId>,
    health_checks: BTreeMap<ComponentId, HealthCheck>,
    /// `None` is one with errors.
    authenticators: BTreeMap<ComponentId, Option<Authenticator>>,
    /// What they add to an exporter's headers.
    clients: Clients,
    /// Those that a server or an exporter asks for, and its key.
    asked: Vec<(ComponentId, String)>,
}

/// Reads the declared extensions.
pub(crate) fn read(components: &[At<'_>], findings: &mut Findings) -> Extensions {
    let mut extensions = Extensions::default();
    for at in components {
        let id = ComponentId(at.key().to_owned());
        let mut storage = None;
        if id.kind() == FILE_STORAGE {
            storage = findings.read(at, &[FILE_STORAGE_NOTES]).map(file_storage);
        } else if id.kind() == HEALTH_CHECK {
            if let Some(raw) = findings.read(at, &[HEALTH_CHECK_NOTES]) {
                let check = health_check(at, raw, findings);
                extensions.health_checks.insert(id.clone(), check);
            }
        } else if [auth::BASIC, auth::BEARER].contains(&id.kind()) {
            let read = auth::read(at, &id, &mut extensions.clients, findings);
            extensions.authenticators.insert(id.clone(), read);
        } else if id.kind() == SETTER {
            let changes = client_auth::setter(at, findings);
            extensions
                .clients
                .insert(id.clone(), Client::Headers(changes));
        } else if let Some((_, reason)) = WITHOUT_EFFECT.iter().find(|(kind, _)| *kind == id.kind())
        {
            let message = format!("has no effect here, nor has anything below it: {reason}");
            findings.warn(at, "", message);
        } else {
            findings.no_component(at, unavailable::extension(id.kind()));
        }
        extensions.declared.insert(id, storage);
    }
    extensions
}

fn file_storage(raw: raw::FileStorage) -> FileStorage {
    let directory = raw.directory.filter(|directory| !directory.is_empty());
    let usual = || "/var/lib/otelcol/file_storage".to_owned();
    FileStorage {
        directory: directory.unwrap_or_else(usual).into(),
        fsync: raw.fsync.unwrap_or(false),
    }
}

fn health_check(at: &At<'_>, raw: raw::HealthCheck, findings: &mut Findings) -> HealthCheck {
    let mut check = HealthCheck::default();
    if let Some(endpoint) = raw.endpoint {
        match server_endpoint(&endpoint) {
            Ok(endpoint) => check.endpoint = endpoint,
            Err(message) => findings.error(at, "endpoint", message),
        }
    }
    if let Some(path) = raw.path.filter(|path| !path.is_empty()) {
        if !path.starts_with('/') || path.contains(['?', '#', ' ']) {
            findings.error(at, "path", format!("`{path}` is not a path"));
        }
        check.path = path;
    }
    let body = raw.response_body.unwrap_or_default();
    check.healthy_body = body.healthy.unwrap_or_default();
    check.unhealthy_body = body.unhealthy.unwrap_or_default();
    let message = "means something else here: it answers 200 when the receiver can accept and 503 when it cannot, as /readyz \
                   does; for liveness use /livez of penstock.admin.endpoint";
    findings.note(at, "", message);
    check
}

impl Extensions {
    /// The health checks that are switched on, with their ids.
    pub(crate) fn health_checks(&self, on: &[String]) -> Vec<HealthCheck> {
        let on = self
            .health_checks
            .iter()
            .filter(|(id, _)| on.contains(&id.0));
        on.map(|(_, check)| check.clone()).collect()
    }

    /// What an extension does for a client.
    pub(crate) fn client(&self, id: &ComponentId) -> Option<Client> {
        self.clients.get(id).cloned()
    }

    /// An authenticator that the server or exporter `at` asks for.
    pub(crate) fn authenticates(
        &mut self,
        at: &At<'_>,
        key: &str,
        id: &ComponentId,
    ) -> Option<Authenticator> {
        self.asked.push((id.clone(), at.path_of(key)));
        self.authenticators.get(id)?.clone()
    }

    /// Checks that what is asked for is switched on; tells of authenticators that nobody asks for.
    pub(crate) fn are_on(&self, root: &At<'_>, on: &[String], findings: &mut Findings) {
        for (id, key) in self.asked.iter().filter(|(id, _)| !on.contains(&id.0)) {
            let message = format!("does not name `{id}`, which {key} asks for; add it");
            findings.error(root, "service.extensions", message);
        }
        let idle = |id: &&ComponentId| !self.asked.iter().any(|(asked, _)| asked == *id);
        let setters = self.clients.keys().filter(|id| id.kind() == SETTER);
        for id in self.authenticators.keys().chain(setters).filter(idle) {
            let message = "has no effect here: no `auth` names it";
            findings.warn(root, &format!("extensions.{id}"), message);
        }
    }

    /// The ids of all.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &ComponentId> + Clone {
        self.declared.keys()
    }

    /// Notes that the exporter `at` keeps its queue in the extension `name`.
    pub(crate) fn keeps_queue_of(&mut self, at: &At<'_>, name: &str, findings: &mut Findings) {
        const KEY: &str = "sending_queue.storage";
        let id = ComponentId(name.to_owned());
        match self.declared.get(&id) {
            None => {
                not_declared(at, KEY, "extension", name, self.ids(), findings);
            }
            Some(_) if id.kind() != FILE_STORAGE => {
                findings.error(at, KEY, format!("`{name}` is not a storage extension"));
            }
            Some(_) => {
                let message = format!(
                    "means something else here: all exporters read the receiver's own log, and of `{name}` it takes the directory and \
                     fsync"
                );
                findings.note(at, KEY, message);
                if !self.used.contains(&id) {
                    self.used.push(id);
                }
            }
        }
    }

    /// The storage that exporters use, the first of several.
    pub(crate) fn storage(&self) -> Option<&FileStorage> {
        self.used
            .iter()
            .find_map(|id| self.declared.get(id)?.as_ref())
    }

    /// Tells of storages that do nothing.
    pub(crate) fn warn_unused(&self, root: &At<'_>, findings: &mut Findings) {
        let chosen = self.storage();
        for (id, storage) in &self.declared {
            let Some(storage) = storage else { continue };
            let message = if !self.used.contains(id) {
                "has no effect here: no exporter's sending_queue names it, and the log is on disk without it"
            } else if chosen.is_some_and(|chosen| chosen != storage) {
                "has no effect here: there is one log for all exporters, and it is in the first of their storages"
            } else {
                continue;
            };
            findings.warn(root, &format!("extensions.{id}"), message);
        }
    }
}
