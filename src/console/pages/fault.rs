//! What a page says when it can't be shown: in words, with the status that it is, and never as an empty list.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use custodyd_policy::Timestamp;
use custodyd_vault::Vault;

use crate::{console::assets, http::AppState, problem::Problem, store::StoreError};

/// Why a page can't be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    status: StatusCode,
    title: &'static str,
    detail: String,
}

impl Fault {
    /// There is no such thing.
    pub fn missing(what: impl Into<String>) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            title: "Not found",
            detail: what.into(),
        }
    }

    /// The address of the page is not one that this console writes.
    pub fn malformed(what: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            title: "Not an address of this console",
            detail: what.into(),
        }
    }

    /// A fault of the program.
    pub fn internal() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            title: "This page has a fault",
            detail: "The log says more. Nothing was changed.".to_owned(),
        }
    }

    fn unavailable(what: impl Into<String>) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            title: "Not available at the moment",
            detail: what.into(),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the database did not answer a page");
        if let StoreError::Row { .. } = error {
            return Self {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                title: "The database holds what this daemon never wrote",
                detail: format!("{error}. Decide nothing before custodyd journal verify was run."),
            };
        }
        Self::unavailable(
            "The database does not answer. Nothing on this page would be true, so nothing is shown.",
        )
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        let status = StatusCode::from_u16(problem.status);
        Self {
            status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            title: "Not available at the moment",
            detail: problem.detail,
        }
    }
}

/// Asks the vault as the last commit left it.
///
/// # Errors
/// The engine doesn't answer, or is not in this process.
pub async fn ask<T: Send + 'static>(
    state: &AppState,
    question: impl FnOnce(&Vault, Timestamp) -> T + Send + 'static,
) -> Result<T, Fault> {
    let Some(inquiries) = &state.vault else {
        return Err(Fault::unavailable(
            "The engine does not run in this process.",
        ));
    };
    Ok(inquiries.ask(question).await?)
}

#[derive(Template)]
#[template(path = "error.html")]
struct Page<'a> {
    fault: &'a Fault,
    style: String,
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let style = assets::href("console.css");
        let page = Page {
            fault: &self,
            style,
        };
        match page.render() {
            Ok(text) => (self.status, Html(text)).into_response(),
            Err(_) => self.status.into_response(),
        }
    }
}
