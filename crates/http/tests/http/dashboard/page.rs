//! The page and its files: what they are, who may frame them, who may keep them.

use agentadmit_engine::WriterOptions;
use agentadmit_http::HttpOptions;

use crate::support::{Ask, Reply, Service};

fn expect_page(path: &str, reply: &Reply) {
    reply.expect(200);
    assert_eq!(reply.header("content-type"), "text/html; charset=utf-8", "{path}");
    assert_eq!(reply.header("cache-control"), "no-store", "{path}");
    assert_eq!(reply.header("x-frame-options"), "DENY", "{path}");
    assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
    assert_eq!(reply.header("referrer-policy"), "no-referrer", "{path}");
    let policy = reply.header("content-security-policy");
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(policy.split("; ").any(|known| known == rule), "{rule} is not in {policy}");
    }
    for lax in ["unsafe", "http:", "https:", "*"] {
        assert!(!policy.contains(lax), "{policy}");
    }
    let html = String::from_utf8_lossy(&reply.body);
    assert!(html.contains("<!doctype html>"), "{path}");
    // what the policy would refuse is not there: inline scripts and styles, other addresses
    for refused in ["<style", " style=", " onclick=", "http://", "https://", "//cdn"] {
        assert!(!html.contains(refused), "{refused} in {html}");
    }
    for script in html.split("<script").skip(1) {
        assert!(script.split('>').next().unwrap().contains(" src=\"/dashboard/assets/"), "{html}");
    }
}

#[tokio::test]
async fn every_address_below_the_dashboard_is_its_page() {
    let service = Service::start();
    for path in [
        "/dashboard",
        "/dashboard/",
        "/dashboard/apps",
        "/dashboard/apps/app_01kb5m4v5ye5rvd0c2tqj3n8xa/keys?environment=live",
        "/dashboard/sessions",
        "/dashboard/%00",
    ] {
        expect_page(path, &service.ask(Ask::get(path)).await);
    }
    for method in ["POST", "PUT", "DELETE"] {
        let reply = service.ask(Ask::new(method, "/dashboard/apps")).await;
        reply.expect_error(405, "method_not_allowed");
    }
    service.ask(Ask::get("/dashboards")).await.expect_error(404, "not_found");
}

#[tokio::test]
async fn the_files_are_asked_about_again_and_sent_when_they_changed() {
    let service = Service::start();
    for (name, content_type) in [
        ("dashboard.js", "text/javascript; charset=utf-8"),
        ("dashboard.css", "text/css; charset=utf-8"),
    ] {
        let path = format!("/dashboard/assets/{name}");
        let reply = service.ask(Ask::get(&path)).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, content_type));
        assert_eq!(reply.header("cache-control"), "no-cache");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert!(!reply.body.is_empty());
        let tag = reply.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.len() == 34, "{tag}");
        let known = service.ask(Ask::get(&path).header("if-none-match", &tag)).await;
        assert_eq!((known.status, known.body.len()), (304, 0));
        assert_eq!(known.header("etag"), tag);
        let older = service.ask(Ask::get(&path).header("if-none-match", "\"older\"")).await;
        assert_eq!(older.status, 200);
    }
    for path in ["/dashboard/assets/", "/dashboard/assets/x.js", "/dashboard/assets/../index.html"]
    {
        let reply = service.ask(Ask::get(path)).await;
        assert_ne!(reply.header("content-type"), "text/javascript; charset=utf-8", "{path}");
    }
    let unknown = service.ask(Ask::get("/dashboard/assets/dashboard.js.map")).await;
    unknown.expect_error(404, "not_found");
}

#[tokio::test]
async fn without_a_dashboard_there_is_no_page() {
    let options = HttpOptions { dashboard: None, ..HttpOptions::default() };
    let service = Service::with(WriterOptions::default(), options);
    for path in ["/dashboard", "/dashboard/apps", "/dashboard/assets/dashboard.js"] {
        service.ask(Ask::get(path)).await.expect_error(404, "not_found");
    }
}
