//! The connections of the async client.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Fault;
use super::address::Address;
use super::answer::{Answer, Reader};
use crate::time::Sleep;

/// A connection, plain or under TLS.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// A new connection, made before `limit` ends.
    pub(crate) async fn connect(
        address: &Address,
        tls: Option<&Arc<ClientConfig>>,
        limit: Sleep,
    ) -> Result<Self, Fault> {
        let connecting =
            async { Self::open(address, tls).await.map_err(|error| Fault::connecting(&error)) };
        within(limit, "connecting", connecting).await
    }

    async fn open(address: &Address, tls: Option<&Arc<ClientConfig>>) -> io::Result<Self> {
        let tcp = TcpStream::connect((address.host.as_str(), address.port)).await?;
        tcp.set_nodelay(true)?;
        let (Some(config), Some(name)) = (tls, &address.tls_name) else {
            return Ok(Self::Plain(tcp));
        };
        let connector = TlsConnector::from(Arc::clone(config));
        Ok(Self::Tls(Box::new(connector.connect(name.clone(), tcp).await?)))
    }

    /// Sends a request and reads its answer. The connection is given back when it can carry
    /// another call.
    pub(crate) async fn call(mut self, request: &[u8]) -> Result<(Answer, Option<Self>), Fault> {
        let sent = async {
            self.write_all(request).await?;
            self.flush().await
        };
        sent.await.map_err(|error| Fault::under_call(&error, false))?;
        let mut reader = Reader::default();
        let answer = loop {
            let read = self.read_buf(reader.buffer()).await;
            if read.map_err(|error| Fault::under_call(&error, reader.has_begun()))? == 0 {
                break reader.end()?;
            }
            if let Some(answer) = reader.advance()? {
                break answer;
            }
        };
        let kept = answer.is_reusable.then_some(self);
        Ok((answer, kept))
    }

    /// Whether nothing has happened on it while it waited. Bytes that nobody asked for would be
    /// read as the answer to the next call; the end shows as readable too.
    pub(crate) async fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        poll_fn(|context| {
            let read = Pin::new(&mut *self).poll_read(context, &mut ReadBuf::new(&mut byte));
            Poll::Ready(read.is_pending())
        })
        .await
    }
}

/// What `work` comes to, unless `limit` ends first.
pub(crate) async fn within<T>(
    mut limit: Sleep,
    what: &'static str,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let mut work = pin!(work);
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(result) => Poll::Ready(result),
        Poll::Pending => limit.as_mut().poll(context).map(|()| Err(Fault::TimedOut(what))),
    })
    .await
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_happens_on_an_idle_connection_is_heard() {
        for said in [&b"HTTP/1.1 200 OK\r\n\r\n"[..], b""] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (mut other, _) = listener.accept().await.unwrap();
            let mut stream = Stream::Plain(tcp);
            assert!(stream.is_quiet().await);
            other.write_all(said).await.unwrap();
            drop(other);
            let Stream::Plain(tcp) = &stream else { unreachable!() };
            tcp.readable().await.unwrap();
            assert!(!stream.is_quiet().await, "{said:?}");
        }
    }
}
