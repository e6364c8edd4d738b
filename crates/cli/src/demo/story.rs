//! The story: what each party does in turn, and what must come of it.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};

use super::cast::{Agent, Browser, Cast, Exchange, Stopwatch, origin};
use super::evidence;
use super::print::{Printer, member};
use super::service::Registered;
use super::transcript::{Party, Step, Transcript, cut};
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
    let told = story.play(folder.path()).await;
    let (exit, mut stage) = match told {
        Ok(stage) => (Exit::Done, Some(stage)),
        Err(Stop::Wrong) => (Exit::No, None),
        Err(Stop::Failed(failure)) => return Err(failure),
    };
    story.printer.end(exit == Exit::Done)?;
    if json {
        let text = serde_json::to_string_pretty(&story.transcript).unwrap_or_default();
        print(format!("{text}\n").as_bytes())?;
    } else if let Some(stage) = stage.as_mut().filter(|_| !once) {
        story.stay(stage).await?;
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
    browser: Browser,
}

/// A step before it is taken.
pub(super) struct Plan {
    pub(super) title: &'static str,
    pub(super) who: &'static str,
    pub(super) to: &'static str,
    pub(super) expected: Expected,
    /// What else must hold of the answer, in words and as a check.
    pub(super) also: Option<(&'static str, fn(&Value) -> bool)>,
    /// The members of the answer that a terminal shows.
    pub(super) shown: &'static [&'static str],
}

/// What must come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expected {
    /// This status, and this error code.
    Status(u16, &'static str),
    /// A message on the WebSocket.
    Message,
    /// The end of the WebSocket, with this code (RFC 6455 section 7.4).
    Close(u16),
    /// The end of a command.
    ExitCode(i32),
}

impl Expected {
    fn is(self, answer: &Value) -> bool {
        let number = |member: &str| answer.get(member).and_then(Value::as_i64);
        match self {
            Self::Status(status, code) => {
                let body = answer.get("body").unwrap_or(&Value::Null);
                number("status") == Some(status.into()) && member(body, "error") == code
            }
            Self::Message => answer.get("message").is_some(),
            Self::Close(code) => number("close") == Some(code.into()),
            Self::ExitCode(code) => number("exit_code") == Some(code.into()),
        }
    }

    fn words(self) -> String {
        match self {
            Self::Status(status, code) => format!("{status} {code}").trim_end().to_owned(),
            Self::Message => "message".to_owned(),
            Self::Close(code) => format!("close {code}"),
            Self::ExitCode(code) => format!("exit code {code}"),
        }
    }
}

/// A story while it is told.
pub(super) struct Story {
    printer: Printer,
    transcript: Transcript,
    pub(super) watch: Stopwatch,
}

impl Story {
    fn new(printer: Printer) -> Self {
        Self { printer, transcript: Transcript::new(), watch: Stopwatch::new() }
    }

    async fn play(&mut self, folder: &Path) -> Told<Stage> {
        let mut cast = Cast::start(folder).await?;
        self.enter(cast.service_party())?;
        let shop = self.register(&cast).await?;
        self.enter(cast.open_shop(&shop).await?)?;
        let mut browser = Browser::new(cast.shop_url()?);
        let granted = self.grant(&mut browser).await?;
        let (mut agent, party) = cast.agent(member(granted.body(), "token")).await?;
        self.enter(party)?;
        self.come_in(&mut agent).await?;
        self.overstep(&mut agent).await?;
        let connection = member(granted.body(), "connection_id");
        self.revoke(&browser, &mut agent, connection).await?;
        evidence::read(self, &cast, &shop, connection).await?;
        evidence::verify(self, &cast, &shop, folder).await?;
        Ok(Stage { cast, browser })
    }

