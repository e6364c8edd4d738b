//! The signals that a service obeys.

use agentadmit_engine::Engine;
use agentadmit_http::serve::writer_stopped;
use agentadmit_http::tls::TlsCertificate;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, Failure};
use crate::serve::writer_died;

/// SIGTERM and SIGINT end the service, SIGHUP reads its certificate anew.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Catches them from now on.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let of = |kind| signal(kind).map_err(|error| Failure::could_not(error.to_string()));
        Ok(Self {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
            hangup: of(SignalKind::hangup())?,
        })
    }

    /// Returns when the service shall end; meanwhile reloads the certificate when it is told to.
    ///
    /// # Errors
    /// The writer died.
    pub(crate) async fn until_the_end(
        &mut self,
        engine: &Engine,
        tls: Option<&TlsCertificate>,
    ) -> Result<(), Failure> {
        let mut writer = std::pin::pin!(writer_stopped(engine));
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Ok(()),
                _ = self.interrupt.recv() => return Ok(()),
                _ = self.hangup.recv() => reload(tls),
                () = &mut writer => return Err(writer_died()),
            }
        }
    }

    /// Returns at the next signal that ends a process: whoever sends a second one does not want
    /// to wait.
    pub(crate) async fn end(&mut self) -> Exit {
        tokio::select! {
            _ = self.terminate.recv() => Exit::Signal(15),
            _ = self.interrupt.recv() => Exit::Signal(2),
        }
    }
}

fn reload(tls: Option<&TlsCertificate>) {
    match tls.map(TlsCertificate::reload) {
        None => tracing::info!("SIGHUP: there is no certificate to read anew"),
        Some(Ok(())) => tracing::info!("SIGHUP: new connections see the certificate as it is now"),
        Some(Err(error)) => tracing::error!(%error, "SIGHUP: the former certificate stays"),
    }
}
