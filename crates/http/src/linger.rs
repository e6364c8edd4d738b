//! The end of a connection that the service ends: its client hears the last answer.
//!
//! A socket that is closed while bytes of the client lie unread, or to which more of them come, makes
//! the system reset the connection. The client may then lose an answer that it has not read yet, or
//! see an error where there was an end. So the service shuts down its own half and reads on, until
//! the client has ended its half too, or for some time (RFC 9112, section 9.6).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Bytes that are thrown away at a time.
const ROOM: usize = 1024;

/// A stream whose shutdown ends when the client has ended too, or when its time is over. What comes
/// meanwhile is thrown away.
pub(crate) struct Lingering<S> {
    stream: S,
    time: Duration,
    /// From the shutdown on.
    over: Option<Pin<Box<Sleep>>>,
}

impl<S> Lingering<S> {
    pub(crate) fn new(stream: S, time: Duration) -> Self {
        Self { stream, time, over: None }
    }
}

impl<S: AsyncRead + Unpin> Lingering<S> {
    /// Ready when nothing comes any more.
    fn poll_end_of_client(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut room = [0; ROOM];
            let mut room = ReadBuf::new(&mut room);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room));
            if read.is_err() || room.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, to)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, from)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.over.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.over = Some(Box::pin(sleep(self.time)));
        }
        // the time before the bytes: whoever sends without end is not waited for
        let is_over = self.over.as_mut().is_some_and(|over| over.as_mut().poll(cx).is_ready());
        if is_over { Poll::Ready(Ok(())) } else { self.poll_end_of_client(cx).map(Ok) }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt as _, join, repeat, sink};

    use super::*;

    /// Bytes that never end use up a task's share of each turn, and the timer must not starve.
    #[tokio::test]
    async fn a_client_that_sends_without_end_is_left() {
        let stream = join(repeat(b'x'), sink());
        Lingering::new(stream, Duration::from_millis(10)).shutdown().await.unwrap();
    }

    #[tokio::test]
    async fn a_client_that_has_ended_is_not_waited_for() {
        let stream = join(&b"the rest"[..], sink());
        Lingering::new(stream, Duration::MAX).shutdown().await.unwrap();
    }
}
