//! A child process that cannot outlive its owner.
//!
//! Two things end it: `Drop` kills it by pid, and the kernel kills it when its owner dies first (`kill -9` on a test, Ctrl-C
//! twice on the demo). The second is prctl(2) PR_SET_PDEATHSIG, set by util-linux's `setpriv` in the child before it becomes the
//! part, because setting it from here would take unsafe code.
//!
//! The kernel sends that signal when the *thread* that forked ends, not the process. A test's or a runtime's worker thread may
//! end early, so all children are forked by one thread that lives as long as the process.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

use crate::{TestbedError, parts};

/// A running child with its output in a log file.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: std::process::Child,
    log: PathBuf,
    /// What asks the part to end at once but in order, before it is killed.
    farewell: Option<Signal>,
}

/// What to start, and how.
pub(crate) struct Spec<'a> {
    /// For error messages.
    pub(crate) name: &'a str,
    /// The program's file.
    pub(crate) program: &'a Path,
    /// A user to become, by name, when this process is root.
    pub(crate) user: Option<&'a str>,
    /// Where its output is appended.
    pub(crate) log: &'a Path,
    /// Sent by `Drop` before the kill, for parts that leave something behind when killed.
    pub(crate) farewell: Option<Signal>,
}

impl Child {
    /// Starts a program with these arguments and, over the inherited ones, these environment variables.
    pub(crate) fn start<A, E>(
        spec: &Spec<'_>,
        arguments: A,
        environment: E,
    ) -> Result<Self, TestbedError>
    where
        A: IntoIterator<Item: AsRef<std::ffi::OsStr>>,
        E: IntoIterator<Item = (String, String)>,
    {
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(spec.log)
            .map_err(TestbedError::io(spec.log.display().to_string()))?;
        let errors = output
            .try_clone()
            .map_err(TestbedError::io(spec.log.display().to_string()))?;
        let mut command = as_user(spec.user, &["--pdeathsig", "KILL"])?;
        command
            .arg(spec.program)
            .args(arguments)
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        let process = fork(command).map_err(TestbedError::io(format!("starting {}", spec.name)))?;
        Ok(Self {
            name: spec.name.to_owned(),
            process,
            log: spec.log.to_owned(),
            farewell: spec.farewell,
        })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Where its standard output and error go.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// Sends a signal, by pid. A child that has ended already is left alone.
    pub fn signal(&mut self, signal: Signal) -> Result<(), TestbedError> {
        if self.exited()?.is_some() {
            return Ok(());
        }
        let what = format!("signalling {}", self.name);
        i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw)
            .map_or(Ok(()), |pid| kill_process(pid, signal))
            .map_err(|errno| TestbedError::io(what)(errno.into()))
    }

    /// Sends a signal to the processes that this one has forked, by pid, as `/proc` lists them.
    pub(crate) fn signal_children(&mut self, signal: Signal) -> Result<(), TestbedError> {
        if self.exited()?.is_some() {
            return Ok(());
        }
        let pid = self.process.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).map_err(
            TestbedError::io(format!("listing the children of {}", self.name)),
        )?;
        for child in children.split_whitespace() {
            if let Some(child) = child.parse().ok().and_then(Pid::from_raw) {
                // One that has just ended is as good as signalled.
                let _ = kill_process(child, signal);
            }
        }
        Ok(())
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) -> Result<ExitStatus, TestbedError> {
        self.signal(Signal::KILL)?;
        self.wait(Duration::from_secs(10))
    }

    /// How it ended, or `None` while it runs.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>, TestbedError> {
        self.process
            .try_wait()
            .map_err(TestbedError::io(format!("waiting for {}", self.name)))
    }

    /// Waits for its end.
    pub fn wait(&mut self, at_most: Duration) -> Result<ExitStatus, TestbedError> {
        let deadline = Instant::now() + at_most;
        loop {
            if let Some(status) = self.exited()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(self.too_slow("end", at_most));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks until `ready` says yes and the child is still there. One that ended is an error with the end of its log, even if
    /// somebody answers: whoever was faster to bind its port, for one.
    pub(crate) fn wait_until(
        &mut self,
        what: &'static str,
        at_most: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<(), TestbedError> {
        let deadline = Instant::now() + at_most;
        loop {
            let is_ready = ready();
            if let Some(status) = self.exited()? {
                return Err(TestbedError::Ended {
                    part: self.name.clone(),
                    status: status.to_string(),
                    log: self.log.clone(),
                    tail: tail(&self.log),
                });
            }
            if is_ready {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(self.too_slow(what, at_most));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn too_slow(&self, what: &'static str, waited: Duration) -> TestbedError {
        TestbedError::TooSlow {
            part: self.name.clone(),
            what,
            waited,
            tail: tail(&self.log),
        }
    }
}

impl Drop for Child {
    /// Nothing here can be reported: a child that is gone already is what is wanted.
    fn drop(&mut self) {
        if let Some(signal) = self.farewell {
            let _ = self.signal(signal);
            let _ = self.wait(Duration::from_secs(3));
        }
        let _ = self.kill();
    }
}

/// Runs a command to its end and gives back its standard output.
pub(crate) fn run(mut command: Command) -> Result<String, TestbedError> {
    let shown = shown(&command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(TestbedError::io(format!("running {shown}")))?;
    let stdout = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(TestbedError::Command {
        command: shown,
        status: output.status.to_string(),
        output: if stderr.is_empty() { stdout } else { stderr },
    })
}

/// A `setpriv` command, to which the program is appended: as `user` when one is named, with `options` besides.
pub(crate) fn as_user(user: Option<&str>, options: &[&str]) -> Result<Command, TestbedError> {
    let mut command = Command::new(parts::program_in_path("util-linux (setpriv)", "setpriv")?);
    if let Some(user) = user {
        command
            .args(["--reuid", user, "--regid", user, "--clear-groups"])
            // A folder of the old user's may be closed to the new one.
            .current_dir("/");
    }
    command.args(options);
    Ok(command)
}

fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(|argument| argument.to_string_lossy().into_owned()),
    );
    words.join(" ")
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().rev().take(20).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

type Forked = std::io::Result<std::process::Child>;

fn fork(command: Command) -> Forked {
    static FORKS: OnceLock<mpsc::Sender<(Command, mpsc::Sender<Forked>)>> = OnceLock::new();
    let forks = FORKS.get_or_init(|| {
        let (sender, requests) = mpsc::channel::<(Command, mpsc::Sender<Forked>)>();
        thread::spawn(move || {
            for (mut command, answer) in requests {
                // Nobody waits for the answer only if the asking thread is gone; the child is dropped then and runs to
                // the end of this process.
                let _ = answer.send(command.spawn());
            }
        });
        sender
    });
    let (answer, forked) = mpsc::channel();
    forks
        .send((command, answer))
        .map_err(|_| std::io::Error::other("the forking thread is gone"))?;
    forked
        .recv()
        .map_err(|_| std::io::Error::other("the forking thread is gone"))?
}
