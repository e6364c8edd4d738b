//! The whole story, as people and as programs read it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::support::{Ran, agentadmit, interrupt, request, text};

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
    said: String,
}

impl Staying {
    fn start() -> Self {
        let mut command = agentadmit();
        command.arg("demo").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut demo = Self { child: command.spawn().unwrap(), said: String::new() };
        for line in BufReader::new(demo.child.stdout.as_mut().unwrap()).lines() {
            let line = line.unwrap();
            demo.said.push_str(&line);
            demo.said.push('\n');
            if line.starts_with("Ctrl-C ends everything") {
                return demo;
            }
        }
        panic!("it did not stay up:\n{}", demo.said);
    }

    /// The first word that begins so.
    fn word(&self, prefix: &str) -> &str {
        let (_, now_you) = self.said.split_once("Now you").unwrap();
        now_you.split_whitespace().find(|word| word.starts_with(prefix)).unwrap()
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
fn it_stays_up_for_an_agent_of_yours_and_leaves_nothing_behind() {
    let mut demo = Staying::start();
    let shop = demo.word("http://").trim_end_matches('/').to_owned();
    let send = |method: &str, path: &str, bearer: &str, body: &Value| {
        request(&shop, method, path, bearer, body)
    };
    let (status, document) = send("GET", "/.well-known/agentadmit", "", &Value::Null).unwrap();
    assert_eq!((status, &document["app"]["name"]), (200, &json!("Corner shop")));
    let token = json!({"token": demo.word("ag_ct_")});
    let (status, exchanged) = send("POST", "/agentadmit/token/exchange", "", &token).unwrap();
    assert_eq!(status, 200, "{exchanged}");
    let access = text(&exchanged, "access_token");
    let (status, orders) = send("GET", "/orders", &access, &Value::Null).unwrap();
    assert_eq!(status, 200, "{orders}");
    assert!(orders.to_string().contains("A-1001"), "{orders}");

    interrupt(&demo.child);
    assert_eq!(demo.child.wait().unwrap().code(), Some(0));
    assert!(send("GET", "/", "", &Value::Null).is_err(), "nobody listens there any more");
}
