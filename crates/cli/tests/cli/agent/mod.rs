//! The agent's side: `connect` and what an agent calls with it, against real apps and hostile ones.

mod bridge;
mod connect;
mod handed_over;
mod hostile;
mod hostile_oauth;
mod list_changed;
mod mcp;
mod oauth;
mod person;
mod world;
