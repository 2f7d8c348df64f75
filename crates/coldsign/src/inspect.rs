//! `coldsign inspect`: shows a bundle. It needs no token and signs nothing.

use std::path::Path;

use custodyd_airgap::recompute;

use crate::config::Config;
use crate::error::ColdsignError;
use crate::media;
use crate::summary::{self, Standing};

/// Shows what the files do; fails after that if the pinned key did not sign them.
pub(crate) fn run(path: &Path, config: Option<&Config>) -> Result<(), ColdsignError> {
    let bundle = media::read_bundle(path)?;
    let transactions = recompute(&bundle)?;
    let verdict = config.map(|config| {
        let pinned = config.journal_key(&bundle.manifest().vault)?;
        bundle.verify(pinned).map_err(ColdsignError::from)
    });
    let standing = match &verdict {
        None => Standing::Unchecked,
        Some(Ok(())) => Standing::Pinned,
        Some(Err(_)) => Standing::Foreign,
    };
    print!(
        "{}",
        summary::text(bundle.manifest(), &transactions, standing)?
    );
    verdict.unwrap_or(Ok(()))
}
