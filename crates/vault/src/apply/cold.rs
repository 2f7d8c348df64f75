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
    ) -> Result<Vec<Touch>, ReplayFault> {
        if self.exports.contains_key(id) {
            return Err(self.impossible("the export exists"));
        }
        let export = Export {
            transactions: transactions.to_vec(),
            state: ExportState::Requested,
            manifest_sha256: None,
            created_at: at,
        };
        self.exports.insert(id.clone(), export);
        self.exports_to_build.insert(id.clone());
        Ok(vec![Touch::Export(id.clone())])
    }

    pub(super) fn export_built(
        &mut self,
        id: &ExportId,
        manifest_sha256: &str,
    ) -> Result<Vec<Touch>, ReplayFault> {
        let export = self.export_in(id, ExportState::Requested)?;
        export.state = ExportState::Built;
        export.manifest_sha256 = Some(manifest_sha256.to_owned());
        self.exports_to_build.remove(id);
        Ok(vec![Touch::Export(id.clone())])
    }

    pub(super) fn export_imported(&mut self, id: &ExportId) -> Result<Vec<Touch>, ReplayFault> {
        self.export_in(id, ExportState::Built)?.state = ExportState::Imported;
        Ok(vec![Touch::Export(id.clone())])
    }

    fn export_in(&mut self, id: &ExportId, state: ExportState) -> Result<&mut Export, ReplayFault> {
        let fault = self.impossible(&format!("{id} is not {state:?}"));
        let export = self.export_mut(id)?;
        if export.state == state {
            Ok(export)
        } else {
            Err(fault)
        }
    }
}
