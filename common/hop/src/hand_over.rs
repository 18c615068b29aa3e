//! What a receiver holds when it has to end, given to another receiver: the hop with receivers as peers.
//!
//! Whoever sends decides what an answer means: one that will not take a batch leaves it where it is.

use crate::HopClient;
use crate::client::Peers;
use crate::connection::ConnectionSettings;
use crate::discovery::SystemResolver;
use crate::metadata::HandOver;
use penstock_otlp::compress::Encoding;
use penstock_runtime::Tasks;
use penstock_settings::Hop;
use penstock_tls::{ClientSide, Credentials};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// For a receiver to answer. It only has to append; when it does not in this time, another one should be asked while
/// there is time left to do so.
const ANSWER: Duration = Duration::from_secs(5);
/// How long a receiver that fails is left alone at first. There is not much time left.
const EJECT_FOR: Duration = Duration::from_millis(250);
/// Stands for the exporter in the hop's metrics.
const NAME: &str = "hand_over";

/// Other receivers, behind one address or name.
pub struct Receivers {
    peers: Arc<Peers>,
    compression: Encoding,
    credentials: Option<Arc<Credentials>>,
}

impl fmt::Debug for Receivers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receivers").finish_non_exhaustive()
    }
}

impl Receivers {
    /// The receivers at `endpoint`, `host:port` or `dns:///host:port`, by `tls` and with `credentials` if there are any. Nothing is connected before it is
    /// needed.
    #[must_use]
    pub fn new(
        endpoint: &str,
        hop: &Hop,
        tls: Option<&Arc<ClientSide>>,
        credentials: Option<&Arc<Credentials>>,
        tasks: &Tasks,
    ) -> Self {
        let hop = Hop {
            eject_for: hop.eject_for.min(EJECT_FOR),
            ..hop.clone()
        };
        let entries = [endpoint.to_owned()];
        let resolver = Arc::new(SystemResolver);
        Self {
            peers: Peers::new(
                NAME,
                entries.iter(),
                &hop,
                ConnectionSettings::new(&hop, tls),
                tasks,
                resolver,
                false,
            ),
            compression: hop.compression,
            credentials: credentials.cloned(),
        }
    }

    /// The way to one cursor of theirs. All ways share the connections.
    #[must_use]
    pub fn cursor(&self, cursor: HandOver) -> Arc<HopClient> {
        let credentials = self.credentials.clone();
        HopClient::to_receivers(&self.peers, cursor, ANSWER, self.compression, credentials)
    }
}
