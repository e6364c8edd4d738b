//! A future of the Rust SDK that asks nobody by itself: each of its questions is carried out to
//! Python, and the answer back in.
//!
//! So the rules of guards and mounted routes exist once, in Rust, and a question to the app is
//! answered where the app runs: on the caller's thread, in its event loop, in the scope of its
//! request. The same frame serves async and sync code. Nothing is spawned, and nothing waits here.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use agentadmit::app::{App, AppError, User};
use agentadmit::client::{ServiceClient, Verdict};
use agentadmit::error::{ConfigurationError, Error, ServiceUnavailableError};
use agentadmit::{Settings, protocol};
use http::request::Parts;
use parking_lot::Mutex;
use protocol::api::audit::{AuditList, AuditQuery};
use protocol::api::authorization::{AuthorizationRequestView, BindAnswer, BindRequest};
use protocol::api::connections::{
    ConnectionList, ConnectionView, ConnectionsQuery, PatchConnectionRequest,
};
use protocol::api::consent::{ConsentSessionAnswer, ConsentSessionRequest};
use protocol::api::revoke::{RevokeAnswer, RevokeRequest};
use protocol::api::token::{ExchangeAnswer, ExchangeCall, IssueAnswer, IssueRequest};
use protocol::api::usage::{UsageAnswer, UsageQuery};
use protocol::api::verify::VerifyCall;
use protocol::id::{AuthorizationRequestId, ConnectionId};
use protocol::scope::Scope;
use protocol::text::UserId;
use serde::de::DeserializeOwned;

use crate::request::{Exchange, Failure, Outcome, Reply, Verb, Verify};

/// What a future wants to know.
pub(crate) enum Question {
    /// Of the service.
    Service(Verb),
    /// Who is signed in, in the request at hand.
    CurrentUser,
    /// The user in whose name an agent calls.
    LoadUser(UserId),
    /// Where a person signs in and comes back to this path.
    SignInPage(String),
    /// Whether a user is an admin, now.
    IsAdmin(Person),
    /// What of the catalogue a user may grant.
    FilterScopes(Person, Vec<Scope>),
}

/// What it is told.
pub(crate) enum Answer {
    Service(Box<Outcome>),
    User(Option<Person>),
    /// It could not be found out; why stands in the app's log.
    Failed,
    Flag(bool),
    /// A path or an address, if there is one.
    Place(Option<String>),
    /// Names of scopes.
    Names(Vec<String>),
}

/// A user object of the app, which Python keeps: here are its number, its id and its label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) number: usize,
    pub(crate) id: Option<String>,
    pub(crate) label: Option<String>,
}

impl User for Person {
    fn user_id(&self) -> Option<std::borrow::Cow<'_, str>> {
        self.id.as_deref().map(Into::into)
    }

    fn user_label(&self) -> Option<std::borrow::Cow<'_, str>> {
        self.label.as_deref().map(Into::into)
    }
}

/// Where a future and its driver meet.
#[derive(Default)]
struct Desk {
    question: Option<Question>,
    answer: Option<Answer>,
}

thread_local! {
    /// The desk of the future that is being polled on this thread.
    static DESK: RefCell<Desk> = RefCell::default();
}

/// Puts a question, and comes back with its answer. Outside of a [`Frame`] there is none, ever.
async fn ask(question: Question) -> Answer {
    let mut question = Some(question);
    poll_fn(|_| {
        DESK.with_borrow_mut(|desk| match question.take() {
            Some(question) => {
                desk.question = Some(question);
                Poll::Pending
            }
            None => desk.answer.take().map_or(Poll::Pending, Poll::Ready),
        })
    })
    .await
}

/// A future, and the question that it waits for.
pub(crate) struct Frame<T> {
    future: Mutex<Option<Pin<Box<dyn Future<Output = T> + Send>>>>,
}

/// Where a future stands.
pub(crate) enum Step<T> {
    Asks(Question),
    Done(T),
    /// It ended before, or was given no answer.
    Stuck,
}

impl<T> Frame<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self { future: Mutex::new(Some(Box::pin(future))) }
    }

    /// Goes on with an answer, to the next question or to the end.
    pub(crate) fn step(&self, answer: Option<Answer>) -> Step<T> {
        let mut held = self.future.lock();
        let Some(future) = held.as_mut() else { return Step::Stuck };
        // a future that polls another frame, which no hook does, would find its own desk again
        let before = DESK.replace(Desk { question: None, answer });
        let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let Desk { question, .. } = DESK.replace(before);
        match (polled, question) {
            (Poll::Ready(done), _) => {
                *held = None;
                Step::Done(done)
            }
            (Poll::Pending, Some(question)) => Step::Asks(question),
            (Poll::Pending, None) => Step::Stuck,
        }
    }
}

/// The app, behind its frame.
pub(crate) struct PythonApp {
    pub(crate) admins: bool,
}

impl App for PythonApp {
    type User = Person;

    async fn current_user(&self, _: &Parts) -> Result<Option<Person>, AppError> {
        person(ask(Question::CurrentUser).await)
    }

