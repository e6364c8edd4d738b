//! A slow reader of a full export: it takes a little, waits, and begins anew when the export is over
//! or was cut off because retention took what it had been promised.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// Bytes that are taken at a time, and how long nothing is taken then: 640 KB/s, some hundredths of
/// what the load writes.
const TAKEN: usize = 64 * 1024;
const PAUSE: Duration = Duration::from_millis(100);
/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of an export's end that are looked at.
const TAIL: usize = 4 * 1024;

/// What the reader saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) bytes: u64,
    /// Exports that ended with their trailer.
    pub(super) whole: u32,
    /// Exports that broke off, and said so: by no trailer and no last chunk.
    pub(super) cut_off: u32,
    /// Exports that ended as if they were whole and were not, or broke off behind their trailer.
    pub(super) wrong: u32,
}

/// How one export ended.
enum End {
    Whole,
    CutOff,
    Wrong,
    /// The reader was told to stop.
    Left,
}

/// Reads one export after the other until it is told to stop.
pub(super) fn read_until(stop: &AtomicBool, address: SocketAddr, api_key: &str) -> Result<Reading> {
    let mut reading = Reading::default();
    loop {
        match read_one(stop, address, api_key, &mut reading.bytes)? {
            End::Whole => reading.whole += 1,
            End::CutOff => reading.cut_off += 1,
            End::Wrong => reading.wrong += 1,
            End::Left => return Ok(reading),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "it is slow on purpose")]
fn read_one(stop: &AtomicBool, address: SocketAddr, api_key: &str, bytes: &mut u64) -> Result<End> {
    let mut stream = TcpStream::connect(address).context("the reader cannot connect")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let question = format!(
        "GET /v1/audit/export HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
         Authorization: Bearer {api_key}\r\n\r\n"
    );
    stream.write_all(question.as_bytes())?;
    let mut tail = Vec::new();
    let mut chunk = vec![0; TAKEN];
    let mut is_first = true;
    while !stop.load(Ordering::Relaxed) {
        let read = match stream.read(&mut chunk) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => return Err(error).context("the reader was left alone"),
        };
        let taken = chunk.get(..read).unwrap_or_default();
        if std::mem::take(&mut is_first) && !taken.starts_with(b"HTTP/1.1 200") {
            bail!("the export was answered {}", String::from_utf8_lossy(taken));
        }
        if read == 0 {
            return Ok(end_of(&tail));
        }
        *bytes += u64::try_from(read).unwrap_or(0);
        tail.extend(taken);
        tail.drain(..tail.len().saturating_sub(TAIL));
        thread::sleep(PAUSE);
    }
    Ok(End::Left)
}

/// What the last bytes of an answer say: the last chunk of a body is empty, the last line of an
/// export is its trailer, and one must not be there without the other.
fn end_of(tail: &[u8]) -> End {
    let has_trailer = String::from_utf8_lossy(tail).contains(r#"{"agentadmit_export_end":"#);
    match (has_trailer, tail.ends_with(b"\r\n0\r\n\r\n")) {
        (true, true) => End::Whole,
        (false, false) => End::CutOff,
        _ => End::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_whole_with_trailer_and_last_chunk() {
        let trailer = b"{\"agentadmit_export_end\":1,\"records\":2}\n\r\n";
        let whole = [trailer.as_slice(), b"0\r\n\r\n"].concat();
        assert!(matches!(end_of(&whole), End::Whole));
        assert!(matches!(end_of(b"{\"id\":\"evt_1\"}\n\r\n"), End::CutOff));
        assert!(matches!(end_of(b"{\"id\":\"evt_1\"}\n\r\n0\r\n\r\n"), End::Wrong));
        assert!(matches!(end_of(trailer), End::Wrong));
    }
}
