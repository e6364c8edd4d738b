//! Streams end within 30 s of a revocation, on a clock that the test moves.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use agentadmit::axum::ws::{Message, WebSocket, WebSocketUpgrade};
use agentadmit::axum::{AgentRouter, require_scope_if_agent};
use axum::body::{Body, Bytes};
use axum::extract::ws as plain;
use axum::response::Response;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::support::{Mode, Shop, World};

pub(crate) const HALF_A_MINUTE: Duration = Duration::from_secs(30);

/// Where the running stream gets its events from. Tests here take turns: each begins with a stream
/// of its own.
static EVENTS: Mutex<Option<mpsc::UnboundedSender<&'static str>>> = Mutex::new(None);
pub(crate) static TURN: Mutex<()> = Mutex::new(());

pub(crate) fn send(event: &'static str) -> bool {
    EVENTS.lock().as_ref().is_some_and(|events| events.send(event).is_ok())
}

fn fresh_events() -> mpsc::UnboundedReceiver<&'static str> {
    let (sender, receiver) = mpsc::unbounded_channel();
    *EVENTS.lock() = Some(sender);
    receiver
}

/// A body that lasts as long as there are events.
struct Events(mpsc::UnboundedReceiver<&'static str>);

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        let event = self.0.poll_recv(context);
        event.map(|event| {
            event.map(|it| Ok(http_body::Frame::data(Bytes::from_static(it.as_bytes()))))
        })
    }
}

pub(crate) async fn sse() -> Response {
    let body = Body::new(Events(fresh_events()));
    Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
}

/// Echoes, and sends events.
async fn talk(upgrade: WebSocketUpgrade) -> Response {
    let mut events = fresh_events();
    upgrade.on_upgrade(async move |mut socket: WebSocket| {
        loop {
            let message = tokio::select! {
                event = events.recv() => match event {
                    Some(event) => Message::Text(event.into()),
                    None => return,
                },
                received = socket.recv() => match received {
                    Some(Ok(message)) => message,
                    _ => return,
                },
            };
            if socket.send(message).await.is_err() {
                return;
            }
        }
    })
}

/// Only sends.
async fn push(upgrade: WebSocketUpgrade) -> Response {
    let mut events = fresh_events();
    upgrade.on_upgrade(async move |mut socket: WebSocket| {
        while let Some(event) = events.recv().await {
            if socket.send(Message::Text(event.into())).await.is_err() {
                return;
            }
        }
    })
}

/// A WebSocket that nobody can see into.
async fn blind(upgrade: plain::WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket| {
        let _ = socket.send(plain::Message::Text("data".into())).await;
    })
}

fn routes(router: AgentRouter<Shop>) -> AgentRouter<Shop> {
    let guard = || require_scope_if_agent(["read:orders"]);
    router.get("/sse", guard(), sse).get("/talk", guard(), talk).get("/push", guard(), push).get(
        "/blind",
        guard(),
        blind,
    )
}

/// A raw connection after the head of its answer.
pub(crate) struct Raw {
    reader: BufReader<TcpStream>,
    pub(crate) status: u16,
}

