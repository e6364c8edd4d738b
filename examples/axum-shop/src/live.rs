//! News of orders while they happen. Both routes are closed by the guard when the agent's
//! connection ends; there is nothing to do for that here.

use std::convert::Infallible;

use agentadmit::axum::AuthContext;
use agentadmit::axum::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::State;
use axum::response::Response;
use axum::response::sse::{Event, KeepAlive, Sse};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt as _};

use crate::Shop;
use crate::customers::Customer;
use crate::orders::Order;

/// `GET /orders/events`: the orders as they are, then each one that changes.
pub(crate) async fn events(
    State(shop): State<Shop>,
    auth: AuthContext<Customer>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let owner = auth.user().id;
    let news = BroadcastStream::new(shop.orders.news());
    let mine = news.filter_map(Result::ok).filter(move |order| order.owner == owner);
    let orders = tokio_stream::iter(shop.orders.of(owner)).chain(mine);
    Sse::new(orders.map(|order| Ok(event(&order)))).keep_alive(KeepAlive::default())
}

fn event(order: &Order) -> Event {
    Event::default().event("order").data(serde_json::json!(order).to_string())
}

/// `GET /orders/live`: whoever sends an order's id is told about it.
pub(crate) async fn socket(
    State(shop): State<Shop>,
    auth: AuthContext<Customer>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let owner = auth.user().id;
    upgrade.on_upgrade(move |socket| converse(socket, shop, owner))
}

async fn converse(mut socket: WebSocket, shop: Shop, owner: &'static str) {
    while let Some(Ok(Message::Text(id))) = socket.recv().await {
        let orders = shop.orders.of(owner);
        let order = orders.iter().find(|order| order.id == id.as_str());
        if socket.send(Message::text(serde_json::json!(order).to_string())).await.is_err() {
            return;
        }
    }
}
