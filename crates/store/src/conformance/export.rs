//! A full export of a store, checked by the verifier that people use.

use agentadmit_core::app::Tenant;
use agentadmit_core::audit::export::{
    AuditKey, ChainBounds, EXPORT_VERSION, ExportHeader, ExportWriter,
};
use agentadmit_core::audit::verify::{Options, Report, Verifier};

use super::world::World;
use crate::views::{Chain, ChainKind};

/// The name of the key that checkpoints of these tests are signed with.
pub const KID: &str = "test";

/// The signature of these tests: anything that depends on the message will do.
pub fn sign(message: &[u8]) -> [u8; 64] {
    let sum = message
        .iter()
        .fold(7_u64, |sum, byte| sum.wrapping_mul(0x0100_0000_01b3).wrapping_add(u64::from(*byte)));
    let mut signature = [0; 64];
    signature[..8].copy_from_slice(&sum.to_be_bytes());
    signature
}

/// The export of a tenant, or of the service itself, as the service would stream it.
pub fn bytes(world: &World, tenant: Option<Tenant>) -> Vec<u8> {
    let chains = world.read(|views| views.chains(tenant));
    let is_register = |chain: &&Chain| chain.kind == ChainKind::Register;
    let register = chains.iter().find(is_register);
    let header = ExportHeader {
        version: EXPORT_VERSION,
        app_id: tenant.map(|tenant| tenant.app_id),
        environment: tenant.map(|tenant| tenant.environment),
        filtered: false,
        exported_at: world.now(),
        service: None,
        register: register.map(bounds),
        chains: chains.iter().filter(|chain| !is_register(chain)).map(bounds).collect(),
        keys: vec![AuditKey::new(KID, &[1; 32])],
    };
    let (mut writer, mut out) = (ExportWriter::new(), Vec::new());
    writer.header(&header, &mut out).unwrap();
    let register = register.map(|register| register.id);
    // while a segment is let go of tenant by tenant, only a tenant's own log is its log
    let log = world.log_of(tenant);
    let owned = log.iter().filter(|record| {
        record.app_id == header.app_id && record.environment == header.environment
    });
    let (first, others): (Vec<_>, Vec<_>) =
        owned.partition(|record| Some(record.chain) == register);
    for record in first.into_iter().chain(others) {
        writer.record(record, &mut out).unwrap();
    }
    writer.trailer(&mut out).unwrap();
    out
}

/// What the verifier says of an export.
pub fn report(export: &[u8]) -> Report {
    let check = |_: &[u8; 32], message: &[u8], signature: &[u8]| signature == sign(message);
    let mut verifier = Verifier::new(Options::default(), &check);
    let lines = export.strip_suffix(b"\n").expect("an export ends with a line");
    for (number, line) in (1..).zip(lines.split(|byte| *byte == b'\n')) {
        verifier.line(number, line);
    }
    verifier.finish()
}

/// The verifier finds nothing wrong with any tenant's export.
pub fn assert_sound(world: &World) {
    let tenants = super::check::tenants(world).into_iter().map(Some).chain([None]);
    for tenant in tenants {
        let report = report(&bytes(world, tenant));
        assert!(report.ok, "{tenant:?}: {:?}", report.findings);
    }
}

fn bounds(chain: &Chain) -> ChainBounds {
    ChainBounds {
        chain: chain.id,
        first_seq: chain.tail.seq + 1,
        first_prev_hash: chain.tail.hash,
        last_seq: chain.head.seq,
        last_hash: chain.head.hash,
    }
}
