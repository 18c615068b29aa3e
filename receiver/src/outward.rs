//! Who this receiver is to those that it sends to: TLS and credentials, as their files have them now.

use penstock_hop::Receivers;
use penstock_runtime::Tasks;
use penstock_settings::{ClientTls, HandOver, Hop, Penstock};
use penstock_tls::{ClientSide, Credentials, TlsFault, Watched};
use std::sync::Arc;

/// Towards exporters, and towards other receivers when there is something to hand over.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outward {
    pub(crate) hop: Option<Arc<ClientSide>>,
    pub(crate) hand_over: Towards,
}

/// TLS and credentials towards other receivers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Towards {
    tls: Option<Arc<ClientSide>>,
    credentials: Option<Arc<Credentials>>,
}

impl Outward {
    /// Reads the files that the settings name.
    pub(crate) fn new(settings: &Penstock) -> Result<Self, TlsFault> {
        let hand_over = settings.hand_over.as_ref();
        let hand_over = hand_over.map(Towards::new).transpose()?;
        Ok(Self {
            hop: side(settings.hop.tls.as_ref())?,
            hand_over: hand_over.unwrap_or_default(),
        })
    }

    /// What has to be read again.
    pub(crate) fn files(&self) -> Vec<Arc<dyn Watched>> {
        let Towards { tls, credentials } = &self.hand_over;
        let sides = self.hop.iter().chain(tls).cloned();
        let sides = sides.map(|side| side as Arc<dyn Watched>);
        let credentials = credentials.iter().cloned();
        let credentials = credentials.map(|credentials| credentials as Arc<dyn Watched>);
        sides.chain(credentials).collect()
    }
}

impl Towards {
    /// Reads the files that the settings name.
    pub(crate) fn new(settings: &HandOver) -> Result<Self, TlsFault> {
        let credentials = settings.credentials.as_ref();
        let credentials = credentials.map(|shown| Credentials::new(shown).map(Arc::new));
        Ok(Self {
            tls: side(settings.tls.as_ref())?,
            credentials: credentials.transpose()?,
        })
    }

    /// The receivers at `endpoint`.
    pub(crate) fn receivers(&self, endpoint: &str, hop: &Hop, tasks: &Tasks) -> Receivers {
        let (tls, credentials) = (self.tls.as_ref(), self.credentials.as_ref());
        Receivers::new(endpoint, hop, tls, credentials, tasks)
    }
}

fn side(settings: Option<&ClientTls>) -> Result<Option<Arc<ClientSide>>, TlsFault> {
    let side = settings.map(|settings| ClientSide::new(settings, &["h2"]).map(Arc::new));
    side.transpose()
}
