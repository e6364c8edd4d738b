//! A person with a browser on this machine: authorization code with PKCE, back to a port of this
//! machine (RFC 6749 section 4.1, RFC 7636, RFC 8252 section 7.3, RFC 9207).

use std::sync::Arc;
use std::time::Duration;

use agentadmit_protocol::secret::{Secret, ct_eq};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use url::Url;
use url::form_urlencoded::parse;

use super::client::OAuthClient;
use super::server::Server;
use super::token::{self, Tokens, field};
use super::{Asked, NotAuthorized};
use crate::Surroundings;
use crate::token_text::Token;
use crate::words::clean;

/// How long the person may take.
const PERSON: Duration = Duration::from_mins(10);
/// How long one connection to the port may take.
const CONNECTION: Duration = Duration::from_secs(20);
const PATH: &str = "/callback";

/// A port of this machine to which a browser comes back.
pub struct Callback {
    listener: TcpListener,
    /// Its address.
    pub redirect_uri: String,
}

impl Callback {
    /// Listens where an earlier registration said that it would, if that is free, else anywhere.
    ///
    /// # Errors
    /// [`NotAuthorized::System`]: there is no port.
    pub async fn listen(earlier: Option<&str>) -> Result<Self, NotAuthorized> {
        let known = earlier.and_then(|uri| Url::parse(uri).ok()).and_then(|uri| uri.port());
        let mut listener = None;
        for port in known.into_iter().chain([0]) {
            listener = TcpListener::bind(("127.0.0.1", port)).await.ok();
            if listener.is_some() {
                break;
            }
        }
        let no_port = NotAuthorized::System("port");
        let listener = listener.ok_or(no_port)?;
        let address = listener.local_addr().map_err(|_| NotAuthorized::System("port"))?;
        Ok(Self { listener, redirect_uri: format!("http://{address}{PATH}") })
    }
}

/// A request for access that a person is asked about.
pub struct Waiting<'a> {
    /// Where the person goes.
    pub url: Url,
    server: &'a Server,
    client: &'a OAuthClient,
    asked: &'a Asked,
    callback: Callback,
    state: Secret,
    verifier: Secret,
}

/// Makes the address that the person goes to.
///
/// # Errors
/// [`NotAuthorized`]: the server does not do this, or not safely.
pub fn begin<'a>(
    server: &'a Server,
    client: &'a OAuthClient,
    asked: &'a Asked,
    callback: Callback,
    surroundings: Surroundings,
) -> Result<Waiting<'a>, NotAuthorized> {
    if !server.has_s256 {
        return Err(server.lacks("does not promise PKCE with S256: a code could be stolen"));
    }
    let lacks = || server.lacks("has no page to ask a person on");
    let mut url = server.authorization.clone().ok_or_else(lacks)?;
    let random = || (surroundings.random)().ok_or(NotAuthorized::System("randomness"));
    let (state, verifier) = (Secret::plain(random()?), Secret::plain(random()?));
    let challenge = crate::base64url(&Sha256::digest(verifier.expose()));
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("response_type", "code").append_pair("client_id", &client.id);
        query.append_pair("redirect_uri", &callback.redirect_uri);
        query
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        query.append_pair("state", state.expose()).append_pair("resource", &asked.resource);
        if !asked.scopes.is_empty() {
            query.append_pair("scope", &asked.scopes.join(" "));
        }
    }
    Ok(Waiting { url, server, client, asked, callback, state, verifier })
}

/// What a browser brought.
struct Brought {
    code: Result<Token, NotAuthorized>,
    issuer: Option<String>,
}

