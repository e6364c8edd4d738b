//! Client ID Metadata Documents and key sets of clients: fetched when they are needed, kept for a
//! while (draft-ietf-oauth-client-id-metadata-document section 5). What failed is kept nowhere.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use agentadmit_fetch::{Document, FetchError, Fetcher};
use parking_lot::Mutex;

/// How long a document is fresh when its server says nothing, and the bounds of what it may say.
const FRESH: Duration = Duration::from_mins(5);
const FRESH_MIN: Duration = Duration::from_mins(1);
const FRESH_MAX: Duration = Duration::from_hours(1);
/// How long a client whose server is down goes on with what it said last: its refresh tokens must
/// not die of that.
const USABLE: Duration = Duration::from_hours(24);
/// The most documents of a kind that are kept.
const MAX_KEPT: usize = 1_000;

/// Whether what is not fresh any more will do when nothing newer can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// No: somebody is about to be asked about this client.
    Fresh,
    /// Yes: it has a grant already.
    LastKnown,
}

/// Documents of one kind, read.
pub(crate) struct Documents<T> {
    kept: Mutex<HashMap<String, Kept<T>>>,
}

struct Kept<T> {
    read: Arc<T>,
    /// Nanoseconds of a monotonic clock.
    fresh_until: u64,
    usable_until: u64,
}

impl<T> Default for Documents<T> {
    fn default() -> Self {
        Self { kept: Mutex::default() }
    }
}

impl<T> Documents<T> {
    /// The document at an address, as `read` reads it. `begin` is asked before anything is fetched.
    ///
    /// # Errors
    /// What `begin`, the fetcher or `read` says.
    pub(crate) async fn get<E>(
        &self,
        fetcher: &Fetcher,
        url: &str,
        (need, now_ns): (Need, u64),
        begin: impl FnOnce() -> Result<(), E>,
        read: impl Fn(&[u8]) -> Result<T, E>,
    ) -> Result<Arc<T>, E>
    where
        E: From<FetchError>,
    {
        if let Some(fresh) = self.known(url, |kept| now_ns < kept.fresh_until) {
            return Ok(fresh);
        }
        begin()?;
        match fetcher.fetch(url).await {
            Ok(document) => {
                let value = Arc::new(read(&document.bytes)?);
                self.keep(url, Arc::clone(&value), &document, now_ns);
                Ok(value)
            }
            Err(error) if need == Need::LastKnown && error.may_pass() => {
                let last = self.known(url, |kept| now_ns < kept.usable_until);
                last.ok_or_else(|| error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn known(&self, url: &str, is_good: impl Fn(&Kept<T>) -> bool) -> Option<Arc<T>> {
        let kept = self.kept.lock();
        kept.get(url).filter(|kept| is_good(kept)).map(|kept| Arc::clone(&kept.read))
    }

    fn keep(&self, url: &str, read: Arc<T>, document: &Document, now_ns: u64) {
        let fresh = document.max_age.unwrap_or(FRESH).clamp(FRESH_MIN, FRESH_MAX);
        let after = |time: Duration| {
            now_ns.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
        };
        let mut kept = self.kept.lock();
        if kept.len() >= MAX_KEPT && !kept.contains_key(url) {
            kept.retain(|_, kept| now_ns < kept.fresh_until);
            // all of them fresh: whoever is stale first goes
            let first = kept.iter().min_by_key(|(_, kept)| kept.fresh_until);
            if let Some(first) =
                first.map(|(url, _)| url.clone()).filter(|_| kept.len() >= MAX_KEPT)
            {
                kept.remove(&first);
            }
        }
        let times = (after(fresh), after(USABLE));
        kept.insert(url.to_owned(), Kept { read, fresh_until: times.0, usable_until: times.1 });
    }
}

#[cfg(test)]
mod tests {
    use agentadmit_fetch::{FetchLimits, Reach};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const MINUTE: u64 = 60_000_000_000;

    /// A server that answers each connection with the next of these.
    async fn server(answers: Vec<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/c.json", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut head = [0; 1_024];
                let _asked = socket.read(&mut head).await.unwrap();
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        url
    }

    #[tokio::test]
    async fn a_document_is_kept_for_a_while_and_used_longer_when_its_server_is_down() {
        let (one, two) = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: max-age=0\r\n\
             Content-Length: 1\r\nConnection: close\r\n\r\n1",
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\
             Connection: close\r\n\r\n2",
        );
        let down = "HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let url = server(vec![one, two, down, down, down]).await;
        let fetcher = Fetcher::new(FetchLimits::default(), Reach::PublicAndLoopback);
        let documents = Documents::default();
        let text = |bytes: &[u8]| Ok::<_, FetchError>(String::from_utf8_lossy(bytes).into_owned());
        let get = |need, now| documents.get(&fetcher, &url, (need, now), || Ok(()), text);
        let at = |minutes: u64| minutes * MINUTE;
        assert_eq!(*get(Need::Fresh, 0).await.unwrap(), "1");
        // kept for a minute, whatever its server says
        assert_eq!(*get(Need::Fresh, at(1) - 1).await.unwrap(), "1");
        assert_eq!(*get(Need::Fresh, at(1)).await.unwrap(), "2");
        assert_eq!(*get(Need::Fresh, at(6) - 1).await.unwrap(), "2");
        // from here on the server is down
        assert!(get(Need::Fresh, at(6)).await.is_err());
        assert_eq!(*get(Need::LastKnown, at(6)).await.unwrap(), "2");
        assert!(get(Need::LastKnown, at(1 + 24 * 60)).await.is_err());
    }

    #[tokio::test]
    async fn only_so_many_are_kept() {
        let documents = Documents::default();
        let document = Document { bytes: bytes::Bytes::new(), max_age: None };
        for number in 0..=MAX_KEPT {
            let at = u64::try_from(number).unwrap();
            documents.keep(&number.to_string(), Arc::new(number), &document, at);
        }
        assert_eq!(documents.kept.lock().len(), MAX_KEPT);
        assert!(documents.known("0", |_| true).is_none(), "the first to be stale has gone");
        assert!(documents.known("1", |_| true).is_some());
    }
}
