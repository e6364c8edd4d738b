//! `agentadmit dev`: a service in the app's folder, and the app with it.

use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;

use agentadmit::config::{self, Sources};
use agentadmit::settings::ApiKey;
use agentadmit::{Client, Error, Settings};
use agentadmit_config::{LogFormat, ServeConfig, ServeOptions, StoreLocation, is_loopback};
use agentadmit_engine::admission::AdmissionLimits;
use agentadmit_http::dashboard::page_url;
use agentadmit_protocol::api::scopes::PutScopesRequest;
use agentadmit_protocol::id::AppId;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use url::Url;
use zeroize::Zeroizing;

use super::dev_pages::{lead, lead_back};
use super::dev_state::{DevApp, DevFolder};
use super::{environment, failure, shown, sync};
use crate::args::Dev;
use crate::client::{Request, Transport};
use crate::embedded::Embedded;
use crate::exit::{Exit, Failure};
use crate::local::Local;
use crate::output::{Output, note};
use crate::serve::start_log;
use crate::sign_in;

/// Where `dev` listens when nobody says.
const DEFAULT_PORT: u16 = 8700;

/// Runs service and app until one of them ends, or a signal does.
///
/// # Errors
/// The configuration, the address, the store or the command cannot be used.
pub(crate) async fn dev(args: Dev, output: Output) -> Result<Exit, Failure> {
    let settings = settings(&args.config)?;
    let folder = DevFolder::beside(&args.config);
    folder.make()?;
    let mut signals = Signals::catch()?;
    let service = start(&args, &settings, &folder).await?;
    let app = match app_of(&service, &settings, &folder).await {
        Ok(app) => app,
        Err(error) => {
            service.end().await?;
            return Err(error);
        }
    };
    say(&args, &settings, &service, &app, &folder, output)?;
    let until_the_end = async {
        if let Some((program, arguments)) = args.command.split_first() {
            return run(program, arguments, &app, &service, &mut signals).await;
        }
        tokio::select! {
            ended = signals.next() => Ok(Exit::Signal(number_of(ended))),
            died = service.died() => Err(died),
        }
    };
    let operator = Transport::Local(Box::new(Local::on(service.engine())?));
    let leading = async {
        if !output.is_json() {
            lead(&operator, &settings, app.app_id, &service.url).await;
        }
        // what comes now is the end
        std::future::pending().await
    };
    let exit = tokio::select! {
        exit = until_the_end => exit,
        never = leading => never,
    };
    drop(operator);
    service.end().await?;
    exit
}

/// What the file says; the variables of another service are not for this one.
fn settings(config: &Path) -> Result<Settings, Failure> {
    let own = [
        "AGENTADMIT_SERVICE_URL",
        "AGENTADMIT_VERIFY_URL",
        "AGENTADMIT_API_KEY",
        "AGENTADMIT_APP_ID",
    ];
    let others = |name: &str| if own.contains(&name) { None } else { environment(name) };
    let sources = Sources { file: Some(config), environment: &others, arguments: &[] };
    config::load_from(sources).into_settings().map_err(|error| Failure::usage(error.0))
}

/// Starts the service on the folder's store.
async fn start(args: &Dev, settings: &Settings, folder: &DevFolder) -> Result<Embedded, Failure> {
    let listen = args.listen.unwrap_or_else(|| address_of(&settings.service_url));
    if !listen.ip().is_loopback() {
        return Err(Failure::usage(format!(
            "`dev` listens on this machine alone, not on {listen}: `agentadmit serve` is for others"
        )));
    }
    free(listen)?;
    let store: StoreLocation = format!("sqlite:{}", folder.store().display())
        .parse()
        .map_err(|error| Failure::usage(format!("{}: {error}", folder.store().display())))?;
    let options = ServeOptions {
        listen: Some(listen),
        store: Some(store),
        log: Some("warn".to_owned()),
        log_format: Some(LogFormat::Text),
        ..ServeOptions::default()
    };
    let config = ServeConfig::check(options)?;
    start_log(&config)?;
    let service = Embedded::start(config, AdmissionLimits::patient()).await?;
    sign_in::invite(&service.engine(), &page_url(&service.url), true).await;
    note(&format!("listening on {}", service.url));
    Ok(service)
}

