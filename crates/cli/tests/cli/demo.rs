//! The whole story, as people and as programs read it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

use agentadmit_testkit::client::{Client, Request};
use serde_json::json;

use crate::support::{Ran, agentadmit, interrupt, text};

/// How every secret begins.
const SECRETS: [&str; 5] = ["ag_ct_", "ag_at_", "aa_test_", "aa_live_", "aa_op_"];

/// Nothing behind the prefix of a secret but an ellipsis.
#[track_caller]
fn assert_no_secret(said: &str) {
    for prefix in SECRETS {
        for (at, _) in said.match_indices(prefix) {
            let behind = said[at + prefix.len()..].chars().next();
            assert!(behind.is_none_or(|c| !c.is_ascii_alphanumeric()), "{}", &said[at..][..20]);
        }
    }
}

#[test]
fn the_story_behaves_as_documented() {
    let told = Ran::of(agentadmit().args(["demo", "--once"])).ok();
    assert!(told.stdout.contains("all 20 steps behaved as documented"), "{}", told.stdout);
    for answer in ["insufficient_scope", "invalid_token", "close 1008", "invalid_grant", "altered"]
    {
        assert!(told.stdout.contains(answer), "{answer} is not in\n{}", told.stdout);
    }
    assert!(told.stdout.contains("ms after the answer to Ada"));
    assert!(!told.stdout.contains('\u{1b}'), "no colours where no terminal is");
    let longest = told.stdout.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(100), "{longest:?} characters in\n{}", told.stdout);
    assert_no_secret(&told.stdout);
}

#[test]
fn the_transcript_is_for_programs() {
    let told = Ran::of(agentadmit().args(["demo", "--once", "--json"])).ok();
    assert_no_secret(&told.stdout);
    let transcript = told.json();
    assert_eq!(transcript["transcript_version"], "1");
    assert_eq!(transcript["ok"], true);
    let steps = transcript["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 20);
    for step in steps {
        for member in ["title", "who", "expectation"] {
            assert!(!text(step, member).is_empty(), "{member} of {step}");
        }
        assert!(step["request"].is_object() && step["answer"].is_object(), "{step}");
        assert_eq!(step["ok"], true, "{step}");
        assert!(step["elapsed_ms"].as_f64().unwrap() > 0.0, "{step}");
    }
}

#[test]
fn the_documentation_shows_a_transcript_of_this_version() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/demo-transcript.json");
    let kept = std::fs::read_to_string(path).unwrap();
    let told = Ran::of(agentadmit().args(["__generate", "demo-transcript"])).ok();
    assert!(told.stdout == kept, "`cargo xtask gen` writes it anew:\n{}", told.stdout);
}

/// A demo that stays up, and what it said until then.
struct Staying {
    child: Child,
    stdout: BufReader<ChildStdout>,
    said: String,
}

impl Staying {
    fn start() -> Self {
        let mut command = agentadmit();
        command.arg("demo").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut demo = Self { child, stdout, said: String::new() };
        demo.reads_until("Ctrl-C ends everything");
        demo
    }

    /// Reads on to a line that holds this; says what was read.
    fn reads_until(&mut self, wanted: &str) -> String {
        let from = self.said.len();
        loop {
            let start = self.said.len();
            assert!(self.stdout.read_line(&mut self.said).unwrap() > 0, "ended:\n{}", self.said);
            if self.said[start..].contains(wanted) {
                return self.said[from..].to_owned();
            }
        }
    }

    /// The addresses of its last page of steps, in their order.
    fn addresses(&self) -> Vec<&str> {
        let (_, now_you) = self.said.split_once("Now you").unwrap();
        now_you.split_whitespace().filter(|word| word.starts_with("http://")).collect()
    }

    fn paste(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(format!("{text}\n").as_bytes()).unwrap();
    }
}

impl Drop for Staying {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_stays_up_leads_through_the_pages_and_leaves_nothing_behind() {
    let mut demo = Staying::start();
    assert_no_secret(&demo.said);
    let shop = demo.addresses()[0].trim_end_matches('/').to_owned();
    let mut browser = Client::new(shop.strip_prefix("http://").unwrap().parse().unwrap());
    let form = "login=ada&password=difference-engine";
    let log_in = Request::new("POST", "/login").body("application/x-www-form-urlencoded", form);
    let signed_in = browser.ask(&log_in);
    let cookie = signed_in.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let as_ada = |request: Request| request.header("Cookie", &cookie).header("Origin", &shop);
    // its page leads to the consent page, and that one back
    let asked = json!({"return_url": format!("{shop}/")});
    let opened = browser.ask(&as_ada(Request::post("/agentadmit/consent-sessions", &asked)));
    opened.expect(201);

    let wanted = json!({"scopes": ["read:orders"], "duration_seconds": 3600});
    let path = "/agentadmit/connections/generate-token";
    let granted = browser.ask(&as_ada(Request::post(path, &wanted)));
    granted.expect(201);
    demo.paste(&granted.text("prompt"));
    let first_call = demo.reads_until("A-1001");
    assert!(first_call.contains("Its first call"), "{first_call}");
    demo.paste(&granted.text("token"));
    let again = demo.reads_until("NOT as documented");
    assert!(again.contains("invalid_grant"), "{again}");

    interrupt(&demo.child);
    assert_eq!(demo.child.wait().unwrap().code(), Some(0));
    let gone = Client::new(shop.strip_prefix("http://").unwrap().parse().unwrap());
    assert!({ gone }.send(&Request::get("/")).is_err(), "nobody listens there any more");
}
