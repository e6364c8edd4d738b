//! The story: what each party does in turn, and what must come of it.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use url::Url;

use super::cast::{Agent, Browser, Cast, Exchange, Stopwatch};
use super::evidence;
use super::plan::{Expected, Plan};
use super::print::{Printer, member};
use super::service::Registered;
use super::transcript::{Party, Step, Transcript, cut};
use super::visit::Pasted;
use crate::exit::{Exit, Failure};
use crate::output::print;

/// The user of the story, as the shop's `customers.rs` knows her.
const ADA: (&str, &str) = ("ada", "difference-engine");
/// Where a user makes a token.
const GRANT: &str = "/agentadmit/connections/generate-token";

/// Why a story ends before its end.
pub(super) enum Stop {
    /// An answer is not the documented one; the step says so.
    Wrong,
    /// A party cannot be reached.
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

pub(super) type Told<T> = Result<T, Stop>;

/// Tells the story; then prints it as JSON, or waits if it is not to be told once.
///
/// # Errors
/// When a process or the network fails.
pub(super) async fn tell(once: bool, json: bool) -> Result<Exit, Failure> {
    let folder = temporary_folder()?;
    let mut story = Story::new(Printer::new(json));
    story.printer.heading()?;
    let (told, stage) = match story.play(folder.path()).await {
        Ok(stage) => (Ok(()), Some(stage)),
        Err(stop) => (Err(stop), None),
    };
    let exit = story.close(told, json)?;
    if let Some(mut stage) = stage.filter(|_| !once && !json) {
        story.stay(&mut stage).await?;
    }
    Ok(exit)
}

/// The transcript of the documentation: a story in which everything went well, with what differs
/// from run to run replaced. It is told again when a minute of the wall clock ends in it, since
/// some records of the log are one a minute.
///
/// # Errors
/// When the story does not go well.
pub(crate) async fn documented() -> Result<String, Failure> {
    loop {
        let folder = temporary_folder()?;
        let mut story = Story::new(Printer::new(true));
        let minute = story.watch.minute();
        match story.play(folder.path()).await {
            Ok(_) if story.watch.minute() == minute => {
                let transcript = story.transcript.with_placeholders();
                let text = serde_json::to_string_pretty(&transcript).unwrap_or_default();
                return Ok(text + "\n");
            }
            Ok(_) => {}
            Err(Stop::Wrong) => {
                let last = story.transcript.steps.last().map_or("?", |step| step.title);
                return Err(Failure::could_not(format!("not as documented: {last}")));
            }
            Err(Stop::Failed(failure)) => return Err(failure),
        }
    }
}

fn temporary_folder() -> Result<tempfile::TempDir, Failure> {
    tempfile::tempdir().map_err(|error| Failure::could_not(format!("no temporary folder: {error}")))
}

/// What is still there when the story is over.
struct Stage {
    cast: Cast,
    shop: Registered,
}

/// A story while it is told.
pub(super) struct Story {
    printer: Printer,
    transcript: Transcript,
    pub(super) watch: Stopwatch,
}

impl Story {
    pub(super) fn new(printer: Printer) -> Self {
        Self { printer, transcript: Transcript::new(), watch: Stopwatch::new() }
    }

    async fn play(&mut self, folder: &Path) -> Told<Stage> {
        let mut cast = Cast::start(folder).await?;
        self.enter(cast.service_party())?;
        let shop = self.register(&cast).await?;
        self.enter(cast.open_shop(&shop).await?)?;
        let mut browser = Browser::new(cast.shop_url()?);
        let granted = self.grant(&mut browser).await?;
        let token = member(granted.body(), "token");
        let (mut agent, party) = Agent::start(&cast.shop_url()?, token).await?;
        self.enter(party)?;
        self.come_in(&mut agent).await?;
        self.overstep(&mut agent).await?;
        let connection = member(granted.body(), "connection_id");
        self.revoke(&browser, &mut agent, connection).await?;
        evidence::read(self, &cast, &shop, connection).await?;
        evidence::verify(self, &cast, &shop, folder).await?;
        Ok(Stage { cast, shop })
    }