    async fn register(&mut self, cast: &Cast) -> Told<Registered> {
        let started = self.watch.ms();
        let path = "/v1/operator/apps";
        let body = json!({"name": "Corner shop"});
        let (status, app) = cast.service.as_operator(Method::POST, path, &body).await?;
        let plan = Plan {
            title: "An operator registers the shop",
            who: "operator",
            to: "service",
            expected: Expected::Status(201, ""),
            also: None,
            shown: &["app_id", "name"],
        };
        self.take(plan, Exchange::http(&Method::POST, path, Some(&body), (status, &app)), started)?;
        let app_id = member(&app, "app_id").to_owned();

        let started = self.watch.ms();
        let path = format!("/v1/operator/apps/{app_id}/api-keys");
        let body = json!({"environment": "test"});
        let (status, key) = cast.service.as_operator(Method::POST, &path, &body).await?;
        let plan = Plan {
            title: "The operator makes a test key for its servers",
            who: "operator",
            to: "service",
            expected: Expected::Status(201, ""),
            also: None,
            shown: &["api_key", "environment", "permissions"],
        };
        self.take(
            plan,
            Exchange::http(&Method::POST, &path, Some(&body), (status, &key)),
            started,
        )?;
        let shop = Registered { app_id, api_key: member(&key, "api_key").to_owned() };

        let started = self.watch.ms();
        let path = format!("/v1/apps/{}/scopes", shop.app_id);
        let body = json!({"scopes": cast.scopes(&shop)?});
        let answer = cast.service.as_app(&shop, Method::PUT, &path, Some(&body)).await?;
        let plan = Plan {
            title: "The shop says what agents may do at all: the scopes of agentadmit.yaml",
            who: "shop",
            to: "service",
            expected: Expected::Status(200, ""),
            also: None,
            shown: &["added", "removed", "changed"],
        };
        let put = Exchange::http(&Method::PUT, &path, Some(&body), (answer.0, &answer.1));
        self.take(plan, put, started)?;
        Ok(shop)
    }

    async fn grant(&mut self, browser: &mut Browser) -> Told<Exchange> {
        let started = self.watch.ms();
        let (login, password) = ADA;
        let plan = Plan {
            title: "Ada signs in at the shop: its own users, its own passwords",
            who: "Ada",
            to: "shop",
            expected: Expected::Status(303, ""),
            also: None,
            shown: &[],
        };
        let signed_in = browser.sign_in(login, password).await?;
        self.take(plan, signed_in, started)?;

        let started = self.watch.ms();
        let wanted = json!({
            "scopes": ["read:orders"], "duration_seconds": 3600, "user_intent": "Watch my orders",
        });
        let plan = Plan {
            title: "She lets an agent read her orders, for one hour, and gets a token for it",
            who: "Ada",
            to: "shop",
            expected: Expected::Status(201, ""),
            also: Some(("a connection token", |answer| {
                member(answer.pointer("/body").unwrap_or(answer), "token").starts_with("ag_ct_")
            })),
            shown: &["token", "scopes", "token_expires_at", "expires_at"],
        };
        let granted = browser.send(Method::POST, GRANT, &wanted).await?;
        let shown = Exchange { request: granted.request.clone(), answer: granted.answer.clone() };
        self.take(plan, shown, started)?;
        Ok(granted)
    }

    async fn come_in(&mut self, agent: &mut Agent) -> Told<()> {
        let plan = |title, expected, shown| Plan {
            title,
            who: "agent",
            to: "shop",
            expected,
            also: None,
            shown,
        };
        let ok = Expected::Status(200, "");
        let title = "The agent knows an address and the token; it reads what is offered there";
        self.act(agent, "discover", plan(title, ok, &["token_exchange_endpoint", "routes"]))
            .await?;
        let title = "The agent exchanges the token, which works once";
        let exchanged = Plan {
            also: Some(("read:orders alone", |answer| {
                answer.pointer("/body/scope").is_some_and(|scope| scope == "read:orders")
            })),
            ..plan(title, ok, &["access_token", "scope", "expires_in", "user_label"])
        };
        self.act(agent, "exchange", exchanged).await?;
        let read = Plan {
            also: Some(("Ada's orders alone", |answer| {
                let orders = answer.pointer("/body/orders").map(Value::to_string);
                orders.is_some_and(|text| text.contains("A-1001") && !text.contains("G-2001"))
            })),
            ..plan("The agent reads Ada's orders", ok, &["orders"])
        };
        self.act(agent, "read", read).await?;
        let title = "It opens a WebSocket, which stays open";
        self.act(agent, "listen", plan(title, Expected::Status(101, ""), &[])).await?;
        let title = "It asks there about an order";
        self.act(agent, "ask", plan(title, Expected::Message, &[])).await
    }

