//! A test's end: writes rules, reads counts, finds the library.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::counts::Counts;
use crate::rules::Rules;

/// Names the real module.
pub(crate) const MODULE: &str = "FAULTSHIM_MODULE";
/// Names the rules file. The counts lie beside it.
pub(crate) const RULES: &str = "FAULTSHIM_RULES";

/// The rules file of one shim, and the counts beside it.
#[derive(Clone, Debug)]
pub struct Control {
    rules: PathBuf,
}

impl Control {
    /// Of a shim whose files lie in this folder. Nothing is written yet; without a rules file the shim only forwards.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            rules: folder.join("faultshim.toml"),
        }
    }

    /// What must stand in the environment of a process that loads the shim.
    #[must_use]
    pub fn environment(&self, module: &Path) -> [(&'static str, OsString); 2] {
        [(MODULE, module.into()), (RULES, self.rules.clone().into())]
    }

    /// Puts rules in force: from the next call on, and for calls that hang.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn set(&self, rules: &Rules) -> io::Result<()> {
        let text = toml::to_string(rules).map_err(io::Error::other)?;
        let folder = self.rules.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        // The file system's own clock is coarse, and inodes are used again: this tells two quick writes apart.
        file.as_file().set_modified(SystemTime::now())?;
        file.persist(&self.rules)?;
        Ok(())
    }

    /// What was counted so far.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn counts(&self) -> io::Result<Counts> {
        Counts::read(&counts_beside(&self.rules))
    }
}

pub(crate) fn counts_beside(rules: &Path) -> PathBuf {
    rules.with_extension("counts")
}

/// The shared library, which cargo puts beside the tests and programs that depend on this crate: in `deps/`, where test
/// programs lie, and after a build of the workspace in the folder above, where programs lie.
///
/// # Errors
/// When it is at neither place.
pub fn library() -> io::Result<PathBuf> {
    const NAME: &str = "libcustodyd_faultshim.so";
    let program = std::env::current_exe()?;
    let folder = program.parent().unwrap_or(Path::new("."));
    let places = [folder.join("deps").join(NAME), folder.join(NAME)];
    // The younger, where both exist: only one of them belongs to this build.
    places
        .into_iter()
        .filter_map(|path| Some((modified(&path)?, path)))
        .max()
        .map(|(_, path)| path)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{NAME} is not built")))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// Opens the counts for a module that is being loaded, with room for all of them.
pub(crate) fn open_counts(rules: &Path, length: u64) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(counts_beside(rules))?;
    file.set_len(length)?;
    Ok(file)
}
