//! The guard as a layer of `tower`.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tower_layer::Layer;
use tower_service::Service;

use super::listed::Listed;
use super::message::{Asked, is_harmless};
use super::{ToolGuard, answers};
use crate::admit::AgentAdmit;
use crate::app::{App, BoxFuture};
use crate::guard::{Admission, AgentCaller, Guard, agents_only};
use crate::refusal::Refused;
use crate::stream::{AgentBody, BoxError, Watch};
use crate::tower::{introduce, peer_address, read_body, refusal, watch_over};

/// The body of a request as the server behind a guard reads it: what came, whole.
#[derive(Debug, Default)]
pub struct MessageBody(Option<Bytes>);

impl Body for MessageBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// Puts a [`ToolGuard`] before an MCP server.
pub struct ToolGuardLayer<A: App> {
    door: Arc<Door<A>>,
}

impl<A: App> Clone for ToolGuardLayer<A> {
    fn clone(&self) -> Self {
        Self { door: Arc::clone(&self.door) }
    }
}

impl<A: App> ToolGuardLayer<A> {
    pub(super) fn new(agents: AgentAdmit<A>, guard: ToolGuard) -> Self {
        let any_agent = agents_only().open_to_agents();
        Self { door: Arc::new(Door { agents, guard, any_agent }) }
    }
}

impl<A: App, S> Layer<S> for ToolGuardLayer<A> {
    type Service = GuardedServer<A, S>;

    fn layer(&self, inner: S) -> GuardedServer<A, S> {
        GuardedServer { door: Arc::clone(&self.door), inner }
    }
}

/// An MCP server behind a [`ToolGuard`].
pub struct GuardedServer<A: App, S> {
    door: Arc<Door<A>>,
    inner: S,
}

impl<A: App, S: Clone> Clone for GuardedServer<A, S> {
    fn clone(&self) -> Self {
        Self { door: Arc::clone(&self.door), inner: self.inner.clone() }
    }
}

impl<A, S, B, R> Service<Request<B>> for GuardedServer<A, S>
where
    A: App,
    S: Service<Request<MessageBody>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    R: Body<Data = Bytes> + Send + Unpin,
    R::Error: Into<BoxError>,
{
    type Response = Response<AgentBody<Listed<R>>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // the service that was found ready is the one that is called
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let door = Arc::clone(&self.door);
        Box::pin(async move {
            let Passed { request, asked, mut watch, user_id } = match door.admit(request).await {
                Ok(passed) => *passed,
                Err(Instead::Refused(refused)) => return Ok(refusal(refused)),
                Err(Instead::Answered(answer)) => return Ok(answer.map(AgentBody::refusal)),
            };
            match until_answered(inner.call(request), &mut watch).await {
                Ok(answered) => Ok(door.let_out(answered?, &asked, watch, &user_id)),
                Err(refused) => Ok(refusal(door.shows_the_way(refused, &asked))),
            }
        })
    }
}

/// A request that goes on to the server.
struct Passed {
    request: Request<MessageBody>,
    asked: Asked,
    watch: Watch,
    user_id: String,
}

/// What is answered in the server's place.
enum Instead {
    Refused(Refused),
    Answered(Response<Bytes>),
}

impl From<Refused> for Instead {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

struct Door<A: App> {
    agents: AgentAdmit<A>,
    guard: ToolGuard,
    /// The guard of everything but tools.
    any_agent: Guard,
}

impl<A: App> Door<A> {
    async fn admit<B>(&self, request: Request<B>) -> Result<Box<Passed>, Instead>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (mut parts, body) = request.into_parts();
        let (asked, body) = self.read(&parts, body).await?;
        let asked_ns = self.agents.clock().monotonic_ns();
        let caller = self.ask(&mut parts, &asked).await?;
        if let Some(answer) = self.instead_of(&asked, answers::is_stateless(&parts.headers)) {
            return Err(Instead::Answered(answer));
        }
        let user_id = caller.agent.user_id.as_str().to_owned();
        self.guard.rules.sessions.open(&mut parts.headers, &user_id)?;
        // no tool sees the token
        parts.headers.remove(AUTHORIZATION);
        let admission = Admission::Agent(caller);
        let watch = introduce(&self.agents, &mut parts, admission, asked_ns);
        let watch = watch.ok_or_else(Refused::internal)?;
        let request = Request::from_parts(parts, MessageBody(body));
        Ok(Box::new(Passed { request, asked, watch, user_id }))
    }

