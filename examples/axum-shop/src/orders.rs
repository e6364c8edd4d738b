//! Orders, and refunds of them. A handler asks for whoever the orders belong to, and does not care
//! whether that is a person with a session or an agent with a token.

use std::sync::{Mutex, PoisonError};

use agentadmit::axum::AuthContext;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::Shop;
use crate::customers::Customer;

/// News that a slow reader may be behind before it misses some.
const NEWS: usize = 16;

/// An order.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Order {
    pub(crate) id: &'static str,
    pub(crate) what: &'static str,
    pub(crate) cents: u32,
    pub(crate) refunded: bool,
    #[serde(skip)]
    pub(crate) owner: &'static str,
}

/// The table of orders, and news of what changes in it.
pub(crate) struct Orders {
    rows: Mutex<Vec<Order>>,
    news: broadcast::Sender<Order>,
}

impl Default for Orders {
    fn default() -> Self {
        let order = |id, owner, what, cents| Order { id, what, cents, refunded: false, owner };
        let rows = vec![
            order("A-1001", "u_ada", "Brass gears, a dozen", 4_200),
            order("A-1002", "u_ada", "Punch cards, a box", 1_250),
            order("G-2001", "u_grace", "Wire, thirty centimetres", 90),
        ];
        Self { rows: Mutex::new(rows), news: broadcast::Sender::new(NEWS) }
    }
}

impl Orders {
    /// Somebody's orders.
    pub(crate) fn of(&self, owner: &str) -> Vec<Order> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.iter().filter(|order| order.owner == owner).cloned().collect()
    }

    /// What changes from now on, of everybody.
    pub(crate) fn news(&self) -> broadcast::Receiver<Order> {
        self.news.subscribe()
    }

    /// Gives the money back, once; `None` where the owner has no such order.
    fn refund(&self, owner: &str, id: &str) -> Option<Order> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let order = rows.iter_mut().find(|order| order.owner == owner && order.id == id)?;
        order.refunded = true;
        // nobody may be listening
        let _unheard = self.news.send(order.clone());
        Some(order.clone())
    }
}

/// `GET /orders`
pub(crate) async fn list(
    State(shop): State<Shop>,
    auth: AuthContext<Customer>,
) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "orders": shop.orders.of(auth.user().id) }))
}

/// What `POST /refunds` is sent.
#[derive(Deserialize)]
pub(crate) struct Refund {
    order: String,
}

/// `POST /refunds`
pub(crate) async fn refund(
    State(shop): State<Shop>,
    auth: AuthContext<Customer>,
    Json(wanted): Json<Refund>,
) -> Result<Json<Order>, StatusCode> {
    shop.orders.refund(auth.user().id, &wanted.order).map(Json).ok_or(StatusCode::NOT_FOUND)
}
