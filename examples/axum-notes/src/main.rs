//! `axum-notes [ADDRESS]`: the notes on an address, by default on `127.0.0.1` and the port in `PORT`.

use std::env;
use std::error::Error;
use std::future::pending;
use std::path::Path;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let port = env::var("PORT").unwrap_or_else(|_| "8000".to_owned());
    let address = env::args().nth(1).unwrap_or_else(|| format!("127.0.0.1:{port}"));
    axum_notes::serve(address.parse()?, Path::new("agentadmit.yaml"), pending()).await
}