/// The address of a service on this machine, if the file names one.
fn address_of(service: &Url) -> SocketAddr {
    let port = service.port().filter(|_| is_loopback(service)).unwrap_or(DEFAULT_PORT);
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Says in plain words that somebody else has the port.
fn free(listen: SocketAddr) -> Result<(), Failure> {
    match std::net::TcpListener::bind(listen) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(Failure::could_not(format!(
            "port {} is in use, perhaps by another `agentadmit dev` or `serve`: end that, or take \
             another port with `agentadmit dev --listen 127.0.0.1:0`",
            listen.port()
        ))),
        // whatever else is wrong, the service itself will say
        _ => Ok(()),
    }
}

/// The app of the start before, or a new one; with the scopes of the file.
async fn app_of(
    service: &Embedded,
    settings: &Settings,
    folder: &DevFolder,
) -> Result<DevApp, Failure> {
    let operator = Transport::Local(Box::new(Local::on(service.engine())?));
    let remembered = folder.remembered();
    let known = match remembered.as_ref().map(|app| app.app_id).or(settings.app_id) {
        Some(app_id) => exists(&operator, app_id).await?,
        None => None,
    };
    let app = match (known, remembered) {
        (Some(_), Some(app)) => app,
        (Some(app_id), None) => DevApp { app_id, api_key: new_key(&operator, app_id).await? },
        (None, _) => new_app(&operator, settings).await?,
    };
    let app = match put_scopes(service, settings, &app).await {
        // the key was revoked, or the store is another one
        Err(Error::Configuration(_)) => {
            let api_key = new_key(&operator, app.app_id).await?;
            let app = DevApp { api_key, ..app };
            put_scopes(service, settings, &app).await.map_err(failure)?;
            app
        }
        Err(Error::Refused(refused)) if refused.status == 409 => {
            note(&format!("the scopes stay as they were: {}", refused.body.error_description));
            app
        }
        Err(error) => return Err(failure(error)),
        Ok(()) => app,
    };
    lead_back(&operator, settings, app.app_id).await?;
    folder.remember(&app, &service.url)?;
    if folder.write_app_id(app.app_id)? {
        note(&format!("wrote app_id into the configuration, the key to {}", shown(&folder.env())));
    }
    Ok(app)
}

async fn exists(operator: &Transport, app_id: AppId) -> Result<Option<AppId>, Failure> {
    match operator.call(Request::get(format!("/v1/operator/apps/{app_id}"))).await {
        Ok(app) if app.get("deleted_at").is_none_or(Value::is_null) => Ok(Some(app_id)),
        Ok(_) => Ok(None),
        Err(error) if error.exit == Exit::No => Ok(None),
        Err(error) => Err(error),
    }
}

async fn new_app(operator: &Transport, settings: &Settings) -> Result<DevApp, Failure> {
    let name = settings.name.as_ref().map_or("App in development", |name| name.as_str());
    let answer = operator.call(Request::post("/v1/operator/apps", json!({"name": name}))).await?;
    let app_id = answer.get("app_id").and_then(Value::as_str).and_then(|id| id.parse().ok());
    let app_id = app_id.ok_or_else(|| Failure::could_not("the service named no app"))?;
    Ok(DevApp { app_id, api_key: new_key(operator, app_id).await? })
}

