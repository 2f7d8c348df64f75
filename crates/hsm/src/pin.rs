//! The PIN: what form it has, and where it is read from. The PIN itself stands in no configuration.
//!
//! Whatever goes wrong is said of the place, never of what lies there.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::{env, fmt};

use secrecy::{ExposeSecret, SecretString};
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::pin_command;

/// Longest secret, in bytes.
const MAX_BYTES: usize = 4096;

/// The form of the PIN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PinForm {
    /// Any text.
    #[default]
    Pin,
    /// A crypto user's name, a colon and the password.
    UserPassword,
}

/// Not derived: serde's own error would repeat what stands there, and people write their PIN there.
impl<'de> Deserialize<'de> for PinForm {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        match String::deserialize(source).as_deref() {
            Ok("pin") => Ok(Self::Pin),
            Ok("user:password") => Ok(Self::UserPassword),
            _ => Err(D::Error::custom(
                "a PIN's form is \"pin\" or \"user:password\"; the PIN itself stands in no profile",
            )),
        }
    }
}

impl PinForm {
    /// What a PIN that hasn't this form should have been.
    pub(crate) fn check(self, pin: &SecretString) -> Result<(), &'static str> {
        let text = pin.expose_secret();
        match self {
            Self::Pin if !text.is_empty() => Ok(()),
            Self::Pin => Err("pin, not empty"),
            Self::UserPassword => match text.split_once(':') {
                Some((user, password)) if !user.is_empty() && !password.is_empty() => Ok(()),
                _ => Err("user:password"),
            },
        }
    }
}

/// Where a secret is. Its first line counts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub enum PinSource {
    /// A file that nobody but its owner may read (mode 0600 or 0400).
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A systemd credential (`LoadCredential=`), by name.
    Credential(String),
    /// A program and its arguments, run without a shell; the secret is the first line of what it prints. It has ten
    /// seconds.
    Command(Vec<String>),
}

/// As it is written; anything else is refused without repeating it, since it may be the secret.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Source(Place),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Place {
    File(PathBuf),
    Env(String),
    Credential(String),
    Command(Vec<String>),
}

impl TryFrom<Written> for PinSource {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written::Source(Place::File(path)) => Ok(Self::File(path)),
            Written::Source(Place::Env(name)) => Ok(Self::Env(name)),
            Written::Source(Place::Credential(name)) => Ok(Self::Credential(name)),
            Written::Source(Place::Command(words)) => Ok(Self::Command(words)),
            Written::Other(_) => Err(
                "a PIN is named by { file = … }, { env = … }, { credential = … } or { command = [ … ] }, never written here",
            ),
        }
    }
}

/// Why there is no secret. Names the place, never holds what was read.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The file can't be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than the owner can read the file.
    #[error("{path} has mode {mode:03o} and can be read by others; chmod 600 it")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Nothing is there.
    #[error("no secret in {0}")]
    Missing(PinSource),
    /// More than 4096 bytes.
    #[error("more than {MAX_BYTES} bytes in {0}")]
    TooLong(PinSource),
    /// Not UTF-8.
    #[error("no text in {0}")]
    NotText(PinSource),
    /// The program didn't do its part.
    #[error("program {program}: {reason}")]
    Command {
        /// Its path.
        program: String,
        /// What happened.
        reason: String,
    },
}

impl fmt::Display for PinSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::Credential(name) => write!(f, "systemd credential {name}"),
            // Arguments are left out: some people write secrets there.
            Self::Command(words) => write!(
                f,
                "the output of {}",
                words.first().map_or("no program", String::as_str)
            ),
        }
    }
}

