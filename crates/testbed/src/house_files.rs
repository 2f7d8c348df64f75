//! The files of a house: identities, configuration, genesis, and the air-gapped signer's own configuration.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use custodyd_client::{GenesisCeremony, Identity, KeyFile};

use crate::{
    Anvil, HouseHsm, Litecoind, SoftToken, TestbedError,
    house::{CLIENTS, OPERATORS, Plan, project},
    scratch,
};

/// A key file for everybody, and their public keys: `(principal, file, public key in hex)`.
pub(crate) struct Identities(Vec<(String, PathBuf, String)>);

impl Identities {
    pub(crate) fn files(&self) -> BTreeMap<String, PathBuf> {
        self.0
            .iter()
            .map(|(principal, file, _)| (principal.clone(), file.clone()))
            .collect()
    }
}

pub(crate) fn make_identities(folder: &Path) -> Result<Identities, TestbedError> {
    let keys = folder.join("keys");
    std::fs::create_dir_all(&keys).map_err(TestbedError::io(keys.display().to_string()))?;
    let names = OPERATORS
        .iter()
        .map(|n| format!("operator/{n}"))
        .chain(CLIENTS.iter().map(|n| format!("client/{n}")));
    names
        .map(|principal| {
            let file = keys.join(format!("{}.pem", principal.replace('/', "-")));
            let public = KeyFile::generate(&file)
                .map_err(|e| TestbedError::unexpected("key file", &e.to_string()))?;
            Ok((principal, file, hex::encode(public.as_bytes())))
        })
        .collect::<Result<_, TestbedError>>()
        .map(Identities)
}

pub(crate) fn write_config(
    folder: &Path,
    plan: &Plan,
    listen: SocketAddr,
    hsm: &HouseHsm,
    litecoind: Option<&Litecoind>,
    anvil: Option<&Anvil>,
) -> Result<PathBuf, TestbedError> {
    let mut text = format!(
        r#"vault = "main"
state_dir = "state"

[database]
url = "{database}"
{hsm}
[http]
listen = "{listen}"

[engine]
poll_ms = {poll_ms}

{extra}
"#,
        database = plan.database.as_deref().unwrap_or("sqlite:custodyd.db"),
        hsm = hsm.config(folder, plan)?,
        poll_ms = plan.poll_ms,
        extra = plan.extra_config,
    );
    if let Some(node) = litecoind {
        let _ = write!(
            text,
            r#"
[[nodes]]
network = "litecoin-regtest"
url = "{url}"
auth = {{ cookie_file = "{cookie}" }}
fee = {{ min = 1000, max = 200000, fallback = 10000 }}
conflict_depth = 2
"#,
            url = node.rpc_url(),
            cookie = node.cookie_file().display(),
        );
    }
    if let Some(node) = anvil {
        let _ = write!(
            text,
            r#"
[[nodes]]
network = "eip155:{chain}"
url = "{url}"
fee = {{ min = 1, max = 500000000000, fallback = 1000000000 }}
conflict_depth = 2
"#,
            chain = node.chain_id(),
            url = node.rpc_url(),
        );
    }
    scratch::write_file(folder, "custodyd.toml", &text)
}

/// The file that the spy writes.
pub(crate) fn pkcs11_calls(folder: &Path) -> PathBuf {
    folder.join("pkcs11.calls")
}

