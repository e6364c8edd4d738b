//! One message a line, as MCP has it on STDIO.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// Lines that are read with a limit: a longer one is left out.
pub(super) struct Lines<R> {
    read: BufReader<R>,
    line: Vec<u8>,
    limit: usize,
    is_too_long: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(read: R, limit: usize) -> Self {
        Self { read: BufReader::new(read), line: Vec::new(), limit, is_too_long: false }
    }

    /// The next line; nothing at the end. Who stops waiting loses nothing: what has come is kept for
    /// the next time.
    ///
    /// # Errors
    /// What the system says.
    pub(super) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let here = self.read.fill_buf().await?;
            if here.is_empty() {
                return Ok(None);
            }
            let end = here.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(here.len(), |at| at.saturating_add(1));
            self.is_too_long |= self.line.len().saturating_add(taken) > self.limit;
            if self.is_too_long {
                self.line.clear();
            } else {
                self.line.extend_from_slice(here.get(..taken).unwrap_or_default());
            }
            self.read.consume(taken);
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                if !std::mem::take(&mut self.is_too_long) {
                    return Ok(Some(line));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_limit_and_the_next_one_is_whole() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let text = format!("a\n{}\nb\r\n\nleft", "x".repeat(20_000));
        let mut lines = Lines::new(text.as_bytes(), 10);
        let mut read = Vec::new();
        while let Some(line) = runtime.block_on(lines.next()).unwrap() {
            read.push(String::from_utf8(line).unwrap());
        }
        assert_eq!(read, ["a\n", "b\r\n", "\n"]);
    }
}
