//! The machine that is measured on, and which core does what.

use std::{fs, num::NonZero, path::Path, process::Command, thread};

use anyhow::{Context, Result};

use crate::tools;

/// The core of the server and that of the load, as `taskset` names them.
pub(crate) const SERVER_CORE: &str = "0";
pub(crate) const LOAD_CORE: &str = "1";
/// Two cores that server and load share.
pub(crate) const BOTH_CORES: &str = "0,1";

/// Clock ticks a second in `/proc/PID/stat`: fixed at 100 on Linux for every program that asks.
const TICKS_PER_SECOND: f64 = 100.0;

/// One line that says what the figures were measured on.
pub(crate) fn line() -> String {
    let processor = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let processor = processor.unwrap_or_else(|| "unknown processor".to_owned());
    format!("machine: {processor}, {cores} cores, Linux {}", kernel.trim())
}

/// Programs that want a core at this moment, beside what is measured here: anything near 1 or above
/// spoils the figures.
pub(crate) fn others_running() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Above this share of the cores' time, the host took too much for a figure to mean anything.
const MOST_STOLEN: f64 = 0.02;
/// How often something is measured until it is undisturbed.
const TRIES: usize = 4;

/// A figure, and the share of the cores' time that the host gave to others meanwhile.
pub(crate) struct Undisturbed<T> {
    pub(crate) measured: T,
    pub(crate) stolen: f64,
}

impl<T> Undisturbed<T> {
    /// Whether the host let this machine run while it measured.
    pub(crate) fn is_quiet(&self) -> bool {
        self.stolen <= MOST_STOLEN
    }

    /// Measures again, a few times, while the host gives this machine's cores to others. Counts the
    /// least disturbed one.
    ///
    /// # Errors
    /// Those of the measurement.
    pub(crate) fn of(mut measure: impl FnMut() -> Result<T>) -> Result<Self> {
        let mut best: Option<Self> = None;
        for _ in 0..TRIES {
            let before = Ticks::now();
            let measured = measure()?;
            let stolen = Ticks::now().stolen_since(before);
            let one = Self { measured, stolen };
            let is_quiet = one.is_quiet();
            if best.as_ref().is_none_or(|best| one.stolen < best.stolen) {
                best = Some(one);
            }
            if is_quiet {
                break;
            }
        }
        best.context("something is measured at least once")
    }
}

/// Time of all cores together, since the machine started (proc(5), `stat`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Ticks {
    all: f64,
    /// The host gave the cores to others while they had work (`steal`).
    stolen: f64,
}

impl Ticks {
    /// None at all where the system does not say.
    fn now() -> Self {
        fs::read_to_string("/proc/stat")
            .ok()
            .and_then(|stat| Self::parse(&stat))
            .unwrap_or_default()
    }

    fn parse(stat: &str) -> Option<Self> {
        let all = stat.lines().next()?.strip_prefix("cpu ")?;
        // what follows are the guests' parts, which are in the first two as well
        let kinds: Vec<f64> =
            all.split_whitespace().take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
        let stolen = *kinds.get(7)?;
        Some(Self { all: kinds.iter().sum(), stolen })
    }

    /// The share that was stolen.
    fn stolen_since(self, before: Self) -> f64 {
        (self.stolen - before.stolen) / (self.all - before.all).max(1.0)
    }
}

/// `program`, on these cores where that can be arranged.
pub(crate) fn pinned(cores: &str, program: &Path) -> Command {
    let has_both = thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    match tools::on_path("taskset") {
        Some(taskset) if has_both => {
            let mut command = Command::new(taskset);
            command.arg("-c").arg(cores).arg(program);
            command
        }
        _ => Command::new(program),
    }
}

/// Seconds of processor time that a process has used so far, its threads together.
pub(crate) fn cpu_seconds(process: u32) -> Result<f64> {
    let file = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&file).with_context(|| format!("{file} cannot be read"))?;
    parse_cpu_seconds(&stat).with_context(|| format!("{file} is not understood"))
}

/// Seconds of processor time of a process, of its children, and of its children that have ended.
pub(crate) fn family_cpu_seconds(process: u32) -> Result<f64> {
    let file = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&file).with_context(|| format!("{file} cannot be read"))?;
    let ended = parse_seconds(&stat, 13).with_context(|| format!("{file} is not understood"))?;
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"))?;
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    // one may end meanwhile, and is counted the next time
    let living: f64 = children.filter_map(|child| cpu_seconds(child).ok()).sum();
    Ok(cpu_seconds(process)? + ended + living)
}

/// Seconds of processor time of the programs that this one has started and waited for.
pub(crate) fn children_cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    parse_seconds(&stat, 13).context("/proc/self/stat is not understood")
}

/// Bytes that a process caused to be written to the disk (proc(5), `io`).
pub(crate) fn written_bytes(process: u32) -> Option<f64> {
    let io = fs::read_to_string(format!("/proc/{process}/io")).ok()?;
    number_behind(&io, "write_bytes:")
}

/// Memory that a process has in use, in MiB (proc(5), `status`).
pub(crate) fn resident_mib(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    Some(number_behind(&status, "VmRSS:")? / 1_024.0)
}

fn number_behind(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Reads fields 14 and 15 (`utime`, `stime`) of proc(5)'s `stat`.
fn parse_cpu_seconds(stat: &str) -> Option<f64> {
    parse_seconds(stat, 11)
}

/// Two fields, so many behind the name, which may hold anything: 11 for the process itself, 13 for
/// its children that have ended (`cutime`, `cstime`).
fn parse_seconds(stat: &str, behind_name: usize) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(behind_name);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_by_its_name() {
        let io = "rchar: 1\nwrite_bytes: 4096\ncancelled_write_bytes: 7\n";
        assert_eq!(number_behind(io, "write_bytes:"), Some(4096.0));
        assert_eq!(number_behind("VmRSS:\t  2048 kB\n", "VmRSS:"), Some(2048.0));
        assert_eq!(number_behind(io, "syscr:"), None);
    }

    #[test]
    fn what_the_host_took_is_the_eighth_number_of_all_cores() {
        let stat = "cpu  100 1 30 800 2 0 7 60 9 9\ncpu0 1 2 3 4 5 6 7 8 9 0\n";
        let ticks = Ticks::parse(stat).unwrap();
        assert_eq!(ticks, Ticks { all: 1_000.0, stolen: 60.0 });
        let before = Ticks { all: 200.0, stolen: 20.0 };
        assert!((ticks.stolen_since(before) - 0.05).abs() < 1e-9);
        assert_eq!(Ticks::parse("cpu 1 2 3"), None);
        assert!(Ticks::default().stolen_since(Ticks::default()).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_be_measured_is_no_figure() {
        let mut tries = 0;
        let measured = Undisturbed::of(|| {
            tries += 1;
            Ok(tries)
        });
        let measured = measured.unwrap();
        assert!((1..=TRIES).contains(&measured.measured) && measured.stolen >= 0.0);
        assert!(Undisturbed::<u32>::of(|| anyhow::bail!("it is away")).is_err());
    }

    #[test]
    fn processor_time_is_read_behind_any_name() {
        let stat = "42 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0";
        assert_eq!(parse_cpu_seconds(stat), Some(3.0));
        assert_eq!(parse_seconds(stat, 13), Some(0.0));
        assert_eq!(parse_cpu_seconds("42 (a) S 1"), None);
        assert!(cpu_seconds(std::process::id()).unwrap() >= 0.0);
    }
}
