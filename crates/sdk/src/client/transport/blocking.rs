//! The connections of the blocking client: sockets of the standard library, the calling thread and
//! nothing else. No runtime, so no thread of its own that a fork would lose and no hop to one; what
//! a runtime would cost instead is a row of `cargo xtask bench sdk`.
//!
//! Time-outs here are the socket's, so they go by the machine's clock; waits between calls go by
//! the client's.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::address::Address;
use super::answer::{Answer, ROOM, Reader};
use super::{Fault, connect_within};
use crate::time::{Clock, SystemClock};

/// A connection, plain or under TLS.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, Limited>>),
}

/// A socket under TLS, which reads as often as a record needs: bytes that drip in are given up at
/// the deadline, where the socket's own time-out begins anew with each.
pub(crate) struct Limited {
    tcp: TcpStream,
    deadline: Deadline,
    /// Whether a read waits for bytes, or takes what is there.
    waits: bool,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.deadline.left("") {
            _ if !self.waits => at_once(&self.tcp, buffer, Taken::Yes),
            Ok(_) => read_on(&mut self.tcp, buffer, self.deadline),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// Whether bytes that are looked at are gone from the socket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    Yes,
    No,
}

/// What is there already; nothing is [`io::ErrorKind::WouldBlock`]. One call to the system.
#[cfg(unix)]
fn at_once(tcp: &TcpStream, buffer: &mut [u8], taken: Taken) -> io::Result<usize> {
    use rustix::net::RecvFlags;
    let peeks = if taken == Taken::No { RecvFlags::PEEK } else { RecvFlags::empty() };
    let (received, _) = rustix::net::recv(tcp, buffer, peeks | RecvFlags::DONTWAIT)?;
    Ok(received)
}

/// The same where a single read cannot be told not to wait.
#[cfg(not(unix))]
fn at_once(mut tcp: &TcpStream, buffer: &mut [u8], taken: Taken) -> io::Result<usize> {
    tcp.set_nonblocking(true)?;
    let received = if taken == Taken::No { tcp.peek(buffer) } else { tcp.read(buffer) };
    tcp.set_nonblocking(false)?;
    received
}

/// Reads until there are bytes or the time is over, and asks after every slice of it, and whenever
/// a signal interrupts, whether the call is given up.
fn read_on(tcp: &mut TcpStream, buffer: &mut [u8], deadline: Deadline) -> io::Result<usize> {
    let mut is_shortened = false;
    loop {
        let read = tcp.read(buffer);
        if !read.as_ref().is_err_and(has_only_waited) {
            if is_shortened {
                tcp.set_read_timeout(Some(deadline.slice))?;
            }
            return read;
        }
        let left = deadline.left("").map_err(|_| io::ErrorKind::TimedOut)?;
        if (deadline.gives_up)() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // else the time of the socket begins anew
        if left < deadline.slice {
            tcp.set_read_timeout(Some(left))?;
            is_shortened = true;
        }
    }
}

fn has_only_waited(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

/// How often a call that can be given up asks whether it is. A signal that comes just before a read
/// does not interrupt it, and another thread may be the one that it interrupts.
pub(crate) const ASK_EVERY: Duration = Duration::from_millis(50);

/// When a call has taken too long, on the machine's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at_ns: u64,
    /// The longest that a write waits.
    whole: Duration,
    /// The longest that one read waits; what a kept connection has its time-out set to, so that the
    /// usual call sets none.
    slice: Duration,
    /// Asked after each slice.
    gives_up: fn() -> bool,
}

impl Deadline {
    /// One that is over early when `gives_up` says so.
    pub(crate) fn unless(gives_up: Option<fn() -> bool>, duration: Duration) -> Self {
        let at_ns = now_ns().saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
        let slice = if gives_up.is_some() { duration.min(ASK_EVERY) } else { duration };
        Self { at_ns, whole: duration, slice, gives_up: gives_up.unwrap_or(|| false) }
    }

    /// The same conditions for a part of the call.
    fn within(self, duration: Duration) -> Self {
        let part = Self::unless(Some(self.gives_up), duration);
        Self { slice: self.slice.min(duration), ..part }
    }

    /// What is left; never zero, which the system would read as "for ever".
    fn left(self, what: &'static str) -> Result<Duration, Fault> {
        match self.at_ns.saturating_sub(now_ns()) {
            0 => Err(Fault::TimedOut(what)),
            left => Ok(Duration::from_nanos(left).max(Duration::from_micros(1))),
        }
    }
}

fn now_ns() -> u64 {
    SystemClock.monotonic_ns()
}

impl Stream {
    /// A new connection.
    pub(crate) fn connect(
        address: &Address,
        tls: Option<&Arc<ClientConfig>>,
        deadline: Deadline,
    ) -> Result<Self, Fault> {
        let most = connect_within(deadline.whole);
        let connecting = deadline.within(most.min(deadline.left("the call")?));
        let tcp = tcp(address, connecting)?;
        let mut stream = match (tls, &address.tls_name) {
            (Some(config), Some(name)) => {
                let connection = ClientConnection::new(Arc::clone(config), name.clone())
                    .map_err(|error| Fault::Unanswered(format!("no TLS: {error}")))?;
                let limited = Limited { tcp, deadline: connecting, waits: true };
                Self::Tls(Box::new(StreamOwned::new(connection, limited)))
            }
            _ => Self::Plain(tcp),
        };
        stream.handshake(connecting)?;
        stream.set_limits(deadline).map_err(|error| Fault::connecting(&error))?;
        Ok(stream)
    }

