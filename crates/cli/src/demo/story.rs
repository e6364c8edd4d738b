//! The story: what each party does in turn, and what must come of it.

use std::path::Path;

use agentadmit_store::{Clock as _, SystemClock};
use http::Method;
use serde_json::{Value, json};

use super::app::ADA;
use super::cast::{Agent, Browser, Cast};
use super::print::{Printer, line, masked, member};
use super::process::this_binary;
use super::service::Registered;
use crate::exit::{Exit, Failure};

/// Why a story ends before its end.
enum Stop {
    /// An answer is not the documented one.
    Wrong(String),
    /// A party cannot be reached.
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

type Told<T> = Result<T, Stop>;

/// Tells the story, and then waits if it is not to be told once.
pub(super) async fn tell(once: bool) -> Result<Exit, Failure> {
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::could_not(format!("no temporary folder: {error}")))?;
    let mut story = Story { printer: Printer::new(), clock: SystemClock::new() };
    line("AgentAdmit: the whole story, over real HTTP between real processes")?;
    match story.play(folder.path(), once).await {
        Ok(()) => Ok(Exit::Done),
        Err(Stop::Wrong(text)) => {
            story.printer.wrong(&text)?;
            Ok(Exit::No)
        }
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

struct Story {
    printer: Printer,
    clock: SystemClock,
}

/// A connection as the user sees it: the id stays with them, the token goes to the agent.
struct Granted {
    connection_id: String,
    token: String,
    prompt: String,
}

impl Story {
    async fn play(&mut self, folder: &Path, once: bool) -> Told<()> {
        let mut cast = Cast::start(folder).await?;
        let shop = self.open_the_shop(&mut cast).await?;
        let mut browser = Browser::new(cast.shop_url()?);
        self.log_in(&mut browser).await?;
        let granted = self.grant(&browser).await?;
        let mut agent = cast.agent()?;
        self.agent_comes_in(&mut agent, &cast, &granted).await?;
        self.agent_oversteps(&mut agent).await?;
        self.user_revokes(&browser, &mut agent, &granted).await?;
        self.agent_replays(&mut agent).await?;
        self.audit_shows_it(&cast, &shop, &granted).await?;
        self.export_verifies(&cast, &shop, folder).await?;
        self.printer.all_good()?;
        if !once {
            self.stay(&mut cast, &browser).await?;
        }
        Ok(())
    }

    async fn open_the_shop(&mut self, cast: &mut Cast) -> Told<Registered> {
        self.printer.step("An operator registers a shop, with a test key for its servers")?;
        let (status, app) = cast
            .service
            .as_operator(Method::POST, "/v1/operator/apps", &super::service::registration())
            .await?;
        let app_id = member(&app, "app_id").to_owned();
        self.check("operator", "POST /v1/operator/apps", (status, &app), 201, None, &app_id)?;
        let path = format!("/v1/operator/apps/{app_id}/api-keys");
        let (status, key) =
            cast.service.as_operator(Method::POST, &path, &json!({"environment": "test"})).await?;
        let api_key = member(&key, "api_key").to_owned();
        let request = "POST /v1/operator/apps/{app_id}/api-keys";
        self.check("operator", request, (status, &key), 201, None, &masked(&api_key))?;
        let shop = Registered { app_id, api_key };
        cast.open_shop(&shop).await?;
        for address in cast.addresses() {
            self.printer.remark(&address)?;
        }
        Ok(shop)
    }

    async fn log_in(&mut self, browser: &mut Browser) -> Told<()> {
        self.printer.step("Ada signs in at the shop: its own users, its own passwords")?;
        let wrong = json!({"user": ADA.name, "password": "guess"});
        let (status, body) = browser.sign_in(&wrong).await?;
        self.check("Ada", "POST /login", (status, &body), 401, Some("wrong_password"), "a guess")?;
        let right = json!({"user": ADA.name, "password": ADA.password});
        let (status, body) = browser.sign_in(&right).await?;
        self.check("Ada", "POST /login", (status, &body), 200, None, "signed in")
    }

    async fn grant(&mut self, browser: &Browser) -> Told<Granted> {
        self.printer.step("Ada lets her agent read her orders, for one hour")?;
        self.make_grant(browser).await
    }

    async fn make_grant(&mut self, browser: &Browser) -> Told<Granted> {
        let wanted = json!({
            "scopes": ["orders:read"], "duration_seconds": 3600, "user_intent": "Keep an eye on my orders",
        });
        let path = "/agentadmit/connections/generate-token";
        let (status, body) = browser.send(Method::POST, path, Some(&wanted)).await?;
        let token = member(&body, "token").to_owned();
        let said = format!("one-time token {}, shown to Ada alone", masked(&token));
        self.check("Ada", &format!("POST {path}"), (status, &body), 201, None, &said)?;
        let connection_id = member(&body, "connection_id").to_owned();
        let prompt = member(&body, "prompt").to_owned();
        if connection_id.is_empty() || !token.starts_with("ag_ct_") {
            return Err(Stop::Wrong("the answer holds no connection and token".to_owned()));
        }
        Ok(Granted { connection_id, token, prompt })
    }

    async fn agent_comes_in(
        &mut self,
        agent: &mut Agent,
        cast: &Cast,
        granted: &Granted,
    ) -> Told<()> {
        self.printer.step("The agent gets an address and the token, and comes in")?;
        let meet = json!({"do": "meet", "address": cast.shop_address()?, "token": granted.token});
        let (status, body) = agent.act(&meet).await?;
        let said = "reads what the shop offers";
        self.check("agent", "GET /.well-known/agentadmit", (status, &body), 200, None, said)?;
        let (status, body) = agent.act(&json!({"do": "exchange"})).await?;
        let scope = member(&body, "scope").to_owned();
        let request = "POST /agentadmit/token/exchange";
        self.check("agent", request, (status, &body), 200, None, &format!("may: {scope}"))?;
        let (status, body) = agent.call("GET", "/orders", Value::Null).await?;
        let orders = body.get("orders").map(Value::to_string).unwrap_or_default();
        self.check(
            "agent",
            "GET /orders",
            (status, &body),
            200,
            None,
            &format!("Ada's orders {orders}"),
        )?;
        if scope != "orders:read" || !orders.contains("A-1001") || orders.contains("B-2001") {
            return Err(Stop::Wrong("the agent sees something else than Ada's orders".to_owned()));
        }
        Ok(())
    }

    async fn agent_oversteps(&mut self, agent: &mut Agent) -> Told<()> {
        self.printer.step("The agent oversteps: refunds were never granted")?;
        let (status, body) = agent.call("POST", "/refunds", json!({"order": "A-1001"})).await?;
        let code = Some("insufficient_scope");
        let needed = member(&body, "required_scope").to_owned();
        self.check(
            "agent",
            "POST /refunds",
            (status, &body),
            403,
            code,
            &format!("needs {needed}"),
        )?;
        if needed != "refunds:create" {
            return Err(Stop::Wrong("the refusal names another scope".to_owned()));
        }
        let (status, body) = agent.call("GET", "/agentadmit/connections", Value::Null).await?;
        let request = "GET /agentadmit/connections";
        self.check(
            "agent",
            request,
            (status, &body),
            403,
            Some("agent_not_allowed"),
            "is Ada's alone",
        )
    }

    async fn user_revokes(
        &mut self,
        browser: &Browser,
        agent: &mut Agent,
        granted: &Granted,
    ) -> Told<()> {
        self.printer.step("Ada takes it back; the very next call fails")?;
        let (status, body) = agent.call("GET", "/orders", Value::Null).await?;
        self.check("agent", "GET /orders", (status, &body), 200, None, "still in")?;
        let path = format!("/agentadmit/connections/{}", granted.connection_id);
        let (status, body) = browser.send(Method::DELETE, &path, None).await?;
        let answered = self.clock.read().monotonic_ns;
        let next = agent.call("GET", "/orders", Value::Null).await;
        let refused = self.clock.read().monotonic_ns;
        let request = "DELETE /agentadmit/connections/{id}";
        self.check("Ada", request, (status, &body), 200, None, member(&body, "status"))?;
        let (status, body) = next?;
        let after = milliseconds(refused.saturating_sub(answered));
        let said = format!("refused {after} ms after the answer to Ada");
        self.check("agent", "GET /orders", (status, &body), 401, Some("invalid_token"), &said)
    }

    async fn agent_replays(&mut self, agent: &mut Agent) -> Told<()> {
        self.printer.step("The agent tries the old one-time token again")?;
        let (status, body) = agent.act(&json!({"do": "replay"})).await?;
        let request = "POST /agentadmit/token/exchange";
        self.check(
            "agent",
            request,
            (status, &body),
            400,
            Some("invalid_grant"),
            "caught, and recorded",
        )
    }

    async fn audit_shows_it(
        &mut self,
        cast: &Cast,
        shop: &Registered,
        granted: &Granted,
    ) -> Told<()> {
        self.printer.step("The shop reads its audit log: everything is there")?;
        let path = format!("/v1/audit?connection_id={}", granted.connection_id);
        let (status, body) = cast.service.as_app(shop, &path).await?;
        let events = body.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
        let said = format!("{} records, newest first", events.len());
        self.check("shop", "GET /v1/audit?connection_id=…", (status, &body), 200, None, &said)?;
        for event in &events {
            let reason = member(event, "reason");
            let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
            self.printer.remark(&format!(
                "{}  {}{why} {}",
                member(event, "occurred_at"),
                member(event, "event"),
                member(event, "endpoint")
            ))?;
        }
        let missing = |(name, reason): &(&str, &str)| {
            let is_it = |event: &Value| {
                member(event, "event") == *name
                    && (reason.is_empty() || member(event, "reason") == *reason)
            };
            !events.iter().any(is_it)
        };
        match EXPECTED_EVENTS.iter().find(|expected| missing(expected)) {
            None => Ok(()),
            Some((name, reason)) => Err(Stop::Wrong(format!("the log has no `{name}` {reason}"))),
        }
    }

    async fn export_verifies(&mut self, cast: &Cast, shop: &Registered, folder: &Path) -> Told<()> {
        self.printer.step("The audit log is exported, and verified without the service")?;
        let mut command = this_binary()?;
        command
            .args(["audit", "export", "--service", cast.service.url.as_str()])
            .args(["--out", "audit.ndjson"])
            .env("AGENTADMIT_API_KEY", &shop.api_key)
            .current_dir(folder);
        self.command("agentadmit audit export", command, 0).await?;
        self.verify(folder, "audit.ndjson", 0).await?;
        self.printer.step("Somebody changes one word in a copy; the check says where")?;
        let could_not = |error: std::io::Error| Failure::could_not(error.to_string());
        let text = std::fs::read_to_string(folder.join("audit.ndjson")).map_err(could_not)?;
        // somebody would like the overstepping to have been something else
        let text = text.replacen("insufficient_scope", "sufficient_scope", 1);
        std::fs::write(folder.join("forged.ndjson"), text).map_err(could_not)?;
        self.verify(folder, "forged.ndjson", 1).await
    }

    async fn verify(&self, folder: &Path, file: &str, expected: i32) -> Told<()> {
        let mut command = this_binary()?;
        command.args(["audit", "verify", file]).current_dir(folder);
        self.command(&format!("agentadmit audit verify {file}"), command, expected).await
    }

    /// Runs a command of this binary and checks its exit code.
    async fn command(
        &self,
        shown: &str,
        mut command: tokio::process::Command,
        expected: i32,
    ) -> Told<()> {
        let ran = command.output().await.map_err(|error| Failure::could_not(error.to_string()))?;
        let code = ran.status.code().unwrap_or(-1);
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        self.printer.remark(&format!("{shown}  exit code {code}"))?;
        for line in said.lines() {
            self.printer.remark(&format!("  {line}"))?;
        }
        if code == expected {
            return Ok(());
        }
        let log = String::from_utf8_lossy(&ran.stderr).into_owned();
        Err(Stop::Wrong(format!("`{shown}` exited {code}, not {expected}: {log}")))
    }

    /// Prints what can be tried by hand, and waits for the end.
    async fn stay(&mut self, cast: &mut Cast, browser: &Browser) -> Told<()> {
        self.printer.step("Now you: give this to an agent of yours")?;
        let granted = self.make_grant(browser).await?;
        line(&format!("\n{}\n", granted.prompt))?;
        for address in cast.addresses() {
            self.printer.remark(&address)?;
        }
        self.printer.remark(&format!("signing in at the shop: {} / {}", ADA.name, ADA.password))?;
        self.printer.remark("Ctrl-C ends everything and leaves nothing behind")?;
        Err(Stop::Failed(Failure::could_not(cast.somebody_ends().await)))
    }

    /// Prints an answer, and stops the story when it is not the documented one.
    fn check(
        &self,
        who: &str,
        request: &str,
        (status, body): (u16, &Value),
        expected: u16,
        code: Option<&str>,
        said: &str,
    ) -> Told<()> {
        let error = member(body, "error");
        let said = if error.is_empty() { said.to_owned() } else { format!("{error}: {said}") };
        self.printer.answer(who, request, status, &said)?;
        if status == expected && error == code.unwrap_or_default() {
            return Ok(());
        }
        let code = code.map(|code| format!(" {code}")).unwrap_or_default();
        Err(Stop::Wrong(format!("expected {expected}{code}, and the answer is {body}")))
    }
}

/// What the log must hold of this story: event and reason.
const EXPECTED_EVENTS: &[(&str, &str)] = &[
    ("connection_created", ""),
    ("connection_exchanged", ""),
    ("verified", ""),
    ("refused", "insufficient_scope"),
    ("connection_revoked", ""),
    ("refused", "revoked"),
    ("connection_token_replayed", ""),
];

fn milliseconds(nanoseconds: u64) -> String {
    let hundredths = nanoseconds / 10_000;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_shown_in_milliseconds() {
        assert_eq!(milliseconds(0), "0.00");
        assert_eq!(milliseconds(1_234_567), "1.23");
        assert_eq!(milliseconds(25_040_000), "25.04");
    }
}
