//! The pages that `dev` leads through: where users of the consent page come back to, where clients of OAuth
//! find the app's sign-in, and where to go once the app answers.

use std::time::Duration;

use agentadmit::Settings;
use agentadmit_protocol::id::AppId;
use agentadmit_protocol::prompt::DISCOVERY_PATH;
use http::Method;
use serde_json::{Map, Value, json};
use url::Url;

use crate::client::{Request, Transport};
use crate::exit::Failure;
use crate::http_client::{self, HttpClient};
use crate::output::note;

/// How often the app is asked whether it is there.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// Lets users of the consent page come back to the app's first page, and to the one where they look
/// after their agents; and clients of OAuth find the app, and its own sign-in. What is registered already
/// stays.
///
/// # Errors
/// The service's.
pub(super) async fn lead_back(
    operator: &Transport,
    settings: &Settings,
    app_id: AppId,
) -> Result<(), Failure> {
    let path = format!("/v1/operator/apps/{app_id}");
    let app = operator.call(Request::get(path.clone())).await?;
    let missing = missing(settings, &app);
    if missing.is_empty() {
        return Ok(());
    }
    let mut request = Request::post(path, json!({"settings": missing}));
    request.method = Method::PATCH;
    operator.call(request).await.map(drop)
}

/// The settings that the app, as the service shows it, has not got yet.
fn missing(settings: &Settings, app: &Value) -> Map<String, Value> {
    let known = |name: &str| app.pointer(&format!("/settings/{name}")).cloned().unwrap_or_default();
    let listed = |name: &str| known(name).as_array().cloned().unwrap_or_default();
    let mut missing = Map::new();
    let mut back = listed("redirect_uris");
    let before = back.len();
    for page in pages(settings) {
        let page = json!(page.as_str());
        if !back.contains(&page) {
            back.push(page);
        }
    }
    if back.len() > before {
        missing.insert("redirect_uris".to_owned(), Value::Array(back));
    }
    let Some(public) = &settings.public_url else { return missing };
    if listed("resources").is_empty() {
        let uri = settings.resource.as_ref().unwrap_or(public);
        let resources = json!([{"uri": uri.as_str(), "environment": "test"}]);
        missing.insert("resources".to_owned(), resources);
    }
    let sign_in = format!("{}/authorize", settings.route_prefix.trim_end_matches('/'));
    if known("login_url").is_null()
        && let Ok(url) = public.join(&sign_in)
    {
        missing.insert("login_url".to_owned(), json!(url.as_str()));
    }
    missing
}

/// The app's first page, and the one that the SDK mounts for its users.
fn pages(settings: &Settings) -> Vec<Url> {
    let Some(app) = &settings.public_url else { return Vec::new() };
    let agents = app.join(&settings.route_prefix).ok();
    std::iter::once(app.clone()).chain(agents).collect()
}

/// Waits until the app answers at its address, and says where to go then. Never ends where the
/// configuration names no address.
pub(super) async fn lead(operator: &Transport, settings: &Settings, app_id: AppId, service: &str) {
    let pages = pages(settings);
    let [app, agents] = pages.as_slice() else { return std::future::pending().await };
    let client = HttpClient::default();
    while !is_there(&client, app, app_id).await {
        tokio::time::sleep(ASK_EVERY).await;
    }
    note(&guide(settings, app, agents, dashboard(operator, service).await.as_ref()));
}

/// Where the dashboard is, and the code to sign in there with.
struct Dashboard {
    url: String,
    code: String,
}

/// A code for the dashboard of this service.
async fn dashboard(operator: &Transport, service: &str) -> Option<Dashboard> {
    let made = operator.call(Request::post_nothing("/v1/operator/sign-in-codes")).await.ok()?;
    let code = made.get("code").and_then(Value::as_str)?.to_owned();
    Some(Dashboard { url: format!("{service}/dashboard"), code })
}

