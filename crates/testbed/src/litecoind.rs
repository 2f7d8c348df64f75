//! Litecoin Core on a regtest chain of its own.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::{Child, TestbedError, child, child::Spec, parts, scratch};

const READY_WITHIN: Duration = Duration::from_secs(30);
/// The wallet that receives the block rewards and pays what tests ask for.
const MINER: &str = "miner";
/// A block reward may be spent after 100 further blocks.
const FIRST_SPENDABLE_HEIGHT: u32 = 101;

/// A running `litecoind`: no peers, JSON-RPC on 127.0.0.1 behind a cookie, and a miner's wallet with a spendable reward.
#[derive(Debug)]
pub struct Litecoind {
    node: Child,
    folder: tempfile::TempDir,
    rpc_port: u16,
    mining_address: String,
}

impl Litecoind {
    /// Starts a node on an empty chain and mines until the first reward may be spent.
    pub fn start() -> Result<Self, TestbedError> {
        let folder = scratch::folder("litecoind")?;
        let (node, rpc_port) = scratch::on_a_free_port(|port| launch(folder.path(), port))?;
        let mut litecoind = Self {
            node,
            folder,
            rpc_port,
            mining_address: String::new(),
        };
        litecoind.cli(&[
            "-named",
            "createwallet",
            "wallet_name=miner",
            "load_on_startup=true",
        ])?;
        litecoind.mining_address =
            text(&litecoind.wallet_cli(MINER, &["getnewaddress", "", "bech32"])?)?;
        litecoind.mine(FIRST_SPENDABLE_HEIGHT)?;
        Ok(litecoind)
    }

    /// The JSON-RPC address, without credentials: `http://127.0.0.1:<port>`.
    pub fn rpc_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.rpc_port)
    }

    /// The file with `user:password` for JSON-RPC. As in production, its contents change whenever the node starts.
    pub fn cookie_file(&self) -> PathBuf {
        self.folder.path().join("regtest/.cookie")
    }

    /// What `litecoin-cli` answers: JSON where it prints JSON, else its text as a JSON string.
    pub fn cli(&self, arguments: &[&str]) -> Result<Value, TestbedError> {
        cli(self.folder.path(), self.rpc_port, arguments)
    }

    /// The same for a call that concerns one of the node's wallets.
    pub fn wallet_cli(&self, wallet: &str, arguments: &[&str]) -> Result<Value, TestbedError> {
        let wallet = format!("-rpcwallet={wallet}");
        let mut all = vec![wallet.as_str()];
        all.extend(arguments);
        self.cli(&all)
    }

    /// Mines blocks with whatever the mempool holds; gives back their hashes, oldest first.
    pub fn mine(&self, blocks: u32) -> Result<Vec<String>, TestbedError> {
        let mined = self.cli(&[
            "generatetoaddress",
            &blocks.to_string(),
            &self.mining_address,
        ])?;
        mined
            .as_array()
            .ok_or_else(|| unreadable(&mined))?
            .iter()
            .map(text)
            .collect()
    }

    /// Mines one block and leaves the mempool's transactions out of it: a rival branch that doesn't confirm them.
    pub fn mine_empty(&self) -> Result<String, TestbedError> {
        let made = self.cli(&["generateblock", &self.mining_address, "[]"])?;
        text(made.get("hash").unwrap_or(&made))
    }

    /// Pays `amount` (decimal LTC) from the miner's wallet and mines one block; gives back the transaction id.
    pub fn fund(&self, address: &str, amount: &str) -> Result<String, TestbedError> {
        let txid = self.pay(address, amount)?;
        self.mine(1)?;
        Ok(txid)
    }

    /// Pays `amount` (decimal LTC) from the miner's wallet and leaves the payment in the mempool.
    pub fn pay(&self, address: &str, amount: &str) -> Result<String, TestbedError> {
        text(&self.wallet_cli(MINER, &["sendtoaddress", address, amount])?)
    }

    /// A fresh P2WPKH address of the miner's wallet: somebody else's, for a payment to go to.
    pub fn outside_address(&self) -> Result<String, TestbedError> {
        text(&self.wallet_cli(MINER, &["getnewaddress", "", "bech32"])?)
    }

    /// The hash of the block at a height.
    pub fn block_hash(&self, height: u64) -> Result<String, TestbedError> {
        text(&self.cli(&["getblockhash", &height.to_string()])?)
    }

    /// The height of the tip.
    pub fn height(&self) -> Result<u64, TestbedError> {
        let height = self.cli(&["getblockcount"])?;
        height.as_u64().ok_or_else(|| unreadable(&height))
    }

    /// Makes the node leave the branch that holds this block: its transactions return to the mempool.
    pub fn invalidate(&self, block: &str) -> Result<(), TestbedError> {
        self.cli(&["invalidateblock", block]).map(drop)
    }

    /// Lets the node come back to a branch that was invalidated, if it has the most work.
    pub fn reconsider(&self, block: &str) -> Result<(), TestbedError> {
        self.cli(&["reconsiderblock", block]).map(drop)
    }

    /// Takes the newest `depth` blocks back and mines one empty block more in their place.
    pub fn reorganise(&self, depth: u32) -> Result<(), TestbedError> {
        let first_lost = self
            .height()?
            .saturating_sub(u64::from(depth))
            .saturating_add(1);
        self.invalidate(&self.block_hash(first_lost)?)?;
        (0..=depth).try_for_each(|_| self.mine_empty().map(drop))
    }

    /// Shuts the node down in order, so that the chain and the mempool are there after [`Self::restart`].
    pub fn stop(&mut self) -> Result<(), TestbedError> {
        self.cli(&["stop"])?;
        self.node.wait(READY_WITHIN).map(drop)
    }

    /// `kill -9`. Blocks that the node hadn't flushed yet are lost.
    pub fn kill(&mut self) -> Result<(), TestbedError> {
        self.node.kill().map(drop)
    }

    /// Starts it again on the same data and the same port, killing it first if it still runs.
    pub fn restart(&mut self) -> Result<(), TestbedError> {
        self.node.kill()?;
        self.node = launch(self.folder.path(), self.rpc_port)?;
        Ok(())
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Child {
        &mut self.node
    }
}