    /// Says how it ended; prints the transcript where a program reads.
    pub(super) fn close(&self, told: Told<()>, json: bool) -> Result<Exit, Failure> {
        let exit = match told {
            Ok(()) => Exit::Done,
            Err(Stop::Wrong) => Exit::No,
            Err(Stop::Failed(failure)) => return Err(failure),
        };
        self.printer.end(exit == Exit::Done)?;
        if json {
            let text = serde_json::to_string_pretty(&self.transcript).unwrap_or_default();
            print(format!("{text}\n").as_bytes())?;
        }
        Ok(exit)
    }

    async fn register(&mut self, cast: &Cast) -> Told<Registered> {
        let started = self.watch.ms();
        let path = "/v1/operator/apps";
        let body = json!({"name": "Corner shop"});
        let (status, app) = cast.service.as_operator(Method::POST, path, &body).await?;
        let title = "An operator registers the shop";
        let plan = Plan::of("operator", "service", title, Expected::Yes(201));
        let made = Exchange::http(&Method::POST, path, Some(&body), (status, &app));
        self.take(plan.showing(&["app_id", "name"]), made, started)?;
        let app_id = member(&app, "app_id").to_owned();

        let started = self.watch.ms();
        let path = format!("/v1/operator/apps/{app_id}/api-keys");
        let body = json!({"environment": "test"});
        let (status, key) = cast.service.as_operator(Method::POST, &path, &body).await?;
        let title = "The operator makes a test key for its servers";
        let plan = Plan::of("operator", "service", title, Expected::Yes(201));
        let made = Exchange::http(&Method::POST, &path, Some(&body), (status, &key));
        self.take(plan.showing(&["api_key", "environment", "permissions"]), made, started)?;
        let shop = Registered { app_id, api_key: member(&key, "api_key").to_owned() };

        let started = self.watch.ms();
        let path = format!("/v1/apps/{}/scopes", shop.app_id);
        let body = json!({"scopes": cast.scopes(&shop)?});
        let answer = cast.service.as_app(&shop, Method::PUT, &path, Some(&body)).await?;
        let title = "The shop says what agents may do at all: the scopes of agentadmit.yaml";
        let plan = Plan::of("shop", "service", title, Expected::Yes(200));
        let put = Exchange::http(&Method::PUT, &path, Some(&body), (answer.0, &answer.1));
        self.take(plan.showing(&["added", "removed"]), put, started)?;
        Ok(shop)
    }

    async fn grant(&mut self, browser: &mut Browser) -> Told<Exchange> {
        let started = self.watch.ms();
        let (login, password) = ADA;
        let title = "Ada signs in at the shop: its own users, its own passwords";
        let signed_in = browser.sign_in(login, password).await?;
        self.take(Plan::of("Ada", "shop", title, Expected::Yes(303)), signed_in, started)?;

        let started = self.watch.ms();
        let wanted = json!({
            "scopes": ["read:orders"], "duration_seconds": 3600, "user_intent": "Watch my orders",
        });
        let title = "She lets an agent read her orders, for one hour, and gets a token for it";
        let plan = Plan::of("Ada", "shop", title, Expected::Yes(201))
            .also("a connection token", |answer| at(answer, "/body/token").starts_with("ag_ct_"))
            .showing(&["token", "scopes", "token_expires_at", "expires_at"]);
        let granted = browser.send(Method::POST, GRANT, &wanted).await?;
        self.take(plan, granted.clone(), started)?;
        Ok(granted)
    }

