//! Sockets that agents may hold open. Any other kind of `WebSocket` is refused to agents: nobody
//! could see what goes over it.
//!
//! For an agent the service is asked again for each message that comes in, and every 30 s while the
//! handler waits for one or sends. At the first refusal or doubt the socket is closed with 1008; a
//! handler sees the end of the stream. For people it is axum's own.
//!
//! ```
//! use agentadmit::axum::ws::{WebSocket, WebSocketUpgrade};
//! use axum::response::Response;
//!
//! async fn prices(upgrade: WebSocketUpgrade) -> Response {
//!     upgrade.on_upgrade(async |mut socket: WebSocket| {
//!         while let Some(Ok(message)) = socket.recv().await {
//!             if socket.send(message).await.is_err() {
//!                 break;
//!             }
//!         }
//!     })
//! }
//! ```

use std::time::Duration;

use axum::Error;
use axum::extract::FromRequestParts;
use axum::extract::ws;
use axum::response::{IntoResponse, Response};
use http::request::Parts;

pub use axum::extract::ws::{CloseFrame, Message};

use crate::refusal::Refused;
use crate::stream::{StreamClosed, Watch};
use crate::tower::WatchedUpgrade;

/// RFC 6455 section 7.4.1: the endpoint's policy does not allow it.
const POLICY_VIOLATION: u16 = 1008;
/// How long a closing frame may take to go out.
const GOODBYE: Duration = Duration::from_secs(1);

/// A request for a `WebSocket`, as an extractor.
pub struct WebSocketUpgrade {
    inner: ws::WebSocketUpgrade,
    watch: Option<Watch>,
}

impl<S: Send + Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let watch = parts.extensions.get::<Watch>().cloned();
        let inner = ws::WebSocketUpgrade::from_request_parts(parts, state).await;
        inner.map(|inner| Self { inner, watch }).map_err(IntoResponse::into_response)
    }
}

impl WebSocketUpgrade {
    /// Sets what axum's own upgrade can set, such as protocols and sizes.
    #[must_use]
    pub fn configure(self, set: impl FnOnce(ws::WebSocketUpgrade) -> ws::WebSocketUpgrade) -> Self {
        Self { inner: set(self.inner), watch: self.watch }
    }

    /// The answer, and what to do with the socket.
    pub fn on_upgrade<C, F>(self, callback: C) -> Response
    where
        C: FnOnce(WebSocket) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let Self { inner, watch } = self;
        let mut response = inner.on_upgrade(move |socket| {
            callback(WebSocket { socket: Some(socket), watch, held: None })
        });
        response.extensions_mut().insert(WatchedUpgrade);
        response
    }
}

/// An open socket (RFC 6455).
pub struct WebSocket {
    /// `None` after it was closed.
    socket: Option<ws::WebSocket>,
    watch: Option<Watch>,
    /// A message that came in and that nobody has been asked about yet.
    held: Option<Message>,
}

impl WebSocket {
    /// The next message; `None` at the end. Whoever stops waiting loses no message, so it can stand
    /// in a `select!`.
    pub async fn recv(&mut self) -> Option<Result<Message, Error>> {
        loop {
            if self.held.is_some() {
                self.ask().await.ok()?;
                return self.held.take().map(Ok);
            }
            self.ask_when_due().await.ok()?;
            let received = match (self.socket.as_mut()?, &self.watch) {
                (socket, None) => return socket.recv().await,
                (socket, Some(watch)) => tokio::select! {
                    received = socket.recv() => received?,
                    () = watch.due() => continue,
                },
            };
            match received {
                Ok(message @ (Message::Text(_) | Message::Binary(_))) => self.held = Some(message),
                // what keeps the connection alive, and its end
                other => return Some(other),
            }
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// The socket's; [`StreamClosed`] when the agent may not go on.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.ask_when_due().await.map_err(Error::new)?;
        match &mut self.socket {
            Some(socket) => socket.send(message).await,
            None => Err(Error::new(StreamClosed)),
        }
    }

    async fn ask_when_due(&mut self) -> Result<(), StreamClosed> {
        if self.watch.as_ref().is_some_and(Watch::is_due) { self.ask().await } else { Ok(()) }
    }

    async fn ask(&mut self) -> Result<(), StreamClosed> {
        let Some(watch) = &mut self.watch else { return Ok(()) };
        let Err(refused) = watch.ask().await else { return Ok(()) };
        tracing::info!(error = %refused.body.error, "an agent's WebSocket was closed");
        self.close(&refused).await;
        Err(StreamClosed)
    }

    /// Says why, as long as the other side listens, and hangs up.
    async fn close(&mut self, refused: &Refused) {
        self.held = None;
        let (Some(mut socket), Some(watch)) = (self.socket.take(), &self.watch) else { return };
        let reason = refused.body.error.as_ref().into();
        let frame = CloseFrame { code: POLICY_VIOLATION, reason };
        let too_long = watch.after(GOODBYE);
        tokio::select! {
            _ = socket.send(Message::Close(Some(frame))) => {}
            () = too_long => {}
        }
    }
}
