//! Where `serve` takes its settings from.

use std::fs;

use crate::support::{Ran, Service, Store, agentadmit};

#[test]
fn an_argument_wins_over_the_environment_and_that_over_the_file() {
    let places = Store::new();
    let location = |name: &str| format!("sqlite:{}", places.path(name).display());
    let file = places.path("serve.toml");
    let text =
        format!("listen = \"127.0.0.1:0\"\nstore = \"{}\"\nlog = \"warn\"\n", location("file.db"));
    fs::write(&file, text).unwrap();
    let serve = |more: &dyn Fn(&mut std::process::Command)| {
        let mut command = agentadmit();
        command.arg("serve").env("AGENTADMIT_CONFIG", &file);
        more(&mut command);
        let mut service = Service::start(command);
        assert_eq!(service.terminate().code(), Some(0));
    };
    let made = |name: &str| fs::remove_file(places.path(name)).is_ok();

    serve(&|_| {});
    assert!(made("file.db"));
    serve(&|command| {
        command.env("AGENTADMIT_STORE", location("environment.db"));
    });
    assert!(made("environment.db") && !made("file.db"));
    serve(&|command| {
        command.env("AGENTADMIT_STORE", location("environment.db"));
        command.args(["--store", &location("argument.db")]);
    });
    assert!(made("argument.db") && !made("environment.db") && !made("file.db"));
}

#[test]
fn a_file_that_cannot_be_understood_is_2_and_says_where() {
    let store = Store::new();
    let file = store.path("serve.toml");
    let refused = |text: &str| {
        fs::write(&file, text).unwrap();
        let mut command = agentadmit();
        Ran::of(command.args(["serve", "--config"]).arg(&file)).exits(2).stderr
    };
    let unknown = refused("store = \"sqlite:x\"\nlissen = \"127.0.0.1:0\"\n");
    assert!(unknown.contains("lissen") && unknown.contains("`listen`"), "{unknown}");
    assert!(unknown.contains("line 2"), "{unknown}");
    refused("listen = 3");
    refused("store = \"mysql://localhost/x\"");
    refused("store = \"sqlite:x\"\nretention_days = 0");
    assert!(refused("listen = \"127.0.0.1:0\"").contains("--store"));
    Ran::of(agentadmit().args(["serve", "--config", "missing.toml"])).exits(2);
}

#[test]
fn switches_are_variables_too() {
    let store = Store::new();
    for (value, is_on) in [("true", true), ("1", true), ("false", false), ("0", false)] {
        let mut command = agentadmit();
        command.args(["serve", "--store", &store.location(), "--listen", "0.0.0.0:0"]);
        command.env("AGENTADMIT_BEHIND_PROXY", value);
        if is_on {
            drop(Service::start(command));
        } else {
            Ran::of(&mut command).exits(2);
        }
    }
}
