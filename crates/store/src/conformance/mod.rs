//! The suite that every backend passes, and the comparison of two backends by random verbs.
//!
//! A backend's test file is one line, [`conformance_tests!`](crate::conformance_tests): it expands
//! to one test per case, so that every backend's report shows the same names. Cases use what the
//! verbs and the views promise and nothing of a backend. Nearly every case ends with
//! [`check::everything`]: chains re-hashed, counts, activity and usage recomputed from the log.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a case fails by panicking"
)]

use std::sync::Arc;

use crate::clock::FakeClock;
use crate::store::Store;
use crate::writer::WriterOptions;

pub mod busy;
pub mod check;
pub mod clients;
mod developers;
pub mod export;
pub mod hammer;
mod oauth_steps;
pub mod player;
pub mod portrait;
pub mod sequence;
pub mod world;

/// What a backend is opened with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The only randomness that the store gets: two stores with one seed make the same secrets.
    pub seed: [u8; 32],
    /// The clock that the store reads.
    pub clock: Arc<FakeClock>,
    /// Rules of the whole service.
    pub writer: WriterOptions,
    /// Records after which `maintain` closes a segment of the log.
    pub segment_records: usize,
}

/// A backend under test.
pub struct Backend<'a> {
    /// Makes a new, empty store.
    pub open: &'a dyn Fn(Options) -> Arc<dyn Store>,
}