/// Whether this very app answers there, and lets agents in.
async fn is_there(client: &HttpClient, app: &Url, app_id: AppId) -> bool {
    let Ok(document) = app.join(DISCOVERY_PATH) else { return false };
    let Ok(answer) = client.send(Method::GET, &document, None, None).await else { return false };
    let Ok((_, said)) = http_client::json(answer).await else { return false };
    said.pointer("/app/id").and_then(Value::as_str) == Some(&app_id.to_string())
}

fn guide(settings: &Settings, app: &Url, agents: &Url, dashboard: Option<&Dashboard>) -> String {
    let name = settings.name.as_ref().map_or("your app", |name| name.as_str());
    let step =
        |number: usize, place: &str, what: &str| format!("{number:>3}  {place:<34}  {what}\n");
    let mut text = format!("\n{name} lets agents in\n");
    text += &step(1, app.as_str(), "sign in");
    text += &step(2, agents.as_str(), "let an agent in, and copy the message for it");
    text += &step(3, "agentadmit agent", "in another terminal: paste the message, be the agent");
    text += &step(4, agents.as_str(), "what it did, and one button to end it");
    if let Some(Dashboard { url, code }) = dashboard {
        text += &step(5, url, &format!("everything, live: type {code} within 10 minutes"));
    }
    text
}

#[cfg(test)]
mod tests {
    use agentadmit::settings::ApiKey;

    use super::*;

    fn settings() -> Settings {
        let service = Url::parse("http://127.0.0.1:8700").unwrap();
        let key = ApiKey::new("aa_test_00000000000000000000000000000000000000000011So26M");
        Settings::new(service, key.unwrap())
    }

    #[test]
    fn what_is_registered_already_stays() {
        let mut settings = settings();
        let bare = json!({"settings": {"redirect_uris": [], "resources": [], "login_url": null}});
        assert!(missing(&settings, &bare).is_empty(), "it has no address");
        settings.public_url = Url::parse("http://127.0.0.1:8000").ok();
        let added = Value::Object(missing(&settings, &bare));
        let expected = json!({
            "redirect_uris": ["http://127.0.0.1:8000/", "http://127.0.0.1:8000/agentadmit"],
            "resources": [{"uri": "http://127.0.0.1:8000/", "environment": "test"}],
            "login_url": "http://127.0.0.1:8000/agentadmit/authorize",
        });
        assert_eq!(added, expected);
        assert!(missing(&settings, &json!({"settings": expected})).is_empty());
        settings.resource = Url::parse("http://127.0.0.1:8000/mcp").ok();
        let added = missing(&settings, &bare);
        assert_eq!(added["resources"][0]["uri"], "http://127.0.0.1:8000/mcp");
        let own = json!({"settings": {
            "redirect_uris": ["https://elsewhere.example/"], "login_url": "https://elsewhere.example/in",
            "resources": [{"uri": "https://elsewhere.example/", "environment": "live"}],
        }});
        let added = missing(&settings, &own);
        assert_eq!(added.keys().collect::<Vec<_>>(), ["redirect_uris"]);
        assert_eq!(added["redirect_uris"][0], "https://elsewhere.example/");
    }

    #[test]
    fn the_guide_is_numbered_and_fits_a_terminal() {
        let mut settings = settings();
        assert!(pages(&settings).is_empty());
        settings.public_url = Url::parse("http://127.0.0.1:8000").ok();
        let [app, agents] = pages(&settings).try_into().unwrap();
        assert_eq!(app.as_str(), "http://127.0.0.1:8000/");
        assert_eq!(agents.as_str(), "http://127.0.0.1:8000/agentadmit");
        let (url, code) = ("http://127.0.0.1:8700/dashboard", "ABCD-EFGH-JKMN-PQRS");
        let dashboard = Dashboard { url: url.to_owned(), code: code.to_owned() };
        assert!(!guide(&settings, &app, &agents, None).contains("live"));
        let guide = guide(&settings, &app, &agents, Some(&dashboard));
        for (number, line) in guide.trim().lines().skip(1).enumerate() {
            assert!(line.starts_with(&format!("  {}  ", number + 1)), "{line}");
            assert!(line.chars().count() <= 104, "{line}");
        }
    }
}
