//! What closed segments are searched by: one index of terms.
//!
//! A term is eight bytes of a hash over what it says. Hits are checked against the record, so two
//! things with one term cost a look and nothing else. A record has the terms of its chain, its
//! connection, its user (in its tenant) and its event (in its tenant); `verified`, which most
//! records are, has no term: whoever looks for it walks the tenant's chains.

use agentadmit_core::app::Tenant;
use agentadmit_protocol::audit::{AuditEvent, AuditRecord};
use agentadmit_protocol::id::{ChainId, ConnectionId};
use agentadmit_protocol::text::UserId;
use agentadmit_store::tables::log::tenant_of;
use sha2::{Digest, Sha256};

use crate::codec::TenantKey;

/// The key of a term.
pub(crate) type Term = i64;

pub(crate) fn chain(id: ChainId) -> Term {
    term(b"chain", TenantKey(None), id.as_bytes())
}

pub(crate) fn connection(id: ConnectionId) -> Term {
    term(b"connection", TenantKey(None), id.as_bytes())
}

pub(crate) fn user(tenant: Option<Tenant>, id: &UserId) -> Term {
    term(b"user", TenantKey(tenant), id.as_str().as_bytes())
}

/// `None` for the event that has no term.
pub(crate) fn event(tenant: Option<Tenant>, event: AuditEvent) -> Option<Term> {
    (event != AuditEvent::Verified)
        .then(|| term(b"event", TenantKey(tenant), event.as_str().as_bytes()))
}

/// Every term of a record.
pub(crate) fn of(record: &AuditRecord) -> impl Iterator<Item = Term> + use<> {
    let tenant = tenant_of(record);
    let terms = [
        Some(chain(record.chain)),
        record.connection_id.map(connection),
        record.user_id.as_ref().map(|id| user(tenant, id)),
        event(tenant, record.event),
    ];
    terms.into_iter().flatten()
}

fn term(kind: &[u8], tenant: TenantKey, value: &[u8]) -> Term {
    let mut hash = Sha256::new();
    hash.update(kind);
    // the tenant's key has 17 bytes or none; its length keeps the parts apart
    let tenant = tenant.bytes();
    hash.update([u8::try_from(tenant.len()).unwrap_or(u8::MAX)]);
    hash.update(&tenant);
    hash.update(value);
    let hash: [u8; 32] = hash.finalize().into();
    hash.first_chunk().map_or(0, |first| i64::from_be_bytes(*first))
}