impl Raw {
    fn open(world: &World, path: &str, credential: &str, more: &str) -> Self {
        let mut stream = TcpStream::connect(world.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: shop\r\n{credential}\r\n{more}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).unwrap();
        }
        Self { reader, status }
    }

    fn events(world: &World, credential: &str) -> Self {
        Self::events_at(world, "/sse", credential)
    }

    pub(crate) fn events_at(world: &World, path: &str, credential: &str) -> Self {
        Self::open(world, path, credential, "")
    }

    fn socket(world: &World, path: &str, credential: &str) -> Self {
        let more = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        Self::open(world, path, credential, more)
    }

    /// One chunk; `None` where the connection was broken off before the last.
    pub(crate) fn chunk(&mut self) -> Option<String> {
        let mut size = String::new();
        self.reader.read_line(&mut size).ok().filter(|read| *read > 0)?;
        let mut chunk = vec![0; usize::from_str_radix(size.trim(), 16).unwrap() + 2];
        self.reader.read_exact(&mut chunk).ok()?;
        chunk.truncate(chunk.len() - 2);
        Some(String::from_utf8(chunk).unwrap())
    }

    /// Sends a short text, masked as a client must.
    fn say(&mut self, text: &str) {
        let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        self.reader.get_mut().write_all(&frame).unwrap();
    }

    /// A short frame: its opcode and payload; `None` at the end.
    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.reader.read_exact(&mut head).ok()?;
        let mut payload = vec![0; usize::from(head[1])];
        self.reader.read_exact(&mut payload).ok()?;
        Some((head[0] & 0x0f, payload))
    }

    #[track_caller]
    fn hears(&mut self, text: &str) {
        assert_eq!(self.frame(), Some((1, text.as_bytes().to_vec())));
    }

    /// 1008 and the end.
    #[track_caller]
    fn is_closed(&mut self) {
        let (opcode, payload) = self.frame().unwrap();
        assert_eq!((opcode, &payload[..2]), (8, &1008_u16.to_be_bytes()[..]));
        assert_eq!(self.frame(), None);
    }
}

pub(crate) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// Waits until the stream sleeps on the test's clock.
pub(crate) fn until_it_waits(world: &World, left: Duration) {
    let limit = Duration::from_secs(30);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let waiting = async { tokio::time::timeout(limit, world.clock.until_sleeps(&[left])).await };
    runtime.block_on(waiting).unwrap();
}

#[test]
fn an_event_stream_ends_within_30_s_of_the_revocation() {
    let _turn = TURN.lock();
    let world = World::start(routes);
    let agent = world.connect("alice", &["read:orders"]);
    let mut stream = Raw::events(&world, &bearer(&agent.access_token));
    assert_eq!(stream.status, 200);
    assert!(send("one"));
    assert_eq!(stream.chunk().as_deref(), Some("one"));
    until_it_waits(&world, HALF_A_MINUTE);
    assert_eq!(world.spy.take_verifies(), 1);

    // a connection that lives goes on, with one question each 30 s
    world.clock.advance(HALF_A_MINUTE);
    until_it_waits(&world, HALF_A_MINUTE);
    assert_eq!(world.spy.take_verifies(), 1);
    assert!(send("two"));
    assert_eq!(stream.chunk().as_deref(), Some("two"));

    world.revoke(&agent);
    world.clock.advance(HALF_A_MINUTE);
    assert_eq!(stream.chunk(), None, "broken off, not ended");
    assert_eq!(world.spy.take_verifies(), 1);
}

#[test]
fn what_is_ready_when_a_question_is_due_waits_for_its_answer() {
    let _turn = TURN.lock();
    let world = World::start(routes);
    let agent = world.connect("alice", &["read:orders"]);
    let mut stream = Raw::events(&world, &bearer(&agent.access_token));
    assert!(send("one"));
    assert_eq!(stream.chunk().as_deref(), Some("one"));
    until_it_waits(&world, HALF_A_MINUTE);
    world.revoke(&agent);
    world.clock.advance(HALF_A_MINUTE);
    send("secret");
    assert_eq!(stream.chunk(), None);
}

#[test]
fn doubt_ends_a_stream_too() {
    let _turn = TURN.lock();
    let world = World::start(routes);
    let agent = world.connect("alice", &["read:orders"]);
    for mode in
        [Mode::Answer(503, vec![], String::new()), Mode::Answer(200, vec![], "{}".to_owned())]
    {
        *world.spy.mode.lock() = Mode::Forward;
        let mut stream = Raw::events(&world, &bearer(&agent.access_token));
        assert!(send("one"));
        assert_eq!(stream.chunk().as_deref(), Some("one"));
        until_it_waits(&world, HALF_A_MINUTE);
        *world.spy.mode.lock() = mode;
        world.clock.advance(HALF_A_MINUTE);
        assert_eq!(stream.chunk(), None);
    }
}