pub(crate) fn write_genesis(
    folder: &Path,
    plan: &Plan,
    identities: &Identities,
    cold_key: Option<&str>,
    listen: SocketAddr,
) -> Result<PathBuf, TestbedError> {
    let policy = match &plan.policy {
        Some(text) => scratch::write_file(folder, "policy.toml", text)?,
        None => project().join("policies/default.toml"),
    };
    let mut text = format!(
        "vault = \"main\"\npolicy = \"{}\"\n\n[operators]\n",
        policy.display()
    );
    for (kind, title) in [("operator/", ""), ("client/", "\n[clients]\n")] {
        text.push_str(title);
        for (principal, _, public) in &identities.0 {
            if let Some(name) = principal.strip_prefix(kind) {
                let value = if kind == "operator/" {
                    format!("[\"{public}\"]")
                } else {
                    format!("\"{public}\"")
                };
                let _ = writeln!(text, "{name} = {value}");
            }
        }
    }
    let _ = write!(
        text,
        "\n[console]\nid = \"localhost\"\norigins = [\"http://localhost:{}\"]\n",
        listen.port()
    );
    let mut wallet = |name: &str, tier: &str, network: &str, cap: &str, key: Option<&str>| {
        let _ = write!(
            text,
            "\n[wallets.{name}]\ntier = \"{tier}\"\nnetwork = \"{network}\"\nconfirmations = {}\n\
             fee_caps = {{ absolute = \"{cap}\", relative_bp = 5000 }}\n",
            plan.confirmations
        );
        if let Some(key) = key {
            let _ = writeln!(text, "public_key = \"{key}\"");
        }
        if plan.wrapped && name == "hot-ltc" {
            text.push_str("addresses = \"wrapped\"\n");
        }
    };
    if plan.litecoin {
        wallet("hot-ltc", "hot", "litecoin-regtest", "0.01 LTC", None);
        wallet("warm-ltc", "warm", "litecoin-regtest", "0.01 LTC", None);
        if let Some(key) = cold_key {
            wallet(
                "cold-ltc",
                "cold",
                "litecoin-regtest",
                "0.01 LTC",
                Some(key),
            );
        }
    }
    if plan.ethereum {
        wallet("hot-eth", "hot", "eip155:31337", "0.1 ETH", None);
    }
    scratch::write_file(folder, "genesis.toml", &text)
}

/// Every operator signs the genesis, as `custodyctl genesis sign` does it.
pub(crate) fn sign_genesis(genesis: &Path, identities: &Identities) -> Result<(), TestbedError> {
    let fault =
        |e: &dyn std::fmt::Display| TestbedError::unexpected("genesis ceremony", &e.to_string());
    let mut ceremony = GenesisCeremony::load(genesis).map_err(|e| fault(&e))?;
    for (principal, file, _) in &identities.0 {
        if principal.starts_with("operator/") {
            let who = principal.parse().map_err(|e| fault(&e))?;
            let identity = Identity::load(who, file).map_err(|e| fault(&e))?;
            ceremony.sign(&identity).map_err(|e| fault(&e))?;
        }
    }
    Ok(())
}

/// `coldsign keygen`; gives the public key it prints.
pub(crate) fn make_cold_key(
    folder: &Path,
    coldsign: &Path,
    token: &SoftToken,
) -> Result<String, TestbedError> {
    // The journal's key isn't known before the vault is made; making a key needs none.
    write_coldsign_config(folder, token, None)?;
    let printed = run(Command::new(coldsign)
        .args(["keygen", "--label", "cold-ltc", "--config"])
        .arg(folder.join("coldsign.toml")))?;
    let key = printed
        .split_whitespace()
        .map(|word| word.trim_matches('"'))
        .find(|word| word.len() == 66 && word.bytes().all(|b| b.is_ascii_hexdigit()));
    key.map(str::to_owned)
        .ok_or_else(|| TestbedError::unexpected("coldsign keygen", &printed))
}

pub(crate) fn write_coldsign_config(
    folder: &Path,
    token: &SoftToken,
    journal_key: Option<&str>,
) -> Result<(), TestbedError> {
    let vaults = journal_key.map_or_else(String::new, |key| {
        format!("[vaults.main]\njournal_key = \"{key}\"\n\n")
    });
    let text = format!(
        r#"{vaults}[hsm]
profile = "{profile}"
token = "{label}"
pin_file = "{pin}"
environment = {{ SOFTHSM2_CONF = "{conf}" }}

[caps]
LTC = {{ transaction = "100 LTC", bundle = "200 LTC", fee = "0.01 LTC" }}
"#,
        profile = project().join("hsm-config/softhsm.toml").display(),
        label = token.label(),
        pin = token.pin_file().display(),
        conf = token.conf_path().display(),
    );
    scratch::write_file(folder, "coldsign.toml", &text).map(drop)
}

/// Runs a program to its end and gives its output, or its complaint.
pub(crate) fn run(command: &mut Command) -> Result<String, TestbedError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(TestbedError::io(name.clone()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(TestbedError::Command {
        command: name,
        status: output.status.to_string(),
        output: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
