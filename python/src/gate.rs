//! The app's gate: its guards and its mounted routes, for any web framework of Python.

use std::net::IpAddr;
use std::sync::Arc;

use agentadmit::admit::Builder;
use agentadmit::guard::{self, Admission, GuardedRoute};
use agentadmit::refusal::Refused;
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode};
use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::carried::Carriage;
use crate::errors;
use crate::frame::{Agents, Answer, Frame, Person, PythonApp, Question, Step};
use crate::guard::{Admitted, Guard};
use crate::parts::Head;
use crate::request::Request;
use crate::settings::Settings;

/// What decides about requests, and answers those to mounted routes. Touches no network itself: what
/// it wants to know it asks through the [`Flow`]s that it hands out.
#[pyclass(frozen, module = "agentadmit._core")]
pub(crate) struct Gate {
    agents: Agents,
}

#[pymethods]
impl Gate {
    /// `admins`: whether the app has an admin check. `prefix`: where the routes are mounted, when
    /// that is not `route_prefix`.
    ///
    /// Raises `ConfigurationError`.
    #[new]
    #[pyo3(signature = (settings, *, admins=false, prefix=None))]
    fn new(
        py: Python<'_>,
        settings: &Settings,
        admins: bool,
        prefix: Option<String>,
    ) -> PyResult<Self> {
        let mut builder = Builder::of(settings.inner.clone(), PythonApp { admins });
        if let Some(prefix) = prefix {
            builder = builder.prefix(prefix);
        }
        match builder.build() {
            Ok(agents) => Ok(Self { agents: Arc::new(agents) }),
            Err(error) => Err(errors::configuration(py, &error)),
        }
    }

    /// Where the routes are mounted.
    #[getter]
    fn prefix(&self) -> &str {
        self.agents.prefix()
    }

    /// Whether a request is an agent's. Raises what the caller hears for a token that stands in the
    /// wrong place, or opens nothing.
    fn is_agents(&self, py: Python<'_>, head: &Head) -> PyResult<bool> {
        let is_agents = self.agents.is_agents(&head.parts);
        is_agents.map_err(|refused| errors::refused_by_guard(py, refused))
    }

    /// The paths of the documents that anyone may read.
    #[getter]
    fn documents(&self) -> Vec<&str> {
        self.agents.document_paths()
    }

