//! Running other programs: announced, streamed to the terminal while they run, and captured.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    process::{Command, ExitStatus, Stdio},
    thread,
};

use anyhow::{Context, Result, anyhow, bail};

/// What a finished program left behind.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `command` on the terminal of this process and says whether it succeeded.
pub(crate) fn run(command: &mut Command) -> Result<bool> {
    announce(command);
    let status = command.status().with_context(|| could_not_start(command))?;
    Ok(status.success())
}

/// Runs `command`, passing both its streams on line by line while keeping a copy of each.
pub(crate) fn run_captured(command: &mut Command) -> Result<Finished> {
    announce(command);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| could_not_start(command))?;
    let stdout = child.stdout.take().context("a piped stdout")?;
    let stderr = child.stderr.take().context("a piped stderr")?;
    let (stdout, stderr) = thread::scope(|scope| {
        let errors = scope.spawn(|| tee(stderr, io::stderr()));
        (tee(stdout, io::stdout()), errors.join())
    });
    let stderr = stderr.map_err(|_| anyhow!("the reader of stderr stopped"))?;
    Ok(Finished { status: child.wait()?, stdout: stdout?, stderr: stderr? })
}

/// Runs `command` silently and returns its standard output. A failure is an error that shows what
/// the program said.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| could_not_start(command))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", shown(command), output.status, said.trim());
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed something that is not UTF-8", shown(command)))
}

/// The command as one would type it, without its environment (which may hold secrets).
pub(crate) fn shown(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let program = program.rsplit('/').next().unwrap_or(&program).to_owned();
    let words = command.get_args().map(|word| {
        let word = word.to_string_lossy();
        if word.contains([' ', '(', '*', '|', '{']) { format!("'{word}'") } else { word.into() }
    });
    std::iter::once(program).chain(words).collect::<Vec<_>>().join(" ")
}

fn announce(command: &Command) {
    println!("$ {}", shown(command));
}

fn could_not_start(command: &Command) -> String {
    format!("`{}` could not be started", command.get_program().to_string_lossy())
}

/// Copies `from` to `to` line by line and returns everything as text.
fn tee(from: impl Read, mut to: impl Write) -> io::Result<String> {
    let mut kept = String::new();
    let mut line = Vec::new();
    let mut from = BufReader::new(from);
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        kept.push_str(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_streams_and_the_status_are_kept() {
        let finished = run_captured(&mut shell("echo out; echo err >&2; exit 7")).unwrap();
        assert_eq!(finished.stdout, "out\n");
        assert_eq!(finished.stderr, "err\n");
        assert_eq!(finished.status.code(), Some(7));
    }

    #[test]
    fn a_failure_shows_what_the_program_said() {
        let error = output_of(&mut shell("echo sorry >&2; exit 1")).unwrap_err();
        assert!(error.to_string().contains("sorry"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(error.to_string().contains("no-such-program-here"), "{error}");
    }

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut command = Command::new("/usr/bin/tool");
        command.args(["run", "two words"]).env("SECRET", "x");
        assert_eq!(shown(&command), "tool run 'two words'");
    }
}
