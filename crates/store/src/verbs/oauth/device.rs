//! Devices without a browser (RFC 8628): a code to show, a code to ask with, and a user who decides
//! elsewhere.

use agentadmit_core::Refusal;
use agentadmit_core::connection::Standing;
use agentadmit_core::oauth::device::{
    DEVICE_SECONDS, DeviceCode, DeviceState, INTERVAL_SECONDS, Told,
};
use agentadmit_core::oauth::request::Reply;
use agentadmit_core::oauth::secret::{OAuthSecret, Opens};
use agentadmit_core::oauth::{self, ClientSummary, scope as scopes};
use agentadmit_protocol::oauth::{ClientId, ResourceUri, UserCode};
use agentadmit_protocol::scope::ScopeName;
use agentadmit_protocol::secret::{Secret, SecretHash, SecretKind};
use agentadmit_protocol::time::Timestamp;

use super::request::Requested;
use super::token::OAuthTokens;
use crate::record::Origin;
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::{Answered, Verb, granted};

/// How often another user code is drawn because somebody has that one.
const DRAWS: usize = 8;

/// A device asks for codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartDevice {
    /// Who asks.
    pub client: ClientSummary,
    /// The resource that it names.
    pub resource: ResourceUri,
    /// What it asks for; nothing is the catalogue but its `admin` scopes.
    pub scopes: Vec<ScopeName>,
}

/// A device that has its codes.
#[derive(Debug)]
pub struct StartedDevice {
    /// What it asks with, shown this once.
    pub device_code: Secret,
    /// What it shows.
    pub user_code: UserCode,
    /// When both are over.
    pub expires_at: Timestamp,
    /// Seconds between two questions.
    pub interval: i64,
}

impl Verb for StartDevice {
    type Answer = Answered<StartedDevice>;
    const NAME: &'static str = "start_device";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let (tenant, _) = granted!(tx.app_of_resource(&self.resource)?);
        let scopes = granted!(scopes::asked(&self.scopes, &tx.rows.catalogue(tenant)?));
        let user_code = tx.unused_user_code()?;
        let device_code = tx.writer.mint(SecretKind::DeviceCode);
        let ends_at = tx.now.plus_seconds(DEVICE_SECONDS);
        let code = DeviceCode {
            client: self.client.clone(),
            resource: self.resource.clone(),
            scopes,
            user_code: user_code.hash(),
            interval: INTERVAL_SECONDS,
            asked_at: None,
            state: DeviceState::Waiting,
        };
        let (device, typed) = (device_code.hash(), user_code.hash());
        let opens = Opens::Device { ends_at, code: Box::new(code) };
        tx.rows.put_oauth_secret(&OAuthSecret { hash: device, tenant, opens })?;
        let opens = Opens::UserCode { ends_at, device };
        tx.rows.put_oauth_secret(&OAuthSecret { hash: typed, tenant, opens })?;
        let (expires_at, interval) = (ends_at, INTERVAL_SECONDS);
        Ok(Ok(StartedDevice { device_code, user_code, expires_at, interval }))
    }
}

/// A user types what a device shows: an authorization request in this browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnterUserCode {
    /// The hash of the code.
    pub user_code: SecretHash,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for EnterUserCode {
    type Answer = Answered<Requested>;
    const NAME: &'static str = "enter_user_code";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let unknown = || Ok(Err(Refusal::not_found("code")));
        let found = tx.rows.oauth_secret(&self.user_code)?.map(|secret| secret.opens);
        let Some(Opens::UserCode { ends_at, device }) = found else { return unknown() };
        if tx.now >= ends_at {
            return unknown();
        }
        let Some(secret) = tx.rows.oauth_secret(&device)? else { return unknown() };
        let Opens::Device { code, .. } = secret.opens else { return unknown() };
        if code.state != DeviceState::Waiting {
            return unknown();
        }
        let (tenant, app) = granted!(tx.app_of_resource(&code.resource)?);
        if tenant != secret.tenant {
            return unknown();
        }
        let DeviceCode { client, resource, scopes, .. } = *code;
        let reply = Reply::Device { device };
        tx.begin_request(tenant, app, client, reply, resource, scopes, &self.origin).map(Ok)
    }
}

/// A device asks whether its user has decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollDevice {
    /// The client, as it has proved.
    pub client_id: ClientId,
    /// The hash of the device code.
    pub device_code: SecretHash,
    /// Where the call came from.
    pub origin: Origin,
}

impl Verb for PollDevice {
    type Answer = Answered<OAuthTokens>;
    const NAME: &'static str = "poll_device";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let Some(secret) = tx.rows.oauth_secret(&self.device_code)? else {
            return Ok(Err(oauth::invalid_grant()));
        };
        let Opens::Device { ends_at, code } = &secret.opens else {
            return Ok(Err(oauth::invalid_grant()));
        };
        let ends_at = *ends_at;
        let (told, after) = code.asked(&self.client_id, ends_at, tx.now);
        if after != **code {
            let opens = Opens::Device { ends_at, code: Box::new(after) };
            tx.rows.put_oauth_secret(&OAuthSecret { opens, ..secret })?;
        }
        let id = match told {
            Told::Nothing(refusal) => return Ok(Err(refusal)),
            Told::Tokens(id) => id,
        };
        let Some(connection) = tx.rows.connection(id)? else {
            return Ok(Err(oauth::invalid_grant()));
        };
        match tx.part_of(&connection)? {
            Some((app, grant)) if connection.standing(&app, None, tx.now) == Standing::Pending => {
                tx.first_tokens(app, &connection, grant, &self.origin).map(Ok)
            }
            _ => Ok(Err(oauth::invalid_grant())),
        }
    }
}

impl Tx<'_> {
    /// A user code that nobody else's is, of a device that asks or asked lately.
    fn unused_user_code(&mut self) -> Result<UserCode, StoreError> {
        for _ in 0..DRAWS {
            let code = self.writer.mint_user_code();
            if self.rows.oauth_secret(&code.hash())?.is_none() {
                return Ok(code);
            }
        }
        Err(StoreError::Unavailable(
            "every user code that was drawn is taken: try again".to_owned(),
        ))
    }
}