    /// What is asked for. Bodies other than messages mean nothing to anybody.
    async fn read<B>(&self, parts: &Parts, body: B) -> Result<(Asked, Option<Bytes>), Refused>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        match parts.method {
            Method::POST => {
                let body = read_body(body, self.guard.rules.max_message_bytes).await?;
                Ok((Asked::of(&body), Some(body)))
            }
            Method::GET => Ok((Asked::Stream("mcp:GET"), None)),
            Method::DELETE => Ok((Asked::Stream("mcp:DELETE"), None)),
            _ => Ok((Asked::Other, None)),
        }
    }

    /// One question to the service, whatever is asked for.
    async fn ask(
        &self,
        parts: &mut Parts,
        asked: &Asked,
    ) -> Result<Arc<AgentCaller<A::User>>, Refused> {
        // what the record says of a tool's call; the server hears the real one
        let call = Method::from_bytes(b"CALL").map_err(|_| Refused::internal())?;
        let method = std::mem::replace(&mut parts.method, call);
        let endpoint = asked.endpoint();
        let peer = peer_address(parts);
        let admitted = self.agents.admit(self.guard_of(asked), parts, Some(&endpoint), peer).await;
        parts.method = method;
        match admitted.map_err(|refused| self.with_first_scopes(refused))? {
            Admission::Agent(caller) => Ok(caller),
            Admission::NoAgent => Err(Refused::internal()),
        }
    }

    fn guard_of(&self, asked: &Asked) -> &Guard {
        let of_tool = match asked {
            Asked::Tool { name, .. } => self.guard.rules.tools.get(name),
            _ => None,
        };
        of_tool.unwrap_or(&self.any_agent)
    }

    /// The refusal of a call that went on for a while.
    fn shows_the_way(&self, refused: Refused, asked: &Asked) -> Refused {
        self.with_first_scopes(self.agents.shows_the_way(refused, self.guard_of(asked)))
    }

    /// What a client should ask for that has not called any tool yet.
    fn with_first_scopes(&self, mut refused: Refused) -> Refused {
        if refused.status == StatusCode::UNAUTHORIZED
            && let Some(challenge) = &mut refused.challenge
            && challenge.scope.is_none()
        {
            challenge.scope.clone_from(&self.guard.rules.first_scopes);
        }
        refused
    }

    /// The answer to what never reaches the server.
    fn instead_of(&self, asked: &Asked, is_stateless: bool) -> Option<Response<Bytes>> {
        let rules = &self.guard.rules;
        match asked {
            Asked::Tool { name, id } if !rules.tools.contains_key(name) => {
                Some(answers::tool_not_mapped(id, is_stateless))
            }
            Asked::NoTool { id } => Some(answers::no_tool(id)),
            Asked::Method { name, id }
                if !is_harmless(name, id.as_ref()) && !rules.open_methods.contains(name) =>
            {
                let id = id.clone().unwrap_or_default();
                Some(answers::method_not_open(name, &id, is_stateless))
            }
            Asked::Batch => Some(answers::batch()),
            Asked::Unreadable => Some(answers::unreadable()),
            _ => None,
        }
    }

    fn let_out<R>(
        &self,
        response: Response<R>,
        asked: &Asked,
        watch: Watch,
        user_id: &str,
    ) -> Response<AgentBody<Listed<R>>> {
        let (mut parts, body) = response.into_parts();
        self.guard.rules.sessions.seal(&mut parts.headers, user_id);
        let body = if asked.may_list_tools() {
            Listed::of(body, &mut parts, &self.guard)
        } else {
            Listed::plain(body)
        };
        watch_over(Response::from_parts(parts, body), Some(watch))
    }
}

/// Waits for the server's answer. A tool that takes long is asked about again every 30 s, and at the
/// first refusal or doubt whatever it has is handed over to nobody.
async fn until_answered<T>(
    answer: impl Future<Output = T> + Send,
    watch: &mut Watch,
) -> Result<T, Refused> {
    let mut answer = std::pin::pin!(answer);
    loop {
        tokio::select! {
            biased;
            answered = &mut answer => return Ok(answered),
            () = watch.due() => watch.ask().await?,
        }
    }
}
