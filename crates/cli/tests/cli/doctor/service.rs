//! The service: not there, not well, not in step.

use std::net::TcpListener;

use serde_json::json;

use super::front::Answered;
use super::world::World;

fn free_address() -> String {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", free.local_addr().unwrap())
}

#[test]
fn nobody_there() {
    let world = World::new();
    let nobody = free_address();
    let mut doctor = world.doctor().alone().with(&["--service", &nobody]);
    doctor.operator = None;
    doctor.run().finds("service_address", "refused");
}

#[test]
fn somebody_else_there() {
    let world = World::new();
    world.service_front.does(|_, _| Answered::page(200, "<h1>It works!</h1>"));
    world.doctor().run().finds("service_address", "not as this service does");

    world.service_front.does(|asked, pass_on| {
        if asked.path != "/healthz" {
            return pass_on(asked);
        }
        let mut moved = Answered::page(308, "");
        moved.headers.insert("location", "https://example.com/healthz".parse().unwrap());
        moved
    });
    world.doctor().run().finds("service_address", "308 to https://example.com/healthz");
}

#[test]
fn a_clock_that_is_off() {
    let world = World::new();
    for (date, words) in
        [("Thu, 01 Jan 2026 00:00:00 GMT", "ahead of"), ("Tue, 01 Jan 2126 00:00:00 GMT", "behind")]
    {
        world.service_front.does(|asked, pass_on| {
            let mut answered = pass_on(asked);
            answered.headers.insert("date", date.parse().unwrap());
            answered
        });
        world.doctor().run().finds("service_clock", words);
    }
}

#[test]
fn a_service_that_is_not_ready() {
    let world = World::new();
    world.service_front.does(|asked, pass_on| match asked.path.as_str() {
        "/readyz" => {
            let store = json!({"name": "store", "status": "failing", "detail": "it is full"});
            Answered::json(503, &json!({"status": "failing", "checks": [store]}))
        }
        _ => pass_on(asked),
    });
    world.doctor().run().finds("service_ready", "store: it is full");
}

#[test]
fn another_version() {
    let world = World::new();
    world.service_front.edits("/openapi.json", |document| {
        document["info"]["version"] = json!("99.0.0");
    });
    world.doctor().run().finds("service_version", "99.0.0");
}