    async fn overstep(&mut self, agent: &mut Agent) -> Told<()> {
        let plan = Plan {
            title: "The agent oversteps: refunds were never granted",
            who: "agent",
            to: "shop",
            expected: Expected::Status(403, "insufficient_scope"),
            also: Some(("create:refunds is missing", |answer| {
                answer.pointer("/body/required_scope").is_some_and(|it| it == "create:refunds")
            })),
            shown: &["error", "required_scope", "granted_scopes"],
        };
        self.act(agent, "overstep", plan).await?;
        let plan = Plan {
            title: "It tries to grant itself more: that is for people",
            who: "agent",
            to: "shop",
            expected: Expected::Status(403, "agent_not_allowed"),
            also: None,
            shown: &["error", "error_description"],
        };
        self.act(agent, "grant-yourself", plan).await
    }

    async fn revoke(&mut self, browser: &Browser, agent: &mut Agent, connection: &str) -> Told<()> {
        let path = format!("/agentadmit/connections/{connection}");
        let started = self.watch.ms();
        let revoked = browser.send(Method::DELETE, &path, &json!({})).await?;
        let answered = self.watch.ms();
        // before anything is printed: this is the very next call
        let next = agent.act("read").await?;
        let refused = self.watch.ms();
        let plan = Plan {
            title: "Ada takes it back",
            who: "Ada",
            to: "shop",
            expected: Expected::Status(200, ""),
            also: None,
            shown: &["connection_id", "status", "revoked_at"],
        };
        self.take_timed(plan, revoked, answered - started, None)?;
        let plan = Plan {
            title: "The agent's very next call fails",
            who: "agent",
            to: "shop",
            expected: Expected::Status(401, "invalid_token"),
            also: Some(("because it was revoked", |answer| {
                answer.pointer("/body/reason").is_some_and(|reason| reason == "revoked")
            })),
            shown: &["error", "reason"],
        };
        let after = refused - answered;
        let remark = format!("refused {after:.1} ms after the answer to Ada");
        self.take_timed(plan, next, after, Some(remark))?;
        let plan = Plan {
            title: "Its open WebSocket closes at the next message",
            who: "agent",
            to: "shop",
            expected: Expected::Close(1008),
            also: None,
            shown: &[],
        };
        self.act(agent, "ask", plan).await?;
        let plan = Plan {
            title: "It presents the old token again; the replay is caught and recorded",
            who: "agent",
            to: "shop",
            expected: Expected::Status(400, "invalid_grant"),
            also: None,
            shown: &["error", "error_description"],
        };
        self.act(agent, "exchange", plan).await
    }

    /// A step that the agent takes at a word.
    async fn act(&mut self, agent: &mut Agent, word: &str, plan: Plan) -> Told<()> {
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
        let Plan { title, who, to, expected, also, shown } = plan;
        let Exchange { mut request, answer } = exchange;
        if let Some(members) = request.as_object_mut().filter(|_| !to.is_empty()) {
            members.insert("to".to_owned(), json!(to));
        }
        let ok = expected.is(&answer) && also.is_none_or(|(_, holds)| holds(&answer));
        let expectation = match also {
            Some((words, _)) => format!("{}: {words}", expected.words()),
            None => expected.words(),
        };
        let step = Step {
            title,
            who,
            request: cut(request),
            answer: cut(answer),
            expectation,
            ok,
            elapsed_ms: (elapsed * 100.0).round() / 100.0,
            remark,
            shown,
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

    /// Prints what can be tried by hand, and waits for the end.
    async fn stay(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        let Stage { cast, browser } = stage;
        let wanted = json!({"scopes": ["read:orders"], "duration_seconds": 3600});
        let granted = browser.send(Method::POST, GRANT, &wanted).await?;
        let (shop, service) = (origin(&cast.shop_url()?), origin(&cast.service.url));
        let (login, password) = ADA;
        self.printer.strong("\nNow you")?;
        self.printer.line(&format!(
            "    {shop}/  the shop; sign in as {login}, {password}\n    \
             {shop}/.well-known/agentadmit  what it offers to agents\n    \
             {service}/openapi.json  the service"
        ))?;
        self.printer
            .strong("\nGive this to an agent of yours; its token works once, for 10 minutes")?;
        self.printer.line(&format!("\n{}\n", member(granted.body(), "prompt")))?;
        self.printer.line("Ctrl-C ends everything and leaves nothing behind.")?;
        Err(Failure::could_not(cast.somebody_ends().await))
    }
}
