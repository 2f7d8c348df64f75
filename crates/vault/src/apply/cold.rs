//! Cold exports: asked for, built, and imported once.

use custodyd_policy::Timestamp;

use super::{ReplayFault, Touch};
use crate::{Export, ExportId, ExportState, TransactionId, Vault};

impl Vault {
    pub(super) fn export_requested(
        &mut self,
        id: &ExportId,
        transactions: &[TransactionId],
        at: Timestamp,
    ) -> Vec<Touch> {
        let export = Export {
            transactions: transactions.to_vec(),
            state: ExportState::Requested,
            manifest_sha256: None,
            created_at: at,
        };
        self.exports.insert(id.clone(), export);
        self.exports_to_build.insert(id.clone());
        vec![Touch::Export(id.clone())]
    }

    pub(super) fn export_built(
        &mut self,
        id: &ExportId,
        manifest_sha256: &str,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let export = self.export_mut(id)?;
        export.state = ExportState::Built;
        export.manifest_sha256 = Some(manifest_sha256.to_owned());
        self.exports_to_build.remove(id);
        Ok(vec![Touch::Export(id.clone())])
    }

    pub(super) fn export_imported(&mut self, id: &ExportId) -> Result<Vec<Touch>, ReplayFault> {
        self.export_mut(id)?.state = ExportState::Imported;
        Ok(vec![Touch::Export(id.clone())])
    }
}
