//! The database as somebody with the file and SQLite's own shell sees it: read, copied, edited behind the daemon's back.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use custodyd_testbed::House;
use serde_json::Value;

/// The house's database file.
pub(crate) fn database(house: &House) -> PathBuf {
    house.folder().join("custodyd.db")
}

/// Runs SQL, which comes on standard input because events are long; gives what the shell prints.
pub(crate) fn sql(database: &Path, text: &str) -> String {
    let mut shell = Command::new("sqlite3")
        .args(["-batch", "-bail", "-json", "-cmd", ".timeout 10000"])
        .arg(database)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sqlite3 is installed: run `make setup`");
    shell
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = shell.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaint.is_empty(),
        "{text}: {complaint}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The rows of a query, each an object.
pub(crate) fn rows(database: &Path, query: &str) -> Vec<Value> {
    let printed = sql(database, query);
    if printed.is_empty() {
        return Vec::new();
    }
    serde_json::from_str(&printed).unwrap()
}

/// One consistent file, whatever lies in the write-ahead log.
pub(crate) fn copy(database: &Path, to: &Path) {
    sql(
        database,
        &format!("VACUUM INTO {};", quoted(&to.display().to_string())),
    );
}

/// Puts a copy in the database's place, as a restore of a backup would.
pub(crate) fn put_back(copy: &Path, database: &Path) {
    for suffix in ["-wal", "-shm"] {
        let mut beside = database.as_os_str().to_owned();
        beside.push(suffix);
        let _ = std::fs::remove_file(beside);
    }
    std::fs::copy(copy, database).unwrap();
}

/// A text as an SQL literal.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// `custodyd journal verify` on a copy of the house's database: whether it succeeded, and its last line.
pub(crate) fn verify(house: &House, copy: &Path) -> (bool, String) {
    let text = std::fs::read_to_string(house.daemon.config()).unwrap();
    let (ours, theirs) = (
        "url = \"sqlite:custodyd.db\"",
        format!("url = \"sqlite:{}\"", copy.display()),
    );
    assert!(text.contains(ours));
    let name = copy.file_stem().unwrap().to_string_lossy();
    // Beside the other configuration, whose paths are relative.
    let config = house.folder().join(format!("verify-{name}.toml"));
    std::fs::write(&config, text.replace(ours, &theirs)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_custodyd"))
        .args(["journal", "verify", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    (
        output.status.success(),
        printed.lines().next_back().unwrap_or_default().to_owned(),
    )
}
