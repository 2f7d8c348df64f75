//! Nothing is decided from here on a payout whose row in the database isn't what the engine knows. The page shows what the
//! engine knows, so nobody would approve the alteration; but somebody writes where only the daemon should.

use custodyd_policy::WithdrawalId;

use crate::{
    console::copies::{differences, known, stored},
    http::AppState,
    problem::Problem,
    stored_request::Stated,
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
    // A commit may lie between the two reads; what differs twice differs.
    if is_true(state, id).await? || is_true(state, id).await? {
        return Ok(());
    }
    tracing::error!(withdrawal = %id, "the database's copy of a withdrawal differs from what the engine knows; a decision on it was refused");
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

async fn is_true(state: &AppState, id: WithdrawalId) -> Result<bool, Problem> {
    let inquiries = state.vault.as_ref();
    let inquiries =
        inquiries.ok_or_else(|| Problem::unavailable("the engine does not run in this process"))?;
    let row = inquiries.ask(move |vault, _| known(vault, &id)).await?;
    let stored = stored(state, &id).await.map_err(|error| {
        tracing::error!(%error, "the database did not answer a read");
        Problem::unavailable("the database does not answer")
    })?;
    Ok(differences(row.as_ref(), &stored).is_empty())
}
