//! One way in for every administrative command: an HTTP request, to a running service or to the
//! same routes in this process on a store of this machine.

use std::fs;
use std::path::Path;

use agentadmit_config::{StoreLocation, service_url};
use agentadmit_protocol::error::{ErrorBody, ErrorCode};
use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use crate::args::Target;
use crate::exit::Failure;
use crate::http_client::HttpClient;
use crate::local::Local;
use crate::output::note;

pub(crate) const SERVICE_URL: &str = "AGENTADMIT_SERVICE_URL";
pub(crate) const STORE: &str = "AGENTADMIT_STORE";
const OPERATOR_TOKEN: &str = "AGENTADMIT_OPERATOR_TOKEN";
pub(crate) const API_KEY: &str = "AGENTADMIT_API_KEY";

/// A request of an administrative command.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    pub(crate) body: Option<Value>,
}

impl Request {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path, None)
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path, None)
    }

    pub(crate) fn post(path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::POST, path, Some(body))
    }

    /// A POST that says everything by its path.
    pub(crate) fn post_nothing(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path, None)
    }

    pub(crate) fn put(path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::PUT, path, Some(body))
    }

    pub(crate) fn patch(path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::PATCH, path, Some(body))
    }

    fn new(method: Method, path: impl Into<String>, body: Option<Value>) -> Self {
        Self { method, path: path.into(), query: Vec::new(), body }
    }

    /// Adds a query parameter, if there is a value for it.
    pub(crate) fn with(mut self, name: &'static str, value: Option<&impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// Path and query below the service's address.
    pub(crate) fn url(&self, service: &Url) -> Url {
        let mut url = service.clone();
        url.set_path(&format!("{}{}", service.path().trim_end_matches('/'), self.path));
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }
}

/// The body of an answer, piece by piece.
pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// In whose name requests are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// An operator, or whoever can write the store.
    Operator,
    /// An app, by its API key.
    App,
}

/// Where requests go.
pub(crate) enum Transport {
    /// To a running service.
    Remote(Remote),
    /// To the routes in this process, on a store.
    Local(Box<Local>),
}

/// A running service and the credential to show it.
pub(crate) struct Remote {
    client: HttpClient,
    service: Url,
    bearer: Zeroizing<String>,
    side: Side,
}

impl Transport {
    /// Opens what the flags and the environment name.
    ///
    /// # Errors
    /// Wrong usage when they name nothing or too much; a store that cannot be opened.
    pub(crate) fn open(target: &Target) -> Result<Self, Failure> {
        match Place::of(target, variable(SERVICE_URL), variable(STORE))? {
            Place::Store(store) => Self::store(&store),
            Place::Service(text) => {
                let service = service_url(&text).map_err(Failure::usage)?;
                let client = HttpClient::new(target.ca_file.as_deref())
                    .map_err(|error| Failure::usage(error.to_string()))?;
                let (side, bearer) = credential(target)?;
                Ok(Self::Remote(Remote { client, service, bearer, side }))
            }
        }
    }

    /// A running service under an operator's token.
    pub(crate) fn operator(client: HttpClient, service: Url, token: Zeroizing<String>) -> Self {
        Self::Remote(Remote { client, service, bearer: token, side: Side::Operator })
    }

    /// A store of this machine.
    ///
    /// # Errors
    /// A store that cannot be opened.
    pub(crate) fn store(location: &StoreLocation) -> Result<Self, Failure> {
        Ok(Self::Local(Box::new(Local::open(location)?)))
    }

    /// In whose name requests are sent.
    pub(crate) fn side(&self) -> Side {
        match self {
            Self::Remote(remote) => remote.side,
            Self::Local(_) => Side::Operator,
        }
    }

    /// Sends a request and reads the JSON of a good answer.
    ///
    /// # Errors
    /// The service's refusal, or that it could not be asked.
    pub(crate) async fn call(&self, request: Request) -> Result<Value, Failure> {
        let body = read(self.stream(request).await?).await?;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body)
            .map_err(|error| Failure::could_not(format!("the answer is no JSON: {error}")))
    }

    /// Sends a request and gives the body of a good answer as it comes.
    ///
    /// # Errors
    /// The service's refusal, or that it could not be asked.
    pub(crate) async fn stream(&self, request: Request) -> Result<AnswerBody, Failure> {
        let (status, body) = match self {
            Self::Remote(remote) => remote.send(&request).await?,
            Self::Local(local) => local.send(&request).await?,
        };
        if status.is_success() {
            return Ok(body);
        }
        let body = read(body).await?;
        Err(refusal(status, &body))
    }

    /// Ends what was begun: of a local store, its chains are closed.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        match self {
            Self::Remote(_) => Ok(()),
            Self::Local(local) => local.close().await,
        }
    }
}

impl Remote {
    async fn send(&self, request: &Request) -> Result<(StatusCode, AnswerBody), Failure> {
        let url = request.url(&self.service);
        let bearer = Some(self.bearer.as_str());
        let answer = self
            .client
            .send(request.method.clone(), &url, bearer, request.body.as_ref())
            .await
            .map_err(|error| Failure::could_not(error.to_string()))?;
        let status = answer.status();
        Ok((status, answer.into_body().map_err(Into::into).boxed_unsync()))
    }
}

