//! A process that signs with one HSM, asked line by line.
//!
//! p11-kit's client reads where its server is from the environment, once, and holds one connection: a process for each HSM. The
//! test program starts itself again for it, for the very test that asks.

use std::{
    env,
    io::{BufRead as _, BufReader, Lines, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use custodyd_hsm::{Curve, Hsm as _, HsmError, KeyId, Profile, Selector, Token};
use custodyd_testbed::{HsmContainer, p11_kit_client_module, project};

const LABEL: &str = "CUSTODYD_TESTBED_SIGNER_LABEL";
const PIN_FILE: &str = "CUSTODYD_TESTBED_SIGNER_PIN_FILE";
/// Where p11-kit's client looks for its server.
const ADDRESS: &str = "P11_KIT_SERVER_ADDRESS";
/// Sets answers apart from what the test harness prints.
const MARK: &str = "signer: ";

/// Time for a signature where it is to come.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A signer, ended when it is dropped.
pub(crate) struct Signer {
    process: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Signer {
    /// Opens this HSM in a process of its own. `test` is the calling test's name.
    pub(crate) fn open(test: &str, hsm: &HsmContainer) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .envs(hsm.environment())
            .env(LABEL, hsm.label())
            .env(PIN_FILE, hsm.pin_file())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut signer = Self {
            questions: process.stdin.take().unwrap(),
            answers: BufReader::new(process.stdout.take().unwrap()).lines(),
            process,
        };
        assert_eq!(signer.answer(), "open");
        signer
    }

    /// Generates a key.
    pub(crate) fn generate(&mut self, key: u8) {
        assert_eq!(self.ask(&format!("generate {key} 0")), "generated");
    }

    /// Whether a signature came, made and verified, within `limit`.
    pub(crate) fn sign(&mut self, key: u8, limit: Duration) -> Result<(), String> {
        match self.ask(&format!("sign {key} {}", limit.as_millis())) {
            answer if answer == "signed" => Ok(()),
            error => Err(error),
        }
    }

    fn ask(&mut self, question: &str) -> String {
        writeln!(self.questions, "{question}").unwrap();
        self.answer()
    }

    fn answer(&mut self) -> String {
        self.answers
            .find_map(|line| {
                line.unwrap()
                    .split_once(MARK)
                    .map(|(_, said)| said.to_owned())
            })
            .expect("the signer ended")
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Signs for whoever asks, if this process was started as a signer; a test asks this first and then does nothing else.
pub(crate) fn is_signer() -> bool {
    let Some(label) = env::var_os(LABEL) else {
        return false;
    };
    let profile = Profile::load(&project().join("hsm-config/p11-kit-remote.toml"))
        .unwrap()
        .with_selector(Selector::Label(label.into_string().unwrap()))
        .with_module(&p11_kit_client_module().unwrap())
        .with_environment(ADDRESS, &env::var(ADDRESS).unwrap());
    let pin = std::fs::read_to_string(env::var_os(PIN_FILE).unwrap()).unwrap();
    let token = Token::open(&profile, pin.into(), 2).unwrap();
    println!("{MARK}open");
    for question in std::io::stdin().lines() {
        match do_as_asked(&token, &question.unwrap()) {
            Ok(done) => println!("{MARK}{done}"),
            Err(error) => println!("{MARK}{error}"),
        }
    }
    true
}

fn do_as_asked(token: &Token, question: &str) -> Result<&'static str, HsmError> {
    let words: Vec<&str> = question.split(' ').collect();
    let [verb, key, limit] = words.as_slice() else {
        panic!("{question}");
    };
    let id = KeyId::from_bytes([key.parse().unwrap(); 16]);
    let limit = Duration::from_millis(limit.parse().unwrap());
    match *verb {
        "generate" => token
            .generate(&id, "hot", Curve::Secp256k1)
            .map(|_| "generated"),
        "sign" => token
            .sign(&id, Curve::Secp256k1, [7; 32], limit)
            .map(|_| "signed"),
        other => panic!("{other}"),
    }
}