    /// The values of `WWW-Authenticate` of a 401 that the app itself gave to nobody, at a route with
    /// this guard; `present` are those that it has. `None` leaves it as it is.
    #[expect(clippy::needless_pass_by_value, reason = "Python hands over its own")]
    fn challenges<'py>(
        &self,
        py: Python<'py>,
        guard: &Guard,
        present: Vec<Vec<u8>>,
    ) -> Option<Vec<Bound<'py, PyBytes>>> {
        let value = |bytes: &Vec<u8>| HeaderValue::from_bytes(bytes).ok();
        let present: Vec<HeaderValue> = present.iter().filter_map(value).collect();
        let challenges = self.agents.challenges(&guard.inner, &present)?;
        Some(challenges.iter().map(|value| PyBytes::new(py, value.as_bytes())).collect())
    }

    /// Raises what the caller hears when a form holds an agent's token.
    #[expect(clippy::unused_self, reason = "a rule of the gate, though it needs no settings")]
    fn check_form(&self, py: Python<'_>, form: &[u8]) -> PyResult<()> {
        guard::check_form(form).map_err(|refused| errors::refused_by_guard(py, refused))
    }

    /// Decides about a request: its result is an [`Admitted`], or `None` for a request that is no
    /// agent's. `endpoint` is the route's template.
    fn admit(&self, guard: &Guard, head: &Head, endpoint: Option<String>) -> Flow {
        let (agents, guard) = (Arc::clone(&self.agents), guard.inner.clone());
        let (parts, peer) = (head.parts.clone(), head.peer);
        Flow::of(async move {
            Finished::Admission(agents.admit(&guard, &parts, endpoint.as_deref(), peer).await)
        })
    }

    /// Asks about an admitted request again: its result is `None`.
    fn ask_again(&self, admitted: &Admitted) -> Flow {
        let (agents, caller) = (Arc::clone(&self.agents), Arc::clone(&admitted.caller));
        Flow::of(async move { Finished::StillAdmitted(agents.ask_again(&caller).await) })
    }

    /// Answers a request to a mounted route: its result is status, headers and body.
    fn serve(&self, head: &Head, body: &[u8]) -> Flow {
        let agents = Arc::clone(&self.agents);
        let (parts, peer): (_, Option<IpAddr>) = (head.parts.clone(), head.peer);
        let body = Bytes::copy_from_slice(body);
        Flow::of(async move { Finished::Response(agents.serve_mounted(&parts, &body, peer).await) })
    }

    /// The most bytes that a body to this path may have.
    fn body_limit(&self, path: &str) -> usize {
        self.agents.mounted_body_limit(path)
    }

    /// The refusal of a body that has more.
    #[expect(clippy::unused_self, reason = "a rule of the gate, though it needs no settings")]
    fn refuse_body<'py>(&self, py: Python<'py>, limit: usize) -> PyResult<Bound<'py, PyTuple>> {
        let text = format!("the body has more than {limit} bytes");
        let refused = Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", text);
        answered(py, &refused.into_http())
    }

    /// The guarded routes, for the discovery document: method, template and guard of each.
    fn set_routes(&self, routes: Vec<(String, String, Guard)>) {
        let route = |(method, path, guard): (String, String, Guard)| {
            let method = Method::from_bytes(method.as_bytes()).ok()?;
            Some(GuardedRoute { method, path, guard: guard.inner })
        };
        self.agents.set_routes(routes.into_iter().filter_map(route).collect());
    }

    fn __repr__(&self) -> String {
        format!("<agentadmit gate at {}>", self.agents.prefix())
    }
}

/// What a flow ends with.
enum Finished {
    Admission(Result<Admission<Person>, Refused>),
    StillAdmitted(Result<(), Refused>),
    Response(Response<Bytes>),
}

/// A decision under way. `step` goes to the next question, or to the end.
///
/// | question | what it comes with | what `step` is given next |
/// | --- | --- | --- |
/// | `service` | a `Request` | what a client's `call` returned |
/// | `current_user` | `None` | `None`, or number, id and label of the user |
/// | `load_user` | the user's id | the same |
/// | `sign_in_page` | the path to come back to | where people sign in, or `None` |
/// | `is_admin` | the user's number | a bool |
/// | `filter_scopes` | the user's number, and the scopes as JSON | the names that are left |
///
/// `fail` says instead that an answer could not be found out.
#[pyclass(frozen, module = "agentadmit._core")]
pub(crate) struct Flow {
    frame: Frame<Finished>,
    asked: Mutex<Option<Kind>>,
    finished: Mutex<Option<Finished>>,
}

/// The kind of a question, which says what its answer is.
#[derive(Clone, Copy)]
enum Kind {
    Service,
    User,
    Place,
    Flag,
    Names,
}

#[pymethods]
impl Flow {
    /// Goes on. `None` is the end: `result` has it.
    #[pyo3(signature = (answer=None))]
    fn step<'py>(
        &self,
        py: Python<'py>,
        answer: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<(&'static str, Bound<'py, PyAny>)>> {
        let asked = self.asked.lock().take();
        let answer = match asked {
            None => None,
            Some(kind) => Some(read(kind, answer)?),
        };
        self.go_on(py, answer)
    }

    /// Goes on without the answer, which could not be found out.
    fn fail<'py>(&self, py: Python<'py>) -> PyResult<Option<(&'static str, Bound<'py, PyAny>)>> {
        self.asked.lock().take();
        self.go_on(py, Some(Answer::Failed))
    }

    /// What came out. Raises what the caller hears instead of data.
    fn result<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let finished = self.finished.lock().take();
        let finished =
            finished.ok_or_else(|| PyRuntimeError::new_err("this flow has no result yet"))?;
        match finished {
            Finished::Admission(Ok(Admission::Agent(caller))) => {
                Ok(Bound::new(py, Admitted { caller })?.into_any())
            }
            Finished::Admission(Ok(Admission::NoAgent)) | Finished::StillAdmitted(Ok(())) => {
                Ok(py.None().into_bound(py))
            }
            Finished::Admission(Err(refused)) | Finished::StillAdmitted(Err(refused)) => {
                Err(errors::refused_by_guard(py, refused))
            }
            Finished::Response(response) => Ok(answered(py, &response)?.into_any()),
        }
    }
}

