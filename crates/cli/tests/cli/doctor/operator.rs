//! What whoever runs the service sees.

use agentadmit_protocol::secret::{Secret, SecretKind};
use serde_json::json;

use super::front::Answered;
use super::world::{Otherwise, World};

const HEALTH: &str = "/v1/operator/health";

#[test]
fn a_token_that_is_none() {
    let world = World::new();
    let other = Secret::mint(SecretKind::OperatorToken, [8; 32]);
    let mut doctor = world.doctor();
    doctor.operator = Some(other.expose().to_owned());
    doctor.run().finds("operator_token", "refuses it");
}

#[test]
fn a_service_that_calls_itself_otherwise() {
    let issuer = Some("https://auth.example.com".to_owned());
    let world = World::with(&Otherwise { issuer, ..Otherwise::default() });
    world.doctor().run().finds("service_issuer", "https://auth.example.com");
}

#[test]
fn a_store_that_is_slow() {
    let world = World::new();
    world.service_front.edits(HEALTH, |health| {
        health["store"]["write_microseconds"] = json!(900_000);
    });
    world.doctor().run().finds("store_latency", "900 ms");
}

#[test]
fn a_disk_that_is_nearly_full() {
    let world = World::new();
    world.service_front.edits(HEALTH, |health| {
        health["store"]["free_bytes"] = json!(300 << 20);
    });
    world.doctor().run().finds("disk_left", "300 MiB");
}

/// Changes the lines of every export that are about this event.
fn export_loses(
    world: &World,
    event: &'static str,
    becomes: impl Fn(&str) -> String + Send + Sync + 'static,
) {
    world.service_front.does_to_all(move |asked, pass_on| {
        let is_export = asked.path.starts_with("/v1/operator/audit/export");
        let mut answered = pass_on(asked);
        if is_export {
            let text = String::from_utf8(answered.body).unwrap();
            let lines = text.split_inclusive('\n');
            let changed = lines
                .map(|line| if line.contains(event) { becomes(line) } else { line.to_owned() });
            answered.body = changed.collect::<String>().into_bytes();
        }
        answered
    });
}

#[test]
fn a_log_that_was_changed() {
    let world = World::new();
    let examined = world.doctor().run();
    assert_eq!(examined.code, Some(0), "{:?}", examined.checks);
    export_loses(&world, "\"key_created\"", |line| line.replacen("key_created", "key_revoked", 1));
    world.doctor().run().finds("audit_chain", "hash");
}

#[test]
fn a_log_with_a_gap() {
    let world = World::new();
    world.key("test", &["verify"]);
    world.key("test", &["verify"]);
    // a forger who mends what the file says of itself still breaks the chain
    world.service_front.does_to_all(|asked, pass_on| {
        let is_export = asked.path.starts_with("/v1/operator/audit/export")
            && asked.path.contains("environment=test");
        let mut answered = pass_on(asked);
        if is_export {
            answered = without_a_record(answered);
        }
        answered
    });
    world.doctor().run().finds("audit_chain", "does not come after");
}

/// The export without its second `key_created`, with a trailer that fits.
fn without_a_record(mut answered: Answered) -> Answered {
    use agentadmit_core::audit::{ExportHeader, ExportWriter};
    use agentadmit_protocol::audit::AuditRecord;

    let text = String::from_utf8(answered.body).unwrap();
    let mut lines = text.lines();
    let header: ExportHeader = serde_json::from_str(lines.next().unwrap()).unwrap();
    let records = lines.filter_map(|line| serde_json::from_str::<AuditRecord>(line).ok());
    let (mut writer, mut body, mut seen) = (ExportWriter::new(), Vec::new(), 0);
    writer.header(&header, &mut body).unwrap();
    for record in records {
        seen += usize::from(record.event.to_string() == "key_created");
        if seen == 2 {
            seen += 1;
            continue;
        }
        writer.record(&record, &mut body).unwrap();
    }
    assert!(seen > 2, "{text}");
    writer.trailer(&mut body).unwrap();
    answered.body = body;
    answered
}
