//! Browsers, and what people do in them: `driver.mjs` told what to do, one command after the other for each person.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use custodyd_testbed::{Invitation, project};
use serde_json::{Value, json};

/// Longest wait for one command; the browser itself gives up sooner, and says what it saw.
const PATIENCE: Duration = Duration::from_secs(60);

/// Chromium, with no page open. It ends when the stage is dropped, and when this process dies.
pub(crate) struct Stage {
    driver: Child,
    input: Option<ChildStdin>,
    wire: Arc<Wire>,
    next: u64,
}

/// Answers that came and were not taken yet.
#[derive(Default)]
struct Wire {
    answers: Mutex<(HashMap<u64, Value>, bool)>,
    came: Condvar,
}

/// Where screenshots go.
fn shots() -> PathBuf {
    project().join("target/console-screenshots")
}

impl Stage {
    /// Opens a browser for the console at `origin`.
    pub(crate) fn open(origin: &str) -> Self {
        let chromium = ["chromium", "chromium-browser", "google-chrome"]
            .into_iter()
            .find_map(in_path)
            .expect("Chromium is not installed: make setup");
        let mut driver =
            Command::new(in_path("node").expect("Node.js is not installed: make setup"))
                .arg(project().join("tests/console/driver.mjs"))
                .args([&chromium, &shots()])
                .arg(origin)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
        let input = driver.stdin.take();
        let output = BufReader::new(driver.stdout.take().unwrap());
        let wire = Arc::new(Wire::default());
        let reader = Arc::clone(&wire);
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let answer: Value = serde_json::from_str(&line).unwrap();
                let number = answer["number"].as_u64().unwrap();
                reader.answers.lock().unwrap().0.insert(number, answer);
                reader.came.notify_all();
            }
            reader.answers.lock().unwrap().1 = true;
            reader.came.notify_all();
        });
        Self {
            driver,
            input,
            wire,
            next: 0,
        }
    }

    /// A fresh browser of somebody, with an authenticator that holds nothing yet.
    #[track_caller]
    pub(crate) fn person(&mut self, who: &str) {
        self.tell(who, "person", json!({}));
    }

    /// Another tab of somebody's browser, in front of which sits another person with an authenticator of their own.
    #[track_caller]
    pub(crate) fn beside(&mut self, who: &str, owner: &str) {
        self.tell(who, "person", json!({ "beside": owner }));
    }

    /// The same, who makes a passkey by invitation and signs in.
    #[track_caller]
    pub(crate) fn enrolled(&mut self, who: &str, invitation: &Invitation) {
        self.person(who);
        self.enrol(who, invitation);
        self.sign_in(who);
    }

    /// Opens the invitation's link and makes a passkey.
    #[track_caller]
    pub(crate) fn enrol(&mut self, who: &str, invitation: &Invitation) {
        // A fragment alone makes no new page of one that is open.
        self.open_page(who, "about:blank");
        let link = format!("/console/enrol#{}", invitation.secret());
        self.open_page(who, &link);
        self.press(who, "#enrol button");
        self.wait(who, "#enrolled");
    }

    /// Signs in with the passkey that knows its owner.
    #[track_caller]
    pub(crate) fn sign_in(&mut self, who: &str) {
        self.open_page(who, "/console/login");
        self.press(who, "#login button");
        self.tell(who, "waitPath", json!({ "path": "/console/queue" }));
        self.wait(who, "h1");
    }

    /// Opens a page; gives the status and where it led.
    #[track_caller]
    pub(crate) fn open_page(&mut self, who: &str, path: &str) -> (u64, String) {
        let answer = self.tell(who, "open", json!({ "path": path }));
        (answer["status"].as_u64().unwrap(), text(&answer["path"]))
    }

    /// Clicks something, once it is there.
    #[track_caller]
    pub(crate) fn press(&mut self, who: &str, at: &str) {
        self.tell(who, "press", json!({ "at": at }));
    }

    /// Waits until something can be seen.
    #[track_caller]
    pub(crate) fn wait(&mut self, who: &str, at: &str) {
        self.tell(who, "wait", json!({ "at": at }));
    }

    /// Waits until something can't be seen.
    #[track_caller]
    pub(crate) fn wait_gone(&mut self, who: &str, at: &str) {
        self.tell(who, "waitGone", json!({ "at": at }));
    }

    /// The words that somebody reads there.
    #[track_caller]
    pub(crate) fn text(&mut self, who: &str, at: &str) -> String {
        text(&self.tell(who, "text", json!({ "at": at })))
    }

    /// How many there are.
    #[track_caller]
    pub(crate) fn count(&mut self, who: &str, at: &str) -> u64 {
        self.tell(who, "count", json!({ "at": at }))
            .as_u64()
            .unwrap()
    }

    /// Writes into a field.
    #[track_caller]
    pub(crate) fn fill(&mut self, who: &str, at: &str, words: &str) {
        self.tell(who, "fill", json!({ "at": at, "text": words }));
    }

    /// A request of the page's own: its status and body.
    #[track_caller]
    pub(crate) fn fetch(&mut self, who: &str, asked: Value) -> (u64, Value) {
        let answer = self.tell(who, "fetch", asked);
        let body = answer["body"].as_str().unwrap_or_default();
        let document = serde_json::from_str(body).unwrap_or_else(|_| json!(body));
        (answer["status"].as_u64().unwrap(), document)
    }

    /// Pictures of the page in light, dark and phone width; fails if anything is wrong with it in one of them.
    #[track_caller]
    pub(crate) fn look(&mut self, who: &str, name: &str) {
        let faults = self.faults(who, name);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    /// The same, which tells what is wrong.
    #[track_caller]
    pub(crate) fn faults(&mut self, who: &str, name: &str) -> Vec<String> {
        let faults = self.tell(who, "look", json!({ "name": name }));
        faults.as_array().unwrap().iter().map(text).collect()
    }

    /// Waits until the page's scripts have asked for nothing for a moment.
    #[track_caller]
    pub(crate) fn settle(&mut self, who: &str) {
        self.tell(who, "settle", json!({}));
    }

    /// Any command of the driver's, which must succeed.
    #[track_caller]
    pub(crate) fn tell(&mut self, who: &str, verb: &str, asked: Value) -> Value {
        let number = self.begin(who, verb, asked);
        self.end(number)
    }

    /// Begins a command; others may begin theirs before its end.
    pub(crate) fn begin(&mut self, who: &str, verb: &str, mut asked: Value) -> u64 {
        self.next += 1;
        asked["number"] = json!(self.next);
        asked["verb"] = json!(verb);
        asked["who"] = json!(who);
        writeln!(self.input.as_mut().unwrap(), "{asked}").unwrap();
        self.next
    }

    /// The value of a command that was begun.
    #[track_caller]
    pub(crate) fn end(&mut self, number: u64) -> Value {
        let mut answer = self.wire.take(number);
        if let Some(error) = answer["error"].as_str() {
            panic!("{error}");
        }
        answer["value"].take()
    }
}

impl Wire {
    /// The answer of this number, once it is there; that there is none says the answer itself.
    fn take(&self, number: u64) -> Value {
        let began = Instant::now();
        let mut answers = self.answers.lock().unwrap();
        loop {
            if let Some(answer) = answers.0.remove(&number) {
                return answer;
            }
            if answers.1 {
                return json!({ "error": "the browser ended" });
            }
            if began.elapsed() > PATIENCE {
                return json!({ "error": "the browser does not answer" });
            }
            answers = self.came.wait_timeout(answers, PATIENCE).unwrap().0;
        }
    }
}

impl Drop for Stage {
    /// The driver closes its browser when its input ends.
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.driver.wait();
    }
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| Path::is_file(file))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
