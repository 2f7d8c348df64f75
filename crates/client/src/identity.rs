//! Who speaks: a principal and its key. An Ed25519 key is read from a file that nobody else may read; a card keeps its own.
//!
//! The key is PKCS#8 in PEM (RFC 8410), as `openssl genpkey -algorithm ed25519` writes it too.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use custodyd_httpsig::{Principal, Signer, SigningFault};
use custodyd_vault::{Credential, RawSignature};
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use ed25519_dalek::{SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::secret_file::{self, SecretFileError};

/// A key that speaks for somebody: it signs requests (RFC 9421), and the challenges of statements.
pub trait Key: Signer + Send + Sync {
    /// The public half, as a vault names it.
    fn credential(&self) -> Credential;

    /// Signs a statement's challenge: Ed25519 over it, or ECDSA with it as the hash.
    ///
    /// # Errors
    /// What keeps a card from signing.
    fn sign_challenge(&self, challenge: &[u8; 32]) -> Result<RawSignature, SigningFault>;
}

impl Key for SigningKey {
    fn credential(&self) -> Credential {
        self.verifying_key().into()
    }

    fn sign_challenge(&self, challenge: &[u8; 32]) -> Result<RawSignature, SigningFault> {
        self.sign(challenge).map(RawSignature)
    }
}

/// A principal with its key.
pub struct Identity {
    principal: Principal,
    key: Box<dyn Key>,
}

/// A key that can't be used. Never holds key material.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file can't be read, or may be read by others.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// It holds something else.
    #[error("key file {0} does not hold one Ed25519 private key as PKCS#8 PEM")]
    NotKey(PathBuf),
    /// The card can't be used.
    #[cfg(feature = "cards")]
    #[error(transparent)]
    Card(#[from] custodyd_hsm::CardError),
    /// The card's PIN can't be had.
    #[cfg(feature = "cards")]
    #[error("the card's PIN: {0}")]
    Pin(#[from] custodyd_hsm::PinError),
    /// Generating needs randomness.
    #[error("no randomness: {0}")]
    Randomness(String),
}

impl Identity {
    /// The principal with that key.
    #[must_use]
    pub fn new(principal: Principal, key: impl Key + 'static) -> Self {
        Self {
            principal,
            key: Box::new(key),
        }
    }

    /// Reads the principal's key from a file.
    ///
    /// # Errors
    /// Refuses a file that its group or others may read, and anything but one Ed25519 key.
    pub fn load(principal: Principal, path: &Path) -> Result<Self, IdentityError> {
        Ok(Self::new(principal, KeyFile::load(path)?))
    }

    /// Who it is.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The public half of its key, as a vault names it.
    #[must_use]
    pub fn credential(&self) -> Credential {
        self.key.credential()
    }

    /// The key, to sign with.
    #[must_use]
    pub fn key(&self) -> &dyn Key {
        &*self.key
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.principal)
    }
}

/// Key files: made with mode 0600, and read only if they still have it.
#[derive(Debug)]
pub struct KeyFile;

impl KeyFile {
    /// Makes a key and writes it to a new file of mode 0600. The public key is what the daemon is told.
    ///
    /// # Errors
    /// `File` if the file exists already or can't be written.
    pub fn generate(path: &Path) -> Result<VerifyingKey, IdentityError> {
        let mut secret = Zeroizing::new([0_u8; 32]);
        getrandom::fill(secret.as_mut())
            .map_err(|fault| IdentityError::Randomness(fault.to_string()))?;
        let key = SigningKey::from_bytes(&secret);
        // Without the public half, which makes it PKCS#8 v1: OpenSSL doesn't read v2 (RFC 5958).
        let pem = KeypairBytes {
            secret_key: *secret,
            public_key: None,
        }
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|_| IdentityError::NotKey(path.to_owned()))?;
        write_new(path, pem.as_bytes()).map_err(|fault| SecretFileError::File {
            path: path.to_owned(),
            fault,
        })?;
        Ok(key.verifying_key())
    }

    /// Reads a key.
    ///
    /// # Errors
    /// As [`Identity::load`].
    pub fn load(path: &Path) -> Result<SigningKey, IdentityError> {
        let read = secret_file::read(path)?;
        let not_key = || IdentityError::NotKey(path.to_owned());
        let pem = std::str::from_utf8(&read).map_err(|_| not_key())?;
        SigningKey::from_pkcs8_pem(pem).map_err(|_| not_key())
    }
}

fn write_new(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn alice() -> Principal {
        Principal::Operator("alice".to_owned())
    }

    #[test]
    fn a_generated_key_is_0600_and_loads_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alice.pem");
        let public = KeyFile::generate(&path).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o600
        );
        assert_eq!(
            Identity::load(alice(), &path).unwrap().credential(),
            public.into()
        );
    }

    #[test]
    fn a_key_file_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alice.pem");
        let public = KeyFile::generate(&path).unwrap();
        assert!(matches!(
            KeyFile::generate(&path),
            Err(IdentityError::File(SecretFileError::File { .. }))
        ));
        assert_eq!(KeyFile::load(&path).unwrap().verifying_key(), public);
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alice.pem");
        KeyFile::generate(&path).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o601, 0o644, 0o777] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(
                matches!(Identity::load(alice(), &path), Err(IdentityError::File(SecretFileError::Mode { mode: seen, .. })) if seen == mode)
            );
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        assert!(Identity::load(alice(), &path).is_ok());
    }

    #[test]
    fn a_key_as_openssl_writes_it_loads() {
        // RFC 8410 §10.3, its first example; the public key is that of §10.1.
        let pem = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                   -----END PRIVATE KEY-----\n";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        write_new(&path, pem.as_bytes()).unwrap();
        assert_eq!(
            hex::encode(KeyFile::load(&path).unwrap().verifying_key().as_bytes()),
            "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
        );
    }

    #[test]
    fn anything_else_is_refused_without_being_shown() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("empty", ""),
            ("garbage", "secret-garbage"),
            (
                "public",
                "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n",
            ),
        ] {
            let path = folder.path().join(name);
            write_new(&path, text.as_bytes()).unwrap();
            let error = KeyFile::load(&path).unwrap_err();
            assert!(matches!(error, IdentityError::NotKey(_)));
            assert!(!format!("{error} {error:?}").contains("secret-garbage"));
        }
        let huge = folder.path().join("huge");
        write_new(&huge, "secret-garbage".repeat(10_000).as_bytes()).unwrap();
        let refused = |path: &Path| match KeyFile::load(path) {
            Err(IdentityError::File(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(matches!(refused(&huge), SecretFileError::TooLong { .. }));
        let folder = folder.path();
        assert!(matches!(refused(folder), SecretFileError::NotFile(_)));
        let absent = refused(&folder.join("absent"));
        assert!(matches!(absent, SecretFileError::File { .. }));
    }
}
