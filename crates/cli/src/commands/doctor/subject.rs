//! What is examined: what the flags, the environment and the app's configuration say together.

use std::path::PathBuf;

use agentadmit::Settings;
use agentadmit::settings::ApiKey;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::AppId;
use url::Url;

use crate::args::Doctor;
use crate::client::{API_KEY, SERVICE_URL, variable};
use crate::config::service_url;
use crate::exit::Failure;

/// The file that is read when no other is named.
const DEFAULT_FILE: &str = "agentadmit.yaml";

/// Service, app and credential under examination.
pub(super) struct Subject {
    /// The service's address.
    pub(super) service: Url,
    /// The app's address as people and agents reach it.
    pub(super) app: Option<Url>,
    /// The app's credential.
    pub(super) key: Option<ApiKey>,
    /// The app's id.
    pub(super) app_id: Option<AppId>,
    /// The app's configuration; none where only addresses were given.
    pub(super) settings: Option<Settings>,
    /// The environment that the app should be in.
    pub(super) environment: Option<Environment>,
    /// Certificates to trust beside the system's.
    pub(super) ca_file: Option<PathBuf>,
}

impl Subject {
    /// Reads them. A flag wins over the configuration.
    ///
    /// # Errors
    /// A configuration that cannot be used, or none that names a service.
    pub(super) fn read(args: &Doctor) -> Result<Self, Failure> {
        let settings = configuration(args)?;
        let configured = settings.as_ref();
        let service = match (&args.service, configured) {
            (Some(text), _) => service_url(text).map_err(Failure::usage)?,
            (None, Some(settings)) => settings.service_url.clone(),
            (None, None) => {
                let text = variable(SERVICE_URL).ok_or_else(nothing_named)?;
                service_url(&text).map_err(Failure::usage)?
            }
        };
        let app = match &args.app {
            Some(text) => Some(service_url(text).map_err(Failure::usage)?),
            None => configured.and_then(|settings| settings.public_url.clone()),
        };
        let key = match configured.and_then(|settings| settings.api_key.clone()) {
            Some(key) => Some(key),
            None => variable(API_KEY).map(ApiKey::new).transpose().map_err(usage)?,
        };
        let ca_file = args.ca_file.clone();
        Ok(Self {
            service,
            app,
            key,
            app_id: configured.and_then(|settings| settings.app_id),
            environment: args.environment,
            ca_file: ca_file.or_else(|| configured.and_then(|settings| settings.ca_file.clone())),
            settings,
        })
    }

    /// Where the app mounts its routes.
    pub(super) fn route_prefix(&self) -> Option<&str> {
        self.settings.as_ref().map(|settings| settings.route_prefix.as_str())
    }

    /// The app's key: where a check needs one it has said so.
    pub(super) fn bearer(&self) -> &str {
        self.key.as_ref().map(ApiKey::expose).unwrap_or_default()
    }
}

fn nothing_named() -> Failure {
    Failure::usage(format!(
        "say what to examine: `--config FILE` (there is no {DEFAULT_FILE} here), or at least \
         `--service URL`"
    ))
}

fn usage(error: impl std::fmt::Display) -> Failure {
    Failure::usage(error.to_string())
}

/// The app's configuration: of the file that was named, or of the one in this folder.
fn configuration(args: &Doctor) -> Result<Option<Settings>, Failure> {
    let file = args.config.clone().or_else(|| {
        let here = PathBuf::from(DEFAULT_FILE);
        here.exists().then_some(here)
    });
    let Some(file) = file else { return Ok(None) };
    Err(Failure::usage(format!("{}: not read yet", file.display())))
}