fn launch(folder: &Path, rpc_port: u16) -> Result<Child, TestbedError> {
    let log = folder.join("litecoind.log");
    let mut node = Child::start(
        &Spec {
            name: "litecoind",
            program: &parts::program_in_path("Litecoin Core", "litecoind")?,
            user: None,
            log: &log,
            farewell: None,
        },
        [
            data_folder(folder),
            "-regtest".into(),
            "-server".into(),
            "-listen=0".into(),
            "-dnsseed=0".into(),
            "-rpcbind=127.0.0.1".into(),
            "-rpcallowip=127.0.0.1".into(),
            format!("-rpcport={rpc_port}").into(),
            "-fallbackfee=0.0001".into(),
            // Each wallet starts with this many keys; the default of 1,000 is most of its start-up time.
            "-keypool=10".into(),
            // On regtest MWEB activates at height 432, and from there the node refuses to mine until someone pegs in
            // ("bad-txns-vin-empty"). Its start is put off to the year 2096.
            "-vbparams=mweb:4000000000:4000000001".into(),
        ],
        [],
    )?;
    node.wait_until("answer", READY_WITHIN, || {
        cli(folder, rpc_port, &["getblockcount"]).is_ok()
    })?;
    Ok(node)
}

fn cli(folder: &Path, rpc_port: u16, arguments: &[&str]) -> Result<Value, TestbedError> {
    let mut command = Command::new(parts::program_in_path("Litecoin Core", "litecoin-cli")?);
    command
        .arg(data_folder(folder))
        .arg("-regtest")
        .arg(format!("-rpcport={rpc_port}"))
        .args(arguments);
    let answer = child::run(command)?;
    Ok(serde_json::from_str(&answer).unwrap_or(Value::String(answer)))
}

fn data_folder(folder: &Path) -> OsString {
    let mut option = OsString::from("-datadir=");
    option.push(folder);
    option
}

fn text(value: &Value) -> Result<String, TestbedError> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| unreadable(value))
}

fn unreadable(answer: &Value) -> TestbedError {
    TestbedError::Unreadable {
        part: "litecoind",
        answer: answer.to_string(),
    }
}
