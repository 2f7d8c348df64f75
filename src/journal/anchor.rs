//! The anchor: the last head, kept in a small file outside of the database. Invariant: the file
//! never goes back, so a database that was rolled back as a whole (rows and heads together, a
//! consistent older copy) is behind its anchor, and start-up refuses it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::head::{HeadError, HeadRow, JournalKey};

/// More than any anchor needs, in bytes; a bigger file is not ours.
const MAX_BYTES: u64 = 4096;

/// Why an anchor cannot be read or written, or does not match the database.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The file system said no.
    #[error("anchor {path}: {source}")]
    Io {
        /// The anchor's file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The file is not an anchor.
    #[error("anchor {path} is not readable as an anchor: {reason}")]
    Malformed {
        /// The anchor's file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file names a head that the journal key did not sign.
    #[error("anchor {path}: {source}")]
    Forged {
        /// The anchor's file.
        path: PathBuf,
        /// What is wrong with the signature.
        source: HeadError,
    },
    /// The file is another vault's.
    #[error("anchor {path} is of vault {found}, not of vault {expected}")]
    WrongVault {
        /// The anchor's file.
        path: PathBuf,
        /// The vault that was asked about.
        expected: String,
        /// The vault that the anchor names.
        found: String,
    },
    /// The database lacks commits that this machine has seen.
    #[error(
        "the database is behind its anchor: vault {vault} has head seq {database_seq}, anchor {path} has seq \
         {anchor_seq} ({anchor_hash}); an older copy of the database was put in place. Put the newer one back; if it is lost, `custodyd journal \
         accept-restore` goes on from here with a frozen vault"
    )]
    Behind {
        /// The anchor's file.
        path: PathBuf,
        /// The vault.
        vault: String,
        /// The last head in the database; 0 when there is none.
        database_seq: u64,
        /// The anchored head.
        anchor_seq: u64,
        /// Hex of the anchored hash.
        anchor_hash: String,
    },
    /// The database has another history than the anchor.
    #[error(
        "the database forked from its anchor: vault {vault} seq {seq} has hash {database_hash}, anchor {path} has \
         {anchor_hash}"
    )]
    Forked {
        /// The anchor's file.
        path: PathBuf,
        /// The vault.
        vault: String,
        /// The sequence number at which they differ.
        seq: u64,
        /// Hex of the database's hash there.
        database_hash: String,
        /// Hex of the anchored hash.
        anchor_hash: String,
    },
}

/// The file that holds one vault's last head.
#[derive(Debug)]
pub struct Anchor {
    path: PathBuf,
    written_seq: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    vault: String,
    seq: u64,
    at: u64,
    hash: String,
    signature: String,
}

impl Anchor {
    /// An anchor at `path`; the file need not exist yet, its folder must.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            written_seq: 0,
        }
    }

    /// The anchored head, or none before the first write.
    ///
    /// # Errors
    /// When the file is there and cannot be read as an anchor.
    pub fn read(&self) -> Result<Option<HeadRow>, AnchorError> {
        let metadata = match fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.io(error)),
        };
        if metadata.len() > MAX_BYTES {
            return Err(self.malformed(format!("{} bytes long", metadata.len())));
        }
        let text = fs::read_to_string(&self.path).map_err(|error| self.io(error))?;
        let line: Line =
            serde_json::from_str(&text).map_err(|error| self.malformed(error.to_string()))?;
        let bytes = |what: &str, text: &str| {
            hex::decode(text).map_err(|error| self.malformed(format!("{what}: {error}")))
        };
        let hash = bytes("hash", &line.hash)?;
        Ok(Some(HeadRow {
            hash: <[u8; 32]>::try_from(hash.as_slice())
                .map_err(|_| self.malformed(format!("hash of {} bytes", hash.len())))?,
            signature: bytes("signature", &line.signature)?,
            vault: line.vault,
            seq: line.seq,
            at_ms: line.at,
        }))
    }

    /// Puts `head` on disk: written beside, synced, renamed over, the folder synced. A head that is
    /// not newer than the last one written through this value changes nothing. Blocks on the disk.
    ///
    /// # Errors
    /// [`AnchorError::Io`]; the previous anchor is then still whole.
    pub fn write(&mut self, head: &HeadRow) -> Result<(), AnchorError> {
        if head.seq <= self.written_seq {
            return Ok(());
        }
        let line = Line {
            vault: head.vault.clone(),
            seq: head.seq,
            at: head.at_ms,
            hash: hex::encode(head.hash),
            signature: hex::encode(&head.signature),
        };
        let mut text =
            serde_json::to_string(&line).map_err(|error| self.malformed(error.to_string()))?;
        text.push('\n');
        self.replace(text.as_bytes())
            .map_err(|error| self.io(error))?;
        self.written_seq = head.seq;
        Ok(())
    }

    /// Compares the anchor, as [`Anchor::read`] gave it before the database was read, with the
    /// database: `last` is the vault's last head, `hash_at` the hash of the journal row at the
    /// anchor's seq. A database that is ahead is fine: the crash came between the commit and the
    /// anchor, or a daemon went on meanwhile.
    ///
    /// # Errors
    /// Names both sides when the database is behind or has another history, and a file that is not
    /// this vault's or not signed by its key.
    pub fn check(
        &self,
        anchored: &HeadRow,
        vault: &str,
        key: &JournalKey,
        last: Option<&HeadRow>,
        hash_at: Option<[u8; 32]>,
    ) -> Result<(), AnchorError> {
        if anchored.vault != vault {
            return Err(AnchorError::WrongVault {
                path: self.path.clone(),
                expected: vault.to_owned(),
                found: anchored.vault.clone(),
            });
        }
        anchored.verify(key).map_err(|source| AnchorError::Forged {
            path: self.path.clone(),
            source,
        })?;
        let database_seq = last.map_or(0, |head| head.seq);
        match hash_at.filter(|_| database_seq >= anchored.seq) {
            None => Err(AnchorError::Behind {
                path: self.path.clone(),
                vault: anchored.vault.clone(),
                database_seq,
                anchor_seq: anchored.seq,
                anchor_hash: hex::encode(anchored.hash),
            }),
            Some(hash) if hash != anchored.hash => Err(AnchorError::Forked {
                path: self.path.clone(),
                vault: anchored.vault.clone(),
                seq: anchored.seq,
                database_hash: hex::encode(hash),
                anchor_hash: hex::encode(anchored.hash),
            }),
            Some(_) => Ok(()),
        }
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&beside, &self.path)?;
        // Without the folder's own sync the rename may be lost with the power.
        let folder = self.path.parent().filter(|path| path != &Path::new(""));
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    fn io(&self, source: io::Error) -> AnchorError {
        AnchorError::Io {
            path: self.path.clone(),
            source,
        }
    }

    fn malformed(&self, reason: String) -> AnchorError {
        AnchorError::Malformed {
            path: self.path.clone(),
            reason,
        }
    }
}

#[cfg(test)]
#[path = "anchor_tests.rs"]
mod tests;
