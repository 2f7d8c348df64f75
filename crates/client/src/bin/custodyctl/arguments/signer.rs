//! Who signs: a key in a file, or on a smart card.

use std::path::PathBuf;

use clap::Args;
use custodyd_client::{CardKey, ClientError, Identity, PinSource};
use custodyd_httpsig::Principal;

use crate::failure::Failure;
use crate::session::missing;

/// Whose key, and where it is.
#[derive(Debug, Args)]
pub(crate) struct SignerOptions {
    /// File with the Ed25519 key that signs requests (PKCS#8 PEM, mode 0600; see keygen)
    #[arg(long, global = true, env = "CUSTODYD_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Whose key it is: client/<id> or operator/<id>
    #[arg(long = "as", global = true, env = "CUSTODYD_AS", value_name = "WHO")]
    pub(crate) principal: Option<Principal>,
    /// Instead of a key file, a smart card: its PKCS#11 module, such as /usr/lib/x86_64-linux-gnu/opensc-pkcs11.so
    #[arg(
        long,
        global = true,
        env = "CUSTODYD_PKCS11_MODULE",
        value_name = "FILE"
    )]
    pub(crate) pkcs11_module: Option<PathBuf>,
    /// The card's label; the only card in a reader if left out
    #[arg(long, global = true, env = "CUSTODYD_CARD", value_name = "LABEL")]
    pub(crate) card: Option<String>,
    /// The label of a P-256 key on the card
    #[arg(long, global = true, env = "CUSTODYD_KEY_LABEL", value_name = "LABEL")]
    pub(crate) key_label: Option<String>,
    /// File with the card's PIN (mode 0600)
    #[arg(long, global = true, env = "CUSTODYD_PIN_FILE", value_name = "FILE")]
    pub(crate) pin_file: Option<PathBuf>,
}

impl SignerOptions {
    /// Reads the key file, or unlocks the card. Where both are named, the card signs.
    pub(crate) fn identity(self) -> Result<Identity, Failure> {
        let identity = match self.pkcs11_module {
            Some(module) => {
                let label = self.key_label;
                let label = label.ok_or_else(|| missing("--key-label", "CUSTODYD_KEY_LABEL"))?;
                let pin = self.pin_file;
                let pin = pin.ok_or_else(|| missing("--pin-file", "CUSTODYD_PIN_FILE"))?;
                let wanted = CardKey {
                    module,
                    token: self.card,
                    label,
                };
                let principal = whose(self.principal)?;
                Identity::on_card(principal, &wanted, &PinSource::File(pin))
            }
            None => {
                let path = self.key;
                let path = path.ok_or_else(|| missing("--key", "CUSTODYD_KEY"))?;
                let principal = whose(self.principal)?;
                Identity::load(principal, &path)
            }
        };
        Ok(identity.map_err(ClientError::from)?)
    }
}

fn whose(principal: Option<Principal>) -> Result<Principal, Failure> {
    principal.ok_or_else(|| missing("--as", "CUSTODYD_AS"))
}
