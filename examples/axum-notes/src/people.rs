//! The app's own users: their passwords, which are argon2id hashes, their sessions, which are random
//! and end with a log-out, and the one page that they see. Nothing here knows of agents.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use argon2::{Argon2, PasswordHash, PasswordVerifier as _};
use axum::Form;
use axum::extract::State;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::Book;

/// A user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Person {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
}

impl Person {
    /// The one with an id.
    pub(crate) fn by_id(id: &str) -> Option<Self> {
        let known = ACCOUNTS.iter().map(|account| account.person);
        known.into_iter().find(|person| person.id == id)
    }
}

/// A row of the table of users, as a database would hold it.
struct Account {
    login: &'static str,
    password_hash: &'static str,
    person: Person,
}

/// Ada's password is `difference-engine`, Grace's is `compiler-1952`.
const ACCOUNTS: &[Account] = &[
    Account { login: "ada", password_hash: ADA_HASH, person: Person { id: "u_ada", name: "Ada" } },
    Account {
        login: "grace",
        password_hash: GRACE_HASH,
        person: Person { id: "u_grace", name: "Grace" },
    },
];

const ADA_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$Y29ybmVyLXNob3AtYWRhIQ$06WLVsZJ/uFK5pQsmisnHeP737ahBQSl73ZzsnzrrD0";
const GRACE_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$Y29ybmVyLXNob3AtZ3JhYw$KXIWwlE+G5JvtQFSUAELSG1IS9b8oIdtBBz8Mg0Tb2c";

/// Who is signed in, by the session in their cookie.
#[derive(Default)]
pub(crate) struct People {
    sessions: Mutex<HashMap<String, Person>>,
}

impl People {
    /// Whose session the request's cookie names.
    pub(crate) fn signed_in(&self, headers: &HeaderMap) -> Option<Person> {
        self.sessions().get(session_of(headers)?).copied()
    }

    /// A new session, for the cookie of whoever showed the password.
    fn open_session(&self, person: Person) -> Result<String, getrandom::Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)?;
        let session = format!("{:032x}", u128::from_be_bytes(random));
        self.sessions().insert(session.clone(), person);
        Ok(session)
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<String, Person>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const FRAME: &str = include_str!("pages/frame.html");
const SIGN_IN: &str = include_str!("pages/sign_in.html");
const HOME: &str = include_str!("pages/home.html");

/// `GET /`
pub(crate) async fn home(State(book): State<Book>, headers: HeaderMap) -> Html<String> {
    match book.people.signed_in(&headers) {
        Some(person) => framed(&HOME.replace("{name}", person.name)),
        None => sign_in(""),
    }
}

/// The form to sign in, with what was wrong the last time.
fn sign_in(complaint: &str) -> Html<String> {
    framed(&SIGN_IN.replace("{complaint}", complaint))
}

fn framed(content: &str) -> Html<String> {
    Html(FRAME.replace("{content}", content))
}

/// What the log-in form sends.
#[derive(Deserialize)]
pub(crate) struct LogIn {
    login: String,
    password: String,
}

/// `POST /login`
pub(crate) async fn log_in(State(book): State<Book>, Form(form): Form<LogIn>) -> Response {
    // a password hash is slow on purpose, and would hold up every other request
    let checked = tokio::task::spawn_blocking(move || check(&form)).await;
    let Ok(Some(person)) = checked else {
        return (StatusCode::UNAUTHORIZED, sign_in("No such name and password.")).into_response();
    };
    match book.people.open_session(person) {
        Ok(session) => (set_cookie(&session, ""), Redirect::to("/")).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// `POST /logout`
pub(crate) async fn log_out(State(book): State<Book>, headers: HeaderMap) -> Response {
    if let Some(session) = session_of(&headers) {
        book.people.sessions().remove(session);
    }
    (set_cookie("", "; Max-Age=0"), Redirect::to("/")).into_response()
}

/// Whose name and password these are. An unknown name takes as long as a wrong password.
fn check(form: &LogIn) -> Option<Person> {
    let account = ACCOUNTS.iter().find(|account| account.login == form.login);
    let hash = PasswordHash::new(account.map_or(ADA_HASH, |known| known.password_hash)).ok()?;
    let matches = Argon2::default().verify_password(form.password.as_bytes(), &hash).is_ok();
    account.filter(|_| matches).map(|account| account.person)
}

/// `Lax`: whoever comes from the service to say who they are is signed in. Behind https, add `Secure`
/// and name it `__Host-session`.
fn set_cookie(session: &str, more: &str) -> [(axum::http::HeaderName, String); 1] {
    [(SET_COOKIE, format!("notes_session={session}; HttpOnly; SameSite=Lax; Path=/{more}"))]
}

fn session_of(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(COOKIE)?.to_str().ok()?;
    cookies.split("; ").find_map(|cookie| cookie.strip_prefix("notes_session="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(login: &str, password: &str) -> LogIn {
        LogIn { login: login.to_owned(), password: password.to_owned() }
    }

    #[test]
    fn only_the_right_password_opens_an_account() {
        assert_eq!(check(&form("ada", "difference-engine")).unwrap().id, "u_ada");
        assert_eq!(check(&form("grace", "compiler-1952")).unwrap().id, "u_grace");
        assert!(check(&form("ada", "compiler-1952")).is_none());
        assert!(check(&form("nobody", "difference-engine")).is_none());
    }
}
