//! Every check there is, in the order in which they are made. `docs/doctor.md` lists the same.

use std::pin::Pin;

use super::exam::{Exam, Part};
use super::report::Outcome;
use super::{app, credential, operator, place, routes, service, signed};

/// One check.
pub(super) struct Check {
    /// Its name in output, JSON and docs. Never changes its meaning.
    pub(super) id: &'static str,
    /// Without these nothing can be said.
    needs: &'static [Part],
    look: Look,
}

/// How a check looks.
pub(super) enum Look {
    /// It asks service or app.
    Asks(for<'e> fn(&'e mut Exam) -> Pin<Box<dyn Future<Output = Outcome> + 'e>>),
    /// It judges what earlier checks have heard.
    Judges(fn(&mut Exam) -> Outcome),
}

impl Check {
    /// Makes the check, if there is what it needs.
    pub(super) async fn make(&self, exam: &mut Exam) -> Outcome {
        match (exam.in_the_way(self.needs), &self.look) {
            (Some(why), _) => Outcome::skipped(why),
            (None, Look::Asks(ask)) => ask(exam).await,
            (None, Look::Judges(judge)) => judge(exam),
        }
    }
}

macro_rules! look {
    (asks $module:ident::$look:ident) => {
        Look::Asks(|exam| Box::pin($module::$look(exam)))
    };
    (judges $module:ident::$look:ident) => {
        Look::Judges($module::$look)
    };
}

macro_rules! checks {
    ($($id:ident [$($part:ident)*] $how:ident $module:ident::$look:ident;)*) => {
        /// The table.
        pub(super) const CHECKS: &[Check] = &[$(Check {
            id: stringify!($id),
            needs: &[$(Part::$part),*],
            look: look!($how $module::$look),
        }),*];
    };
}

checks! {
    service_address [] asks service::address;
    service_tls [] judges place::service_tls;
    service_certificate [] judges place::service_certificate;
    service_clock [Service] judges service::clock;
    service_ready [Service] asks service::ready;
    service_version [Service] asks service::version;
    service_authorization [Key Service] asks credential::authorization;
    api_key [Key Service GoodKey] judges credential::api_key;
    service_refusal [Key Service GoodKey] judges credential::refusal;
    key_environment [Key] judges credential::environment;
    key_app [Key AppId Service GoodKey] asks credential::app;
    key_permissions [Key Service GoodKey] asks credential::permissions;
    catalogue [Key AppId Catalogue Service GoodKey OwnKey] asks credential::catalogue;
    app_address [] asks app::address;
    app_tls [] judges place::app_tls;
    app_certificate [] judges place::app_certificate;
    discovery [App] judges app::discovery;
    discovery_address [App Document] judges app::addresses;
    discovery_app [App AppId Document] judges app::identity;
    app_jwks [App Document RightDocument Service] asks signed::jwks;
    signed_metadata [App Document RightDocument Service] asks signed::metadata;
    app_authorization [App] asks routes::authorization;
    app_refusal [App] asks routes::refusal;
    app_service [App Document AppHeader] asks routes::service;
    open_route [App AppHeader] asks routes::open;
    operator_token [Operator] asks operator::token;
    service_issuer [Operator Health] judges operator::issuer;
    store_latency [Operator Health] judges operator::store_latency;
    disk_left [Operator Health] judges operator::disk_left;
    audit_chain [Operator Health] asks operator::audit_chain;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_page_lists_exactly_these_checks() {
        let page = include_str!("../../../../../docs/doctor.md");
        let written: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
            .map(|(id, _)| id)
            .collect();
        let built: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
        assert_eq!(written, built, "docs/doctor.md, in this order");
        assert_eq!(built.iter().collect::<BTreeSet<_>>().len(), built.len());
    }
}
