//! A whole custody house on real parts: nodes, tokens, a vault, and custodyd serving it. Demo, end-to-end tests and
//! benchmarks all live in one of these, so that they see the same thing.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use custodyd_client::{Client, Identity};
use custodyd_httpsig::Principal;
use serde_json::Value;

use crate::{
    Anvil, AnvilOptions, Daemon, HouseHsm, HsmPlan, Litecoind, Mining, SoftToken, TestbedError,
    house_files::{
        make_cold_key, make_identities, pkcs11_calls, run, sign_genesis, write_coldsign_config,
        write_config, write_genesis,
    },
    scratch,
};

/// People and services of every house.
pub const OPERATORS: [&str; 4] = ["alice", "bob", "carol", "dave"];
/// The services of every house.
pub const CLIENTS: [&str; 2] = ["exchange", "payroll"];

/// The programs under test.
#[derive(Debug, Clone)]
pub struct Programs {
    /// custodyd.
    pub custodyd: PathBuf,
    /// coldsign; needed for a house with a cold wallet.
    pub coldsign: Option<PathBuf>,
}

/// What a house is made of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// With Litecoin Core and Litecoin wallets.
    pub litecoin: bool,
    /// With a cold Litecoin wallet on a second token.
    pub cold: bool,
    /// With Anvil and an Ethereum wallet.
    pub ethereum: bool,
    /// The policy's TOML; the project's default one when absent.
    pub policy: Option<String>,
    /// The database's URL; SQLite in the house's folder when absent.
    pub database: Option<String>,
    /// What holds the keys of the vault.
    pub hsm: HsmPlan,
    /// The hot Litecoin wallet's addresses after its first are wrapped keys, with [`HsmPlan::Soft`].
    pub wrapped: bool,
    /// OpenSC's spy in front of SoftHSM, for custodyd alone, with [`HsmPlan::Soft`]; [`House::pkcs11_calls`] is what it saw.
    pub spied: bool,
    /// Variables that custodyd gets.
    pub environment: BTreeMap<String, String>,
    /// Lines added to custodyd.toml.
    pub extra_config: String,
    /// Depth at which payouts are final.
    pub confirmations: u32,
    /// HSM worker threads, of each token.
    pub workers: usize,
    /// How often custodyd asks its nodes, milliseconds.
    pub poll_ms: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            litecoin: true,
            cold: false,
            ethereum: true,
            policy: None,
            database: None,
            hsm: HsmPlan::default(),
            wrapped: false,
            spied: false,
            environment: BTreeMap::new(),
            extra_config: String::new(),
            confirmations: 2,
            workers: 2,
            poll_ms: 200,
        }
    }
}

/// A house, standing. Everything in it ends when it is dropped.
#[derive(Debug)]
pub struct House {
    /// custodyd. First, so that it ends before what it talks to.
    pub daemon: Daemon,
    /// Litecoin Core.
    pub litecoind: Option<Litecoind>,
    /// Anvil.
    pub anvil: Option<Anvil>,
    /// What holds the keys of the vault.
    pub hsm: HouseHsm,
    /// The air-gapped token.
    pub cold_token: Option<SoftToken>,
    folder: PathBuf,
    programs: Programs,
    keys: BTreeMap<String, PathBuf>,
    _temporary: Option<tempfile::TempDir>,
}

