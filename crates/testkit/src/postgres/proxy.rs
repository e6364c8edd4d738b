//! A proxy between a store and its server, which gets in the way when it is told to: it cuts
//! connections off in the middle of a commit, and holds bytes back as a network does that stalls.
//!
//! It reads what clients send (`PostgreSQL`'s message format) as far as it must to see their commits.

use std::collections::{BTreeSet, HashSet};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parking_lot::{Condvar, Mutex};
use tempfile::TempDir;

use super::{Cluster, Database, PostgresServer};

/// Where the next commit is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Before it gets to the server: it does not happen.
    Before,
    /// When it is on its way: it happens or not.
    During,
    /// When the server has answered, and nobody hears it: it has happened.
    After,
    /// Before it gets to the server, and nobody hears of it: the connection stays, and nothing gets
    /// through any more.
    Stalled,
}

/// How the way to the server ends.
#[derive(PartialEq, Eq)]
enum Went {
    /// Cut off.
    Away,
    /// Nothing comes any more, and the connection stays.
    Silent,
}

/// The running proxy. It ends with the connections that go through it.
pub struct Proxy {
    folder: TempDir,
    shared: Arc<Shared>,
}

struct Shared {
    server: PathBuf,
    /// What happens to the next commit.
    next: Mutex<Option<Cut>>,
    cuts: AtomicUsize,
    /// What was prepared through it.
    statements: Mutex<BTreeSet<String>>,
    is_held: Mutex<bool>,
    is_released: Condvar,
}

/// One connection, seen by the two threads that carry its bytes.
struct Carried {
    client: UnixStream,
    server: UnixStream,
    /// Nothing of the server's answers gets through any more.
    is_mute: Mutex<bool>,
}

impl Proxy {
    /// Starts it before the server that the tests share.
    ///
    /// # Panics
    /// When there is no socket to be had.
    pub fn before_shared() -> Self {
        Self::before(PostgresServer::shared().0.socket())
    }

    /// Starts it before a server of one test.
    ///
    /// # Panics
    /// When there is no socket to be had.
    pub fn before_cluster(cluster: &Cluster) -> Self {
        Self::before(cluster.socket())
    }

    fn before(server: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let socket = folder.path().join(".s.PGSQL.5432");
        let listener = UnixListener::bind(socket).unwrap_or_else(|error| panic!("{error}"));
        let shared = Arc::new(Shared {
            server,
            next: Mutex::default(),
            cuts: AtomicUsize::new(0),
            statements: Mutex::default(),
            is_held: Mutex::default(),
            is_released: Condvar::new(),
        });
        let own = Arc::clone(&shared);
        // ends with the process: nobody connects once the folder is gone
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // a client whose server cannot be reached finds its connection closed
                let _unreachable = carry(&own, client);
            }
        });
        Self { folder, shared }
    }

    /// The address of a database of the shared server, through this.
    pub fn url(&self, database: &Database) -> String {
        database.url_through(&self.host())
    }

    /// Its socket, as an address names a host.
    pub fn host(&self) -> String {
        self.folder.path().display().to_string().replace('/', "%2F")
    }

    /// Cuts the next commit off, and none after it.
    pub fn cut_next_commit(&self, cut: Cut) {
        *self.shared.next.lock() = Some(cut);
    }

    /// The text of every statement that clients have prepared through it.
    pub fn statements(&self) -> BTreeSet<String> {
        self.shared.statements.lock().clone()
    }

    /// Holds everything back, in both directions, from connections that come too: as if the network
    /// stood still.
    pub fn hold(&self) {
        *self.shared.is_held.lock() = true;
    }

    /// Lets through what was held back, and what comes.
    pub fn release(&self) {
        *self.shared.is_held.lock() = false;
        self.shared.is_released.notify_all();
    }

    /// Commits that were cut off.
    pub fn cuts(&self) -> usize {
        self.shared.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.release();
    }
}

impl Shared {
    /// Waits until nothing is held back.
    fn pass(&self) {
        let mut is_held = self.is_held.lock();
        while *is_held {
            self.is_released.wait(&mut is_held);
        }
    }
}