    fn handshake(&mut self, deadline: Deadline) -> Result<(), Fault> {
        let rest = deadline.within(deadline.left("connecting")?);
        self.set_limits(rest).map_err(|error| Fault::connecting(&error))?;
        let Self::Tls(stream) = self else { return Ok(()) };
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(|error| match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    Fault::TimedOut("connecting")
                }
                _ => Fault::connecting(&error),
            })?;
        }
        Ok(())
    }

    /// Sends a request and reads its answer. The connection is given back when it can carry
    /// another call.
    pub(crate) fn call(
        mut self,
        request: &[u8],
        deadline: Deadline,
    ) -> Result<(Answer, Option<Self>), Fault> {
        self.set_deadline(deadline);
        let sent = self.io().write_all(request).and_then(|()| self.io().flush());
        sent.map_err(|error| failed(&error, false))?;
        let mut reader = Reader::default();
        let mut is_limited = false;
        let answer = loop {
            if self.read_into(&mut reader, deadline)? == 0 {
                break reader.end()?;
            }
            if let Some(answer) = reader.advance()? {
                break answer;
            }
            // the rest has only what is left of the time
            is_limited = true;
            let rest = deadline.within(deadline.left("the call")?);
            self.set_limits(rest).map_err(|error| failed(&error, true))?;
        };
        let is_kept = answer.is_reusable && (!is_limited || self.set_limits(deadline).is_ok());
        Ok((answer, is_kept.then_some(self)))
    }

    fn read_into(&mut self, reader: &mut Reader, deadline: Deadline) -> Result<usize, Fault> {
        let has_begun = reader.has_begun();
        let buffer = reader.buffer();
        let before = buffer.len();
        buffer.resize(before + ROOM, 0);
        let read = match (buffer.get_mut(before..), self) {
            (Some(room), Self::Plain(stream)) => read_on(stream, room, deadline),
            // it has the deadline itself
            (Some(room), Self::Tls(stream)) => stream.read(room),
            (None, _) => Ok(0),
        };
        buffer.truncate(before + read.as_ref().copied().unwrap_or_default());
        read.map_err(|error| failed(&error, has_begun))
    }

    /// Whether nothing has happened on it while it waited: bytes that nobody asked for would be
    /// read as the answer to the next call.
    pub(crate) fn is_quiet(&mut self, deadline: Deadline) -> bool {
        let heard = match self {
            Self::Plain(stream) => at_once(stream, &mut [0], Taken::No),
            // records that carry no data, such as session tickets, are taken in here
            Self::Tls(stream) => {
                stream.sock.deadline = deadline;
                stream.sock.waits = false;
                let heard = stream.read(&mut [0]);
                stream.sock.waits = true;
                heard
            }
        };
        heard.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    fn set_deadline(&mut self, deadline: Deadline) {
        if let Self::Tls(stream) = self {
            stream.sock.deadline = deadline;
        }
    }

    fn set_limits(&self, deadline: Deadline) -> io::Result<()> {
        self.tcp().set_read_timeout(Some(deadline.slice))?;
        self.tcp().set_write_timeout(Some(deadline.whole))
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock.tcp,
        }
    }

    fn io(&mut self) -> &mut dyn Write {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.as_mut(),
        }
    }
}

/// The first address that lets itself be connected to.
fn tcp(address: &Address, deadline: Deadline) -> Result<TcpStream, Fault> {
    let found = (address.host.as_str(), address.port).to_socket_addrs();
    let mut last = Fault::Unanswered("the name of the service has no address".to_owned());
    for address in found.map_err(|error| Fault::connecting(&error))? {
        match TcpStream::connect_timeout(&address, deadline.left("connecting")?) {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(|error| Fault::connecting(&error))?;
                return Ok(stream);
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                last = Fault::TimedOut("connecting");
            }
            Err(error) => last = Fault::connecting(&error),
        }
    }
    Err(last)
}

fn failed(error: &io::Error, has_begun: bool) -> Fault {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Fault::TimedOut("the call"),
        _ => Fault::under_call(error, has_begun),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// As after a signal that came before the read, or to another thread: nothing interrupts.
    #[test]
    fn a_call_is_given_up_though_nothing_interrupts_its_read() {
        static IS_GIVEN_UP: AtomicBool = AtomicBool::new(false);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut other, _) = listener.accept().unwrap();
        let service = std::thread::spawn(move || {
            let asked = other.read(&mut [0; 1024]).unwrap();
            IS_GIVEN_UP.store(true, Ordering::Release);
            (asked, other)
        });
        let stream = Stream::Plain(tcp);
        let asks = || IS_GIVEN_UP.load(Ordering::Acquire);
        let deadline = Deadline::unless(Some(asks), Duration::from_hours(1));
        stream.set_limits(deadline).unwrap();
        let outcome = stream.call(b"GET / HTTP/1.1\r\n\r\n", deadline);
        assert!(matches!(outcome, Err(Fault::TimedOut("the call"))));
        assert_eq!(service.join().unwrap().0, 18);
    }

    #[test]
    fn what_happens_on_an_idle_connection_is_heard() {
        for said in [&b"HTTP/1.1 200 OK\r\n\r\n"[..], b""] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let tcp = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut other, _) = listener.accept().unwrap();
            let mut stream = Stream::Plain(tcp);
            let soon = Deadline::unless(None, Duration::from_mins(1));
            assert!(stream.is_quiet(soon));
            assert!(stream.is_quiet(soon), "asking changes nothing");
            other.write_all(said).unwrap();
            drop(other);
            // a peek that may wait: until the bytes or the end have come
            stream.tcp().peek(&mut [0]).unwrap();
            assert!(!stream.is_quiet(soon), "{said:?}");
        }
    }
}
