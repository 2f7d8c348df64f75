//! Profiles as they are shipped, and what is refused.

use super::*;
use crate::quirks::EcPointForm;

const SOFTHSM: &str = include_str!("../../../hsm-config/softhsm.toml");
const LEAST: &str = "name = 'x'\n[module]\npath = '/x.so'\n[token]\nlabel = 'y'\n";

/// Every file of hsm-config, as it is shipped.
fn shipped() -> BTreeMap<String, Profile> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hsm-config");
    let profiles: BTreeMap<_, _> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let profile =
                Profile::load(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            assert_eq!(profile.name, stem, "a profile is named as its file");
            (stem, profile)
        })
        .collect();
    profiles
}

#[test]
fn the_shipped_profiles_are_read() {
    let profiles = shipped();
    let names: Vec<&str> = profiles.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "cloudhsm",
            "luna",
            "nshield",
            "p11-kit-remote",
            "softhsm",
            "utimaco",
            "yubihsm2"
        ]
    );
    let (softhsm, cloudhsm) = (&profiles["softhsm"], &profiles["cloudhsm"]);
    assert_eq!(softhsm.quirks.ec_point, EcPointForm::Der);
    assert_eq!(
        (softhsm.pin, cloudhsm.pin),
        (PinForm::Pin, PinForm::UserPassword)
    );
    assert!(cloudhsm.quirks.attributes_one_by_one && cloudhsm.quirks.public_key_is_private);
    for (name, profile) in &profiles {
        assert_eq!(profile.mode, SessionMode::ReadWrite, "{name}");
        // Only SoftHSM's wrapping was tried; a profile that claims it untried would risk keys.
        assert_eq!(profile.wrapping.supported, name == "softhsm", "{name}");
        assert_eq!(
            profile.pin_source, None,
            "{name}: where the PIN is, a deployment says"
        );
    }
    let yubihsm = &profiles["yubihsm2"];
    assert!(!yubihsm.idle && yubihsm.max_sessions <= 16);
    assert!(yubihsm.idle_timeout.unwrap() < Duration::from_secs(30));
}

#[test]
fn a_profile_says_where_the_pin_is_relative_to_its_own_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("profile.toml");
    let with = |source: &str| {
        std::fs::write(&path, format!("{LEAST}[login]\npin_source = {source}\n")).unwrap();
        Profile::load(&path).map(|profile| profile.pin_source.unwrap())
    };
    for (source, read) in [
        (
            "{ file = 'pin' }",
            PinSource::File(folder.path().join("pin")),
        ),
        ("{ file = '/run/pin' }", PinSource::File("/run/pin".into())),
        ("{ env = 'PIN' }", PinSource::Env("PIN".into())),
        (
            "{ credential = 'pin' }",
            PinSource::Credential("pin".into()),
        ),
        (
            "{ command = ['/bin/pass', 'show', 'hsm'] }",
            PinSource::Command(["/bin/pass", "show", "hsm"].map(str::to_owned).into()),
        ),
    ] {
        assert_eq!(with(source), Ok(read));
    }
    for source in [
        "{ file = 'a', env = 'B' }",
        "{ pin = '1234' }",
        "'1234'",
        "{}",
    ] {
        assert!(with(source).is_err(), "{source}");
    }
    assert!(matches!(
        Profile::load(&folder.path().join("nowhere.toml")),
        Err(ProfileError::Read(_))
    ));
}

#[test]
fn what_the_soft_profile_states_are_the_defaults() {
    let mut least = Profile::load_str(LEAST).unwrap();
    let stated = Profile::load_str(SOFTHSM).unwrap();
    least.name.clone_from(&stated.name);
    least.module.clone_from(&stated.module);
    least.inherit.clone_from(&stated.inherit);
    least.selector = stated.selector.clone();
    least.quirks.ec_point = stated.quirks.ec_point;
    least.wrapping.supported = stated.wrapping.supported;
    least.text.clone_from(&stated.text);
    assert_eq!(least, stated);
}

#[test]
fn unknown_keys_and_wrong_values_are_refused_by_name() {
    for (more, named) in [
        ("pin = 'secret'", "pin"),
        ("[sessions]\nmaximum = 3", "maximum"),
        ("[login]\npin = 'user'", "user:password"),
        ("[sessions]\nmax = 1", "sessions.max"),
        ("[sessions]\nidle_timeout_s = 0", "sessions.idle_timeout_s"),
        ("[timeouts]\ncall_ms = 0", "timeouts.call_ms"),
        (
            "[template.private]\nCKA_EXTRACTABLE = true",
            "CKA_EXTRACTABLE",
        ),
        ("[template.private]\nCKA_SENSITIVE = false", "CKA_SENSITIVE"),
        ("[template.private]\nCKA_TOKEN = false", "CKA_TOKEN"),
        ("[template.public]\nCKA_TOKEN = false", "CKA_TOKEN"),
        ("[template.secret]\nCKA_TOKEN = true", "secret"),
        ("[wrapping]\nmechanism = 'rsa'", "aes-key-wrap-pad"),
        ("[retry]\nattempts = 0", "retry.attempts"),
        ("[quirks]\nec_point = 'odd'", "odd"),
        (
            "[quirks]\nretry_codes = ['CKR_PIN_INCORRECT']",
            "CKR_PIN_INCORRECT",
        ),
        ("[quirks]\nretry_codes = ['CKR_WHAT']", "CKR_WHAT"),
        (
            "[quirks]\nunsupported_attributes = ['CKA_EXTRACTABLE']",
            "CKA_EXTRACTABLE",
        ),
        (
            "[quirks]\nunsupported_attributes = ['CKA_VALUE']",
            "CKA_VALUE",
        ),
    ] {
        let error = Profile::load_str(&format!("{LEAST}{more}\n"))
            .unwrap_err()
            .to_string();
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn a_pin_that_somebody_wrote_into_a_profile_is_not_repeated() {
    for line in [
        "pin = '9-secret-7'",
        "pin_source = '9-secret-7'",
        "pin_source = { pin = '9-secret-7' }",
        "pin_source = { env = ['9-secret-7'] }",
        "pin = 9-secret-7",
        "pin_value = '9-secret-7'",
    ] {
        let error = Profile::load_str(&format!("{LEAST}[login]\n{line}\n")).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("line 7: "), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
    }
}

#[test]
fn a_token_is_selected_in_exactly_one_way() {
    for token in ["", "label = 'y'\nslot = 0"] {
        let text = format!("name = 'x'\n[module]\npath = '/x.so'\n[token]\n{token}\n");
        assert_eq!(Profile::load_str(&text), Err(ProfileError::Selector));
    }
    assert_eq!(
        Profile::load_str(&" ".repeat(65537)),
        Err(ProfileError::TooLong(65537))
    );
    assert!(matches!(
        Profile::load_str(""),
        Err(ProfileError::Syntax(_))
    ));
}
