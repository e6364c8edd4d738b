//! The home page: signing in, the orders, and letting an agent in. Plain HTML from the server; the
//! panel for agents is the element that AgentAdmit serves.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Html;

use crate::Shop;
use crate::customers::Customer;
use crate::orders::Order;

const FRAME: &str = include_str!("frame.html");
const SIGN_IN: &str = include_str!("sign_in.html");
const HOME: &str = include_str!("home.html");

/// `GET /`
pub(crate) async fn home(State(shop): State<Shop>, headers: HeaderMap) -> Html<String> {
    match shop.customers.signed_in(&headers) {
        Some(customer) => home_of(&shop, customer),
        None => sign_in(""),
    }
}

/// The form to sign in, with what was wrong the last time.
pub(crate) fn sign_in(complaint: &str) -> Html<String> {
    framed(&SIGN_IN.replace("{complaint}", &escaped(complaint)))
}

fn home_of(shop: &Shop, customer: Customer) -> Html<String> {
    let rows: String = shop.orders.of(customer.id).iter().map(row).collect();
    let page = HOME.replace("{name}", &escaped(customer.name)).replace("{orders}", &rows);
    framed(&page.replace("{address}", &escaped(&shop.address)))
}

fn row(order: &Order) -> String {
    let Order { id, what, cents, refunded, .. } = order;
    let (euros, rest) = (cents / 100, cents % 100);
    let state = if *refunded { "refunded" } else { "" };
    let what = escaped(what);
    format!("<tr><td>{id}</td><td>{what}</td><td>{euros}.{rest:02}</td><td>{state}</td></tr>\n")
}

fn framed(content: &str) -> Html<String> {
    Html(FRAME.replace("{content}", content))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
