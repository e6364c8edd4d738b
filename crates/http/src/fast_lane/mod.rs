//! The way of a plain `POST /v1/verify` or `POST /oauth/introspect`, which is nearly every request:
//! read, decided and answered in the connection's own loop.
//!
//! hyper, the router and its layers cost more instructions than the decision and its record do, and
//! these calls need nothing of them. So a connection begins here. What [`PlainRequests`] recognises,
//! a strict subset of HTTP/1.1, is answered by the same handler, envelope and metrics as behind the router.
//! At the first byte of anything else the connection goes to hyper, with all that was read and not
//! answered, and stays there: no answer is made here that hyper or a route would make otherwise.

mod alarm;
mod answer;
mod replayed;

use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, ready};

use agentadmit_engine::trail::Trail;
use agentadmit_engine::verbs::auth::AppCredential;
use agentadmit_protocol::api::oauth::TokenForm;
use agentadmit_protocol::api::query;
use agentadmit_protocol::api::verify::VerifyRequest;
use agentadmit_protocol::plain_request::{
    Found, HotRoute, MOST_BYTES, PlainRequest, PlainRequests,
};
use agentadmit_protocol::secret::Presented;
use agentadmit_protocol::{json, plain_body};
use bytes::{Buf as _, Bytes, BytesMut};
use http::Method;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

use self::alarm::Alarm;
use self::answer::Envelope;
pub(crate) use self::replayed::Replayed;
use crate::buffers;
use crate::envelope;
use crate::error::{Answer, ApiError};
use crate::observe::{self, Begun};
use crate::patience::Patience;
use crate::routes::oauth;
use crate::routes::verify::{self, Good};
use crate::serve::{ServeLimits, Stop};
use crate::state::{RequestId, ServiceState};

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

/// A connection whose requests are plain, so far.
pub(crate) struct FastLane<'s, S> {
    stream: S,
    state: ServiceState,
    limits: ServeLimits,
    stop: &'s mut Stop,
    patience: &'s Patience,
    /// What was read and not answered.
    buffer: BytesMut,
    requests: PlainRequests,
    has_answered: bool,
    alarm: Alarm,
}

/// What is done with what came.
enum Next {
    Decide(Call),
    /// The body did not come in time.
    TooSlow(RequestId, Began),
    HandOver,
    Close,
}

/// A whole request, in its own types.
struct Call {
    credential: AppCredential,
    ask: Ask,
    began: Began,
}

/// What a request asks.
enum Ask {
    Verify(VerifyRequest),
    Introspect(Presented),
}

impl Ask {
    /// `None` when a route must say what is wrong with it, or who its caller is.
    fn read(request: &PlainRequest<'_>) -> Option<Self> {
        match request.route {
            HotRoute::Verify | HotRoute::VerifyAlias => {
                let plain = plain_body::verify_request(request.body);
                plain.or_else(|| json::from_slice_if_right(request.body)).map(Self::Verify)
            }
            HotRoute::Introspect => {
                let form: TokenForm = query::from_form(request.body).ok()?;
                let is_plain = form.client_id.is_none()
                    && form.client_secret.is_none()
                    && form.client_assertion.is_none();
                is_plain.then_some(Self::Introspect(form.token))
            }
        }
    }
}

/// What came of waiting for bytes.
enum More {
    Bytes,
    End,
    /// The service stops, and no request has begun, or is on its way.
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
    route: HotRoute,
}

/// What came of a call.
enum Decided {
    Answer(Answer<Good>, Trail),
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
        let (buffer, requests) = (BytesMut::new(), PlainRequests::default());
        Self { stream, state, limits, stop, patience, buffer, requests, has_answered: false, alarm }
    }

    /// Answers plain requests until the connection ends or something else comes.
    ///
    /// # Errors
    /// When the stream breaks off.
    pub(crate) async fn run(mut self) -> io::Result<End<S>> {
        loop {
            match self.next().await? {
                Next::Decide(mut call) => {
                    if self.patience.keep(call.began.route.path()).await {
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
                match self.requests.recognise(&self.buffer) {
                    Found::Request(request) => {
                        let began = began.unwrap_or_else(|| self.begin(request.route));
                        // what a route would not take stays, for the route to say why
                        let Some(ask) = Ask::read(&request) else { return Ok(Next::HandOver) };
                        let credential = AppCredential::ApiKey(request.api_key);
                        let length = request.length;
                        self.buffer.advance(length);
                        return Ok(Next::Decide(Call { credential, ask, began }));
                    }
                    Found::HeadOnly(route) if began.is_none() => {
                        let now = self.begin(route);
                        self.alarm.set(now.at + self.state.options().request_timeout);
                        began = Some(now);
                    }
                    Found::HeadOnly(_) | Found::Part => {}
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

    fn begin(&self, route: HotRoute) -> Began {
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
        if may_stop && self.stop.poll_over(cx).is_ready() {
            return Poll::Ready(Ok(More::Stop));
        }
        ready!(self.alarm.poll(cx));
        Poll::Ready(Ok(More::TooSlow))
    }

    /// Decides, unless the client leaves or the time is over before.
    async fn decide(&mut self, call: Call, request_id: &RequestId) -> io::Result<Decided> {
        let Self { stream, state, buffer, alarm, .. } = self;
        let Call { credential, ask, began } = call;
        alarm.set(began.at + state.options().request_timeout);
        let mut decided = pin!(Trail::of(async {
            match ask {
                Ask::Verify(request) => {
                    verify::decide(state, Some(request_id), credential, request).await
                }
                Ask::Introspect(token) => {
                    oauth::decide(state, Some(request_id), credential, &token).await
                }
            }
        }));
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
        answer: Answer<Good>,
        trail: Trail,
        request_id: &RequestId,
        began: Began,
        is_last: bool,
    ) -> io::Result<()> {
        let engine = self.state.engine();
        let envelope = Envelope { request_id, is_last, wall: engine.wall() };
        let mut out = buffers::take(ANSWER_BYTES);
        let path = began.route.path();
        self.patience.answered(path, answer.as_ref().err().and_then(ApiError::excess));
        let status = match answer {
            Ok(good) => {
                let status = envelope.good(&good, &mut out);
                buffers::give_back(good.body);
                status
            }
            Err(error) => envelope.error(error, &mut out),
        };
        let request = Begun { began_ns: began.ns, context: None };
        observe::answered(&self.state, &request, (&Method::POST, path), status, request_id, trail);
        self.has_answered = true;
        self.stream.write_all(&out).await?;
        buffers::give_back(out);
        // a TLS session may hold some back
        self.stream.flush().await
    }
}
