//! `agentadmit.yaml`, its variables and arguments, read by the Rust SDK.

use std::collections::BTreeMap;
use std::path::PathBuf;

use agentadmit::config::{self, Sources};
use agentadmit::settings::Product;
use agentadmit_protocol::environment::Environment;
use pyo3::prelude::*;

use crate::errors;

/// What an app runs with, complete and checked.
#[pyclass(frozen, module = "agentadmit._core")]
pub(crate) struct Settings {
    pub(crate) inner: agentadmit::Settings,
}

#[pymethods]
impl Settings {
    /// Reads a file (or none), the environment of this process, and arguments, which win.
    ///
    /// Raises `ConfigurationError` with every error, its place and its fix.
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "Python hands over its own")]
    #[pyo3(signature = (file, arguments))]
    fn new(
        py: Python<'_>,
        file: Option<PathBuf>,
        arguments: BTreeMap<String, String>,
    ) -> PyResult<Self> {
        let arguments: Vec<(&str, String)> =
            arguments.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        let environment = |name: &str| std::env::var(name).ok();
        let sources =
            Sources { file: file.as_deref(), environment: &environment, arguments: &arguments };
        let read = config::load_from(sources).into_settings().and_then(|mut inner| {
            inner.user_agent = Product::new("agentadmit-python", env!("CARGO_PKG_VERSION"))?;
            Ok(Self { inner })
        });
        read.map_err(|error| errors::configuration(py, &error))
    }

    /// The service's origin.
    #[getter]
    fn service_url(&self) -> &str {
        self.inner.service_url.as_str()
    }

    /// The app's id at the service.
    #[getter]
    fn app_id(&self) -> Option<String> {
        self.inner.app_id.map(|id| id.to_string())
    }

    /// `test` or `live`, as the API key says.
    #[getter]
    fn environment(&self) -> Option<&'static str> {
        self.inner.environment().map(Environment::as_str)
    }

    /// Every scope that the app offers.
    #[getter]
    fn scope_names(&self) -> Vec<String> {
        self.inner.scopes.iter().map(|scope| scope.name.as_str().to_owned()).collect()
    }

    /// Where the routes are mounted: begins with `/`, ends without.
    #[getter]
    fn route_prefix(&self) -> &str {
        &self.inner.route_prefix
    }

    /// Whether the app has said where its users are.
    #[getter]
    const fn has_storage(&self) -> bool {
        self.inner.storage.is_some()
    }

    /// The database with the app's users. May hold a password.
    #[getter]
    fn storage_url(&self) -> Option<&str> {
        self.inner.storage.as_ref().and_then(|storage| storage.url.as_deref())
    }

    /// The member of a user that is its id.
    #[getter]
    fn user_id_field(&self) -> &str {
        self.inner.storage.as_ref().map_or("user_id", |storage| &storage.user_id_field)
    }

    /// The member of a user that says whether it is active.
    #[getter]
    fn active_field(&self) -> Option<&str> {
        self.inner.storage.as_ref().and_then(|storage| storage.active_field.as_deref())
    }

    fn __repr__(&self) -> String {
        format!("<agentadmit settings for {}>", self.inner.service_url)
    }
}