async fn new_key(operator: &Transport, app_id: AppId) -> Result<Zeroizing<String>, Failure> {
    let path = format!("/v1/operator/apps/{app_id}/api-keys");
    let wanted = json!({"environment": "test", "name": "agentadmit dev"});
    let answer = operator.call(Request::post(path, wanted)).await?;
    let key = answer.get("api_key").and_then(Value::as_str);
    let key = key.ok_or_else(|| Failure::could_not("the service gave no API key"))?;
    Ok(Zeroizing::new(key.to_owned()))
}

/// Sends the scopes of the file, in the app's name.
async fn put_scopes(service: &Embedded, settings: &Settings, app: &DevApp) -> Result<(), Error> {
    let url = Url::parse(&service.url).map_err(|error| {
        agentadmit::error::ConfigurationError(format!("{}: {error}", service.url))
    })?;
    let mut own = Settings::new(url, ApiKey::new(app.api_key.as_str())?);
    own.app_id = Some(app.app_id);
    let client = Client::new(&own)?;
    let request = PutScopesRequest { scopes: settings.scopes.clone(), remove: Vec::new() };
    let answer = client.put_scopes(&request).await?;
    if !(answer.added.is_empty() && answer.updated.is_empty() && answer.removed.is_empty()) {
        note(&sync::words(&answer));
    }
    Ok(())
}

fn say(
    args: &Dev,
    settings: &Settings,
    service: &Embedded,
    app: &DevApp,
    folder: &DevFolder,
    output: Output,
) -> Result<(), Failure> {
    if !is_loopback(&settings.service_url) {
        note(&format!(
            "the configuration names {}; the app that `dev` runs gets {} instead",
            settings.service_url, service.url
        ));
    }
    if !args.command.is_empty() {
        return Ok(());
    }
    let answer = json!({"service_url": service.url, "app_id": app.app_id});
    output.result(&answer, |_| {
        format!(
            "service  {}\napp      {}\nkey      in {}, where SDKs find it; Ctrl-C ends the service",
            service.url,
            app.app_id,
            shown(&folder.env())
        )
    })
}

/// Runs the app until it ends; signals go to it.
async fn run(
    program: &OsString,
    arguments: &[OsString],
    app: &DevApp,
    service: &Embedded,
    signals: &mut Signals,
) -> Result<Exit, Failure> {
    let mut child = Command::new(program)
        .args(arguments)
        .envs(app.variables(&service.url))
        // another spelling of the address would be a second service
        .env_remove("AGENTADMIT_VERIFY_URL")
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            Failure::usage(format!("{} cannot be run: {error}", program.to_string_lossy()))
        })?;
    loop {
        tokio::select! {
            ended = child.wait() => {
                let ended = ended.map_err(|error| Failure::could_not(error.to_string()))?;
                return Ok(exit_of(ended));
            }
            caught = signals.next() => pass_on(&child, caught),
            died = service.died() => {
                pass_on(&child, Signal::TERM);
                let _ended = child.wait().await;
                return Err(died);
            }
        }
    }
}

/// A terminal sends its signals to the app by itself: a second one would mean "at once".
fn pass_on(child: &Child, caught: Signal) {
    let by_terminal = caught != Signal::TERM && std::io::stdin().is_terminal();
    let process = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let (Some(process), false) = (process, by_terminal) {
        // it may have ended just now
        let _gone = kill_process(process, caught);
    }
}

/// The app's own exit code; 128 + n where signal n ended it.
fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Other(u8::try_from(code).unwrap_or(1)),
        (None, Some(signal)) => Exit::Signal(u8::try_from(signal).unwrap_or(0)),
        (None, None) => Exit::CouldNot,
    }
}

/// The number of a signal that [`Signals`] catches.
fn number_of(signal: Signal) -> u8 {
    u8::try_from(signal.as_raw()).unwrap_or(0)
}

/// The signals that end a program, or that one wants passed on.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn catch() -> Result<Self, Failure> {
        let of = |kind| signal(kind).map_err(|error| Failure::could_not(error.to_string()));
        Ok(Self {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
            hangup: of(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.hangup.recv() => Signal::HUP,
        }
    }
}
