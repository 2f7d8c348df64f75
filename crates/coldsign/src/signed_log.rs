//! What was signed, for ever: `signed.log`, a line for each outpoint or nonce, durable before the signature exists.
//! The same transaction may be signed again, since that makes nothing new possible; another one that spends the same
//! is refused, since the vault would then be paying twice, or somebody else would.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use custodyd_airgap::{ExportId, RecomputedEffects};
use custodyd_chain::Digest;
use serde::{Deserialize, Serialize};

/// Why nothing can be signed for the log's sake.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}, line {line}: not a line that coldsign wrote")]
    Line { path: PathBuf, line: usize },
    #[error("{spend} was signed away already, by another transaction of export {export}")]
    Conflict { spend: String, export: ExportId },
    #[error("{0} is in use by another coldsign")]
    InUse(PathBuf),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// The outpoint or nonce.
    spend: String,
    /// What was signed for it. Under SIGHASH_ALL it stands for the whole transaction (BIP-143), as an EVM digest does.
    digest: Digest,
    /// The export that asked.
    export: ExportId,
}

/// The log, held by this process alone.
#[derive(Debug)]
pub(crate) struct SignedLog {
    path: PathBuf,
    file: File,
    signed: BTreeMap<String, (Digest, ExportId)>,
}

impl SignedLog {
    /// Opens the log, or starts it. A torn last line is dropped: no signature follows a line that wasn't durable.
    pub(crate) fn open(path: &Path) -> Result<Self, LogError> {
        let io = |source| LogError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(io)?;
        file.try_lock().map_err(|error| match error {
            std::fs::TryLockError::WouldBlock => LogError::InUse(path.to_owned()),
            std::fs::TryLockError::Error(source) => io(source),
        })?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(io)?;
        let whole = text
            .rfind('\n')
            .map_or("", |end| text.get(..=end).unwrap_or_default());
        let mut signed = BTreeMap::new();
        for (number, line) in whole.lines().enumerate() {
            let line: Line = serde_json::from_str(line).map_err(|_| LogError::Line {
                path: path.to_owned(),
                line: number.saturating_add(1),
            })?;
            signed.insert(line.spend, (line.digest, line.export));
        }
        let end = u64::try_from(whole.len()).expect("a length in memory fits 64 bits");
        file.set_len(end).map_err(io)?;
        file.seek(SeekFrom::Start(end)).map_err(io)?;
        sync_folder(path).map_err(io)?;
        Ok(SignedLog {
            path: path.to_owned(),
            file,
            signed,
        })
    }

    /// Does any of these spend what another transaction was signed for?
    pub(crate) fn check(&self, transactions: &[RecomputedEffects]) -> Result<(), LogError> {
        for (spend, digest) in transactions.iter().flat_map(RecomputedEffects::spends) {
            let spend = spend.to_string();
            match self.signed.get(&spend) {
                Some((signed, export)) if *signed != digest => {
                    return Err(LogError::Conflict {
                        spend,
                        export: export.clone(),
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes down what is about to be signed, and comes back when it would survive a power cut.
    pub(crate) fn record(
        &mut self,
        export: &ExportId,
        transactions: &[RecomputedEffects],
    ) -> Result<(), LogError> {
        self.check(transactions)?;
        let mut lines = Vec::new();
        for (spend, digest) in transactions.iter().flat_map(RecomputedEffects::spends) {
            let spend = spend.to_string();
            if self.signed.contains_key(&spend) {
                continue;
            }
            let line = Line {
                spend: spend.clone(),
                digest,
                export: export.clone(),
            };
            serde_json::to_writer(&mut lines, &line).expect("texts are written to memory");
            lines.push(b'\n');
            self.signed.insert(spend, (digest, export.clone()));
        }
        self.file
            .write_all(&lines)
            .and_then(|()| self.file.sync_all())
            .map_err(|source| LogError::Io {
                path: self.path.clone(),
                source,
            })
    }
}

/// A new file is there after a power cut only when its folder was synced too.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use custodyd_airgap::{AccountEffects, StatedEffects};
    use custodyd_chain::{Address, Network, Payment, PublicKey, SigningRequest};

    use super::*;

    fn spending(nonce: u64, digest: u8) -> RecomputedEffects {
        let network: Network = "eip155:31337".parse().unwrap();
        let public_key: PublicKey =
            "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
                .parse()
                .unwrap();
        let account = Address::from_public_key(network, &public_key);
        RecomputedEffects {
            transaction: "tx_00000000000000000000000000000001".parse().unwrap(),
            wallet: "cold".parse().unwrap(),
            network,
            effects: StatedEffects::Account(AccountEffects {
                payments: vec![Payment {
                    to: account.clone(),
                    amount: "1 ETH".parse().unwrap(),
                }],
                fee: "0.1 ETH".parse().unwrap(),
                account,
                nonce,
            }),
            requests: vec![SigningRequest {
                public_key,
                digest: Digest::from_bytes([digest; 32]),
            }],
        }
    }

    fn export(number: u8) -> ExportId {
        format!("ex_{}", hex::encode([number; 16])).parse().unwrap()
    }

    #[test]
    fn the_same_may_be_signed_again_and_another_that_spends_the_same_may_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signed.log");
        SignedLog::open(&path)
            .unwrap()
            .record(&export(1), &[spending(1, 1), spending(2, 2)])
            .unwrap();
        let mut log = SignedLog::open(&path).unwrap();
        log.record(&export(1), &[spending(1, 1), spending(2, 2)])
            .unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
        let conflict = log.record(&export(2), &[spending(3, 3), spending(2, 9)]);
        assert!(matches!(conflict, Err(LogError::Conflict { export: by, .. }) if by == export(1)));
        assert!(
            log.check(&[spending(3, 4)]).is_ok(),
            "a refused bundle leaves no trace"
        );
    }

    #[test]
    fn a_torn_last_line_is_dropped_and_a_foreign_line_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signed.log");
        SignedLog::open(&path)
            .unwrap()
            .record(&export(1), &[spending(1, 1)])
            .unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{whole}{{\"spend\":\"eip")).unwrap();
        SignedLog::open(&path)
            .unwrap()
            .record(&export(1), &[spending(2, 2)])
            .unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
        assert!(
            SignedLog::open(&path)
                .unwrap()
                .check(&[spending(1, 9)])
                .is_err()
        );
        fs::write(&path, format!("{whole}something\n")).unwrap();
        assert!(matches!(
            SignedLog::open(&path),
            Err(LogError::Line { line: 2, .. })
        ));
    }

    #[test]
    fn two_programs_do_not_hold_the_log_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signed.log");
        let held = SignedLog::open(&path).unwrap();
        assert!(matches!(SignedLog::open(&path), Err(LogError::InUse(_))));
        drop(held);
        assert!(SignedLog::open(&path).is_ok());
    }
}
