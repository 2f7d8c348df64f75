//! A program that prints a PIN: run without a shell, bounded in time and size.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::pin::read_up_to;

/// Time for the program to print and to end.
const LIMIT: Duration = Duration::from_secs(10);

/// What the program prints, at most `max` bytes. It sees no terminal and may not speak on ours; its exit status must
/// be 0. Errors are texts that hold nothing of what it printed.
pub(crate) fn output(words: &[String], max: usize) -> Result<Zeroizing<Vec<u8>>, String> {
    output_within(words, max, LIMIT)
}

fn output_within(
    words: &[String],
    max: usize,
    limit: Duration,
) -> Result<Zeroizing<Vec<u8>>, String> {
    let deadline = Instant::now() + limit;
    let (program, arguments) = words.split_first().ok_or("an empty command")?;
    if !Path::new(program).is_absolute() {
        // Nothing of the search path decides which program sees the PIN.
        return Err("its path must be absolute".to_owned());
    }
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let printed = printed(&mut child, max, deadline);
    let ended = match &printed {
        Ok(_) => exit(&mut child, deadline),
        Err(reason) => Err(reason.clone()),
    };
    if ended.is_err() {
        // It may have ended already; either way it's collected.
        let _ = child.kill();
        let _ = child.wait();
    }
    ended?;
    printed
}

fn printed(child: &mut Child, max: usize, deadline: Instant) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut stdout = child.stdout.take().ok_or("it has no output")?;
    let (sender, receiver) = mpsc::sync_channel(1);
    // A read can't be given up: the thread stays behind until whoever holds the pipe lets it go.
    thread::Builder::new()
        .name("pin-command".to_owned())
        .spawn(move || drop(sender.send(read_up_to(&mut stdout, max))))
        .map_err(|error| error.to_string())?;
    let rest = deadline.saturating_duration_since(Instant::now());
    match receiver.recv_timeout(rest) {
        Ok(Ok(bytes)) if bytes.len() > max => Err(format!("it printed more than {max} bytes")),
        Ok(read) => read.map_err(|error| error.to_string()),
        Err(_) => Err("it did not end in time".to_owned()),
    }
}

fn exit(child: &mut Child, deadline: Instant) -> Result<(), String> {
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(status.to_string()),
            None if Instant::now() >= deadline => return Err("it did not end in time".to_owned()),
            None => thread::sleep(Duration::from_millis(5)),
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::pin::PinSource;

    fn shell(script: &str) -> Vec<String> {
        ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
    }

    #[test]
    fn the_first_line_that_a_program_prints_is_the_pin() {
        let script = "echo 9-secret-7; echo second; echo complaint >&2";
        let secret = PinSource::Command(shell(script)).read().unwrap();
        assert_eq!(secret.expose_secret(), "9-secret-7");
        // Without a shell, what a shell would expand is a word like any other.
        let words = ["/bin/echo", "$HOME"].map(str::to_owned).to_vec();
        let secret = PinSource::Command(words).read().unwrap();
        assert_eq!(secret.expose_secret(), "$HOME");
    }

    #[test]
    fn a_program_that_fails_floods_or_prints_nothing_gives_no_pin_and_shows_none() {
        for (words, named) in [
            (shell("echo 9-secret-7; exit 3"), "exit status: 3"),
            (shell("yes 9-secret-7"), "more than 4096 bytes"),
            (shell("true"), "no secret"),
            (vec![], "an empty command"),
            (vec!["echo".to_owned()], "absolute"),
            (vec!["/nowhere/program".to_owned()], "/nowhere/program"),
        ] {
            let error = PinSource::Command(words).read().unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(named), "{shown}");
            assert!(!error.to_string().contains("9-secret-7"), "{shown}");
        }
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("pid");
        let script = format!("echo $$ > {}; exec sleep 600", mark.display());
        let error = output_within(&shell(&script), 64, Duration::from_millis(500)).unwrap_err();
        assert_eq!(error, "it did not end in time");
        let pid = std::fs::read_to_string(&mark).unwrap();
        assert!(!Path::new("/proc").join(pid.trim()).exists());
    }
}
