//! The way of a plain `POST /v1/verify`, which is nearly every request: read, decided and answered
//! in the connection's own loop.
//!
//! hyper, the router and its layers cost more instructions than the decision and its record do, and
//! a verify needs nothing of them. So a connection begins here. What [`head`] recognises, a strict
//! subset of HTTP/1.1, is answered by the same handler, envelope and metrics as behind the router.
//! At the first byte of anything else the connection goes to hyper, with all that was read and not
//! answered, and stays there: no answer is made here that hyper or a route would make otherwise.

mod alarm;
mod answer;
mod head;
mod replayed;

use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, ready};

use agentadmit_engine::trail::Trail;
use agentadmit_engine::verbs::auth::AppCredential;
use agentadmit_protocol::api::verify::VerifyRequest;
use bytes::{Buf as _, Bytes, BytesMut};
use http::Method;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

use self::alarm::Alarm;
use self::answer::Envelope;
use self::head::Found;
pub(crate) use self::replayed::Replayed;
use crate::envelope;
use crate::error::{Answer, ApiError};
use crate::observe::{self, Begun};
use crate::patience::Patience;
use crate::routes::verify::{Allowed, decide};
use crate::serve::{ServeLimits, Stop};
use crate::state::{RequestId, ServiceState};

/// The most bytes that a request may have here; a verify has about 500.
const MOST_BYTES: usize = 8 * 1024;
/// Room that is made for reading, and below which it is made.
const READ: usize = 2 * 1024;
const LEAST_READ: usize = 512;
/// Room for an answer with its head.
const ANSWER_BYTES: usize = 2 * 1024;

/// How a connection ends here.
pub(crate) enum End<S> {
    /// It is over.
    Closed,
    /// Something came that is not for here: the stream, and what was read and not answered.
    HandOver(S, Bytes),
}

/// A connection whose requests are verifies, so far.
pub(crate) struct FastLane<'s, S> {
    stream: S,
    state: ServiceState,
    limits: ServeLimits,
    stop: &'s mut Stop,
    patience: &'s Patience,
    /// What was read and not answered.
    buffer: BytesMut,
    has_answered: bool,
    alarm: Alarm,
}

/// What is done with what came.
enum Next {
    Verify(Call),
    /// The body did not come in time.
    TooSlow(RequestId, Began),
    HandOver,
    Close,
}

/// A whole request, in its own types.
struct Call {
    credential: AppCredential,
    request: VerifyRequest,
    began: Began,
}

/// What came of waiting for bytes.
enum More {
    Bytes,
    End,
    /// The service stops, and no request has begun.
    Stop,
    TooSlow,
}

/// When a request's head was complete.
#[derive(Clone, Copy)]
struct Began {
    /// For the time limit.
    at: Instant,
    /// By the engine's clock, for the log and the metrics.
    ns: u64,
    route: &'static str,
}

/// What came of a call.
enum Decided {
    Answer(Answer<Allowed>, Trail),
    /// The client left before its answer.
    Left,
}

impl<'s, S: AsyncRead + AsyncWrite + Unpin> FastLane<'s, S> {
    pub(crate) fn new(
        stream: S,
        state: ServiceState,
        limits: ServeLimits,
        stop: &'s mut Stop,
        patience: &'s Patience,
    ) -> Self {
        let alarm = Alarm::new(Instant::now() + limits.head);
        let buffer = BytesMut::new();
        Self { stream, state, limits, stop, patience, buffer, has_answered: false, alarm }
    }

    /// Answers verifies until the connection ends or something else comes.
    ///
    /// # Errors
    /// When the stream breaks off.
    pub(crate) async fn run(mut self) -> io::Result<End<S>> {
        loop {
            match self.next().await? {
                Next::Verify(mut call) => {
                    if self.patience.keep(call.began.route).await {
                        call.began = self.begin(call.began.route);
                    }
                    let (request_id, began) = (self.state.request_id(), call.began);
                    let (answer, trail) = match self.decide(call, &request_id).await? {
                        Decided::Answer(answer, trail) => (answer, trail),
                        Decided::Left => return Ok(End::Closed),
                    };
                    let is_last = self.stop.is_asked();
                    self.answer(answer, trail, &request_id, began, is_last).await?;
                    if is_last {
                        return self.close().await;
                    }
                }
                Next::TooSlow(request_id, began) => {
                    // the rest of the body may still come, and is no request
                    let answer = Err(envelope::timed_out());
                    let is_last = self.stop.is_asked();
                    self.answer(answer, Trail::default(), &request_id, began, is_last).await?;
                    return self.close().await;
                }
                Next::HandOver => return Ok(End::HandOver(self.stream, self.buffer.freeze())),
                Next::Close => return self.close().await,
            }
        }
    }

    async fn close(mut self) -> io::Result<End<S>> {
        self.stream.shutdown().await?;
        Ok(End::Closed)
    }