    async fn come_in(&mut self, agent: &mut Agent) -> Told<()> {
        let plan = |title, expected| Plan::of("agent", "shop", title, expected);
        let title = "The agent knows an address and the token; it reads what is offered there";
        let discover = plan(title, Expected::Yes(200));
        self.act(agent, "discover", discover.showing(&["routes"])).await?;
        let exchange = plan("The agent exchanges the token, which works once", Expected::Yes(200))
            .also("read:orders alone", |answer| at(answer, "/body/scope") == "read:orders")
            .showing(&["access_token", "scope", "expires_in", "user_label"]);
        self.act(agent, "exchange", exchange).await?;
        let read = plan("The agent reads Ada's orders", Expected::Yes(200))
            .also("Ada's orders alone", |answer| {
                let orders = answer.pointer("/body/orders").map(Value::to_string);
                orders.is_some_and(|text| text.contains("A-1001") && !text.contains("G-2001"))
            })
            .showing(&["orders"]);
        self.act(agent, "read", read).await?;
        let listen = plan("It opens a WebSocket, which stays open", Expected::Yes(101));
        self.act(agent, "listen", listen).await?;
        self.act(agent, "ask", plan("It asks there about an order", Expected::Message)).await
    }

    async fn overstep(&mut self, agent: &mut Agent) -> Told<()> {
        let title = "The agent oversteps: refunds were never granted";
        let plan = Plan::of("agent", "shop", title, Expected::No(403, "insufficient_scope"))
            .also("create:refunds is missing", |answer| {
                at(answer, "/body/required_scope") == "create:refunds"
            })
            .showing(&["error", "required_scope", "granted_scopes"]);
        self.act(agent, "overstep", plan).await?;
        let title = "It tries to grant itself more: that is for people";
        let plan = Plan::of("agent", "shop", title, Expected::No(403, "agent_not_allowed"));
        self.act(agent, "grant-yourself", plan.showing(&["error", "error_description"])).await
    }

    async fn revoke(&mut self, browser: &Browser, agent: &mut Agent, connection: &str) -> Told<()> {
        let path = format!("/agentadmit/connections/{connection}");
        let started = self.watch.ms();
        let revoked = browser.send(Method::DELETE, &path, &json!({})).await?;
        let answered = self.watch.ms();
        // before anything is printed: this is the very next call
        let next = agent.act("read").await?;
        let after = self.watch.ms() - answered;
        let plan = Plan::of("Ada", "shop", "Ada takes it back", Expected::Yes(200));
        let plan = plan.showing(&["connection_id", "status", "revoked_at"]);
        self.take_timed(plan, revoked, answered - started, None)?;

        let plan = |title, expected| Plan::of("agent", "shop", title, expected);
        let title = "The agent's very next call fails";
        let fails = plan(title, Expected::No(401, "invalid_token"))
            .also("because it was revoked", |answer| at(answer, "/body/reason") == "revoked")
            .showing(&["error", "reason"]);
        let remark = format!("refused {after:.1} ms after the answer to Ada");
        self.take_timed(fails, next, after, Some(remark))?;
        let title = "Its open WebSocket closes at the next message";
        self.act(agent, "ask", plan(title, Expected::Close(1008))).await?;
        let title = "It presents the old token again; the replay is caught and recorded";
        let replay = plan(title, Expected::No(400, "invalid_grant"));
        self.act(agent, "exchange", replay.showing(&["error", "error_description"])).await
    }

    /// A step that the agent takes at a word.
    pub(super) async fn act(&mut self, agent: &mut Agent, word: &str, plan: Plan) -> Told<()> {
        let started = self.watch.ms();
        let exchange = agent.act(word).await?;
        self.take(plan, exchange, started)
    }

    /// A step that began at `started`.
    pub(super) fn take(&mut self, plan: Plan, exchange: Exchange, started: f64) -> Told<()> {
        let elapsed = self.watch.ms() - started;
        self.take_timed(plan, exchange, elapsed, None)
    }

