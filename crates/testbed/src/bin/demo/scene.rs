//! What the story is told with: the house, the programs, and how a command is shown and run.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use custodyd_testbed::{Anvil, House, Litecoind};
use serde_json::Value;

use crate::Failure;

/// The longest that anything in the demo may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The house and the programs that people use.
pub(crate) struct Scene<'a> {
    pub(crate) house: &'a House,
    pub(crate) custodyctl: PathBuf,
    pub(crate) coldsign: PathBuf,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(house: &'a House, custodyctl: PathBuf, coldsign: PathBuf) -> Self {
        Self {
            house,
            custodyctl,
            coldsign,
        }
    }

    pub(crate) fn litecoind(&self) -> Result<&Litecoind, Failure> {
        self.house
            .litecoind
            .as_ref()
            .ok_or_else(|| "the house has no litecoind".into())
    }

    pub(crate) fn anvil(&self) -> Result<&Anvil, Failure> {
        self.house
            .anvil
            .as_ref()
            .ok_or_else(|| "the house has no Anvil".into())
    }

    /// Blocks on both chains.
    pub(crate) fn mine(&self, blocks: u32) -> Result<(), Failure> {
        self.litecoind()?.mine(blocks)?;
        self.anvil()?.mine(u64::from(blocks))?;
        Ok(())
    }

    /// Runs custodyctl as somebody and gives the JSON it prints, also when it says that a withdrawal isn't paid.
    pub(crate) fn ctl(&self, who: &str, arguments: &[&str]) -> Result<Value, Failure> {
        typed("custodyctl --as", &[&[who], arguments].concat());
        let output = self
            .as_somebody(who)
            .arg("--json")
            .args(arguments)
            .output()?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            format!(
                "custodyctl {}: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr)
            )
            .into()
        })
    }

    /// Runs custodyctl as somebody and shows the table that it prints.
    pub(crate) fn table(&self, who: &str, arguments: &[&str]) -> Result<(), Failure> {
        self.excerpt(who, arguments, |_| true)
    }

    /// The same with only some of its lines; says how many it leaves out.
    pub(crate) fn excerpt(
        &self,
        who: &str,
        arguments: &[&str],
        keep: impl Fn(&str) -> bool,
    ) -> Result<(), Failure> {
        typed("custodyctl --as", &[&[who], arguments].concat());
        let mut output = self.as_somebody(who).args(arguments).output()?;
        let whole = String::from_utf8_lossy(&output.stdout).into_owned();
        let (kept, left): (Vec<&str>, Vec<&str>) = whole.lines().partition(|line| keep(line));
        output.stdout = kept.join("\n").into_bytes();
        shown(&output)?;
        if !left.is_empty() {
            println!("      ({} lines of examples left out here)", left.len());
        }
        Ok(())
    }

    /// Runs custodyctl as somebody who is refused, and shows why.
    pub(crate) fn refused(&self, who: &str, arguments: &[&str]) -> Result<(), Failure> {
        typed("custodyctl --as", &[&[who], arguments].concat());
        let output = self.as_somebody(who).args(arguments).output()?;
        if output.status.success() {
            return Err(format!("custodyctl {} was not refused", arguments.join(" ")).into());
        }
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            println!("      {line}");
        }
        Ok(())
    }

    fn as_somebody(&self, who: &str) -> Command {
        let mut command = Command::new(&self.custodyctl);
        command
            .args(["--url", &self.house.daemon.url(), "--as", who, "--key"])
            .arg(self.house.key_file(who));
        command
    }

    /// Runs coldsign and shows what it prints.
    pub(crate) fn cold(&self, arguments: &[&str]) -> Result<(), Failure> {
        typed("coldsign", arguments);
        let output = Command::new(&self.coldsign)
            .args(arguments)
            .arg("--config")
            .arg(self.house.folder().join("coldsign.toml"))
            .output()?;
        shown(&output)
    }

    /// Waits until a withdrawal is in a state, mining when that is what it takes.
    pub(crate) async fn until(
        &self,
        id: &str,
        state: &str,
        mining: bool,
    ) -> Result<Value, Failure> {
        let client = self.house.client_as("operator/alice")?;
        let began = Instant::now();
        loop {
            let document: Value = client.get(&format!("/v1/withdrawals/{id}")).await?;
            if document["state"] == state {
                return Ok(document);
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("{id} did not become {state}: {document}").into());
            }
            if mining {
                self.mine(1)?;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// A folder of the house, as text for a command line.
    pub(crate) fn path(&self, name: &str) -> String {
        Path::new(self.house.folder())
            .join(name)
            .display()
            .to_string()
    }
}

/// Shows a command as a shell takes it.
fn typed(program: &str, arguments: &[&str]) {
    let quoted = |argument: &&str| {
        if argument.contains(' ') {
            format!("'{argument}'")
        } else {
            (*argument).to_owned()
        }
    };
    let words: Vec<String> = arguments.iter().map(quoted).collect();
    println!("  $ {program} {}", words.join(" "));
}

/// Prints what a program printed, or fails with its complaint.
fn shown(output: &Output) -> Result<(), Failure> {
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        println!("      {line}");
    }
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
    }
}
