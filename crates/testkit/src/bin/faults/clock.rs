//! The wall clock is set, on the real program: libfaketime reads how wrong it is from a file.

use std::fs;
use std::path::PathBuf;

use agentadmit_testkit::world::text;
use anyhow::Result;
use serde_json::json;
use tempfile::TempDir;

use crate::Bench;
use crate::load::World;
use crate::process::{Program, Service};
use crate::report::Outcome;

/// A service whose clock can be set.
struct Clocked {
    program: Program,
    service: Service,
    offset: PathBuf,
    _folder: TempDir,
}

impl Clocked {
    fn start(bench: &Bench) -> Result<Option<Self>> {
        let Some(library) = &bench.faketime else { return Ok(None) };
        let folder = tempfile::tempdir()?;
        let offset = folder.path().join("offset");
        fs::write(&offset, "+0s")?;
        let mut program = Program::new(bench, &folder.path().join("store.db"));
        program.variables = vec![
            ("LD_PRELOAD", library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", offset.display().to_string()),
            // not at every call: a thread that asks while another one parses the file sees no offset
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("FAKETIME_DONT_RESET", "1".to_owned()),
        ];
        let service = program.start()?;
        Ok(Some(Self { program, service, offset, _folder: folder }))
    }

    /// The file is replaced in one step: a program that reads it half written would see no time.
    /// The service sees it within a second.
    fn set(&self, offset: &str) -> Result<()> {
        let new = self.offset.with_extension("new");
        fs::write(&new, offset)?;
        Ok(fs::rename(new, &self.offset)?)
    }
}

/// An hour's grant, whose access must not outlive what the clock says.
struct Short {
    id: String,
    access_token: String,
}

impl Short {
    fn of(world: &World) -> Result<Self> {
        let app = &world.app;
        let path = format!("/v1/apps/{}/token", app.app_id);
        let body = json!({"user_id": "short", "scopes": ["read:orders"], "duration_seconds": 3600});
        let request = app.by_key(agentadmit_testkit::client::Request::post(path, &body));
        let mut client = app.client();
        let issued = client.send(&request)?.expect(201);
        let exchanged = client.send(&app.exchange(&text(&issued, "token")))?.expect(200);
        let id = text(&issued, "connection_id");
        Ok(Self { id, access_token: text(&exchanged, "access_token") })
    }

    /// Whether its end is in the log.
    fn has_ended(&self, world: &World) -> bool {
        let path = "/v1/audit?event=connection_expired";
        let request = world.app.by_key(agentadmit_testkit::client::Request::get(path));
        let reply = world.app.client().send(&request);
        reply.is_ok_and(|reply| String::from_utf8_lossy(&reply.body).contains(&self.id))
    }

    fn status(&self, world: &World) -> Result<(u16, String)> {
        let request = world.app.verify(&self.access_token, "read:orders");
        let reply = world.app.client().send(&request)?;
        Ok((reply.status, reply.text("reason")))
    }
}

const SKIPPED: &str = "no libfaketime (Debian: faketime)";

pub(crate) fn back(bench: &Bench) -> Result<Outcome> {
    let Some(clocked) = Clocked::start(bench)? else { return Ok(Outcome::skipped(SKIPPED)) };
    stepped(&clocked, "-10s", &["behind the newest audit record", "accept-clock"])
}

pub(crate) fn forward(bench: &Bench) -> Result<Outcome> {
    let Some(clocked) = Clocked::start(bench)? else { return Ok(Outcome::skipped(SKIPPED)) };
    stepped(&clocked, "+2h", &["jumped", "accept-clock"])
}

/// The clock is set under load: nobody is let through, until it is accepted or set right.
fn stepped(clocked: &Clocked, offset: &str, words: &[&str]) -> Result<Outcome> {
    let mut outcome = Outcome::of(format!("libfaketime, {offset}, and `store accept-clock`"));
    let Clocked { program, service, .. } = clocked;
    let world = World::on(&service.operator());
    let short = Short::of(&world)?;
    let (done, heard) = world.under_load(|progress| -> Result<(u16, String)> {
        progress.wait_for(200, 100)?;
        clocked.set(offset)?;
        progress.wait_for(503, 100)?;
        service.ready()
    });
    let (status, ready) = done?;
    outcome.heard(&heard);
    outcome.expect(status == 503, || format!("readyz is {status}"));
    outcome.said(&ready, words);
    // no load any more: each answer from here on is the clock's
    let ((), refused) = world.under_load(|progress| {
        // 200 is wrong now: the outcome says so below
        let _came = progress.wait_for(503, 100);
    });
    outcome.wrong_allows += refused.answered(200);
    outcome.calls += refused.calls;

    clocked.set("+0s")?;
    outcome
        .expect(answers(&world, 200)?, || "a clock that is set right is not believed".to_owned());
    clocked.set(offset)?;
    outcome.expect(answers(&world, 503)?, || "the second jump is believed".to_owned());
    let (ended, said) = program.run(&["store", "accept-clock"])?;
    outcome.expect(ended.success(), || format!("accept-clock: {said}"));
    let (status, _) = world.verify()?;
    outcome.expect(status == 200, || format!("after accept-clock a verify is {status}"));
    expired_stays_expired(clocked, &world, &short, offset, &mut outcome)?;
    world.look_for(&heard, &mut outcome)?;
    Ok(outcome)
}

/// Whether a verify is answered so as soon as the service sees what the clock was set to.
fn answers(world: &World, status: u16) -> Result<bool> {
    for _ in 0..50_000 {
        if world.verify()?.0 == status {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A grant that was refused for its age is refused at any time that the service believes later.
fn expired_stays_expired(
    clocked: &Clocked,
    world: &World,
    short: &Short,
    offset: &str,
    outcome: &mut Outcome,
) -> Result<()> {
    if !offset.starts_with('+') {
        return Ok(());
    }
    let (status, reason) = short.status(world)?;
    let is_expired = (status, reason.as_str()) == (403, "expired");
    outcome.expect(is_expired, || format!("two hours later: {status} {reason}"));
    outcome.wrong_allows += u64::from(status == 200);
    // its end is written down soon; what only the clock says could be taken back by the clock
    let written = (0..50_000).any(|_| short.has_ended(world));
    outcome.expect(written, || "the end of the grant is not written down".to_owned());
    // back to where it had not expired: first nobody believes it, then an operator does
    clocked.set("+0s")?;
    outcome.expect(answers(world, 503)?, || "the jump back is believed".to_owned());
    let (status, _) = short.status(world)?;
    outcome.wrong_allows += u64::from(status == 200);
    let (ended, said) = clocked.program.run(&["store", "accept-clock"])?;
    outcome.expect(ended.success(), || format!("accept-clock: {said}"));
    let (status, reason) = short.status(world)?;
    outcome.wrong_allows += u64::from(status == 200);
    outcome.expect(status == 403, || format!("after the clock went back: {status} {reason}"));
    Ok(())
}