#[test]
fn a_persons_stream_is_nobodys_business() {
    let _turn = TURN.lock();
    let world = World::start(routes);
    let mut stream = Raw::events(&world, "Cookie: session=alice");
    assert!(send("one"));
    assert_eq!(stream.chunk().as_deref(), Some("one"));
    world.clock.advance(Duration::from_mins(10));
    assert!(send("two"));
    assert_eq!(stream.chunk().as_deref(), Some("two"));
    assert_eq!(world.spy.take_verifies(), 0);
}

#[test]
fn a_websocket_asks_for_each_message_and_each_30_s() {
    let _turn = TURN.lock();
    let world = World::start(routes);
    let agent = world.connect("alice", &["read:orders"]);
    let mut socket = Raw::socket(&world, "/talk", &bearer(&agent.access_token));
    assert_eq!(socket.status, 101);
    assert_eq!(world.spy.take_verifies(), 1);
    for text in ["a", "b"] {
        socket.say(text);
        socket.hears(text);
        assert_eq!(world.spy.take_verifies(), 1, "a message that comes in is asked about");
    }
    assert!(send("event"));
    socket.hears("event");
    assert_eq!(world.spy.take_verifies(), 0, "what goes out is covered for 30 s");
    until_it_waits(&world, HALF_A_MINUTE);
    world.clock.advance(HALF_A_MINUTE);
    until_it_waits(&world, HALF_A_MINUTE);
    assert_eq!(world.spy.take_verifies(), 1);

    world.revoke(&agent);
    world.clock.advance(HALF_A_MINUTE);
    socket.is_closed();
}

#[test]
fn a_message_after_the_revocation_never_reaches_the_handler() {
    let _turn = TURN.lock();
    let world = World::start(routes);
    let agent = world.connect("alice", &["read:orders"]);
    let mut socket = Raw::socket(&world, "/talk", &bearer(&agent.access_token));
    socket.say("a");
    socket.hears("a");
    world.revoke(&agent);
    socket.say("b");
    socket.is_closed();

    let agent = world.connect("alice", &["read:orders"]);
    let mut socket = Raw::socket(&world, "/talk", &bearer(&agent.access_token));
    *world.spy.mode.lock() = Mode::Answer(503, vec![], String::new());
    socket.say("b");
    socket.is_closed();
}

#[test]
fn a_handler_that_only_sends_is_asked_about_too() {
    let _turn = TURN.lock();
    let world = World::start(routes);
    let agent = world.connect("alice", &["read:orders"]);
    let mut socket = Raw::socket(&world, "/push", &bearer(&agent.access_token));
    assert!(send("one"));
    socket.hears("one");
    world.clock.advance(HALF_A_MINUTE);
    assert!(send("two"));
    socket.hears("two");
    assert_eq!(world.spy.take_verifies(), 2);
    world.revoke(&agent);
    world.clock.advance(HALF_A_MINUTE);
    assert!(send("secret"));
    socket.is_closed();
}

#[test]
fn a_persons_websocket_is_axums_own() {
    let _turn = TURN.lock();
    let world = World::start(routes);
    let mut socket = Raw::socket(&world, "/talk", "Cookie: session=alice");
    socket.say("a");
    socket.hears("a");
    let mut blind = Raw::socket(&world, "/blind", "Cookie: session=alice");
    assert_eq!(blind.status, 101);
    blind.hears("data");
    assert_eq!(world.spy.take_verifies(), 0);
}

#[test]
fn a_websocket_that_nobody_sees_into_is_refused_to_agents() {
    let world = World::start(routes);
    let agent = world.connect("alice", &["read:orders"]);
    let blind = Raw::socket(&world, "/blind", &bearer(&agent.access_token));
    assert_eq!(blind.status, 403);
}