async fn read(body: AnswerBody) -> Result<Bytes, Failure> {
    let read = body.collect().await;
    let read =
        read.map_err(|error| Failure::could_not(format!("the answer broke off: {error}")))?;
    Ok(read.to_bytes())
}

/// What is not a yes: the service's own error, or something else that stands in front of it.
fn refusal(status: StatusCode, body: &[u8]) -> Failure {
    match serde_json::from_slice::<ErrorBody>(body) {
        Ok(error) => Failure::answered(status, error),
        Err(_) => Failure::could_not(format!(
            "the address answered {status}, and not as this service does"
        )),
    }
}

/// Where a command acts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Service(String),
    Store(StoreLocation),
}

impl Place {
    /// A flag wins over the environment.
    fn of(
        target: &Target,
        service: Option<String>,
        store: Option<String>,
    ) -> Result<Self, Failure> {
        if let Some(store) = &target.store {
            return Ok(Self::Store(store.clone()));
        }
        if let Some(service) = &target.service {
            return Ok(Self::Service(service.clone()));
        }
        match (service, store) {
            (Some(service), None) => Ok(Self::Service(service)),
            (None, Some(store)) => store
                .parse()
                .map(Self::Store)
                .map_err(|error| Failure::usage(format!("{STORE}: {error}"))),
            (None, None) => Err(Failure::usage(
                "say where: `--service URL` for a running service, or `--store sqlite:PATH` for a store of this machine",
            )),
            (Some(_), Some(_)) => Err(Failure::usage(format!(
                "{SERVICE_URL} and {STORE} are both set: say --service or --store"
            ))),
        }
    }
}

/// The operator's token: of a file, or else of the environment.
///
/// # Errors
/// A file that cannot be read.
pub(crate) fn operator_token(file: Option<&Path>) -> Result<Option<Zeroizing<String>>, Failure> {
    match file {
        Some(file) => token_in(file).map(Some),
        None => Ok(variable(OPERATOR_TOKEN).map(Zeroizing::new)),
    }
}

/// The operator's token, or else the app's key.
fn credential(target: &Target) -> Result<(Side, Zeroizing<String>), Failure> {
    if let Some(token) = operator_token(target.operator_token_file.as_deref())? {
        return Ok((Side::Operator, token));
    }
    if let Some(key) = variable(API_KEY) {
        return Ok((Side::App, Zeroizing::new(key)));
    }
    Err(Failure::no(
        ErrorCode::InvalidOperatorToken,
        format!(
            "a service wants a credential: put an operator token into {OPERATOR_TOKEN} or a file \
             (--operator-token-file FILE); for your own app's data {API_KEY} does"
        ),
    ))
}

fn token_in(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let shown = file.display();
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("{shown} cannot be read: {error}")))?;
    let text = Zeroizing::new(text);
    if crate::secret_key::others_can_read(file) {
        note(&format!("warning: others can read {shown}: `chmod 600` it"));
    }
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// An environment variable; one that is empty is as good as unset.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn place(target: &Target, service: Option<&str>, store: Option<&str>) -> Result<Place, Exit> {
        Place::of(target, service.map(Into::into), store.map(Into::into))
            .map_err(|failure| failure.exit)
    }

    #[test]
    fn a_flag_wins_over_the_environment_which_must_be_clear() {
        let store = Place::Store("sqlite:a".parse().unwrap());
        let service = Place::Service("http://localhost".to_owned());
        let none = Target::default();
        let by_flag = Target { store: Some("sqlite:a".parse().unwrap()), ..Target::default() };
        assert_eq!(place(&by_flag, Some("http://localhost"), Some("sqlite:b")), Ok(store.clone()));
        assert_eq!(place(&none, None, Some("sqlite:a")), Ok(store));
        assert_eq!(place(&none, Some("http://localhost"), None), Ok(service));
        assert_eq!(place(&none, None, None), Err(Exit::Usage));
        assert_eq!(place(&none, Some("http://localhost"), Some("sqlite:a")), Err(Exit::Usage));
        assert_eq!(place(&none, None, Some("a")), Err(Exit::Usage));
    }

    #[test]
    fn a_request_goes_below_the_services_address() {
        let service = Url::parse("https://example.com/auth/").unwrap();
        let request =
            Request::get("/v1/audit").with("user_id", Some(&"a&b")).with("to", None::<&String>);
        assert_eq!(
            request.url(&service).as_str(),
            "https://example.com/auth/v1/audit?user_id=a%26b"
        );
    }

    #[test]
    fn what_is_no_answer_of_ours_says_nothing() {
        let answered = refusal(StatusCode::FORBIDDEN, b"<html>proxy</html>");
        assert_eq!(answered.exit, Exit::CouldNot);
        let body = br#"{"error":"not_found","error_description":"no such app","request_id":"r"}"#;
        assert_eq!(refusal(StatusCode::NOT_FOUND, body).exit, Exit::No);
    }
}