/// Starts the two threads of a connection.
fn carry(shared: &Arc<Shared>, client: UnixStream) -> io::Result<()> {
    let server = UnixStream::connect(&shared.server)?;
    let carried = Arc::new(Carried { client, server, is_mute: Mutex::new(false) });
    let (back, there) = (Arc::clone(shared), Arc::clone(&carried));
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        // the server is not told that a client has gone behind a stall: it finds out by itself
        if there.to_server(&shared).is_ok_and(|went| went == Went::Silent) {
            return;
        }
        there.cut();
    });
    thread::spawn(move || {
        let _gone = carried.to_client(&back);
        carried.cut();
    });
    Ok(())
}

impl Carried {
    fn cut(&self) {
        let _gone = self.client.shutdown(Shutdown::Both);
        let _gone = self.server.shutdown(Shutdown::Both);
    }

    /// Carries message by message, and looks for commits.
    fn to_server(&self, shared: &Shared) -> io::Result<Went> {
        let (mut client, mut server) = (&self.client, &self.server);
        // the first message has no kind
        server.write_all(&message(&mut client, 0)?)?;
        let mut commits: HashSet<Vec<u8>> = HashSet::new();
        let mut cut = None;
        loop {
            let message = message(&mut client, 1)?;
            let kind = message.first().copied();
            let mut texts = message.get(5..).unwrap_or_default().split(|byte| *byte == 0);
            let (first, second) = (texts.next(), texts.next());
            if let (Some(b'P'), Some(sql)) = (kind, second) {
                shared.statements.lock().insert(String::from_utf8_lossy(sql).into_owned());
            }
            match (kind, first, second) {
                (Some(b'P'), Some(name), Some(b"COMMIT")) => {
                    commits.insert(name.to_owned());
                }
                (Some(b'B'), Some(_portal), Some(name)) if commits.contains(name) => {
                    cut = shared.next.lock().take();
                }
                _ => {}
            }
            if cut == Some(Cut::Before) {
                shared.cuts.fetch_add(1, Ordering::SeqCst);
                return Ok(Went::Away);
            }
            if cut == Some(Cut::Stalled) {
                shared.cuts.fetch_add(1, Ordering::SeqCst);
                *self.is_mute.lock() = true;
                return Ok(Went::Silent);
            }
            shared.pass();
            if cut == Some(Cut::After) {
                *self.is_mute.lock() = true;
            }
            server.write_all(&message)?;
            // a sync ends what belongs to the commit
            if cut.is_some() && kind == Some(b'S') {
                shared.cuts.fetch_add(1, Ordering::SeqCst);
                if cut == Some(Cut::During) {
                    return Ok(Went::Away);
                }
                cut = None;
            }
        }
    }

    /// Carries what comes, until the answer of a commit that is not to be heard.
    fn to_client(&self, shared: &Shared) -> io::Result<()> {
        let (mut server, mut client) = (&self.server, &self.client);
        let (mut buffer, mut unheard) = ([0; 8_192], Vec::new());
        loop {
            let length = server.read(&mut buffer)?;
            let bytes = buffer.get(..length).unwrap_or_default();
            if bytes.is_empty() {
                return Ok(());
            }
            if *self.is_mute.lock() {
                unheard.extend_from_slice(bytes);
                if unheard.windows(7).any(|text| text == b"COMMIT\0") {
                    return Ok(());
                }
                continue;
            }
            shared.pass();
            client.write_all(bytes)?;
        }
    }
}

/// One whole message: its kind (where it has one), its length, and what it says.
fn message(from: &mut impl Read, kind: usize) -> io::Result<Vec<u8>> {
    let mut message = vec![0; kind + 4];
    from.read_exact(&mut message)?;
    let length = message.get(kind..).and_then(|length| length.first_chunk::<4>());
    let length = length.map_or(4, |length| u32::from_be_bytes(*length));
    let length = usize::try_from(length).unwrap_or(4).max(4);
    message.resize(kind + length, 0);
    from.read_exact(message.get_mut(kind + 4..).unwrap_or_default())?;
    Ok(message)
}
