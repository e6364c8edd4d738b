//! A client over one kept connection that measures how long each answer takes.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// An answer that takes so long ends the run.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to a server.
pub(crate) struct Asker(TcpStream);

/// An answer whose body has a length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The status line and the headers, in small letters.
    pub(crate) head: String,
    pub(crate) body: String,
    /// From the first byte of the question to the last of the answer.
    pub(crate) waited: Duration,
}

impl Asker {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).context("the server takes no connection")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// Sends a question and reads its answer to the end.
    #[expect(clippy::disallowed_methods, reason = "it measures")]
    pub(crate) fn ask(&mut self, question: &str) -> Result<Answer> {
        let asked = Instant::now();
        self.0.write_all(question.as_bytes())?;
        let mut answer = Vec::new();
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let read = self.0.read(&mut chunk).context("there was no answer")?;
            if read == 0 {
                bail!("the server closed the connection");
            }
            answer.extend(chunk.iter().take(read));
            if let Some(answer) = parse(&answer, asked.elapsed())? {
                return Ok(answer);
            }
        }
    }
}

impl Answer {
    /// Fails unless it is a 200.
    pub(crate) fn expect_ok(self) -> Result<Self> {
        if self.status != 200 {
            bail!("the server answered {}{}", self.head, self.body);
        }
        Ok(self)
    }

    pub(crate) fn has_header(&self, name: &str) -> bool {
        self.head.lines().any(|line| line.split_once(':').is_some_and(|(found, _)| found == name))
    }
}

/// A question: method, path and a credential, and a JSON body where there is one.
pub(crate) fn question(method: &str, path: &str, bearer: &str, body: Option<&str>) -> String {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {bearer}\r\n"
    );
    match body {
        None => format!("{head}\r\n"),
        Some(body) => format!(
            "{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    }
}

/// The question of the load.
pub(crate) fn verify(api_key: &str, access_token: &str) -> String {
    let body = format!(r#"{{"token":"{access_token}","scope_used":"orders:read"}}"#);
    question("POST", "/v1/verify", api_key, Some(&body))
}

/// The answer, once all of it is there.
fn parse(bytes: &[u8], waited: Duration) -> Result<Option<Answer>> {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(None) };
    let head = head.to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("no answer of HTTP: {head}"))?;
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .with_context(|| format!("an answer without its length: {head}"))?;
    if body.len() > length {
        bail!("the server answered more than it was asked");
    }
    let is_whole = body.len() == length;
    Ok(is_whole.then(|| Answer { status, body: body.to_owned(), head, waited }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n";

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let parse = |text: String| parse(text.as_bytes(), Duration::ZERO);
        assert_eq!(parse("HTTP/1.1 200 OK\r\n".to_owned()).unwrap(), None);
        assert_eq!(parse(format!("{HEAD}{{")).unwrap(), None);
        let answer = parse(format!("{HEAD}{{}}")).unwrap().unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (503, "{}"));
        assert!(answer.has_header("retry-after") && !answer.has_header("retry"));
        assert!(answer.expect_ok().is_err());
        assert!(parse(format!("{HEAD}{{}} ")).is_err());
    }

    #[test]
    fn a_question_says_how_long_it_is() {
        let text = question("POST", "/x", "k", Some("{}"));
        assert!(text.ends_with("Content-Length: 2\r\n\r\n{}"), "{text}");
        assert!(question("GET", "/x", "k", None).ends_with("Bearer k\r\n\r\n"));
    }
}
