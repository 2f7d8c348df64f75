//! Freezes: in force with the event that makes them.

use custodyd_policy::OperatorId;

use super::{ReplayFault, Touch};
use crate::{Freeze, FreezeScope, Vault};

impl Vault {
    pub(super) fn unfreeze_voted(
        &mut self,
        scope: &FreezeScope,
        operator: &OperatorId,
    ) -> Result<Vec<Touch>, ReplayFault> {
        match self.frozen.get_mut(scope) {
            Some(freeze) => {
                freeze.votes.insert(operator.clone());
                Ok(Vec::new())
            }
            None => Err(self.impossible("nothing is frozen there")),
        }
    }

    pub(super) fn unfrozen(&mut self, scope: &FreezeScope) -> Result<Vec<Touch>, ReplayFault> {
        match self.frozen.remove(scope) {
            Some(_) => Ok(self.touch_scope(scope)),
            None => Err(self.impossible("nothing is frozen there")),
        }
    }

    pub(super) fn freeze(&mut self, scope: FreezeScope, freeze: Freeze) -> Vec<Touch> {
        let touched = self.touch_scope(&scope);
        self.frozen.insert(scope, freeze);
        touched
    }

    pub(super) fn touch_scope(&self, scope: &FreezeScope) -> Vec<Touch> {
        match scope {
            FreezeScope::Vault => self.wallets.keys().cloned().map(Touch::Wallet).collect(),
            FreezeScope::Wallet(wallet) => vec![Touch::Wallet(wallet.clone())],
        }
    }
}
