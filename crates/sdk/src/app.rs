//! What an app tells the guards: who its user is, and what that user may grant.

use std::borrow::Cow;
use std::future::Future;
#[cfg(feature = "tower")]
use std::pin::Pin;

use agentadmit_protocol::scope::Scope;
use agentadmit_protocol::text::UserId;
use http::request::Parts;

/// Why the app could not find out. It goes to the log, never into an answer.
pub type AppError = Box<dyn std::error::Error + Send + Sync>;

/// A future behind a pointer.
#[cfg(feature = "tower")]
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The app's own user object.
pub trait User: Clone + Send + Sync + 'static {
    /// The user's id: opaque, 1 to 128 characters, the same for ever, not an e-mail address. A user
    /// without one can grant nothing (403 `user_unknown`).
    fn user_id(&self) -> Option<Cow<'_, str>>;

    /// How agents and lists call the user, such as a name: 1 to 100 characters.
    fn user_label(&self) -> Option<Cow<'_, str>> {
        None
    }
}

/// An app that lets agents in.
///
/// ```
/// use std::borrow::Cow;
///
/// use agentadmit::app::{App, AppError, User};
/// use agentadmit::protocol::text::UserId;
///
/// #[derive(Clone)]
/// struct Customer {
///     id: String,
/// }
///
/// impl User for Customer {
///     fn user_id(&self) -> Option<Cow<'_, str>> {
///         Some(Cow::Borrowed(&self.id))
///     }
/// }
///
/// struct Shop;
///
/// impl App for Shop {
///     type User = Customer;
///
///     /// The app's own session: here a cookie that a real app would look up.
///     async fn current_user(
///         &self,
///         request: &http::request::Parts,
///     ) -> Result<Option<Customer>, AppError> {
///         let cookie = request.headers.get("cookie").and_then(|value| value.to_str().ok());
///         Ok(cookie.and_then(|it| it.strip_prefix("session=")).map(|id| Customer { id: id.into() }))
///     }
///
///     /// The user in whose name an agent calls.
///     async fn load_user(&self, user_id: &UserId) -> Result<Option<Customer>, AppError> {
///         Ok(Some(Customer { id: user_id.as_str().to_owned() }))
///     }
/// }
/// ```
pub trait App: Send + Sync + 'static {
    /// The app's own user object.
    type User: User;

    /// The signed-in user of a request, from the app's own session. Never asked about a request
    /// with an agent's token: that one is the agent's, whatever cookie comes with it.
    ///
    /// # Errors
    /// It could not be found out: the request is answered with 500.
    fn current_user(
        &self,
        request: &Parts,
    ) -> impl Future<Output = Result<Option<Self::User>, AppError>> + Send;

    /// The user in whose name an agent calls; asked at each of its requests. `None` is a user who
    /// is gone or locked out: 403 `user_unknown`.
    ///
    /// # Errors
    /// It could not be found out: the agent is answered with 503.
    fn load_user(
        &self,
        user_id: &UserId,
    ) -> impl Future<Output = Result<Option<Self::User>, AppError>> + Send;

    /// Where a person signs in who is not signed in, and comes back to `next` (a path of this app with
    /// its query) afterwards: an address, or a path. Asked where an OAuth client has sent a person, and
    /// only without `login_path` in the settings. `None` is a page that says to sign in first.
    fn sign_in_page(
        &self,
        request: &Parts,
        next: &str,
    ) -> impl Future<Output = Option<String>> + Send {
        let _ = (request, next);
        async { None }
    }

    /// Whether the app has an admin check. Without one there are no admin routes, and nobody can
    /// grant or use an admin scope.
    fn admins(&self) -> bool {
        false
    }

    /// Whether a user is an admin, now. Asked at each call of an agent that needs an admin scope.
    fn is_admin(&self, user: &Self::User) -> impl Future<Output = bool> + Send {
        let _ = user;
        async { false }
    }

    /// What of the catalogue this user may grant. Asked when the scopes are shown, and again when a
    /// token is asked for. Names that it adds count for nothing.
    fn filter_scopes_for_user(
        &self,
        user: &Self::User,
        scopes: Vec<Scope>,
    ) -> impl Future<Output = Vec<Scope>> + Send {
        let _ = user;
        async move { scopes }
    }
}

/// What the extractors need of an app, without naming it.
#[cfg(feature = "tower")]
pub(crate) trait Sessions<U>: Send + Sync {
    fn current_user<'a>(&'a self, request: &'a Parts)
    -> BoxFuture<'a, Result<Option<U>, AppError>>;
}

/// The same for extractors that do not name the user either.
#[cfg(feature = "tower")]
pub(crate) trait SignedIn: Send + Sync {
    fn is_signed_in<'a>(&'a self, request: &'a Parts) -> BoxFuture<'a, Result<bool, AppError>>;
}
