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
    pub(super) needs: &'static [Part],
    /// Looks.
    pub(super) look: Look,
}

type Look = for<'e> fn(&'e mut Exam) -> Pin<Box<dyn Future<Output = Outcome> + 'e>>;

macro_rules! checks {
    ($($id:ident [$($part:ident)*] $module:ident::$look:ident;)*) => {
        /// The table.
        pub(super) const CHECKS: &[Check] = &[$(Check {
            id: stringify!($id),
            needs: &[$(Part::$part),*],
            look: |exam| Box::pin($module::$look(exam)),
        }),*];
    };
}

checks! {
    service_address [] service::address;
    service_tls [] place::service_tls;
    service_certificate [] place::service_certificate;
    service_clock [Service] service::clock;
    service_ready [Service] service::ready;
    service_version [Service] service::version;
    service_authorization [Key Service] credential::authorization;
    api_key [Key Service GoodKey] credential::api_key;
    service_refusal [Key Service GoodKey] credential::refusal;
    key_environment [Key] credential::environment;
    key_app [Key AppId Service GoodKey] credential::app;
    key_permissions [Key Service GoodKey] credential::permissions;
    catalogue [Key AppId Catalogue Service GoodKey OwnKey] credential::catalogue;
    app_address [] app::address;
    app_tls [] place::app_tls;
    app_certificate [] place::app_certificate;
    discovery [App] app::discovery;
    discovery_address [App Document] app::addresses;
    discovery_app [App AppId Document] app::identity;
    app_jwks [App Document RightDocument Service] signed::jwks;
    signed_metadata [App Document RightDocument Service] signed::metadata;
    app_authorization [App] routes::authorization;
    app_refusal [App] routes::refusal;
    app_service [App Document AppHeader] routes::service;
    open_route [App AppHeader] routes::open;
    operator_token [Operator] operator::token;
    service_issuer [Operator Health] operator::issuer;
    store_latency [Operator Health] operator::store_latency;
    disk_left [Operator Health] operator::disk_left;
    audit_chain [Operator Health] operator::audit_chain;
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