    /// The next request, read whole.
    async fn next(&mut self) -> io::Result<Next> {
        let mut began = None;
        let mut is_news = !self.buffer.is_empty();
        self.alarm.set(Instant::now() + self.limits.head);
        loop {
            if is_news {
                match head::recognise(&self.buffer) {
                    Found::Request(recognised) => {
                        let began = began.unwrap_or_else(|| self.begin(recognised.route));
                        // what a route would not take stays, for the route to say why
                        let Some(read) = recognised.read() else { return Ok(Next::HandOver) };
                        let (credential, request) = read;
                        let length = recognised.length;
                        self.buffer.advance(length);
                        return Ok(Next::Verify(Call { credential, request, began }));
                    }
                    Found::HeadOnly { route } if began.is_none() => {
                        let now = self.begin(route);
                        self.alarm.set(now.at + self.state.options().request_timeout);
                        began = Some(now);
                    }
                    Found::HeadOnly { .. } | Found::Part => {}
                    Found::Other => return Ok(Next::HandOver),
                }
            }
            if self.buffer.len() >= MOST_BYTES {
                return Ok(Next::HandOver);
            }
            match poll_fn(|cx| self.poll_more(cx, began.is_some())).await? {
                More::Bytes => is_news = true,
                More::End if self.buffer.is_empty() => return Ok(Next::Close),
                // what an unfinished request is answered, if anything, is not for here
                More::End => return Ok(Next::HandOver),
                More::Stop => return Ok(Next::Close),
                More::TooSlow => {
                    let slow = began.map(|began| Next::TooSlow(self.state.request_id(), began));
                    return Ok(slow.unwrap_or(Next::Close));
                }
            }
        }
    }

    fn begin(&self, route: &'static str) -> Began {
        Began { at: Instant::now(), ns: self.state.engine().monotonic_ns(), route }
    }

    /// Waits for more bytes, or for a reason to wait no longer.
    fn poll_more(&mut self, cx: &mut Context<'_>, has_begun: bool) -> Poll<io::Result<More>> {
        if self.buffer.capacity() - self.buffer.len() < LEAST_READ {
            self.buffer.reserve(READ);
        }
        if let Poll::Ready(read) = pin!(self.stream.read_buf(&mut self.buffer)).poll(cx)? {
            return Poll::Ready(Ok(if read == 0 { More::End } else { More::Bytes }));
        }
        // the first request, once begun, is waited for; later ones are where their head is whole
        let may_stop = !has_begun && (self.has_answered || self.buffer.is_empty());
        if may_stop && self.stop.poll_asked(cx).is_ready() {
            return Poll::Ready(Ok(More::Stop));
        }
        ready!(self.alarm.poll(cx));
        Poll::Ready(Ok(More::TooSlow))
    }

    /// Decides, unless the client leaves or the time is over before.
    async fn decide(&mut self, call: Call, request_id: &RequestId) -> io::Result<Decided> {
        let Self { stream, state, buffer, alarm, .. } = self;
        alarm.set(call.began.at + state.options().request_timeout);
        let decided = decide(state, Some(request_id), call.credential, call.request);
        let mut decided = pin!(Trail::of(decided));
        let refused = |error| Poll::Ready(Ok(Decided::Answer(Err(error), Trail::default())));
        poll_fn(|cx| {
            match catch_unwind(AssertUnwindSafe(|| decided.as_mut().poll(cx))) {
                Ok(Poll::Ready((answer, trail))) => {
                    return Poll::Ready(Ok(Decided::Answer(answer, trail)));
                }
                Ok(Poll::Pending) => {}
                Err(_) => return refused(ApiError::internal()),
            }
            // once something is there, the client is
            if buffer.is_empty()
                && let Poll::Ready(0) = pin!(stream.read_buf(buffer)).poll(cx)?
            {
                return Poll::Ready(Ok(Decided::Left));
            }
            ready!(alarm.poll(cx));
            refused(envelope::timed_out())
        })
        .await
    }

    async fn answer(
        &mut self,
        answer: Answer<Allowed>,
        trail: Trail,
        request_id: &RequestId,
        began: Began,
        is_last: bool,
    ) -> io::Result<()> {
        let engine = self.state.engine();
        let envelope = Envelope { request_id, is_last, wall: engine.wall() };
        let mut out = Vec::with_capacity(ANSWER_BYTES);
        self.patience.answered(began.route, answer.as_ref().err().and_then(ApiError::excess));
        let status = match answer {
            Ok(allowed) => envelope.allowed(&allowed, &mut out),
            Err(error) => envelope.error(error, &mut out),
        };
        let request = Begun { began_ns: began.ns, context: None };
        let target = (&Method::POST, began.route);
        observe::answered(&self.state, &request, target, status, request_id, trail);
        self.has_answered = true;
        self.stream.write_all(&out).await?;
        // a TLS session may hold some back
        self.stream.flush().await
    }
}