    async fn load_user(&self, user_id: &UserId) -> Result<Option<Person>, AppError> {
        person(ask(Question::LoadUser(user_id.clone())).await)
    }

    async fn sign_in_page(&self, _: &Parts, next: &str) -> Option<String> {
        match ask(Question::SignInPage(next.to_owned())).await {
            Answer::Place(place) => place,
            _ => None,
        }
    }

    fn admins(&self) -> bool {
        self.admins
    }

    async fn is_admin(&self, user: &Person) -> bool {
        matches!(ask(Question::IsAdmin(user.clone())).await, Answer::Flag(true))
    }

    async fn filter_scopes_for_user(&self, user: &Person, scopes: Vec<Scope>) -> Vec<Scope> {
        match ask(Question::FilterScopes(user.clone(), scopes.clone())).await {
            Answer::Names(names) => {
                let is_left = |scope: &Scope| names.iter().any(|name| name == scope.name.as_str());
                scopes.into_iter().filter(is_left).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn person(answer: Answer) -> Result<Option<Person>, AppError> {
    match answer {
        Answer::User(person) => Ok(person),
        _ => Err("the app could not say; its log has the cause".into()),
    }
}

/// The service, behind the frame: the calls are made by the client of whoever drives it.
pub(crate) struct Carried {
    settings: Settings,
}

impl Carried {
    async fn outcome(&self, verb: Verb) -> Result<Reply, Failure> {
        match ask(Question::Service(verb)).await {
            Answer::Service(outcome) => *outcome,
            _ => Err(Failure::from(garbled("the call was not made"))),
        }
    }

    async fn json<T: DeserializeOwned>(&self, verb: Verb) -> Result<T, Error> {
        match self.outcome(verb).await {
            Ok(Reply::Json(text)) => {
                serde_json::from_str(&text).map_err(|error| garbled(&error.to_string()))
            }
            Ok(Reply::Agent(_)) => Err(garbled("another call's answer")),
            Err(Failure::Error(error)) => Err(*error),
            Err(Failure::Refused(_)) => Err(garbled("another call's refusal")),
        }
    }
}

fn garbled(cause: &str) -> Error {
    ServiceUnavailableError { cause: cause.to_owned(), retry_after: None }.into()
}

impl ServiceClient for Carried {
    fn for_settings(settings: &Settings) -> Result<Self, ConfigurationError> {
        Ok(Self { settings: settings.clone() })
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    async fn verify(&self, call: &VerifyCall<'_>) -> Result<Verdict, Error> {
        match self.outcome(Verb::Verify(Verify::of(call))).await {
            Ok(Reply::Agent(agent)) => Ok(Verdict::Allowed(agent)),
            Ok(Reply::Json(_)) => Err(garbled("another call's answer")),
            Err(Failure::Refused(refusal)) => Ok(Verdict::Refused(refusal)),
            Err(Failure::Error(error)) => Err(*error),
        }
    }

    async fn issue(&self, request: &IssueRequest) -> Result<IssueAnswer, Error> {
        self.json(Verb::Issue(request.clone())).await
    }

    async fn open_consent(
        &self,
        request: &ConsentSessionRequest,
    ) -> Result<ConsentSessionAnswer, Error> {
        self.json(Verb::OpenConsent(Box::new(request.clone()))).await
    }

    async fn authorization_request(
        &self,
        request: AuthorizationRequestId,
    ) -> Result<AuthorizationRequestView, Error> {
        self.json(Verb::AuthorizationRequest(request)).await
    }

    async fn bind_authorization(
        &self,
        request: AuthorizationRequestId,
        bind: &BindRequest,
    ) -> Result<BindAnswer, Error> {
        self.json(Verb::BindAuthorization(request, Box::new(bind.clone()))).await
    }

    async fn exchange(
        &self,
        exchange: &ExchangeCall<'_>,
        idempotency_key: Option<&str>,
    ) -> Result<ExchangeAnswer, Error> {
        self.json(Verb::Exchange(Exchange::of(exchange, idempotency_key))).await
    }

    async fn revoke(&self, request: &RevokeRequest) -> Result<RevokeAnswer, Error> {
        self.json(Verb::Revoke(request.clone())).await
    }

    async fn connections(&self, query: &ConnectionsQuery) -> Result<ConnectionList, Error> {
        self.json(Verb::Connections(query.clone())).await
    }

    async fn connection(&self, connection: ConnectionId) -> Result<ConnectionView, Error> {
        self.json(Verb::Connection(connection)).await
    }

    async fn narrow(
        &self,
        connection: ConnectionId,
        request: &PatchConnectionRequest,
    ) -> Result<ConnectionView, Error> {
        self.json(Verb::Narrow(connection, request.clone())).await
    }

    async fn audit(&self, query: &AuditQuery) -> Result<AuditList, Error> {
        self.json(Verb::Audit(query.clone())).await
    }

    async fn usage(&self, query: &UsageQuery) -> Result<UsageAnswer, Error> {
        self.json(Verb::Usage(*query)).await
    }
}

/// What everything here runs with.
pub(crate) type Agents = Arc<agentadmit::AgentAdmit<PythonApp, Carried>>;
