//! The mounted routes in an axum router.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::any;

use crate::admit::AgentAdmit;
use crate::app::App;
use crate::tower::serve_mounted;

/// The page at the prefix, everything below it, and the documents. An app's own route below the
/// prefix goes first.
pub(super) fn routes<A: App, S: Clone + Send + Sync + 'static>(
    agents: &AgentAdmit<A>,
) -> Router<S> {
    let page = agents.prefix();
    let below = format!("{page}/{{*agentadmit}}");
    let mut router = Router::new();
    let documents = agents.document_paths();
    for path in [page, below.as_str()].into_iter().chain(documents) {
        let agents = agents.clone();
        router = router.route(path, any(move |request| serve(agents.clone(), request)));
    }
    router
}

async fn serve<A: App>(agents: AgentAdmit<A>, request: Request) -> Response {
    serve_mounted(&agents, request).await.map(Body::from)
}
