//! The dashboard over HTTP: codes, sessions, and the attacks that a page like this must withstand.

mod attacks;
mod authenticator;
mod codes;
mod developers;
mod join;
mod page;
mod passkeys;
mod sessions;
mod table;

use serde_json::{Value, json};

use crate::support::{Ask, Reply, Service};

const SESSION: &str = "/dashboard/session";

/// A browser that is signed in.
#[derive(Clone)]
pub(crate) struct Browser {
    /// `NAME=SECRET`.
    pub(crate) cookie: String,
    pub(crate) session_id: String,
    /// A developer's.
    pub(crate) account_id: String,
}

/// The code of a new link to an app, as an operator makes it.
pub(crate) async fn app_link(service: &Service, app_id: &str, role: &str) -> String {
    let path = format!("/v1/operator/apps/{app_id}/invites");
    let made = service.local("POST", &path, &json!({"role": role})).await;
    made.expect(201);
    made.text("code")
}

/// The code of a new link to an account.
pub(crate) async fn account_link(service: &Service) -> String {
    let made = service.local("POST", "/v1/operator/accounts/invites", &Value::Null).await;
    made.expect(201);
    made.text("code")
}

/// The dashboard's page uses this link.
fn use_link(code: &str, label: &str) -> Ask {
    own_page(Ask::post("/dashboard/invite/use", &json!({"code": code, "label": label})))
}

/// A new one-time code, made on the machine.
pub(crate) async fn new_code(service: &Service) -> String {
    let made = service.local("POST", "/v1/operator/sign-in-codes", &Value::Null).await;
    made.expect(201);
    made.text("code")
}

/// The dashboard's page sends this code.
fn sign_in(code: &str) -> Ask {
    own_page(Ask::post(SESSION, &json!({"code": code})))
}

/// As the dashboard's page asks.
fn own_page(ask: Ask) -> Ask {
    ask.header("agentadmit-dashboard", "1").header("sec-fetch-site", "same-origin")
}

impl Browser {
    pub(crate) async fn signed_in(service: &Service) -> Self {
        let code = new_code(service).await;
        Self::of(&service.ask(sign_in(&code)).await)
    }

    /// A developer with a new account, by this link.
    pub(crate) async fn joined(service: &Service, code: &str, label: &str) -> Self {
        Self::of(&service.ask(use_link(code, label)).await)
    }

    /// What a browser keeps of the answer to a good code.
    fn of(reply: &Reply) -> Self {
        reply.expect(200);
        let set = reply.header("set-cookie");
        let cookie = set.split(';').next().unwrap().to_owned();
        let (session_id, account_id) = (reply.text("session_id"), reply.text("account_id"));
        Self { cookie, session_id, account_id }
    }

    /// The request with the session, as the dashboard's page sends it.
    pub(crate) fn with(&self, ask: Ask) -> Ask {
        own_page(self.alone(ask))
    }

    /// The request with the cookie and nothing else, as any page makes a browser send it where
    /// `SameSite` does not hold it back.
    fn alone(&self, ask: Ask) -> Ask {
        ask.header("cookie", &self.cookie)
    }

    async fn get(&self, service: &Service, path: &str) -> Reply {
        service.ask(self.with(Ask::get(path))).await
    }
}
