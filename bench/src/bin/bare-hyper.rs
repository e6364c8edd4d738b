//! The yardstick of `cargo xtask bench`: hyper with a thread for each core that it may use, which reads
//! every request whole and gives every one the same answer.
//!
//! Prints `listening on http://…` on stderr when it is ready, as the service does.

#![expect(clippy::print_stderr, reason = "a program talks to its caller")]

use std::convert::Infallible;

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// 207 bytes of JSON: about what a short answer of verify has.
const ANSWER: &[u8; 207] = b"{\"active\":true,\"app_id\":\"app_01h2xcehg0f3bbbz9vbb3zb9e1\",\
    \"environment\":\"test\",\"connection_id\":\"conn_01h2xcehg0f3bbbz9vbb3zb9e1\",\
    \"user_id\":\"user-00001\",\"audit_id\":\"evt_01h2xcehg0f3bbbz9vbb3zb9e1\",\"scopes\":[]}";

fn main() -> Result<()> {
    agentadmit_bench::runtime()?.block_on(serve())
}

async fn serve() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            // a client that goes away is not the yardstick's matter
            let _closed = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    // a body that breaks off ends the connection by itself
    let _body = request.into_body().collect().await;
    let mut response = Response::new(Full::new(Bytes::from_static(ANSWER)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
