//! Nothing is decided from here on a payout whose row in the database isn't what the engine knows. The page shows what the
//! engine knows, so nobody would approve the alteration; but somebody writes where only the daemon should.

use crate::{
    console::copies::is_altered, http::AppState, problem::Problem, stored_request::Stated,
};

/// Compares the row of the payout that is decided on with the engine's own, and tells of one that differs.
///
/// # Errors
/// 409 `statement-differs`: they differ. 503: engine or database don't answer.
pub(super) async fn check(state: &AppState, stated: &Stated) -> Result<(), Problem> {
    let Stated::Approval(statement) = stated else {
        return Ok(());
    };
    let id = statement.withdrawal;
    if !is_altered(state, id).await? {
        return Ok(());
    }
    tracing::error!(withdrawal = %id, "a decision on an altered withdrawal was refused");
    let differs = Problem::new(
        409,
        "statement-differs",
        "The withdrawal was altered in the database",
        format!(
            "the database's copy of {id} differs from what the engine knows, so nothing is decided on it here; run custodyd \
             journal verify"
        ),
    );
    let target = format!("/v1/withdrawals/{id}");
    Err(state.monitoring.told(differs, &statement.operator, &target))
}
