//! `doctor`: for each of its checks something that breaks just that, and is found as just that.

mod app;
mod credential;
mod front;
mod operator;
mod service;
mod tls;
mod well;
mod world;