impl Flow {
    fn of(future: impl Future<Output = Finished> + Send + 'static) -> Self {
        Self { frame: Frame::new(future), asked: Mutex::default(), finished: Mutex::default() }
    }

    fn go_on<'py>(
        &self,
        py: Python<'py>,
        answer: Option<Answer>,
    ) -> PyResult<Option<(&'static str, Bound<'py, PyAny>)>> {
        let question = match self.frame.step(answer) {
            Step::Asks(question) => question,
            Step::Done(finished) => {
                *self.finished.lock() = Some(finished);
                return Ok(None);
            }
            Step::Stuck => return Err(PyRuntimeError::new_err("this flow has ended")),
        };
        let (kind, name, payload) = show(py, question)?;
        *self.asked.lock() = Some(kind);
        Ok(Some((name, payload)))
    }
}

/// A question as Python sees it.
fn show(py: Python<'_>, question: Question) -> PyResult<(Kind, &'static str, Bound<'_, PyAny>)> {
    Ok(match question {
        Question::Service(verb) => {
            (Kind::Service, "service", Bound::new(py, Request::carried(verb))?.into_any())
        }
        Question::CurrentUser => (Kind::User, "current_user", py.None().into_bound(py)),
        Question::LoadUser(id) => {
            (Kind::User, "load_user", id.as_str().into_pyobject(py)?.into_any())
        }
        Question::SignInPage(next) => {
            (Kind::Place, "sign_in_page", next.into_pyobject(py)?.into_any())
        }
        Question::IsAdmin(person) => {
            (Kind::Flag, "is_admin", person.number.into_pyobject(py)?.into_any())
        }
        Question::FilterScopes(person, scopes) => {
            let json = serde_json::to_string(&scopes).unwrap_or_default();
            (Kind::Names, "filter_scopes", (person.number, json).into_pyobject(py)?.into_any())
        }
    })
}

/// An answer as Rust wants it.
fn read(kind: Kind, answer: Option<&Bound<'_, PyAny>>) -> PyResult<Answer> {
    let given = || answer.ok_or_else(|| PyTypeError::new_err("this question wants an answer"));
    Ok(match kind {
        Kind::Service => {
            let carriage = given()?.cast::<Carriage>().map_err(PyErr::from)?;
            match carriage.get().take() {
                Some(outcome) => Answer::Service(Box::new(outcome)),
                None => return Err(PyRuntimeError::new_err("this answer was used before")),
            }
        }
        Kind::User => match answer.filter(|it| !it.is_none()) {
            None => Answer::User(None),
            Some(person) => {
                let (number, id, label) = person.extract()?;
                Answer::User(Some(Person { number, id, label }))
            }
        },
        Kind::Place => {
            Answer::Place(answer.filter(|it| !it.is_none()).map(PyAnyMethods::extract).transpose()?)
        }
        Kind::Flag => Answer::Flag(given()?.extract()?),
        Kind::Names => Answer::Names(given()?.extract()?),
    })
}

/// Status, headers and body, as ASGI and WSGI want them.
pub(crate) fn answered<'py>(
    py: Python<'py>,
    response: &Response<Bytes>,
) -> PyResult<Bound<'py, PyTuple>> {
    let headers = PyList::empty(py);
    for (name, value) in response.headers() {
        let pair = (PyBytes::new(py, name.as_str().as_bytes()), PyBytes::new(py, value.as_bytes()));
        headers.append(pair)?;
    }
    let body = PyBytes::new(py, response.body());
    (response.status().as_u16(), headers, body).into_pyobject(py)
}