impl Waiting<'_> {
    /// Waits until the person has decided, and asks for the tokens.
    ///
    /// # Errors
    /// [`NotAuthorized`].
    pub async fn tokens(self) -> Result<Tokens, NotAuthorized> {
        let brought = timeout(PERSON, self.browser()).await;
        let brought = brought.map_err(|_| NotAuthorized::TooLate)??;
        // whose answer it is comes before what it says
        match brought.issuer {
            Some(issuer) if issuer != self.server.issuer => {
                return Err(NotAuthorized::MixedUp(
                    "the browser brings the answer of another authorization server",
                ));
            }
            None if self.server.sends_issuer => {
                return Err(NotAuthorized::MixedUp(
                    "the browser brings an answer that does not say of whom it is",
                ));
            }
            _ => {}
        }
        let code = brought.code?;
        let form = vec![
            field("grant_type", "authorization_code"),
            field("code", code.expose()),
            field("redirect_uri", &self.callback.redirect_uri),
            field("code_verifier", self.verifier.expose()),
            field("resource", &self.asked.resource),
        ];
        token::ask(&self.server.client, &self.server.token, self.client, form).await
    }

    /// Serves the port until the browser comes back with our `state`. Whatever else comes is told
    /// that it is wrong here: any program of this machine, and any page in its browser, can come.
    async fn browser(&self) -> Result<Brought, NotAuthorized> {
        let (came, mut coming) = mpsc::channel(1);
        let state = Arc::new(self.state.clone());
        loop {
            tokio::select! {
                biased;
                brought = coming.recv() => {
                    return brought.ok_or(NotAuthorized::System("port"));
                }
                stream = self.callback.listener.accept() => {
                    let Ok((stream, _)) = stream else { continue };
                    tokio::spawn(serve(stream, Arc::clone(&state), came.clone()));
                }
            }
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<Secret>, came: mpsc::Sender<Brought>) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let (state, came) = (Arc::clone(&state), came.clone());
        async move {
            let (status, words) = match brought(&request, &state) {
                Some(brought) => {
                    let is_yes = brought.code.is_ok();
                    // only the first one counts, and it is there already if this one is not taken
                    let _first = came.try_send(brought);
                    let words = if is_yes { "That is all" } else { "Nothing was granted" };
                    (StatusCode::OK, words)
                }
                None => (StatusCode::BAD_REQUEST, "Nobody waits for this"),
            };
            Ok::<_, std::convert::Infallible>(page(status, words))
        }
    });
    let connection =
        http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), answer);
    // whoever does not speak HTTP is gone after a while
    let _over = timeout(CONNECTION, connection).await;
}

/// Reads what a browser brought, if it is an answer to our question.
fn brought(request: &Request<Incoming>, state: &Secret) -> Option<Brought> {
    if request.method() != http::Method::GET || request.uri().path() != PATH {
        return None;
    }
    let pairs: Vec<_> = parse(request.uri().query()?.as_bytes()).collect();
    let one = |name: &str| {
        let mut found = pairs.iter().filter(|(known, _)| known == name).map(|(_, value)| value);
        // a parameter stands once (RFC 6749 section 3.1)
        found.next().filter(|_| found.next().is_none()).map(ToString::to_string)
    };
    let said = one("state")?;
    if !ct_eq(said.as_bytes(), state.expose().as_bytes()) {
        return None;
    }
    let code = match (one("error"), one("code").as_deref().and_then(Token::new)) {
        (Some(error), _) if error == "access_denied" => Err(NotAuthorized::Denied),
        (Some(error), _) => {
            let said = clean(&one("error_description").unwrap_or_default(), 300);
            let said = if said.is_empty() { said } else { format!(": {said}") };
            Err(NotAuthorized::Refused { code: clean(&error, 60), said })
        }
        (None, Some(code)) => Ok(code),
        (None, None) => return None,
    };
    Some(Brought { code, issuer: one("iss") })
}

fn page(status: StatusCode, words: &str) -> Response<Full<Bytes>> {
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>agentadmit</title>\
         <body><h1>{words}</h1><p>You can close this page, and go back to the terminal.</p></body></html>\n"
    );
    let mut response = Response::new(Full::new(Bytes::from(html)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.insert(CONTENT_SECURITY_POLICY, nothing);
    response
}
