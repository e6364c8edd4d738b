//! The app of these tests: a session is the cookie `session=NAME`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use agentadmit::protocol::scope::Scope;
use agentadmit::protocol::text::UserId;
use agentadmit::{App, AppError, User};
use http::header::COOKIE;
use http::request::Parts;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;

/// What the shop offers: two admin scopes, one of them by its name alone.
pub(crate) fn catalogue() -> Vec<Scope> {
    let scope = |name: &str, is_admin: bool| json!({"name": name, "description": format!("may {name}"), "admin": is_admin});
    let scopes = json!([
        scope("read:orders", false),
        scope("write:orders", false),
        scope("read:profile", false),
        scope("close:shop", true),
        scope("manage:connections", false),
        scope("read:usage", true),
        scope("read:audit", true),
    ]);
    serde_json::from_value(scopes).unwrap()
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Customer {
    pub(crate) name: String,
}

impl User for Customer {
    /// `nameless` is signed in and has no id.
    fn user_id(&self) -> Option<Cow<'_, str>> {
        (self.name != "nameless").then_some(Cow::Borrowed(self.name.as_str()))
    }

    fn user_label(&self) -> Option<Cow<'_, str>> {
        Some(format!("{} of the shop", self.name).into())
    }
}

/// What a test changes while the shop runs.
#[derive(Debug, Default)]
pub(crate) struct ShopState {
    pub(crate) admins: Mutex<HashSet<String>>,
    pub(crate) gone: Mutex<HashSet<String>>,
    /// Whether the shop's own database answers.
    pub(crate) is_broken: AtomicBool,
    /// Where people sign in, when the shop says so itself.
    pub(crate) sign_in: Mutex<Option<String>>,
    /// Whether the shop is one that has no admin check.
    pub(crate) knows_no_admins: AtomicBool,
}

pub(crate) struct Shop(pub(crate) Arc<ShopState>);

impl Shop {
    fn found(&self, name: &str) -> Result<Option<Customer>, AppError> {
        if self.0.is_broken.load(Ordering::SeqCst) {
            return Err("the shop's database is at 10.1.2.3 and does not answer".into());
        }
        let is_gone = self.0.gone.lock().contains(name);
        Ok((!is_gone).then(|| Customer { name: name.to_owned() }))
    }
}

impl App for Shop {
    type User = Customer;

    async fn current_user(&self, request: &Parts) -> Result<Option<Customer>, AppError> {
        let cookies = request.headers.get_all(COOKIE).iter().filter_map(|it| it.to_str().ok());
        let mut pairs = cookies.flat_map(|it| it.split(';')).map(str::trim);
        match pairs.find_map(|pair| pair.strip_prefix("session=")) {
            Some(name) => self.found(name),
            None => Ok(None),
        }
    }

    /// A defect on purpose: `twin` is taken for `alice`.
    async fn load_user(&self, user_id: &UserId) -> Result<Option<Customer>, AppError> {
        self.found(if user_id.as_str() == "twin" { "alice" } else { user_id.as_str() })
    }

    async fn sign_in_page(&self, _: &Parts, next: &str) -> Option<String> {
        self.0.sign_in.lock().as_ref().map(|page| format!("{page}#{next}"))
    }

    fn admins(&self) -> bool {
        !self.0.knows_no_admins.load(Ordering::SeqCst)
    }

    async fn is_admin(&self, user: &Customer) -> bool {
        self.0.admins.lock().contains(&user.name)
    }

    /// `bob` may not let anybody write.
    async fn filter_scopes_for_user(&self, user: &Customer, scopes: Vec<Scope>) -> Vec<Scope> {
        let may = |scope: &Scope| user.name != "bob" || scope.name.as_str() != "write:orders";
        scopes.into_iter().filter(may).collect()
    }
}
