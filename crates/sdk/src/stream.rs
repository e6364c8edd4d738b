//! A WebSocket, an event stream or a long answer is not one request: the service is asked again for
//! each message that comes in, and every 30 s while data goes out (PROTOCOL, Principles).
//!
//! The guards wrap every answer to an agent in an [`AgentBody`], so no handler can forget it. At the
//! first refusal or doubt the body ends with an error, and the server breaks the connection off: an
//! answer that was cut short does not look whole.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::guard::{AgentCall, Reask};
use crate::refusal::Refused;
use crate::time::{Clock, Sleep};

/// How long data may go out to an agent before the service is asked again.
pub const ASK_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Any error of a body.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What it takes to ask about an agent's request again.
#[derive(Clone)]
pub(crate) struct Watch {
    asks: Arc<dyn Reask>,
    call: Arc<AgentCall>,
    clock: Arc<dyn Clock>,
    asked_ns: u64,
}

impl Watch {
    /// Of a request that was allowed by a verify that began at `asked_ns`.
    pub(crate) fn new(
        asks: Arc<dyn Reask>,
        call: Arc<AgentCall>,
        clock: Arc<dyn Clock>,
        asked_ns: u64,
    ) -> Self {
        Self { asks, call, clock, asked_ns }
    }

    /// How long the last answer still holds for data that goes out.
    fn left(&self) -> Duration {
        let age = self.clock.monotonic_ns().saturating_sub(self.asked_ns);
        ASK_AGAIN_AFTER.saturating_sub(Duration::from_nanos(age))
    }

    pub(crate) fn is_due(&self) -> bool {
        self.left().is_zero()
    }

    /// Ends when the service must be asked again.
    pub(crate) fn due(&self) -> Sleep {
        self.clock.sleep(self.left())
    }

    /// Ends after a time, on the same clock.
    #[cfg(feature = "axum")]
    pub(crate) fn after(&self, duration: Duration) -> Sleep {
        self.clock.sleep(duration)
    }

    /// Asks; an `Ok` holds from the moment at which the question was put.
    pub(crate) async fn ask(&mut self) -> Result<(), Refused> {
        let now_ns = self.clock.monotonic_ns();
        self.asks.reask(&self.call).await?;
        self.asked_ns = now_ns;
        Ok(())
    }

    fn asking(&self) -> Asking {
        let mut watch = self.clone();
        Box::pin(async move {
            watch.ask().await?;
            Ok(watch.asked_ns)
        })
    }
}

/// A question that is under way, and the moment at which it was put.
type Asking = Pin<Box<dyn Future<Output = Result<u64, Refused>> + Send>>;

/// The service was asked again while an answer went out, and did not say yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the agent may not go on: its answer was broken off")]
pub struct StreamClosed;

/// The body of an answer behind a guard: unchanged for people, watched for agents.
pub struct AgentBody<B>(State<B>);

enum State<B> {
    Plain(B),
    Refusal(Option<Bytes>),
    Watched { body: B, watch: Watch, phase: Phase },
    Closed,
}

enum Phase {
    Flowing,
    /// Nothing goes out at the moment; the question is put when this ends.
    Waiting(Sleep),
    Asking(Asking),
}

impl<B> AgentBody<B> {
    /// Not an agent's: passed on as it is.
    pub(crate) const fn plain(body: B) -> Self {
        Self(State::Plain(body))
    }

    pub(crate) const fn refusal(json: Bytes) -> Self {
        Self(State::Refusal(Some(json)))
    }

    pub(crate) const fn watched(body: B, watch: Watch) -> Self {
        Self(State::Watched { body, watch, phase: Phase::Flowing })
    }
}

impl<B> Body for AgentBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = match &mut self.0 {
            State::Plain(body) => return poll_inner(body, context),
            State::Refusal(json) => return Poll::Ready(json.take().map(|it| Ok(Frame::data(it)))),
            State::Closed => return Poll::Ready(None),
            State::Watched { body, watch, phase } => {
                ready!(poll_watched(body, watch, phase, context))
            }
        };
        if matches!(&polled, Some(Err(error)) if error.is::<StreamClosed>()) {
            self.0 = State::Closed;
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            State::Plain(body) | State::Watched { body, .. } => body.is_end_stream(),
            State::Refusal(json) => json.is_none(),
            State::Closed => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            State::Plain(body) | State::Watched { body, .. } => body.size_hint(),
            State::Refusal(Some(json)) => SizeHint::with_exact(json.len() as u64),
            State::Refusal(None) | State::Closed => SizeHint::with_exact(0),
        }
    }
}

type Polled = Option<Result<Frame<Bytes>, BoxError>>;

fn poll_inner<B>(body: &mut B, context: &mut Context<'_>) -> Poll<Polled>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    Pin::new(body).poll_frame(context).map_err(Into::into)
}

/// Lets nothing out while a question is due or under way.
fn poll_watched<B>(
    body: &mut B,
    watch: &mut Watch,
    phase: &mut Phase,
    context: &mut Context<'_>,
) -> Poll<Polled>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    loop {
        if let Phase::Asking(asking) = phase {
            match ready!(asking.as_mut().poll(context)) {
                Ok(asked_ns) => watch.asked_ns = asked_ns,
                Err(refused) => {
                    tracing::info!(error = %refused.body.error, "an answer to an agent was broken off");
                    return Poll::Ready(Some(Err(StreamClosed.into())));
                }
            }
            *phase = Phase::Flowing;
        }
        if watch.is_due() {
            *phase = Phase::Asking(watch.asking());
            continue;
        }
        if let Poll::Ready(polled) = poll_inner(body, context) {
            return Poll::Ready(polled);
        }
        if matches!(phase, Phase::Flowing) {
            *phase = Phase::Waiting(watch.due());
        }
        if let Phase::Waiting(due) = phase {
            ready!(due.as_mut().poll(context));
            *phase = Phase::Asking(watch.asking());
        }
    }
}
