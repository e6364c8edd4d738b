//! Rate limits and plans as callers see them.

use std::time::Duration;

use serde_json::json;

use crate::support::{Ask, Service};

#[tokio::test]
async fn every_verify_tells_how_much_is_left() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let granted = app.grant("u1").await;
    let allowed = app.verify(&granted.access_token, "orders:read").await;
    assert_eq!(allowed.header("ratelimit-policy"), r#""key";q=4000;w=2, "connection";q=100;w=2"#);
    assert_eq!(allowed.header("ratelimit"), r#""key";r=3999;t=1, "connection";r=99;t=1"#);
    assert_eq!(allowed.header("x-ratelimit-limit"), "100");
    assert_eq!(allowed.header("x-ratelimit-remaining"), "99");
    // 12:00:00.020, rounded up to the second
    assert_eq!(allowed.header("x-ratelimit-reset"), "1795348801");
    let refused = app.verify(&granted.access_token, "orders:write").await;
    assert_eq!(refused.header("x-ratelimit-remaining"), "98");
    let dead = app.verify("nonsense", "orders:read").await;
    assert_eq!(dead.header("ratelimit-policy"), r#""key";q=4000;w=2"#);
    assert_eq!(dead.header("ratelimit"), r#""key";r=3998;t=1"#, "junk is not charged to the key");
}

#[tokio::test]
async fn the_limit_that_refuses_is_named() {
    let service = Service::start();
    let rates = json!({"rate_limit": {"per_key_per_second": 3, "per_connection_per_second": 1}});
    let app = service.app(&rates).await;
    let (one, two) = (app.grant("u1").await, app.grant("u2").await);
    let mut limits = Vec::new();
    for _ in 0..4 {
        for token in [&one.access_token, &two.access_token] {
            let reply = app.verify(token, "orders:read").await;
            if reply.status == 429 {
                let body = reply.expect_error(429, "rate_limited");
                assert_eq!(reply.header("retry-after"), "1");
                assert_eq!(reply.header("x-ratelimit-remaining"), "0");
                limits.push(body["limit"].as_str().unwrap().to_owned());
            }
        }
    }
    assert_eq!(limits, ["connection"; 4]);
    let third = app.grant("u3").await;
    app.verify(&third.access_token, "orders:read").await.expect(200);
    app.verify(&third.access_token, "orders:read").await.expect(200);
    let fourth = app.grant("u4").await;
    let reply = app.verify(&fourth.access_token, "orders:read").await;
    assert_eq!(reply.expect_error(429, "rate_limited")["limit"], "key");
    service.clock.advance(Duration::from_secs(2));
    app.verify(&fourth.access_token, "orders:read").await.expect(200);
}

#[tokio::test]
async fn a_limit_of_null_has_no_entry() {
    let service = Service::start();
    let rates =
        json!({"rate_limit": {"per_key_per_second": null, "per_connection_per_second": null}});
    let app = service.app(&rates).await;
    let granted = app.grant("u1").await;
    let reply = app.verify(&granted.access_token, "orders:read").await;
    reply.expect(200);
    for name in ["ratelimit", "ratelimit-policy", "x-ratelimit-limit", "x-ratelimit-reset"] {
        assert!(!reply.headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn failed_exchanges_of_an_address_are_limited() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let (_, token) = app.issue("u1").await;
    let exchange = async |token: &str| {
        service.ask(Ask::post("/v1/token/exchange", &json!({"token": token}))).await
    };
    for _ in 0..10 {
        exchange("ag_at_nonsense").await.expect_error(400, "invalid_grant");
    }
    let limited = exchange(&token).await;
    assert_eq!(limited.expect_error(429, "rate_limited")["limit"], "address");
    assert_eq!(limited.header("retry-after"), "60");
    app.exchange("nonsense").await.expect_error(400, "invalid_grant");
    service.clock.advance(Duration::from_mins(1));
    exchange(&token).await.expect(200);
}

#[tokio::test]
async fn a_plan_that_is_used_up_refuses_live_calls_only() {
    let service = Service::start();
    let app = service.app(&json!({})).await;
    let plan = json!({"name": "small", "status": "active", "call_limit": 2, "on_limit": "refuse",
        "billing_url": "https://pay.example/"});
    let path = format!("/v1/operator/apps/{}/plan", app.app_id);
    let put = service.local("PUT", &path, &plan).await.expect(200);
    assert_eq!((&put["period"], &put["call_limit"]), (&json!("month"), &json!(2)));
    let granted = app.grant("u1").await;
    app.verify(&granted.access_token, "orders:read").await.expect(200);
    app.verify(&granted.access_token, "orders:write").await.expect_error(403, "insufficient_scope");
    app.verify(&granted.access_token, "orders:read").await.expect(200);
    let refused = app.verify(&granted.access_token, "orders:read").await;
    assert_eq!(refused.expect_error(403, "limit_exceeded")["active"], true);

    let usage = app.ask(Ask::get("/v1/usage")).await.expect(200);
    let plan = &usage["plan"];
    assert_eq!((&plan["calls_used"], &plan["calls_remaining"]), (&json!(2), &json!(0)));
    assert_eq!(plan["period_start"], "2026-11-01T00:00:00.000Z");
    assert_eq!(usage["series"], json!([{"day": "2026-11-22", "allowed": 2, "refused": 2}]));
    assert_eq!((&usage["active_connections"], &usage["total_connections"]), (&json!(1), &json!(1)));
    let test = service.ask(Ask::get("/v1/usage").bearer(&app.test)).await.expect(200);
    assert_eq!(
        (&test["plan"]["status"], &test["plan"]["call_limit"]),
        (&json!("none"), &json!(null))
    );
    let path = format!("/v1/operator/apps/{}/usage?environment=live", app.app_id);
    assert_eq!(service.local("GET", &path, &json!(null)).await.expect(200), usage);
}
