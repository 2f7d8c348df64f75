//! A SoftHSM token in a folder of its own.
//!
//! PINs are random, lie in files that only their owner can read, and reach OpenSC's `pkcs11-tool` through its environment:
//! `softhsm2-util` would take them as arguments, for every user of the machine to read.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{TestbedError, child, parts, scratch};

/// One initialised token, reached by setting `SOFTHSM2_CONF` to [`SoftToken::conf_path`].
#[derive(Debug)]
pub struct SoftToken {
    label: String,
    folder: PathBuf,
    pin_file: PathBuf,
    so_pin_file: PathBuf,
    /// The folder's owner, unless the folder is the caller's own.
    _temporary: Option<tempfile::TempDir>,
}

impl SoftToken {
    /// Makes a token that is gone when this is dropped.
    pub fn init(label: &str) -> Result<Self, TestbedError> {
        let temporary = scratch::folder("token")?;
        let folder = temporary.path().to_owned();
        Self::init_in(&folder, label).map(|token| Self {
            _temporary: Some(temporary),
            ..token
        })
    }

    /// Makes a token in a folder that stays: `softhsm2.conf`, `pin`, `so-pin` and `tokens/`.
    pub fn init_in(folder: &Path, label: &str) -> Result<Self, TestbedError> {
        let tokens = folder.join("tokens");
        fs::create_dir_all(&tokens).map_err(TestbedError::io(tokens.display().to_string()))?;
        scratch::write_file(
            folder,
            "softhsm2.conf",
            &format!(
                "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n",
                tokens.display()
            ),
        )?;
        let token = Self {
            label: label.to_owned(),
            folder: folder.to_owned(),
            pin_file: scratch::write_secret(folder, "pin", &scratch::random_hex(8)?)?,
            so_pin_file: scratch::write_secret(folder, "so-pin", &scratch::random_hex(8)?)?,
            _temporary: None,
        };
        let so_pin = token.so_pin()?;
        // SoftHSM shows one uninitialised token behind the initialised ones; in a new folder that's the first.
        token.tool(
            &[
                "--init-token",
                "--slot-index",
                "0",
                "--label",
                label,
                "--so-pin",
                "env:SO_PIN",
            ],
            &[("SO_PIN", &so_pin)],
        )?;
        token.set_pin(&token.pin()?)?;
        Ok(token)
    }

    /// The token's label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The module to load: SoftHSM's own.
    pub fn module(&self) -> Result<PathBuf, TestbedError> {
        parts::softhsm()
    }

    /// What `SOFTHSM2_CONF` must be.
    pub fn conf_path(&self) -> PathBuf {
        self.folder.join("softhsm2.conf")
    }

    /// The file with the user's PIN, without a line end.
    pub fn pin_file(&self) -> &Path {
        &self.pin_file
    }

    /// The file with the security officer's PIN.
    pub fn so_pin_file(&self) -> &Path {
        &self.so_pin_file
    }

    /// The user's PIN.
    pub fn pin(&self) -> Result<String, TestbedError> {
        read(&self.pin_file)
    }

    /// The environment that a process needs to see this token.
    pub fn environment(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(
            "SOFTHSM2_CONF".into(),
            self.conf_path().display().to_string(),
        )])
    }

    /// The environment for [`parts::pkcs11_spy_module`] in front of this token; every call is written to `calls`.
    ///
    /// [`parts::pkcs11_spy_module`]: crate::pkcs11_spy_module
    pub fn spied_environment(
        &self,
        calls: &Path,
    ) -> Result<BTreeMap<String, String>, TestbedError> {
        let mut environment = self.environment();
        environment.insert("PKCS11SPY".into(), self.module()?.display().to_string());
        environment.insert("PKCS11SPY_OUTPUT".into(), calls.display().to_string());
        Ok(environment)
    }

    /// Locks everybody out who logs in from now on: the token gets a PIN that nobody is told. SoftHSM counts no wrong PINs, so
    /// this stands for a token that a wrong PIN has locked.
    pub fn lock(&self) -> Result<(), TestbedError> {
        self.set_pin(&scratch::random_hex(8)?)
    }

    /// Puts the PIN of [`Self::pin_file`] back.
    pub fn unlock(&self) -> Result<(), TestbedError> {
        self.set_pin(&self.pin()?)
    }

    /// Takes the token out: its folder is moved aside. [`Self::insert`] puts it back.
    pub fn remove(&self) -> Result<(), TestbedError> {
        self.rename("tokens", "tokens.removed")
    }

    /// Puts a removed token back.
    pub fn insert(&self) -> Result<(), TestbedError> {
        self.rename("tokens.removed", "tokens")
    }

    /// Deletes the token and every key in it, for good.
    pub fn destroy(&self) -> Result<(), TestbedError> {
        let tokens = self.folder.join("tokens");
        fs::remove_dir_all(&tokens).map_err(TestbedError::io(tokens.display().to_string()))
    }

    /// OpenSC's `pkcs11-tool` on this token, logged in as its user; gives back what it prints.
    pub fn pkcs11_tool(&self, arguments: &[&str]) -> Result<String, TestbedError> {
        let mut all = vec!["--token-label", &self.label, "--login", "--pin", "env:PIN"];
        all.extend(arguments);
        self.tool(&all, &[("PIN", &self.pin()?)])
    }

    fn set_pin(&self, pin: &str) -> Result<(), TestbedError> {
        self.tool(
            &[
                "--token-label",
                &self.label,
                "--login",
                "--login-type",
                "so",
                "--so-pin",
                "env:SO_PIN",
                "--init-pin",
                "--new-pin",
                "env:PIN",
            ],
            &[("SO_PIN", &self.so_pin()?), ("PIN", pin)],
        )
        .map(drop)
    }

    fn so_pin(&self) -> Result<String, TestbedError> {
        read(&self.so_pin_file)
    }

    fn tool(&self, arguments: &[&str], secrets: &[(&str, &str)]) -> Result<String, TestbedError> {
        let mut command = Command::new(parts::program_in_path("OpenSC", "pkcs11-tool")?);
        command
            .arg("--module")
            .arg(self.module()?)
            .args(arguments)
            .envs(self.environment())
            .envs(secrets.iter().copied());
        child::run(command)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), TestbedError> {
        let from = self.folder.join(from);
        fs::rename(&from, self.folder.join(to))
            .map_err(TestbedError::io(format!("moving {}", from.display())))
    }
}

fn read(file: &Path) -> Result<String, TestbedError> {
    fs::read_to_string(file).map_err(TestbedError::io(file.display().to_string()))
}
