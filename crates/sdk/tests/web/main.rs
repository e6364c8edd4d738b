//! The guards, the mounted routes, the discovery document and streams, over real HTTP: an axum app
//! in front of the real service, with a spy between them.

mod discovery;
mod exchange;
mod guards;
mod mounted;
mod refusals;
mod streams;
mod support;