impl PinSource {
    /// The same with a file's path taken as relative to `folder`, as that of a configuration that names it.
    #[must_use]
    pub fn relative_to(self, folder: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(folder.join(path)),
            other => other,
        }
    }

    /// Reads the secret.
    ///
    /// # Errors
    /// [`PinError`]: it isn't there, others can read it, or it is no line of text.
    pub fn read(&self) -> Result<SecretString, PinError> {
        let missing = || PinError::Missing(self.clone());
        let bytes = match self {
            Self::File(path) => self.file(path, true)?,
            Self::Env(name) => Zeroizing::new(env::var(name).map_err(|_| missing())?.into_bytes()),
            Self::Credential(name) => {
                let folder = env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(missing)?;
                // A name, not a path: nothing outside the service's own folder.
                let name = Path::new(name).file_name().ok_or_else(missing)?;
                // systemd keeps the folder to the service; the files' modes are its own affair.
                self.file(&Path::new(&folder).join(name), false)?
            }
            Self::Command(words) => {
                let program = words.first().cloned().unwrap_or_default();
                pin_command::output(words, MAX_BYTES)
                    .map_err(|reason| PinError::Command { program, reason })?
            }
        };
        if bytes.len() > MAX_BYTES {
            return Err(PinError::TooLong(self.clone()));
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| PinError::NotText(self.clone()))?;
        match text.lines().next() {
            Some(line) if !line.is_empty() => Ok(SecretString::from(line)),
            _ => Err(missing()),
        }
    }

    fn file(&self, path: &Path, private: bool) -> Result<Zeroizing<Vec<u8>>, PinError> {
        let fault = |source| PinError::Read {
            path: path.to_owned(),
            source,
        };
        // Before it is opened: opening a pipe would wait for its writer.
        if !fs::metadata(path).map_err(fault)?.is_file() {
            return Err(fault(io::Error::other("not a file")));
        }
        let mut file = File::open(path).map_err(fault)?;
        let mode = file.metadata().map_err(fault)?.permissions().mode() & 0o777;
        if private && mode & 0o077 != 0 {
            return Err(PinError::Open {
                path: path.to_owned(),
                mode,
            });
        }
        read_up_to(&mut file, MAX_BYTES).map_err(fault)
    }
}

/// What `source` holds, and one byte more than `limit` where it holds more. The buffer never grows, so no copy stays
/// behind in freed memory.
pub(crate) fn read_up_to(source: &mut impl Read, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; limit.saturating_add(1)]);
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(count) => length = length.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &PinSource) -> Result<String, String> {
        source
            .read()
            .map(|secret| secret.expose_secret().to_owned())
            .map_err(|error| format!("{error} {error:?}"))
    }

    fn file(folder: &Path, content: &[u8], mode: u32) -> PinSource {
        let path = folder.join("pin");
        let _ = fs::remove_file(&path);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        PinSource::File("pin".into()).relative_to(folder)
    }

    #[test]
    fn a_secret_is_the_first_line_of_a_file_that_only_its_owner_can_read() {
        let folder = tempfile::tempdir().unwrap();
        for content in ["9-secret-7", "9-secret-7\n", "9-secret-7\r\nmore\n"] {
            for mode in [0o600, 0o400] {
                let source = file(folder.path(), content.as_bytes(), mode);
                assert_eq!(read(&source).unwrap(), "9-secret-7");
            }
        }
        for mode in [0o644, 0o640, 0o604, 0o660] {
            let error = read(&file(folder.path(), b"9-secret-7", mode)).unwrap_err();
            assert!(error.contains(&format!("{mode:03o}")), "{error}");
            assert!(!error.contains("9-secret-7"), "{error}");
        }
    }

    #[test]
    fn what_is_no_line_of_text_is_refused_unseen() {
        let folder = tempfile::tempdir().unwrap();
        for (content, named) in [
            (&b""[..], "no secret in file"),
            (b"\n9-secret-7\n", "no secret in file"),
            (b"9-secret-7\xff", "no text in file"),
            (&b"9-secret-7".repeat(500), "more than 4096 bytes in file"),
        ] {
            let error = read(&file(folder.path(), content, 0o600)).unwrap_err();
            assert!(error.contains(named), "{error}");
            assert!(!error.contains("9-secret-7"), "{error}");
        }
        for path in ["/nowhere/pin", "/dev/null", "/tmp"] {
            let error = read(&PinSource::File(path.into())).unwrap_err();
            assert!(error.contains(path), "{error}");
        }
    }

    #[test]
    fn an_environment_without_the_variable_or_credential_is_refused_by_name() {
        for source in [
            PinSource::Env("CUSTODYD_NO_SUCH_VARIABLE".into()),
            PinSource::Credential("custodyd-no-such-credential".into()),
            PinSource::Credential("..".into()),
        ] {
            let error = read(&source).unwrap_err();
            assert!(error.contains(&source.to_string()), "{error}");
        }
        assert_eq!(
            read(&PinSource::Env("CARGO_PKG_NAME".into())).unwrap(),
            "custodyd-hsm"
        );
    }

    #[test]
    fn a_pin_has_the_form_that_the_profile_names() {
        for (form, pin, good) in [
            (PinForm::Pin, "1234", true),
            (PinForm::Pin, "", false),
            (PinForm::UserPassword, "user:pass:word", true),
            (PinForm::UserPassword, "user:", false),
            (PinForm::UserPassword, ":password", false),
            (PinForm::UserPassword, "password", false),
        ] {
            assert_eq!(form.check(&pin.into()).is_ok(), good, "{pin}");
        }
    }
}
