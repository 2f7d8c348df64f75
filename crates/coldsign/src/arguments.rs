//! The command line, resolved once.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::error::ColdsignError;

pub(crate) const HELP: &str = "\
coldsign: the air-gapped signer of custodyd

coldsign keygen --config FILE --label NAME
    Makes a key pair in the token and prints its id and public key.
coldsign inspect BUNDLE [--config FILE]
    Shows what a bundle does. BUNDLE is a folder, a tar of it, or a file with
    the tar's parts as QR codes have them, one a line. With a configuration,
    says whether the vault's pinned journal key signed it.
coldsign sign BUNDLE --config FILE --out FOLDER [--tar] [--yes]
    Checks a bundle against the pinned key and this machine's limits, asks,
    signs with the token, and writes what goes back into FOLDER, which must be
    new or empty; with --tar also into FOLDER.tar, and its parts for QR codes
    into FOLDER.ur. --yes doesn't ask.

Exit codes: 0 done, 1 refused or failed, 2 used or configured wrongly.
";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    Help,
    Version,
    Keygen {
        config: PathBuf,
        label: String,
    },
    Inspect {
        bundle: PathBuf,
        config: Option<PathBuf>,
    },
    Sign(SignOrder),
}

/// What is to be signed, and where the answer goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SignOrder {
    pub(crate) bundle: PathBuf,
    pub(crate) config: PathBuf,
    pub(crate) out: PathBuf,
    pub(crate) tar: bool,
    pub(crate) yes: bool,
}

#[derive(Default)]
struct Options {
    command: Option<OsString>,
    bundle: Option<PathBuf>,
    config: Option<PathBuf>,
    out: Option<PathBuf>,
    label: Option<String>,
    tar: bool,
    yes: bool,
}

/// Reads the arguments; an option that the command doesn't know is an error.
pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Invocation, ColdsignError> {
    let mut options = Options::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("help") | Short('h') => return Ok(Invocation::Help),
            Long("version") | Short('V') => return Ok(Invocation::Version),
            Long("config") if options.config.is_none() => {
                options.config = Some(parser.value()?.into())
            }
            Long("out") if options.out.is_none() => options.out = Some(parser.value()?.into()),
            Long("label") if options.label.is_none() => {
                options.label = Some(parser.value()?.string()?)
            }
            Long("tar") => options.tar = true,
            Long("yes") => options.yes = true,
            Value(value) if options.command.is_none() => options.command = Some(value),
            Value(value) if options.bundle.is_none() => options.bundle = Some(value.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    options.resolve()
}

impl Options {
    fn resolve(self) -> Result<Invocation, ColdsignError> {
        let missing =
            |what: &str| ColdsignError::Usage(format!("{what} is missing; see coldsign --help"));
        let command = self.command.ok_or_else(|| missing("a command"))?;
        let extra = |given: bool, what: &str| match given {
            true => Err(ColdsignError::Usage(format!(
                "{} takes no {what}",
                command.to_string_lossy()
            ))),
            false => Ok(()),
        };
        match command.to_str() {
            Some("keygen") => {
                extra(self.bundle.is_some(), "bundle")?;
                extra(
                    self.out.is_some() || self.tar || self.yes,
                    "--out, --tar or --yes",
                )?;
                let label = self.label.ok_or_else(|| missing("--label"))?;
                Ok(Invocation::Keygen {
                    config: self.config.ok_or_else(|| missing("--config"))?,
                    label,
                })
            }
            Some("inspect") => {
                let others = self.out.is_some() || self.tar || self.yes || self.label.is_some();
                extra(others, "option but --config")?;
                let bundle = self.bundle.ok_or_else(|| missing("the bundle"))?;
                Ok(Invocation::Inspect {
                    bundle,
                    config: self.config,
                })
            }
            Some("sign") => {
                extra(self.label.is_some(), "--label")?;
                Ok(Invocation::Sign(SignOrder {
                    bundle: self.bundle.ok_or_else(|| missing("the bundle"))?,
                    config: self.config.ok_or_else(|| missing("--config"))?,
                    out: self.out.ok_or_else(|| missing("--out"))?,
                    tar: self.tar,
                    yes: self.yes,
                }))
            }
            _ => Err(ColdsignError::Usage(format!(
                "{:?} is no command: keygen, inspect or sign",
                command.to_string_lossy()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &str) -> Result<Invocation, ColdsignError> {
        parse(lexopt::Parser::from_args(arguments.split_whitespace()))
    }

    #[test]
    fn a_sign_order_is_read_in_any_order_of_its_options() {
        let order = parsed("--yes sign --out back --config c.toml bundle.tar").unwrap();
        let expected = SignOrder {
            bundle: "bundle.tar".into(),
            config: "c.toml".into(),
            out: "back".into(),
            tar: false,
            yes: true,
        };
        assert_eq!(order, Invocation::Sign(expected));
    }

    #[test]
    fn what_is_missing_unknown_or_too_much_is_wrong_use() {
        for wrong in [
            "",
            "sing bundle",
            "sign",
            "sign b --config c",
            "sign b --out o",
            "sign b c --config c --out o",
            "keygen --config c",
            "keygen b --config c --label l",
            "inspect",
            "inspect b --yes",
            "inspect b --label l",
            "sign b --config c --config d --out o",
            "sign b --config c --out o --force",
        ] {
            let error = parsed(wrong).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{wrong}: {error}");
        }
    }
}
