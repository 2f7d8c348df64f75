//! The genesis ceremony at an operator's own machine: read what a vault would begin with, and sign it. Signatures gather in
//! a file beside the genesis, which the daemon asks for when it makes the vault.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use custodyd_httpsig::{Principal, SigningFault};
use custodyd_policy::{OperatorId, Policy};
use custodyd_vault::{Credential, GenesisFile, GenesisSignatures, GenesisStatement};
use serde::de::DeserializeOwned;

use crate::identity::Identity;

/// More than any genesis or policy has, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// What an operator is asked to sign.
#[derive(Debug, Clone)]
pub struct GenesisCeremony {
    path: PathBuf,
    file: GenesisFile,
    policy: Policy,
    signed: GenesisSignatures,
}

/// A genesis that can't be read or signed.
#[derive(Debug, thiserror::Error)]
pub enum CeremonyError {
    /// A file can't be read or written.
    #[error("{path}: {fault}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's word.
        fault: std::io::Error,
    },
    /// It is far too long.
    #[error("{0} is longer than {MAX_FILE} bytes")]
    TooLong(PathBuf),
    /// It is not what it should be.
    #[error("{path}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Services don't sign a genesis.
    #[error("{0} is not an operator: the first operators sign a genesis")]
    NotOperator(Principal),
    /// The genesis doesn't name this person.
    #[error("{path} names no operator {operator}")]
    UnknownOperator {
        /// The genesis.
        path: PathBuf,
        /// Who wants to sign.
        operator: OperatorId,
    },
    /// The key is another one than those that the genesis names for this person.
    #[error("{path} has another key for operator {operator} than the one in the key file")]
    OtherKey {
        /// The genesis.
        path: PathBuf,
        /// Who wants to sign.
        operator: OperatorId,
    },
    /// The key is on a card that refused.
    #[error("the key did not sign: {0}")]
    Key(#[from] SigningFault),
}

impl GenesisCeremony {
    /// Reads a genesis file, its policy and the signatures there are.
    ///
    /// # Errors
    /// Names the file, and what is wrong in it.
    pub fn load(path: &Path) -> Result<Self, CeremonyError> {
        let file: GenesisFile = parsed(path)?;
        let policy_path = path.parent().unwrap_or(Path::new(".")).join(&file.policy);
        let policy = Policy::parse(&read(&policy_path)?).map_err(|e| CeremonyError::Malformed {
            path: policy_path.clone(),
            reason: e.to_string(),
        })?;
        let signatures = path.with_extension("signatures.toml");
        let signed = if signatures.exists() {
            parsed(&signatures)?
        } else {
            GenesisSignatures::default()
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            policy,
            signed,
        })
    }

    /// As people wrote it down.
    #[must_use]
    pub fn file(&self) -> &GenesisFile {
        &self.file
    }

    /// The policy that the vault begins with.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What is signed.
    #[must_use]
    pub fn statement(&self) -> GenesisStatement {
        self.file.statement(self.policy.source().to_owned())
    }

    /// Operators whose signature is missing, or is not over this genesis.
    #[must_use]
    pub fn missing(&self) -> Vec<OperatorId> {
        let statement = self.statement();
        let unsigned = |(operator, keys): (&OperatorId, &Vec<Credential>)| {
            let signature = self.signed.signatures.get(operator);
            let signed = signature.is_some_and(|signature| statement.is_signed_by(keys, signature));
            (!signed).then(|| operator.clone())
        };
        self.file.operators.iter().filter_map(unsigned).collect()
    }

    /// Adds the signature of `identity` to the file of signatures, which is written beside and renamed.
    ///
    /// # Errors
    /// `NotOperator`, `UnknownOperator` or `OtherKey` for somebody whose signature would not count.
    pub fn sign(&mut self, identity: &Identity) -> Result<PathBuf, CeremonyError> {
        let not_operator = || CeremonyError::NotOperator(identity.principal().clone());
        let Principal::Operator(name) = identity.principal() else {
            return Err(not_operator());
        };
        let operator: OperatorId = name.parse().map_err(|_| not_operator())?;
        let path = self.path.clone();
        let Some(keys) = self.file.operators.get(&operator) else {
            return Err(CeremonyError::UnknownOperator { path, operator });
        };
        if !keys.contains(&identity.credential()) {
            return Err(CeremonyError::OtherKey { path, operator });
        }
        let signature = identity
            .key()
            .sign_challenge(&self.statement().challenge())?;
        self.signed.signatures.insert(operator, signature);
        let path = self.path.with_extension("signatures.toml");
        let text = toml::to_string(&self.signed).map_err(|e| CeremonyError::Malformed {
            path: path.clone(),
            reason: e.to_string(),
        })?;
        write(&path, &text).map_err(|fault| CeremonyError::File {
            path: path.clone(),
            fault,
        })?;
        Ok(path)
    }
}

fn read(path: &Path) -> Result<String, CeremonyError> {
    let fault = |fault| CeremonyError::File {
        path: path.to_owned(),
        fault,
    };
    if std::fs::metadata(path).map_err(fault)?.len() > MAX_FILE {
        return Err(CeremonyError::TooLong(path.to_owned()));
    }
    std::fs::read_to_string(path).map_err(fault)
}

fn parsed<T: DeserializeOwned>(path: &Path) -> Result<T, CeremonyError> {
    toml::from_str(&read(path)?).map_err(|e| CeremonyError::Malformed {
        path: path.to_owned(),
        reason: e.to_string(),
    })
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(beside, path)
}
