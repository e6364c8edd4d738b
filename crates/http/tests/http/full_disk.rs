//! A full disk: no call is let through, revocations still hold at once, and it ends by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agentadmit_engine::WriterOptions;
use agentadmit_http::HttpOptions;
use agentadmit_testkit::store::model::ModelStore;
use agentadmit_testkit::store::store::{Reading, Work};
use agentadmit_testkit::store::{ClockControl, FakeClock, MaintenanceReport, Store, StoreError};
use serde_json::{Value, json};

use crate::support::{App, Ask, Service};

/// A store on a disk that the test fills.
struct Disk {
    store: ModelStore,
    is_full: AtomicBool,
    has_reserve: AtomicBool,
}

impl Store for Disk {
    fn transaction(&self, name: &'static str, work: Work<'_>) -> Result<(), StoreError> {
        if self.is_full.load(Ordering::SeqCst) && self.has_reserve.load(Ordering::SeqCst) {
            return Err(StoreError::Full("no room".to_owned()));
        }
        self.store.transaction(name, work)
    }

    fn snapshot(&self, name: &'static str, reading: Reading<'_>) -> Result<(), StoreError> {
        self.store.snapshot(name, reading)
    }

    fn maintain(&self, budget: Duration) -> Result<MaintenanceReport, StoreError> {
        self.store.maintain(budget)
    }

    fn free_reserve(&self) -> bool {
        self.has_reserve.swap(false, Ordering::SeqCst)
    }

    fn keep_reserve(&self) -> bool {
        let has_room = !self.is_full.load(Ordering::SeqCst);
        self.has_reserve.fetch_or(has_room, Ordering::SeqCst);
        has_room
    }

    fn clock(&self) -> &dyn ClockControl {
        self.store.clock()
    }
}

fn service() -> (Service, Arc<Disk>) {
    let clock = Arc::new(FakeClock::new("2026-11-22T12:00:00.000Z".parse().unwrap()));
    let store = ModelStore::new([1; 32], WriterOptions::default(), Arc::clone(&clock) as _);
    let disk = Disk { store, is_full: AtomicBool::new(false), has_reserve: AtomicBool::new(true) };
    let disk = Arc::new(disk);
    (Service::on(Arc::clone(&disk) as _, clock, HttpOptions::default()), disk)
}

async fn disk_check(service: &Service) -> Value {
    let body = service.ask(Ask::get("/readyz")).await.json();
    let checks = body["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == "disk").unwrap()["status"].clone()
}

async fn revoke(app: &App<'_>, connection_id: &str) {
    let body = json!({"connection_id": connection_id});
    app.ask(Ask::post("/v1/revoke", &body)).await.expect(200);
}

#[tokio::test]
async fn a_full_disk_lets_nobody_through_and_revocations_hold() {
    let (service, disk) = service();
    let app = service.app(&json!({})).await;
    let [first, second, third] = [app.grant("a").await, app.grant("b").await, app.grant("c").await];
    assert_eq!(disk_check(&service).await, "ok");

    disk.is_full.store(true, Ordering::SeqCst);
    app.verify(&first.access_token, "orders:read").await.expect_error(503, "unavailable");
    assert!(disk.has_reserve.load(Ordering::SeqCst), "the reserve is not for verifies");
    assert_eq!(disk_check(&service).await, "failing");
    service.ask(Ask::get("/readyz")).await.expect(503);

    revoke(&app, &first.connection_id).await;
    assert!(!disk.has_reserve.load(Ordering::SeqCst), "the revocation was let in by the reserve");
    // what the reserve left free is for revocations alone
    app.verify(&second.access_token, "orders:read").await.expect_error(503, "unavailable");
    let path = format!("/v1/apps/{}/token", app.app_id);
    let issue = json!({"user_id": "a", "scopes": ["orders:read"]});
    app.ask(Ask::post(&path, &issue)).await.expect_error(503, "unavailable");
    revoke(&app, &second.connection_id).await;

    disk.is_full.store(false, Ordering::SeqCst);
    while disk_check(&service).await != "ok" {
        service.clock.advance(Duration::from_millis(500));
        tokio::task::yield_now().await;
    }
    assert!(disk.has_reserve.load(Ordering::SeqCst), "it is kept again");
    app.verify(&third.access_token, "orders:read").await.expect(200);
    for revoked in [first, second] {
        let refused = app.verify(&revoked.access_token, "orders:read").await;
        assert_eq!(refused.expect(403)["reason"], "revoked");
    }
}
