//! What comes of a user's decision about a client's request.

use agentadmit_core::Refusal;
use agentadmit_core::app::App;
use agentadmit_core::connection::Connection;
use agentadmit_core::oauth::OAuthGrant;
use agentadmit_core::oauth::device::DeviceState;
use agentadmit_core::oauth::request::{self, AuthorizationRequest, Reply};
use agentadmit_core::oauth::secret::{OAuthSecret, Opens};
use agentadmit_protocol::secret::{Secret, SecretHash};

use super::told;
use crate::record::Entry;
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::token::{Issued, NewGrant, Opener};
use crate::verbs::{Answered, granted};

/// A connection that waits for its client.
pub(in crate::verbs) struct Authorized {
    pub(in crate::verbs) connection: Connection,
    /// The authorization code; a device asks for its tokens by itself.
    pub(in crate::verbs) code: Option<Secret>,
}

impl Tx<'_> {
    /// The user said yes: a connection, and what its client gets tokens for. `entry` is its record in
    /// the making.
    pub(in crate::verbs) fn grant_to_client(
        &mut self,
        app: &App,
        grant: NewGrant,
        request: &AuthorizationRequest,
        entry: Entry,
    ) -> Result<Answered<Authorized>, StoreError> {
        let device = match &request.reply {
            Reply::Redirect { .. } => None,
            Reply::Device { device } => Some(granted!(self.waiting_device(device)?)),
        };
        let opener = if device.is_some() { Opener::Device } else { Opener::Code };
        let entry = entry.details(told(
            [("consent_session", request.session_id().to_string().into())],
            &request.client,
            &request.resource,
            request.reply.destination(),
        )?);
        let Issued { connection, token } = granted!(self.grant_by(opener, app, grant, entry)?);
        self.rows.put_oauth_grant(&OAuthGrant {
            connection_id: connection.id,
            client: request.client.clone(),
            resource: request.resource.clone(),
            proof: request.reply.proof(),
        })?;
        self.client_is_used(&request.client)?;
        let is_device = device.is_some();
        if let Some(secret) = device {
            self.put_device_state(&secret, DeviceState::Granted(connection.id))?;
        }
        Ok(Ok(Authorized { connection, code: (!is_device).then_some(token) }))
    }

    /// The user said no.
    pub(in crate::verbs) fn deny_client(
        &mut self,
        request: &AuthorizationRequest,
    ) -> Result<(), StoreError> {
        let Reply::Device { device } = &request.reply else { return Ok(()) };
        match self.waiting_device(device)? {
            Ok(secret) => self.put_device_state(&secret, DeviceState::Denied),
            // it was decided in another browser, or nobody asks any more
            Err(_) => Ok(()),
        }
    }

    /// A device whose user may still decide.
    fn waiting_device(&mut self, device: &SecretHash) -> Result<Answered<OAuthSecret>, StoreError> {
        let is_waiting = |secret: &OAuthSecret| match &secret.opens {
            Opens::Device { ends_at, code } => {
                self.now < *ends_at && code.state == DeviceState::Waiting
            }
            _ => false,
        };
        let found = self.rows.oauth_secret(device)?.filter(is_waiting);
        Ok(found.ok_or_else(|| -> Refusal { request::over() }))
    }

    fn put_device_state(
        &mut self,
        secret: &OAuthSecret,
        state: DeviceState,
    ) -> Result<(), StoreError> {
        let mut after = secret.clone();
        if let Opens::Device { code, .. } = &mut after.opens {
            code.state = state;
        }
        self.rows.put_oauth_secret(&after)
    }
}
