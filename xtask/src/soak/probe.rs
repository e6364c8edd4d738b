//! A client beside the load that asks again and again and remembers how long it waited: a stall of
//! the service is a wait of its own.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// Between two questions.
const EVERY: Duration = Duration::from_millis(5);
/// A question that waits this long ends the run.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the probe waited.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// Waits of the warm-up.
    warm_up: u64,
    /// Waits of the measured time, in microseconds.
    measured: Vec<u64>,
}

impl Waits {
    /// Questions that were answered.
    pub(super) fn answered(&self) -> u64 {
        self.warm_up + u64::try_from(self.measured.len()).unwrap_or(u64::MAX)
    }

    /// The longest wait of the measured time, in milliseconds.
    pub(super) fn longest_ms(&self) -> f64 {
        milliseconds(self.measured.iter().max())
    }

    /// The wait that one in so many exceeds, in milliseconds.
    pub(super) fn one_in(&self, many: usize) -> f64 {
        let mut waits = self.measured.clone();
        waits.sort_unstable();
        milliseconds(waits.len().checked_sub(1 + waits.len() / many).and_then(|at| waits.get(at)))
    }

    /// Waits of the measured time that were longer than so many milliseconds.
    pub(super) fn above_ms(&self, most: u64) -> usize {
        self.measured.iter().filter(|wait| **wait > most * 1_000).count()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a wait of less than a century")]
fn milliseconds(microseconds: Option<&u64>) -> f64 {
    microseconds.map_or(f64::NAN, |wait| *wait as f64 / 1_000.0)
}

/// Asks until it is told to stop. Anything but a yes is an error.
#[expect(clippy::disallowed_methods, reason = "it measures")]
pub(super) fn ask_until(
    stop: &AtomicBool,
    address: SocketAddr,
    api_key: &str,
    access_token: &str,
    warm_up_seconds: u32,
) -> Result<Waits> {
    let mut stream = TcpStream::connect(address).context("the probe cannot connect")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let question = question(api_key, access_token);
    let began = Instant::now();
    let warm_up = Duration::from_secs(warm_up_seconds.into());
    let mut waits = Waits::default();
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        stream.write_all(question.as_bytes())?;
        read_answer(&mut stream)?;
        let waited = asked.elapsed();
        if asked.duration_since(began) < warm_up {
            waits.warm_up += 1;
        } else {
            waits.measured.push(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX));
        }
        thread::sleep(EVERY.saturating_sub(waited));
    }
    Ok(waits)
}

fn question(api_key: &str, access_token: &str) -> String {
    let body = format!(r#"{{"token":"{access_token}","scope_used":"orders:read"}}"#);
    format!(
        "POST /v1/verify HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {api_key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads one answer to its end; it must be a 200 with a length.
fn read_answer(stream: &mut TcpStream) -> Result<()> {
    let mut answer = Vec::new();
    let mut chunk = [0; 4_096];
    loop {
        let read = stream.read(&mut chunk).context("the probe was not answered")?;
        if read == 0 {
            bail!("the connection of the probe was closed");
        }
        answer.extend(chunk.iter().take(read));
        if let Some(length) = whole_length(&answer)? {
            if answer.len() > length {
                bail!("the probe was answered more than it asked");
            }
            if answer.len() == length {
                return Ok(());
            }
        }
    }
}

/// How long the whole answer will be, once its head is there.
fn whole_length(answer: &[u8]) -> Result<Option<usize>> {
    let text = String::from_utf8_lossy(answer);
    let Some((head, _)) = text.split_once("\r\n\r\n") else { return Ok(None) };
    let status = head.lines().next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 200") {
        bail!("the probe was answered {text}");
    }
    let body: usize = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
        })
        .context("an answer without its length")?;
    Ok(Some(head.len() + 4 + body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
        assert_eq!(whole_length(head).unwrap(), Some(head.len() + 2));
        assert_eq!(whole_length(b"HTTP/1.1 200 OK\r\n").unwrap(), None);
        assert!(whole_length(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").is_err());
    }

    #[test]
    fn only_measured_waits_are_judged() {
        let waits = Waits { warm_up: 9, measured: (1..=1_000).map(|wait| wait * 1_000).collect() };
        assert_eq!(waits.answered(), 1_009);
        assert!((waits.longest_ms() - 1_000.0).abs() < 1e-9);
        assert!((waits.one_in(100) - 990.0).abs() < 1e-9);
        assert_eq!(waits.above_ms(990), 10);
    }
}