    /// Writes a step down and shows it; stops the story when it is not as documented.
    pub(super) fn take_timed(
        &mut self,
        plan: Plan,
        exchange: Exchange,
        elapsed: f64,
        remark: Option<String>,
    ) -> Told<()> {
        let Exchange { mut request, answer } = exchange;
        if let Some(members) = request.as_object_mut().filter(|_| !plan.to.is_empty()) {
            members.insert("to".to_owned(), json!(plan.to));
        }
        let ok = plan.is_met_by(&answer);
        let step = Step {
            title: plan.title,
            who: plan.who,
            request: cut(request),
            answer: cut(answer),
            expectation: plan.expectation(),
            ok,
            elapsed_ms: (elapsed * 100.0).round() / 100.0,
            remark,
            shown: plan.shown,
        };
        self.printer.step(&step)?;
        self.transcript.steps.push(step);
        self.transcript.ok = ok;
        if ok { Ok(()) } else { Err(Stop::Wrong) }
    }

    /// A process that now runs.
    fn enter(&mut self, party: Party) -> Told<()> {
        self.printer.line("")?;
        self.printer.party(&party)?;
        self.transcript.parties.push(party);
        Ok(())
    }

    /// Leads through the pages, and plays the agent of whoever pastes a message, until the end.
    async fn stay(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        let Stage { cast, shop } = stage;
        cast.lead_back(shop).await?;
        let address = cast.shop_url()?;
        self.lead(&address)?;
        if let Some((dashboard, code)) = cast.service.dashboard().await? {
            let what = format!("everything, live: the code is {code}, for 10 minutes");
            self.printer.numbered(5, &dashboard, &what)?;
        }
        self.printer.line("\nCtrl-C ends everything and leaves nothing behind.")?;
        let mut pasted = Pasted::from_stdin(Some(address.clone()));
        let mut is_open = true;
        loop {
            let token = tokio::select! {
                why = cast.somebody_ends() => return Err(Failure::could_not(why)),
                token = pasted.next(), if is_open => token,
            };
            let Some((_, token)) = token else {
                is_open = false;
                continue;
            };
            match self.visit(&address, &token).await {
                // what did not go well, the step says; another token may be a better one
                Ok(()) | Err(Stop::Wrong) => {}
                Err(Stop::Failed(failure)) => return Err(failure),
            }
        }
    }

    /// Where to go, in order.
    fn lead(&self, shop: &Url) -> Result<(), Failure> {
        let (login, password) = ADA;
        let sign_in = format!("sign in as {login}, {password}; press \"Connect an agent\"");
        self.printer.strong("\nNow you")?;
        self.printer.numbered(1, shop.as_str(), &sign_in)?;
        self.printer.numbered(2, "the consent page opens", "choose, allow, copy the message")?;
        let paste = "the demo's agent makes its first call (or hand it to one of yours)";
        self.printer.numbered(3, "paste the message here", paste)?;
        self.printer.numbered(4, shop.as_str(), "what it did, and one button to end it")
    }
}

/// A text somewhere in an answer.
fn at<'v>(answer: &'v Value, pointer: &str) -> &'v str {
    answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(status: u16, error: &str) -> Exchange {
        let body = if error.is_empty() { json!({}) } else { json!({"error": error}) };
        Exchange::http(&Method::GET, "/orders", None, (status, &body))
    }

    #[test]
    fn a_step_that_is_not_as_documented_ends_the_story() {
        let mut story = Story::new(Printer::new(true));
        let fails = Plan::of("agent", "shop", "fails", Expected::No(401, "invalid_token"));
        assert!(story.take(fails, asked(401, "invalid_token"), 0.0).is_ok());
        assert!(story.transcript.ok);
        // the worst that could happen: the agent is still let in
        assert!(matches!(story.take(fails, asked(200, ""), 0.0), Err(Stop::Wrong)));
        assert!(!story.transcript.ok);
        let last = story.transcript.steps.last().unwrap();
        assert_eq!((last.ok, last.expectation.as_str()), (false, "401 invalid_token"));
    }
}
