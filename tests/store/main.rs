//! The store on both databases: every case runs on SQLite and on a PostgreSQL of its own.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation
)]

mod backlog;
mod bed;
mod commits;
mod constraints;
mod crash;
mod feed;
mod history;
mod inbox;
mod opening;
mod points;
mod tamper;
mod views;
mod writer;

/// Each case as a test on either database.
macro_rules! on_both {
    ($($module:ident: $($case:ident)*;)*) => {
        mod sqlite {
            use crate::bed::Bed;
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::$module::$case(Bed::sqlite()).await;
                }
            )*)*
        }
        mod postgres {
            use crate::bed::Bed;
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::$module::$case(Bed::postgres()).await;
                }
            )*)*
        }
    };
}

on_both! {
    backlog:
        what_waits_is_counted_with_its_oldest_and_nothing_else
        outputs_that_no_transaction_took_are_told_from_those_that_one_did;
    commits:
        a_wide_batch_reads_back_whole_after_reopening
        of_two_writers_at_one_head_exactly_one_wins
        a_batch_that_contradicts_itself_is_refused
        outcomes_alone_leave_the_journal_as_it_is
        a_commit_that_nobody_waits_for_still_lands;
    constraints:
        a_constraint_broken_in_the_middle_writes_nothing_and_names_the_row
        a_document_is_upserted_and_its_last_change_stays
        a_reservation_moves_within_a_batch_and_its_last_word_counts
        a_sequence_number_is_written_once_even_if_the_compared_row_was_set_back
        another_vault_cannot_take_or_free_a_reservation;
    history:
        a_sample_is_overwritten_within_its_ten_minutes_and_goes_when_it_is_old
        a_subject_leads_to_its_commits_and_a_time_to_its_entry;
    inbox:
        requests_come_out_in_the_order_in_which_they_went_in
        a_nonce_is_used_once_however_often_and_wherever_it_is_sent
        an_answered_request_is_no_longer_pending
        what_a_commit_takes_in_is_answered_and_its_nonce_used
        a_thousand_requests_from_many_sides_keep_one_order;
    views:
        withdrawals_are_paged_newest_first_and_filtered
        the_queue_of_each_is_what_asks_them_riskiest_and_oldest_first
        proposals_are_paged_newest_first_by_state_and_follow_their_changes
        the_dump_is_what_was_committed
        the_first_bundle_of_an_export_stays;
    tamper:
        an_edit_of_any_column_of_any_row_is_found_and_named
        rows_that_vanish_are_missed_and_a_whole_rollback_is_behind_the_anchor;
    points:
        nonces_are_found_by_key_and_r_in_their_own_vault_alone
        a_nonce_is_written_once_and_a_heads_is_told_from_a_transactions
        an_index_is_made_whole_or_not_at_all;
    feed:
        a_commit_and_what_it_tells_are_one
        the_feed_is_read_in_pages_and_mended_at_its_end
        the_oldest_events_are_pruned_and_the_newest_stay
        what_an_endpoint_is_owed_is_kept_until_it_is_delivered
        an_endpoint_begins_once_and_is_told_again_what_somebody_asks_for;
    crash:
        kill_9_between_and_within_commits_leaves_a_whole_chain;
    opening:
        a_database_of_a_newer_program_is_refused;
}
