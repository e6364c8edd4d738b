//! What the async and the blocking client have in common: everything but the sockets.

use std::sync::Arc;

use rustls::ClientConfig;

use super::call::Requests;
use super::retry::{Counter, Rules};
use super::transport::address::Address;
use super::transport::tls;
use crate::error::ConfigurationError;
use crate::settings::Settings;
use crate::time::{Clock, Jitter, RandomJitter, SystemClock};

pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) address: Address,
    /// Where the address is https.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rules: Rules,
}

impl Core {
    pub(crate) fn new(settings: &Settings) -> Result<Self, ConfigurationError> {
        Self::build(settings, Arc::new(SystemClock), Arc::new(RandomJitter), Counter::Process)
    }

    pub(crate) fn with_clock(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        jitter: Arc<dyn Jitter>,
    ) -> Result<Self, ConfigurationError> {
        Self::build(settings, clock, jitter, Counter::own())
    }

    fn build(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        jitter: Arc<dyn Jitter>,
        counter: Counter,
    ) -> Result<Self, ConfigurationError> {
        let address = Address::new(settings)?;
        let tls = match address.tls_name {
            Some(_) => Some(tls::config(settings.ca_file.as_deref())?),
            None => None,
        };
        let Settings { max_retries, max_waiting, .. } = *settings;
        let rules = Rules { max_retries, max_waiting, counter, jitter };
        Ok(Self { settings: settings.clone(), address, tls, clock, rules })
    }

    pub(crate) fn requests(&self) -> Requests<'_> {
        Requests { address: &self.address, settings: &self.settings }
    }
}
