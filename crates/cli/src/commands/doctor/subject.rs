//! What is examined: what the flags, the environment and the app's configuration say together.

use std::path::PathBuf;

use agentadmit::Settings;
use agentadmit::config::{FILE_NAME, Sources, load_from};
use agentadmit::settings::ApiKey;
use agentadmit_protocol::environment::Environment;
use agentadmit_protocol::id::AppId;
use url::Url;

use crate::args::Doctor;
use crate::client::{SERVICE_URL, variable};
use crate::exit::Failure;

/// Service, app and credential under examination.
pub(super) struct Subject {
    /// What the app runs with.
    pub(super) settings: Settings,
    /// The environment that the app should be in.
    pub(super) environment: Option<Environment>,
}

impl Subject {
    /// Reads them. A flag wins over the environment, that over the file.
    ///
    /// # Errors
    /// A configuration that cannot be used, or none that names a service.
    pub(super) fn read(args: &Doctor) -> Result<Self, Failure> {
        let here = PathBuf::from(FILE_NAME);
        let file = args.config.clone().or_else(|| here.exists().then_some(here));
        let flags = [
            ("service_url", args.service.clone()),
            ("public_url", args.app.clone()),
            ("ca_file", args.ca_file.as_ref().map(|path| path.display().to_string())),
        ];
        let flags = flags.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let arguments: Vec<_> = flags.collect();
        if file.is_none() && args.service.is_none() && variable(SERVICE_URL).is_none() {
            return Err(Failure::usage(format!(
                "say what to examine: `--config FILE` (there is no {FILE_NAME} here), or at least \
                 `--service URL`"
            )));
        }
        let loaded = load_from(Sources {
            file: file.as_deref(),
            environment: &variable,
            arguments: &arguments,
        });
        let settings = loaded.into_settings().map_err(|error| {
            Failure::usage(format!("{error}\n`agentadmit check` looks at the file alone"))
        })?;
        Ok(Self { settings, environment: args.environment })
    }

    /// The service's address.
    pub(super) const fn service(&self) -> &Url {
        &self.settings.service_url
    }

    /// The app's address as people and agents reach it.
    pub(super) const fn app(&self) -> Option<&Url> {
        self.settings.public_url.as_ref()
    }

    /// The app's credential.
    pub(super) const fn key(&self) -> Option<&ApiKey> {
        self.settings.api_key.as_ref()
    }

    /// The app's key as text: a check that needs one has said so.
    pub(super) fn bearer(&self) -> &str {
        self.key().map(ApiKey::expose).unwrap_or_default()
    }

    /// The app's id.
    pub(super) const fn app_id(&self) -> Option<AppId> {
        self.settings.app_id
    }
}
