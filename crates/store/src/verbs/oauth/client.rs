//! Clients register (RFC 7591), prove themselves by assertions, and are forgotten when nobody uses them.

use agentadmit_core::Refusal;
use agentadmit_core::oauth::client::{ClientAuth, MAX_UNUSED, RegisteredClient, UNUSED_SECONDS};
use agentadmit_protocol::audit::{Actor, AuditEvent};
use agentadmit_protocol::error::ErrorCode;
use agentadmit_protocol::id::{AppId, OAuthClientId};
use agentadmit_protocol::oauth::{ClientId, ClientRedirectUri};
use agentadmit_protocol::secret::{Secret, SecretHash, SecretKind};
use agentadmit_protocol::text::Label;
use agentadmit_protocol::time::Timestamp;

use crate::record::{Entry, Origin, details};
use crate::store::StoreError;
use crate::tx::Tx;
use crate::verbs::upkeep::SLICE;
use crate::verbs::{Answered, Verb};

/// A client registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterClient {
    /// What it calls itself.
    pub name: Label,
    /// Where it may be sent back to.
    pub redirect_uris: Vec<ClientRedirectUri>,
    /// How it wants to prove that it is itself.
    pub auth: AskedAuth,
    /// All that it registers, as it is answered (JSON).
    pub metadata: String,
    /// Where the call came from.
    pub origin: Origin,
}

/// How a client wants to prove that it is itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskedAuth {
    /// It cannot.
    None,
    /// By a secret in the `Authorization` header.
    SecretBasic,
    /// By a secret in the form.
    SecretPost,
    /// By signatures with one of these keys: a JWK Set (RFC 7517).
    Keys(String),
}

/// A client that registered.
#[derive(Debug)]
pub struct Registered {
    /// The client.
    pub client: RegisteredClient,
    /// Its secret, where it has one; shown this once.
    pub secret: Option<Secret>,
}

impl Verb for RegisterClient {
    type Answer = Answered<Registered>;
    const NAME: &'static str = "register_client";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        let is_basic = self.auth == AskedAuth::SecretBasic;
        let secret = (is_basic || self.auth == AskedAuth::SecretPost)
            .then(|| tx.writer.mint(SecretKind::ClientSecret));
        let auth = match (&self.auth, &secret) {
            (AskedAuth::Keys(keys), _) => ClientAuth::Keys(keys.clone()),
            (_, Some(secret)) => ClientAuth::Secret { hash: secret.hash(), is_basic },
            (_, None) => ClientAuth::None,
        };
        let client = RegisteredClient {
            id: OAuthClientId::v7(tx.now, tx.writer.random_id()),
            name: self.name.clone(),
            redirect_uris: self.redirect_uris.clone(),
            auth,
            metadata: self.metadata.clone(),
            created_at: tx.now,
            last_used_at: None,
        };
        tx.make_room_for_a_client()?;
        tx.rows.put_oauth_client(&client)?;
        let details = details([
            ("client_id", client.id.to_string().into()),
            ("client_name", client.name.as_str().into()),
        ])?;
        let entry = Entry::new(AuditEvent::ClientRegistered, Actor::System).details(details);
        tx.record(entry.origin(&self.origin))?;
        Ok(Ok(Registered { client, secret }))
    }
}

/// A client has signed an assertion (RFC 7523): it is good once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendClientAssertion {
    /// The client.
    pub client_id: ClientId,
    /// The assertion's `jti`.
    pub jti: String,
    /// Until when it must be known as spent.
    pub until: Timestamp,
}

impl Verb for SpendClientAssertion {
    type Answer = Answered<()>;
    const NAME: &'static str = "spend_client_assertion";

    fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Answer, StoreError> {
        // of no app; the client's id has no zero byte
        let whose = [self.client_id.as_str(), self.jti.as_str()].join("\0");
        let jti = SecretHash::of(whose.as_bytes());
        if tx.rows.spend_assertion(AppId::from_bytes([0; 16]), &jti, self.until)? {
            return Ok(Ok(()));
        }
        let text = "this client assertion was used before: sign a new one for every request";
        Ok(Err(Refusal::new(ErrorCode::InvalidClient, text)))
    }
}

impl Tx<'_> {
    /// The oldest of too many clients that never got a grant goes: whoever registers by the thousand
    /// drives out their own.
    fn make_room_for_a_client(&mut self) -> Result<(), StoreError> {
        let soon = self.now.plus_seconds(UNUSED_SECONDS);
        if self.rows.count_due_oauth_clients(soon, MAX_UNUSED)? < MAX_UNUSED {
            return Ok(());
        }
        for id in self.rows.due_oauth_clients(soon, 1)? {
            self.rows.remove_oauth_client(id)?;
        }
        Ok(())
    }

    /// Forgets clients that nobody used for long; one record for all of a slice. Says how many.
    pub(in crate::verbs) fn reap_clients(&mut self) -> Result<u64, StoreError> {
        let mut count = 0_u32;
        for id in self.rows.due_oauth_clients(self.now, SLICE)? {
            count += u32::from(self.rows.remove_oauth_client(id)?);
        }
        if count > 0 {
            let entry = Entry::new(AuditEvent::ClientReaped, Actor::System);
            self.record(entry.count(count))?;
        }
        Ok(u64::from(count))
    }
}
