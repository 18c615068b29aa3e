//! The listening sockets of a receiver: bound from its settings, or taken over from whoever bound them before.
//!
//! *Invariant:* a socket that two configurations have in common is the same socket, so that no connection in its queue is
//! lost when one configuration takes the other's place.

use crate::StartError;
use crate::plan::Plan;
use crate::receive::listener;
use penstock_settings::Settings;
use std::io;
use std::net::TcpListener;

#[cfg(test)]
mod tests;

/// What the admin server's socket is called.
pub(crate) const ADMIN: &str = "admin";
/// What the sockets of `health_check` extensions are called.
pub(crate) const HEALTH_CHECK: &str = "health_check";

/// A port to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// `<receiver>/grpc`, `<receiver>/http`, [`ADMIN`] or [`HEALTH_CHECK`].
    pub(crate) name: String,
    /// As in the settings.
    pub(crate) endpoint: String,
}

/// A socket and the port that it is for.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) wanted: Wanted,
    pub(crate) listener: TcpListener,
}

/// The listening sockets of a receiver.
#[derive(Debug, Default)]
pub struct Sockets(Vec<Socket>);

impl Sockets {
    /// Binds all that a receiver with these settings listens on.
    ///
    /// # Errors
    /// [`StartError`] when there is nothing to serve or an address cannot be listened on.
    pub async fn bind(settings: &Settings) -> Result<Self, StartError> {
        Self::bind_beside(&Plan::new(settings.clone())?.sockets(), &Self::default()).await
    }

    /// Sockets for all that is `wanted`: of what is there already the same ones.
    pub(crate) async fn bind_beside(wanted: &[Wanted], there: &Self) -> Result<Self, StartError> {
        let mut free: Vec<_> = there.0.iter().collect();
        let mut take = |fits: &dyn Fn(&Wanted) -> bool| {
            let found = free.iter().position(|socket| fits(&socket.wanted))?;
            Some(free.swap_remove(found))
        };
        // First those that keep their name: `:0` of one port is not `:0` of another.
        let mut kept: Vec<_> = wanted.iter().map(|port| take(&|had| had == port)).collect();
        for (port, kept) in wanted.iter().zip(&mut kept) {
            if kept.is_none() && !port.endpoint.ends_with(":0") {
                *kept = take(&|had| had.endpoint == port.endpoint);
            }
        }
        let mut sockets = Vec::new();
        for (port, kept) in wanted.iter().zip(kept) {
            let listener = match kept {
                Some(kept) => kept.listener.try_clone(),
                None => listener::bind(&port.endpoint).await?.into_std(),
            };
            sockets.push(Socket {
                listener: listener.map_err(|error| port.fault(error))?,
                wanted: port.clone(),
            });
        }
        Ok(Self(sockets))
    }

    /// Handles of the same sockets, for a second receiver on them.
    ///
    /// # Errors
    /// When there are too many open files.
    pub fn try_clone(&self) -> io::Result<Self> {
        let sockets = self.0.iter().map(|socket| {
            Ok(Socket {
                wanted: socket.wanted.clone(),
                listener: socket.listener.try_clone()?,
            })
        });
        Ok(Self(sockets.collect::<io::Result<_>>()?))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Socket> {
        self.0.iter()
    }

    pub(crate) fn push(&mut self, wanted: Wanted, listener: TcpListener) {
        self.0.push(Socket { wanted, listener });
    }

    /// Takes out the socket for a port, ready for the current runtime.
    pub(crate) fn take(&mut self, wanted: &Wanted) -> Result<tokio::net::TcpListener, StartError> {
        let position = self.0.iter().position(|socket| socket.wanted == *wanted);
        let Some(position) = position else {
            return Err(wanted.fault(io::ErrorKind::NotFound.into()));
        };
        let listener = self.0.swap_remove(position).listener;
        let ready = listener.set_nonblocking(true);
        ready
            .and_then(|()| tokio::net::TcpListener::from_std(listener))
            .map_err(|error| wanted.fault(error))
    }
}

impl Wanted {
    pub(crate) fn fault(&self, error: io::Error) -> StartError {
        StartError::Bind {
            endpoint: self.endpoint.clone(),
            error,
        }
    }
}
