//! `custodyctl` as an operator types it, and what they see.

use std::{
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use custodyd_testbed::House;

use crate::house::programs;

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// It was done; gives what it printed.
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// It was refused by the daemon, in one line; gives that.
    pub(crate) fn refused(self) -> String {
        assert_eq!(self.code, Some(1), "{self:?}");
        let said = self.err.lines().next_back().unwrap_or_default().to_owned();
        assert!(said.starts_with("custodyctl: "), "{self:?}");
        said
    }

    /// The id at the top of what was printed.
    pub(crate) fn id(&self) -> String {
        let mut words = self.out.split_whitespace();
        let id = words.find(|word| word.starts_with("pr_") || word.starts_with("wd_"));
        id.unwrap_or_else(|| panic!("no id: {self:?}")).to_owned()
    }

    /// A line of a table, without what it is called.
    pub(crate) fn row(&self, name: &str) -> &str {
        let mut lines = self.out.lines();
        // What it is called must not run into what it says.
        let line = lines.find_map(|l| l.trim().strip_prefix(name)?.strip_prefix([' ', ':']));
        line.unwrap_or_else(|| panic!("no {name}: {self:?}")).trim()
    }
}

/// `custodyctl` as somebody, on a machine that knows nothing else.
pub(crate) fn ctl(house: &House, who: &str, arguments: &[&str]) -> Ran {
    ctl_with(house, who, arguments, &[])
}

/// The same with more in the environment: paths of a card, say.
pub(crate) fn ctl_with(
    house: &House,
    who: &str,
    arguments: &[&str],
    environment: &[(&str, PathBuf)],
) -> Ran {
    let output = Command::new(custodyctl())
        .env_clear()
        .env("CUSTODYD_URL", house.daemon.url())
        .env("CUSTODYD_AS", who)
        .env("CUSTODYD_KEY", house.key_file(who))
        .envs(environment.iter().cloned())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ran::of(output)
}

/// custodyctl of the same build: `cargo build --workspace --bins` makes it.
fn custodyctl() -> PathBuf {
    let program = programs().custodyd.with_file_name("custodyctl");
    assert!(program.exists(), "{} is not built", program.display());
    program
}
