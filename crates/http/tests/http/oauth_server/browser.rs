//! A browser that is sent from the client over the app to the consent page and back.

use std::collections::BTreeMap;

use serde_json::json;

use super::{location, query};
use crate::support::{App, Ask, ISSUER, Reply, Service};

/// What a browser keeps of the service's cookies.
#[derive(Default, Clone)]
pub(super) struct Browser {
    pub(super) cookies: BTreeMap<String, String>,
}

/// A yes to `orders:read` for an hour.
pub(super) const YES: &[(&str, &str)] =
    &[("decision", "grant"), ("duration", "3600"), ("scope", "orders:read")];

impl Browser {
    pub(super) async fn send(&mut self, service: &Service, ask: Ask) -> Reply {
        let pairs: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let ask = if pairs.is_empty() { ask } else { ask.header("cookie", &pairs.join("; ")) };
        let reply = service.ask(ask).await;
        for set in reply.headers.get_all("set-cookie") {
            let (name, rest) = set.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        reply
    }

    pub(super) async fn get(&mut self, service: &Service, path: &str) -> Reply {
        self.send(service, Ask::get(path)).await
    }

    /// Comes from the client; the id of the request with which the app is told about it.
    pub(super) async fn begin(&mut self, app: &App<'_>, asked: &[(&str, &str)]) -> String {
        let path = format!("/oauth/authorize?{}", query(asked));
        let reply = self.get(app.service, &path).await;
        request_id(&reply)
    }

    /// The app says that `user_id` sits there; the address that it sends the browser to.
    pub(super) async fn bound(app: &App<'_>, request_id: &str, user_id: &str) -> String {
        let reply = bind(app, request_id, user_id).await;
        reply.expect(200);
        let url = reply.text("continue_url");
        url.strip_prefix(ISSUER).unwrap().to_owned()
    }

    /// Comes back from the app; the path of the consent page.
    pub(super) async fn continues(&mut self, service: &Service, path: &str) -> String {
        let reply = self.get(service, path).await;
        assert_eq!(reply.status, 303, "{reply}");
        let location = reply.header("location").to_owned();
        assert!(!location.contains("code"), "{location}");
        location.strip_prefix("..").unwrap().to_owned()
    }

    /// The consent page's form, sent.
    pub(super) async fn decides(
        &mut self,
        service: &Service,
        page: &str,
        said: &[(&str, &str)],
    ) -> Reply {
        let shown = self.get(service, page).await;
        shown.expect(200);
        let html = String::from_utf8(shown.body).unwrap();
        let (_, rest) = html.split_once(r#"name="form_token" value=""#).unwrap();
        let mut form = vec![("form_token", rest.split_once('"').unwrap().0)];
        form.extend(said);
        let ask = Ask::new("POST", page).form(&form).header("origin", "null");
        self.send(service, ask.header("sec-fetch-site", "same-origin")).await
    }

    /// All of it: what the browser brings back to the client.
    pub(super) async fn decided(
        &mut self,
        app: &App<'_>,
        asked: &[(&str, &str)],
        said: &[(&str, &str)],
    ) -> Reply {
        let id = self.begin(app, asked).await;
        let path = Self::bound(app, &id, "u1").await;
        let page = self.continues(app.service, &path).await;
        self.decides(app.service, &page, said).await
    }

    pub(super) async fn granted(&mut self, app: &App<'_>, asked: &[(&str, &str)]) -> Reply {
        let reply = self.decided(app, asked, YES).await;
        assert_eq!(reply.status, 303, "{reply}");
        reply
    }
}

/// The request that a browser is sent to the app with.
#[track_caller]
pub(super) fn request_id(reply: &Reply) -> String {
    assert_eq!(reply.status, 303, "{reply}");
    let (base, pairs) = location(reply);
    assert_eq!(base, "https://shop.example/agentadmit/authorize", "{:?}", reply.headers);
    assert_eq!(pairs[0], ("tab".to_owned(), "1".to_owned()));
    assert_eq!(pairs[1].0, "request_id");
    pairs[1].1.clone()
}

/// The app says that `user_id` sits there.
pub(super) async fn bind(app: &App<'_>, request_id: &str, user_id: &str) -> Reply {
    let path = format!("/v1/apps/{}/authorization-requests/{request_id}", app.app_id);
    app.ask(Ask::post(&path, &json!({"user_id": user_id, "user_label": "Ann"}))).await
}
