//! `custodyd doctor --hsm` on a real token: what it prints, how it ends, and that no PIN is ever among it.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{Read as _, Write as _},
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::Path,
    process::{Command, Stdio},
};

use custodyd_faultshim::{Code, Control, Function, Injection, Rules, library};
use custodyd_testbed::{SoftToken, project};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

const PROFILE: &str = "hsm-config/softhsm.toml";

/// What one run said.
struct Said {
    good: bool,
    lines: Vec<String>,
}

impl Said {
    fn starts(&self, line: &str) -> bool {
        self.lines.iter().any(|said| said.starts_with(line))
    }

    fn misses(&self) -> Vec<&str> {
        let lines = self.lines.iter().map(String::as_str);
        lines.filter(|line| line.starts_with("FAIL ")).collect()
    }

    /// The only line that says FAIL, with a non-zero exit.
    fn one_miss(&self, part: &str) -> &str {
        assert!(!self.good, "{:#?}", self.lines);
        match self.misses().as_slice() {
            [line] if line[5..].starts_with(part) => line,
            _ => panic!("not one miss of {part}: {:#?}", self.lines),
        }
    }
}

/// Runs it as a newcomer does: with SOFTHSM2_CONF set, and nobody at a terminal. The rules of a fault shim lie in the
/// token's folder, if there are any.
fn doctor(token: &SoftToken, profile: &str, more: &[&str]) -> Said {
    let run = Command::new(env!("CARGO_BIN_EXE_custodyd"))
        .current_dir(project())
        .args(["doctor", "--hsm", profile])
        .args(more)
        .envs(token.environment())
        .envs(shim(token).environment(&token.module().unwrap()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (stdout, stderr) = (
        String::from_utf8(run.stdout).unwrap(),
        String::from_utf8(run.stderr).unwrap(),
    );
    let pin = token.pin().unwrap();
    assert!(
        !stdout.contains(&pin) && !stderr.contains(&pin),
        "{stdout}\n{stderr}"
    );
    Said {
        good: run.status.success(),
        lines: stdout.lines().map(str::to_owned).collect(),
    }
}

fn with_pin(token: &SoftToken, more: &[&str]) -> Said {
    let pin_file = token.pin_file().display().to_string();
    let mut all = vec!["--pin-file", &pin_file];
    all.extend(more);
    doctor(token, PROFILE, &all)
}

fn shim(token: &SoftToken) -> Control {
    Control::in_folder(token.conf_path().parent().unwrap())
}

/// The same before a module that fails by these rules.
fn with_faults(token: &SoftToken, profile: &str, rules: &Rules) -> Said {
    shim(token).set(rules).unwrap();
    let (module, pin_file) = (library().unwrap(), token.pin_file());
    let (module, pin_file) = (module.to_str().unwrap(), pin_file.to_str().unwrap());
    doctor(
        token,
        profile,
        &["--pin-file", pin_file, "--module", module],
    )
}

fn code(name: &str) -> Injection {
    Injection::Code(Code::named(name).unwrap())
}

fn secret_file(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

/// The token's objects as OpenSC lists them.
fn objects(token: &SoftToken) -> String {
    token.pkcs11_tool(&["--list-objects"]).unwrap()
}

#[test]
fn a_good_token_passes_every_check_and_nothing_stays_on_it() {
    let token = SoftToken::init("custodyd").unwrap();
    let said = with_pin(&token, &[]);
    assert!(said.good && said.misses().is_empty(), "{:#?}", said.lines);
    for part in [
        "profile",
        "known answers",
        "module",
        "token",
        "CKM_ECDSA",
        "CKM_EC_KEY_PAIR_GEN",
        "CKM_EDDSA",
        "CKM_AES_KEY_WRAP_PAD",
        "PIN",
        "sessions",
        "secp256k1: made",
        "secp256k1: attributes",
        "secp256k1: signed",
        "secp256k1: destroyed",
        "p256: made",
        "p256: destroyed",
        "ed25519: signed",
        "ed25519: destroyed",
        "keys on the token",
    ] {
        let line = format!("ok   {part} ");
        assert!(said.starts(&line), "{part}: {:#?}", said.lines);
    }
    assert!(!objects(&token).contains("Key"), "{}", objects(&token));
}

#[test]
fn the_pin_comes_from_where_the_profile_says() {
    let token = SoftToken::init("custodyd").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let shipped = fs::read_to_string(project().join(PROFILE)).unwrap();
    let with_source = |source: &str| {
        let line = format!("pin = \"pin\"\npin_source = {source}");
        let path = folder.path().join("profile.toml");
        fs::write(&path, shipped.replace("pin = \"pin\"", &line)).unwrap();
        doctor(&token, &path.display().to_string(), &[])
    };
    secret_file(folder.path(), "my-pin", &token.pin().unwrap());
    let printed = format!("{{ command = [\"/bin/cat\", {:?}] }}", token.pin_file());
    for source in ["{ file = \"my-pin\" }", printed.as_str()] {
        let said = with_source(source);
        assert!(said.good, "{source}: {:#?}", said.lines);
    }
    let said = with_source("{ env = \"CUSTODYD_NO_SUCH_PIN\" }");
    assert!(said.one_miss("PIN").contains("CUSTODYD_NO_SUCH_PIN"));
    // Somebody took the key for the place of the PIN itself.
    let said = with_source(&format!("{:?}", token.pin().unwrap()));
    assert!(said.one_miss("profile").contains("never written here"));
    // Neither a file nor a source nor a terminal.
    let said = doctor(&token, PROFILE, &[]);
    assert!(said.one_miss("PIN").contains("--pin-file"));
}

#[test]
fn a_person_at_the_terminal_is_asked_and_sees_nothing_of_what_is_typed() {
    let token = SoftToken::init("custodyd").unwrap();
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = File::options()
        .read(true)
        .write(true)
        .open(OsStr::from_bytes(name.as_bytes()))
        .unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_custodyd"))
        .current_dir(project())
        .args(["doctor", "--hsm", PROFILE])
        .envs(token.environment())
        .stdin(slave.try_clone().unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Typed when the prompt stands there: what came earlier is thrown away, since it was shown.
    let mut asked = [0; 4];
    run.stderr.as_mut().unwrap().read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"PIN ");
    let mut master = File::from(master);
    let pin = token.pin().unwrap();
    writeln!(master, "{pin}").unwrap();

    let said = run.wait_with_output().unwrap();
    assert!(said.status.success(), "{said:?}");
    // One visible line more, so that reading ends: the terminal echoes again.
    writeln!(master, "visible").unwrap();
    let mut echoed = String::new();
    while !echoed.contains("visible") {
        let mut some = [0; 64];
        let count = master.read(&mut some).unwrap();
        echoed.push_str(std::str::from_utf8(&some[..count]).unwrap());
    }
    drop(slave);
    let all = [echoed.as_bytes(), &said.stdout, &said.stderr].concat();
    assert!(
        !String::from_utf8(all).unwrap().contains(&pin),
        "{echoed:?}"
    );
}

#[test]
fn a_wrong_pin_is_one_line_that_does_not_show_it() {
    let token = SoftToken::init("custodyd").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let wrong = secret_file(folder.path(), "wrong", "wr0ng-pin-5");
    let said = doctor(&token, PROFILE, &["--pin-file", &wrong]);
    let line = said.one_miss("PIN");
    assert!(
        line.contains("CKR_PIN_INCORRECT") && line.contains("\"custodyd\""),
        "{line}"
    );
    assert!(
        !said.lines.concat().contains("wr0ng-pin-5"),
        "{:#?}",
        said.lines
    );

    fs::set_permissions(&wrong, fs::Permissions::from_mode(0o644)).unwrap();
    let said = doctor(&token, PROFILE, &["--pin-file", &wrong]);
    assert!(said.one_miss("PIN").contains("644"));
}

#[test]
fn a_missing_module_token_or_profile_is_one_line_that_names_it() {
    let token = SoftToken::init("custodyd").unwrap();
    let said = with_pin(&token, &["--module", "/nowhere/libhsm.so"]);
    assert!(said.one_miss("module").contains("/nowhere/libhsm.so"));
    let said = with_pin(&token, &["--token", "elsewhere"]);
    let line = said.one_miss("token");
    assert!(
        line.contains("elsewhere") && line.contains("present: custodyd"),
        "{line}"
    );
    let said = doctor(&token, "hsm-config/nothing.toml", &[]);
    assert!(said.one_miss("profile").contains("nothing.toml"));
}

/// SoftHSM counts no wrong PINs, so its tokens never lock; but it reports the flags that stand in the token's own file.
/// CKF_USER_PIN_LOCKED is put there, as a token that counts sets it (PKCS#11 3.0 §3.2, CK_TOKEN_INFO).
fn lock(token: &SoftToken) {
    const LOCKED: u64 = 0x0004_0000;
    // SoftHSM's object file: the type CKA_OS_TOKENFLAGS and the kind "number", each in 8 bytes, then the value.
    const TOKEN_FLAGS: [u8; 16] = [0, 0, 0, 0, 0x80, 0, 0x53, 0x4b, 0, 0, 0, 0, 0, 0, 0, 2];
    let tokens = token.conf_path().with_file_name("tokens");
    let folder = fs::read_dir(tokens)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let file = folder.join("token.object");
    let mut bytes = fs::read(&file).unwrap();
    let found = bytes.windows(16).position(|seen| seen == TOKEN_FLAGS);
    let value = found.unwrap() + 16;
    let flags = u64::from_be_bytes(bytes[value..value + 8].try_into().unwrap());
    bytes[value..value + 8].copy_from_slice(&(flags | LOCKED).to_be_bytes());
    fs::write(&file, bytes).unwrap();
}

#[test]
fn a_locked_token_is_one_line_and_is_offered_no_pin() {
    let token = SoftToken::init("custodyd").unwrap();
    lock(&token);
    // The right PIN, which this token would take: so it wasn't offered.
    let line = with_pin(&token, &[]);
    let line = line.one_miss("PIN");
    assert!(line.contains("\"custodyd\" has locked its PIN"), "{line}");
}

#[test]
fn an_extractable_key_is_one_line_that_names_key_and_attribute() {
    let token = SoftToken::init("custodyd").unwrap();
    let id = "000102030405060708090a0b0c0d0e0f";
    token
        .pkcs11_tool(&[
            "--keypairgen",
            "--key-type",
            "EC:secp256k1",
            "--id",
            id,
            "--label",
            "careless",
            "--extractable",
        ])
        .unwrap();
    let said = with_pin(&token, &[]);
    let line = said.one_miss("keys on the token");
    assert!(
        line.contains(id) && line.contains("CKA_EXTRACTABLE"),
        "{line}"
    );
    // Whatever else was found, only its own keys were destroyed.
    assert!(objects(&token).contains("careless"));
}

#[test]
fn a_token_without_secp256k1_is_one_line_that_says_so() {
    let token = SoftToken::init("custodyd").unwrap();
    for name in ["CKR_CURVE_NOT_SUPPORTED", "CKR_DOMAIN_PARAMS_INVALID"] {
        // The first key pair is the secp256k1 one.
        let rules = Rules::none().next(1, Function::GenerateKeyPair, code(name));
        let said = with_faults(&token, PROFILE, &rules);
        let line = said.one_miss("secp256k1: made");
        assert!(
            line.contains("\"custodyd\" makes no secp256k1 key") && line.contains(name),
            "{line}"
        );
        assert!(said.starts("ok   p256: destroyed"), "{:#?}", said.lines);
    }
}

#[test]
fn a_login_that_says_locked_is_one_line() {
    let token = SoftToken::init("custodyd").unwrap();
    let rules = Rules::none().every(Function::Login, code("CKR_PIN_LOCKED"));
    let said = with_faults(&token, PROFILE, &rules);
    assert!(said.one_miss("PIN").contains("has locked its PIN"));
}

#[test]
fn wrong_signatures_are_found_and_high_s_and_throttling_are_borne() {
    let token = SoftToken::init("custodyd").unwrap();
    let wrong = Rules::none().every(Function::Sign, Injection::WrongSignature);
    let said = with_faults(&token, PROFILE, &wrong);
    assert!(!said.good);
    let misses = said.misses();
    let parts = ["secp256k1: signed", "p256: signed", "ed25519: signed"];
    assert_eq!(misses.len(), parts.len(), "{misses:#?}");
    for (line, part) in misses.iter().zip(parts) {
        assert!(
            line.contains(part) && line.contains("do not verify"),
            "{line}"
        );
    }
    // What was made is destroyed however it signed.
    assert!(!objects(&token).contains("custodyd-doctor"));

    // The 16 of the secp256k1 key.
    let high = Rules::none().next(16, Function::Sign, Injection::HighS);
    let said = with_faults(&token, PROFILE, &high);
    assert!(said.good, "{:#?}", said.lines);
    let busy = Rules::none().next(2, Function::SignInit, code("CKR_FUNCTION_FAILED"));
    let said = with_faults(&token, PROFILE, &busy);
    assert!(said.good, "{:#?}", said.lines);
}

#[test]
fn a_module_that_hangs_is_one_line_after_the_profiles_time() {
    let token = SoftToken::init("custodyd").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let shipped = fs::read_to_string(project().join(PROFILE)).unwrap();
    let path = folder.path().join("profile.toml");
    let quick = shipped
        .replace("open_ms = 30000", "open_ms = 4000")
        .replace("call_ms = 10000", "call_ms = 4000");
    fs::write(&path, quick).unwrap();
    let rules = Rules::none().every(Function::GenerateKeyPair, Injection::Hang);
    let said = with_faults(&token, path.to_str().unwrap(), &rules);
    assert!(said.one_miss("time").contains("4000 ms"));
}

#[test]
fn a_key_that_stays_after_it_was_destroyed_is_named() {
    let token = SoftToken::init("custodyd").unwrap();
    let rules = Rules::none().every(Function::DestroyObject, code("CKR_ACTION_PROHIBITED"));
    let said = with_faults(&token, PROFILE, &rules);
    let misses = said.misses();
    // secp256k1, P-256, Ed25519.
    assert_eq!(misses.len(), 3, "{misses:#?}");
    for line in misses {
        assert!(
            line.contains(": destroyed") && line.contains("custodyd-doctor"),
            "{line}"
        );
    }
}