/// The project's folder.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl House {
    /// Builds a house in a folder of its own and waits until it is ready.
    pub async fn build(programs: Programs, plan: Plan) -> Result<Self, TestbedError> {
        let temporary = scratch::folder("house")?;
        let folder = temporary.path().to_owned();
        let mut house = Self::build_in(&folder, programs, plan, |_| {}).await?;
        house._temporary = Some(temporary);
        Ok(house)
    }

    /// The same in a folder that stays, telling of each step before it is taken.
    pub async fn build_in(
        folder: &Path,
        programs: Programs,
        plan: Plan,
        mut tell: impl FnMut(&str),
    ) -> Result<Self, TestbedError> {
        tell("starting nodes");
        let litecoind = plan.litecoin.then(Litecoind::start).transpose()?;
        let options = AnvilOptions {
            mining: Mining::Manual,
            ..AnvilOptions::default()
        };
        let anvil = plan
            .ethereum
            .then(|| Anvil::start_with(options))
            .transpose()?;
        tell(match plan.hsm {
            HsmPlan::Soft => "initialising SoftHSM tokens",
            HsmPlan::Containers(_) => "starting HSMs in containers",
        });
        let hsm = HouseHsm::start(folder, plan.hsm)?;
        if plan.cold && programs.coldsign.is_none() {
            return Err(TestbedError::NotBuilt {
                program: "coldsign",
                beside: programs.custodyd,
            });
        }
        let cold_token = (plan.cold && plan.litecoin)
            .then(|| SoftToken::init_in(&folder.join("cold-token"), "cold"))
            .transpose()?;
        let identities = make_identities(folder)?;
        let listen: SocketAddr = ([127, 0, 0, 1], scratch::free_port()?).into();
        let config = write_config(
            folder,
            &plan,
            listen,
            &hsm,
            litecoind.as_ref(),
            anvil.as_ref(),
        )?;
        let cold_key = match (&cold_token, &programs.coldsign) {
            (Some(cold), Some(coldsign)) => {
                tell("making the cold key on the air-gapped token");
                Some(make_cold_key(folder, coldsign, cold)?)
            }
            _ => None,
        };
        let genesis = write_genesis(folder, &plan, &identities, cold_key.as_deref(), listen)?;
        tell("each operator signs the genesis: custodyctl genesis sign");
        sign_genesis(&genesis, &identities)?;
        if plan.wrapped {
            tell("the wrapping key: custodyd keys generate wrapping");
            run(Command::new(&programs.custodyd)
                .args(["keys", "generate", "wrapping", "--config"])
                .arg(&config)
                .arg("--so-pin-file")
                .arg(hsm.token()?.so_pin_file()))?;
        }
        tell("genesis: custodyd init");
        let init = run(Command::new(&programs.custodyd)
            .args(["init", "--config"])
            .arg(&config)
            .arg("--genesis")
            .arg(&genesis))?;
        if let Some(cold) = &cold_token {
            let journal_key = init
                .lines()
                .find_map(|line| line.strip_prefix("journal key"))
                .and_then(|rest| rest.split_whitespace().nth(1))
                .ok_or_else(|| TestbedError::unexpected("custodyd init", &init))?
                .to_owned();
            write_coldsign_config(folder, cold, Some(&journal_key))?;
        }
        tell("custodyd serve");
        let daemon = Daemon::start(
            &programs.custodyd,
            &config,
            listen,
            plan.environment.clone(),
            Duration::from_secs(60),
        )?;
        let house = Self {
            daemon,
            litecoind,
            anvil,
            hsm,
            cold_token,
            folder: folder.to_owned(),
            programs,
            keys: identities.files(),
            _temporary: None,
        };
        let operator = house.client_as("operator/alice")?;
        house
            .until(
                "make the wallets' keys",
                Duration::from_secs(30),
                async || {
                    let wallets: Result<Value, _> = operator.get("/v1/wallets").await;
                    wallets.is_ok_and(|page| {
                        let items = page["items"].as_array().cloned().unwrap_or_default();
                        !items.is_empty() && items.iter().all(|wallet| wallet["state"] == "active")
                    })
                },
            )
            .await?;
        Ok(house)
    }

    /// Where everything is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The key file of somebody, such as `operator/alice`.
    pub fn key_file(&self, principal: &str) -> PathBuf {
        self.keys
            .get(principal)
            .cloned()
            .unwrap_or_else(|| self.folder.join("no-such-key"))
    }

    /// Speaks as somebody, such as `client/exchange`.
    pub fn client_as(&self, principal: &str) -> Result<Client, TestbedError> {
        let fault = |e: &dyn std::fmt::Display| TestbedError::unexpected("client", &e.to_string());
        let who: Principal = principal.parse().map_err(|e| fault(&e))?;
        let identity = Identity::load(who, &self.key_file(principal)).map_err(|e| fault(&e))?;
        Client::new(&self.daemon.url(), identity).map_err(|e| fault(&e))
    }

    /// Runs `custodyd` with this house's configuration, and gives what it printed and whether it succeeded.
    pub fn custodyd(&self, arguments: &[&str]) -> Result<(bool, String), TestbedError> {
        let output = Command::new(&self.programs.custodyd)
            .args(arguments)
            .arg("--config")
            .arg(self.daemon.config())
            .output()
            .map_err(TestbedError::io("running custodyd".to_owned()))?;
        let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        Ok((
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        ))
    }

    /// What OpenSC's spy saw custodyd ask of its module so far, in a house that is spied on.
    pub fn pkcs11_calls(&self) -> Result<String, TestbedError> {
        let calls = pkcs11_calls(&self.folder);
        std::fs::read_to_string(&calls).map_err(TestbedError::io(calls.display().to_string()))
    }

    /// Runs `coldsign`, and gives what it printed.
    pub fn coldsign(&self, arguments: &[&str]) -> Result<String, TestbedError> {
        let program = self
            .programs
            .coldsign
            .clone()
            .unwrap_or_else(|| PathBuf::from("coldsign"));
        run(Command::new(program)
            .args(arguments)
            .arg("--config")
            .arg(self.folder.join("coldsign.toml")))
    }

    /// Polls until `done`, or says what was waited for and the end of the daemon's log.
    pub async fn until(
        &self,
        what: &'static str,
        at_most: Duration,
        mut done: impl AsyncFnMut() -> bool,
    ) -> Result<(), TestbedError> {
        let began = Instant::now();
        while began.elapsed() < at_most {
            if done().await {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let log = self.daemon.log().unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines
            .get(lines.len().saturating_sub(25)..)
            .unwrap_or_default()
            .join("\n");
        Err(TestbedError::TooSlow {
            part: "custodyd".to_owned(),
            what,
            waited: at_most,
            tail,
        })
    }

    /// The first address of a wallet.
    pub async fn address_of(&self, wallet: &str) -> Result<String, TestbedError> {
        let document: Value = self
            .client_as("operator/alice")?
            .get(&format!("/v1/wallets/{wallet}"))
            .await
            .map_err(|e| TestbedError::unexpected("custodyd", &e.to_string()))?;
        let address = document["addresses"][0].as_str();
        address
            .map(str::to_owned)
            .ok_or_else(|| TestbedError::unexpected("custodyd", &document.to_string()))
    }

    /// Pays into a wallet, in coins of this size each, and waits until the vault has seen them.
    pub async fn fund_litecoin(&self, wallet: &str, coins: &[&str]) -> Result<(), TestbedError> {
        let address = self.address_of(wallet).await?;
        let node = self
            .litecoind
            .as_ref()
            .ok_or_else(|| TestbedError::unexpected("house", "no litecoind"))?;
        for amount in coins {
            node.pay(&address, amount)?;
        }
        node.mine(1)?;
        self.until_funded(wallet).await
    }

    /// Gives an account this balance, in wei as hex, and waits until the vault has seen it.
    pub async fn fund_ethereum(&self, wallet: &str, wei_hex: &str) -> Result<(), TestbedError> {
        let address = self.address_of(wallet).await?;
        let node = self
            .anvil
            .as_ref()
            .ok_or_else(|| TestbedError::unexpected("house", "no anvil"))?;
        node.fund(&address, wei_hex)?;
        node.mine(1)?;
        self.until_funded(wallet).await
    }

    async fn until_funded(&self, wallet: &str) -> Result<(), TestbedError> {
        let operator = self.client_as("operator/alice")?;
        let path = format!("/v1/wallets/{wallet}");
        self.until("see the deposit", Duration::from_secs(30), async || {
            let document: Result<Value, _> = operator.get(&path).await;
            document.is_ok_and(|w| w["available"] != "0")
        })
        .await
    }
}
