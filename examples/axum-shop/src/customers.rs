//! The shop's own users: their passwords, which are argon2id hashes, and their sessions, which are
//! random and end with a log-out. Nothing here knows of agents.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use argon2::{Argon2, PasswordHash, PasswordVerifier as _};
use axum::Form;
use axum::extract::State;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::{Shop, pages};

/// A user of the shop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Customer {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// Whether they look after the shop, and so after everybody's agents.
    pub(crate) is_admin: bool,
}

impl Customer {
    /// The customer with an id.
    pub(crate) fn by_id(id: &str) -> Option<Self> {
        let known = ACCOUNTS.iter().map(|account| account.customer);
        known.into_iter().find(|customer| customer.id == id)
    }
}

/// A row of the table of users, as a database would hold it.
struct Account {
    login: &'static str,
    password_hash: &'static str,
    customer: Customer,
}

/// Ada's password is `difference-engine`; Grace's is `compiler-1952`, and she looks after the shop.
const ACCOUNTS: &[Account] = &[
    Account {
        login: "ada",
        password_hash: ADA_HASH,
        customer: Customer { id: "u_ada", name: "Ada", is_admin: false },
    },
    Account {
        login: "grace",
        password_hash: GRACE_HASH,
        customer: Customer { id: "u_grace", name: "Grace", is_admin: true },
    },
];

const ADA_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$Y29ybmVyLXNob3AtYWRhIQ$06WLVsZJ/uFK5pQsmisnHeP737ahBQSl73ZzsnzrrD0";
const GRACE_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$Y29ybmVyLXNob3AtZ3JhYw$KXIWwlE+G5JvtQFSUAELSG1IS9b8oIdtBBz8Mg0Tb2c";

/// Who is signed in, by the session in their cookie.
#[derive(Default)]
pub(crate) struct Customers {
    sessions: Mutex<HashMap<String, Customer>>,
}

impl Customers {
    /// Whose session the request's cookie names.
    pub(crate) fn signed_in(&self, headers: &HeaderMap) -> Option<Customer> {
        self.sessions().get(session_of(headers)?).copied()
    }

    /// A new session, for the cookie of whoever showed the password.
    fn open_session(&self, customer: Customer) -> Result<String, getrandom::Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)?;
        let session = format!("{:032x}", u128::from_be_bytes(random));
        self.sessions().insert(session.clone(), customer);
        Ok(session)
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<String, Customer>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the log-in form sends.
#[derive(Deserialize)]
pub(crate) struct LogIn {
    login: String,
    password: String,
}

/// `POST /login`
pub(crate) async fn log_in(State(shop): State<Shop>, Form(form): Form<LogIn>) -> Response {
    // a password hash is slow on purpose, and would hold up every other request
    let checked = tokio::task::spawn_blocking(move || check(&form)).await;
    let Ok(Some(customer)) = checked else {
        return (StatusCode::UNAUTHORIZED, pages::sign_in("No such name and password."))
            .into_response();
    };
    match shop.customers.open_session(customer) {
        Ok(session) => (set_cookie(&session, ""), Redirect::to("/")).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// `POST /logout`
pub(crate) async fn log_out(State(shop): State<Shop>, headers: HeaderMap) -> Response {
    if let Some(session) = session_of(&headers) {
        shop.customers.sessions().remove(session);
    }
    (set_cookie("", "; Max-Age=0"), Redirect::to("/")).into_response()
}

/// Whose name and password these are. An unknown name takes as long as a wrong password.
fn check(form: &LogIn) -> Option<Customer> {
    let account = ACCOUNTS.iter().find(|account| account.login == form.login);
    let hash = PasswordHash::new(account.map_or(ADA_HASH, |known| known.password_hash)).ok()?;
    let matches = Argon2::default().verify_password(form.password.as_bytes(), &hash).is_ok();
    account.filter(|_| matches).map(|account| account.customer)
}

/// Behind https, add `Secure` and name it `__Host-session`.
fn set_cookie(session: &str, more: &str) -> [(axum::http::HeaderName, String); 1] {
    [(SET_COOKIE, format!("session={session}; HttpOnly; SameSite=Strict; Path=/{more}"))]
}

fn session_of(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(COOKIE)?.to_str().ok()?;
    cookies.split("; ").find_map(|cookie| cookie.strip_prefix("session="))
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