/// One case: opens stores, and panics when one does not do what is promised.
pub type Case = fn(&Backend<'_>);

/// Declares the files of cases, the list of them, and the macro that makes tests of them.
macro_rules! cases {
    ($dollar:tt $($file:ident { $($case:ident)* })*) => {
        $(mod $file;)*

        /// Every case by its name.
        pub const CASES: &[(&str, Case)] =
            &[$($((concat!(stringify!($file), "::", stringify!($case)), $file::$case),)*)*];

        /// Expands to one test per conformance case. `$open` is a function or closure that takes
        /// the suite's `Options` and makes a new, empty store in an `Arc<dyn Store>`.
        #[macro_export]
        macro_rules! conformance_tests {
            ($dollar open:expr) => {
                fn open_for_conformance(
                    options: $crate::conformance::Options,
                ) -> ::std::sync::Arc<dyn $crate::Store> {
                    ($dollar open)(options)
                }

                $(mod $file {
                    $(
                        #[test]
                        fn $case() {
                            let name = concat!(stringify!($file), "::", stringify!($case));
                            $crate::conformance::run(name, &super::open_for_conformance);
                        }
                    )*
                })*
            };
        }
    };
}

cases! { $
    issue {
        a_connection_waits_for_its_exchange
        scopes_must_be_in_the_catalogue
        for_ever_must_be_allowed
        the_token_never_outlives_the_grant
        hosted_apps_issue_only_in_test
        a_service_that_sells_refuses_live_issues_without_a_plan
        a_user_has_a_thousand_live_connections_at_most
    }
    exchange {
        one_exchange_succeeds
        the_same_key_again_is_the_same_exchange
        another_key_is_a_replay
        the_same_key_is_a_replay_after_a_minute
        the_same_key_is_a_replay_after_use
        use_in_the_same_transaction_counts
        a_replay_revokes
        a_replay_revokes_nothing_where_the_app_says_so
        later_replays_are_counted_into_one_record_an_hour
        a_replay_after_the_tokens_end_revokes_nothing
        another_tenants_presenter_spends_nothing
        time_ends_a_token_that_nobody_exchanged
        the_label_of_the_issue_stays
    }
    consent {
        a_yes_is_a_connection
        a_no_grants_nothing
        a_code_opens_once
        time_ends_a_session
        a_session_dies_with_who_opened_it
        a_user_who_is_logged_out_decides_nothing
        what_is_asked_is_in_the_catalogue
        a_user_goes_back_to_a_known_address
        hosted_apps_grant_here
        a_user_has_twenty_open_sessions_at_most
        a_wider_connection_keeps_its_token
        widening_asks_for_more
        what_ended_is_not_widened
        one_of_many_browsers_gets_it
        one_of_many_decisions_counts
    }
    oauth_request {
        a_client_asks_and_the_user_decides
        a_no_of_the_user_grants_a_client_nothing
        nobody_finishes_somebody_elses_request
        an_app_names_its_user_once
        one_of_many_names_of_a_user_counts
        what_a_client_asks_for_is_there
        a_resource_is_one_apps
        a_pushed_request_is_good_once_for_its_client
        a_user_who_is_logged_out_grants_a_client_nothing
        requests_are_forgotten_after_their_time
    }
    oauth_token {
        a_clients_call_says_whose_token_it_is
        a_code_is_good_once_for_whom_it_was_made
        time_ends_an_authorization_code
        one_of_many_exchanges_of_a_code_wins
        a_refresh_token_rotates
        the_same_refresh_is_answered_alike_within_the_grace
        many_that_share_a_refresh_token_keep_working
        a_replay_after_the_grace_ends_the_family
        revoked_is_revoked_whoever_does_it
        the_users_end_is_the_end
        a_clients_grant_is_narrowed_and_widened_like_any_other
        tokens_are_forgotten_after_their_time
    }
    oauth_device {
        a_device_gets_its_tokens_once
        a_device_asks_as_often_as_told
        one_decision_counts_for_a_device
        a_client_registers
        clients_that_nobody_uses_are_forgotten
    }
    passkeys {
        a_challenge_is_answered_once_and_in_time
        a_passkey_signs_in_while_its_counter_goes_on
        passkeys_are_the_own_accounts
    }
    accounts {
        a_link_makes_an_account
        a_link_is_good_once_and_for_a_time
        accounts_are_made_as_the_operator_says
        a_member_has_one_role
        a_link_dies_with_its_app
        a_suspended_account_gets_in_nowhere
        a_deleted_account_leaves_its_apps
        a_hundred_links_wait_at_most
        one_of_many_comes_in_by_a_link
        developers_keep_their_own_apps
        developers_revoke_in_their_own_apps
        a_session_ends_with_its_account
        an_app_keeps_an_owner_among_its_developers
    }
    verify {
        an_allowed_call_is_recorded
        each_dead_token_says_why
        other_apps_and_environments_know_nothing
        the_end_is_exact
        use_keeps_an_idle_connection_alive
        a_refused_call_is_recorded_and_counts_as_use
        a_call_without_scope_is_refused_where_one_is_required
        introspection_enforces_no_scope
        a_suspended_connection_waits
        a_key_must_be_good_first
    }
    limits {
        a_connections_burst_is_exact
        a_rollback_gives_back_what_it_charged
        a_keys_burst_is_exact_and_rotations_share_it
        no_rate_is_no_limit
        junk_is_counted_not_recorded
        junk_is_not_charged_to_the_key
        junk_of_a_known_connection_is_counted_by_itself
        the_plan_refuses_exactly_at_its_limit
        the_plan_refuses_inside_one_transaction
        a_plan_that_changes_inside_one_transaction_counts_what_passed_before
        overage_passes
        test_calls_have_no_plan
        a_new_month_is_a_new_count
    }
    revoke {
        a_revoked_connection_is_dead_at_once
        revoking_is_idempotent
        another_users_connection_is_not_found
        a_user_is_logged_out_everywhere
        a_token_revokes_itself
        a_mark_covers_the_whole_app
        what_is_issued_after_a_mark_lives
        lists_and_totals_see_a_mark_at_once
        a_mark_makes_room_for_a_user
        a_mark_covers_what_a_clock_ahead_has_made
        a_deleted_app_is_dead
        an_expired_connection_stays_expired
    }
    people {
        everything_of_a_person_ends
        a_person_of_many_connections_ends_in_slices
        a_person_of_many_apps_ends_in_slices
        people_are_found_by_the_beginning_of_their_id
    }
    change {
        narrowing_holds_at_once
        narrowing_never_widens
        an_operator_narrows_under_the_same_rules
        an_operator_sets_a_catalogue_under_the_same_rules
        an_earlier_end_moves_the_tokens_end
        what_ended_cannot_be_narrowed
        a_name_that_comes_back_is_another_scope
        a_held_scope_stays_until_named
        environments_have_their_own_catalogues
        a_changed_scope_is_recorded_old_and_new
        the_same_catalogue_again_is_no_change
    }
    credentials {
        permissions_are_a_matrix
        a_rotated_key_overlaps
        a_rotation_without_overlap_kills_at_once
        a_key_expires_exactly
        an_app_has_a_hundred_good_keys_at_most
        an_assertion_is_spent_once
        an_assertion_of_a_removed_key_is_dead
        spent_assertions_are_forgotten_after_their_time
        a_billing_token_sets_plans_only
        the_last_operator_stays
        a_rotated_operator_token_is_dead
        the_first_operator_is_adopted_once
        sealed_secrets_are_kept
    }
    dashboard {
        a_code_opens_one_session
        a_code_is_void_after_five_wrong_tries
        a_wrong_try_counts_against_its_own_code
        time_ends_a_code
        twenty_codes_wait_at_most
        the_first_code_is_made_until_somebody_signed_in
        a_store_with_an_operator_needs_no_first_code
        a_session_makes_no_codes
        a_session_ends_without_use_and_in_all
        use_is_noted_now_and_then
        a_session_is_ended_once
        a_session_dies_with_the_token_behind_it
        a_sign_in_ends_the_session_before
        a_developers_session_operates_nothing
        a_holder_has_a_hundred_sessions_at_most
        what_is_over_is_forgotten
        one_of_many_tries_wins
    }
    audit {
        chains_verify_from_their_beginning
        the_register_names_every_chain
        every_filter_finds_what_a_scan_finds
        pages_give_each_record_once_while_others_append
        the_log_goes_forward_to_its_bound
        a_chain_reads_in_order
        a_closed_chain_has_a_successor
        chains_of_dead_writers_are_closed
        a_checkpoint_names_the_heads
        an_untouched_export_verifies
    }
    segments {
        maintenance_changes_no_answer
        an_index_finds_what_a_scan_finds
        trimming_keeps_what_is_younger
        a_trimmed_export_verifies
        a_segment_goes_by_slices_of_tenants
        a_chain_trimmed_away_may_be_closed_later
        time_bounds_hold_after_a_clock_was_set_back
    }
    upkeep {
        what_is_due_expires
        what_was_used_is_looked_at_again
        a_mark_is_carried_to_the_rows
        counts_are_those_of_a_recount
        activity_is_exact_before_and_after_maintenance
        a_keys_last_use_is_its_newest_record
        usage_is_counted_by_day
        labels_are_counted_by_maintenance
        lists_go_by_pages_and_filters
        a_probe_is_forgotten_and_never_recorded
    }
    storage {
        a_failed_transaction_leaves_nothing
        a_failed_clock_leaves_nothing
        a_clock_behind_is_refused_until_accepted
        a_clock_that_jumps_is_refused
        a_snapshot_stands_still
        what_is_returned_is_read
        apps_are_listed_by_id
    }
    concurrency {
        one_of_many_exchanges_wins
        no_call_after_a_revocation_passes
        many_writers_make_sound_chains
        a_burst_is_never_exceeded
        a_plan_is_never_exceeded
    }
    random {
        any_sequence_keeps_the_books
        the_model_gives_the_same_answers
        one_transaction_or_many_give_the_same_answers
    }
}

/// Runs one case.
///
/// # Panics
/// When the backend does not do what is promised, or there is no such case.
pub fn run(name: &str, open: &dyn Fn(Options) -> Arc<dyn Store>) {
    let case = CASES.iter().find(|(known, _)| *known == name);
    let (_, case) = case.expect("a case that is in the list");
    case(&Backend { open });
}

#[cfg(test)]
mod tests;
