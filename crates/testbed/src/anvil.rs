//! Anvil: an Ethereum node with a chain of its own.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{Child, Signal, TestbedError, child::Spec, local_http, parts, scratch};

const READY_WITHIN: Duration = Duration::from_secs(30);

/// When blocks are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mining {
    /// One for each transaction, at once.
    Automatic,
    /// One every so many seconds.
    Interval(u32),
    /// Only when [`Anvil::mine`] is called.
    Manual,
}

/// How a chain is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnvilOptions {
    /// The EIP-155 chain id.
    pub chain_id: u64,
    /// When blocks are made.
    pub mining: Mining,
}

impl Default for AnvilOptions {
    fn default() -> Self {
        Self {
            chain_id: 31337,
            mining: Mining::Automatic,
        }
    }
}

/// A running Anvil with JSON-RPC on 127.0.0.1.
#[derive(Debug)]
pub struct Anvil {
    node: Child,
    folder: tempfile::TempDir,
    port: u16,
    options: AnvilOptions,
}

impl Anvil {
    /// Chain 31337, a block for each transaction.
    pub fn start() -> Result<Self, TestbedError> {
        Self::start_with(AnvilOptions::default())
    }

    /// A chain of one's own choice.
    pub fn start_with(options: AnvilOptions) -> Result<Self, TestbedError> {
        let folder = scratch::folder("anvil")?;
        let (node, port) = scratch::on_a_free_port(|port| launch(folder.path(), port, options))?;
        Ok(Self {
            node,
            folder,
            port,
            options,
        })
    }

    /// The JSON-RPC address: `http://127.0.0.1:<port>`.
    pub fn rpc_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The EIP-155 chain id.
    pub fn chain_id(&self) -> u64 {
        self.options.chain_id
    }

    /// Calls a JSON-RPC method; `params` is an array. Gives back `result`.
    pub fn rpc(&self, method: &str, params: &Value) -> Result<Value, TestbedError> {
        rpc(self.port, method, params)
    }

    /// Sets an account's balance, in wei as a hex quantity (`0xde0b6b3a7640000` is one ETH).
    pub fn fund(&self, address: &str, wei_hex: &str) -> Result<(), TestbedError> {
        self.rpc("anvil_setBalance", &json!([address, wei_hex]))
            .map(drop)
    }

    /// An account's balance in wei, as a hex quantity.
    pub fn balance(&self, address: &str) -> Result<String, TestbedError> {
        text(&self.rpc("eth_getBalance", &json!([address, "latest"]))?)
    }

    /// Makes blocks at once, with whatever is pending in the first.
    pub fn mine(&self, blocks: u64) -> Result<(), TestbedError> {
        self.rpc("anvil_mine", &json!([format!("{blocks:#x}")]))
            .map(drop)
    }

    /// The height of the tip.
    pub fn height(&self) -> Result<u64, TestbedError> {
        let height = self.rpc("eth_blockNumber", &json!([]))?;
        text(&height)?
            .strip_prefix("0x")
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .ok_or_else(|| unreadable(&height))
    }

    /// A transaction's receipt, or `None` while no block holds it.
    pub fn receipt(&self, hash: &str) -> Result<Option<Value>, TestbedError> {
        let receipt = self.rpc("eth_getTransactionReceipt", &json!([hash]))?;
        Ok(Some(receipt).filter(|receipt| !receipt.is_null()))
    }

    /// Waits until a block holds a transaction: even when mining is automatic, the answer to its sender comes before the block.
    pub fn confirmed(&mut self, hash: &str) -> Result<Value, TestbedError> {
        let port = self.port;
        let mut receipt = Value::Null;
        self.node
            .wait_until("mine a transaction", READY_WITHIN, || {
                receipt =
                    rpc(port, "eth_getTransactionReceipt", &json!([hash])).unwrap_or_default();
                !receipt.is_null()
            })?;
        Ok(receipt)
    }

    /// Turns a block for each transaction on or off while it runs.
    pub fn set_automine(&self, on: bool) -> Result<(), TestbedError> {
        self.rpc("evm_setAutomine", &json!([on])).map(drop)
    }

    /// Remembers the whole chain; the id is good for one [`Self::revert`].
    pub fn snapshot(&self) -> Result<String, TestbedError> {
        text(&self.rpc("evm_snapshot", &json!([]))?)
    }

    /// Goes back to a snapshot: every block and transaction since then has never been.
    pub fn revert(&self, snapshot: &str) -> Result<(), TestbedError> {
        match self.rpc("evm_revert", &json!([snapshot]))? {
            Value::Bool(true) => Ok(()),
            other => Err(TestbedError::Refused {
                part: "anvil",
                method: "evm_revert".into(),
                reason: other.to_string(),
            }),
        }
    }

    /// Replaces the newest `depth` blocks by empty ones.
    pub fn reorganise(&self, depth: u64) -> Result<(), TestbedError> {
        self.rpc("anvil_reorg", &json!([depth, []])).map(drop)
    }

    /// Shuts the node down in order, so that its chain is there after [`Self::restart`].
    pub fn stop(&mut self) -> Result<(), TestbedError> {
        self.node.signal(Signal::TERM)?;
        self.node.wait(READY_WITHIN).map(drop)
    }

    /// `kill -9`. What it held since it was last stopped in order is lost.
    pub fn kill(&mut self) -> Result<(), TestbedError> {
        self.node.kill().map(drop)
    }

    /// Starts it again on the same port, with the chain that [`Self::stop`] saved.
    pub fn restart(&mut self) -> Result<(), TestbedError> {
        self.node.kill()?;
        self.node = launch(self.folder.path(), self.port, self.options)?;
        Ok(())
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Child {
        &mut self.node
    }
}

fn launch(folder: &Path, port: u16, options: AnvilOptions) -> Result<Child, TestbedError> {
    let log = folder.join("anvil.log");
    let state = folder.join("state.json");
    let mut arguments = vec![
        "--host".into(),
        "127.0.0.1".into(),
        "--port".into(),
        port.to_string(),
        "--chain-id".into(),
        options.chain_id.to_string(),
        "--state".into(),
        state.display().to_string(),
        // Without it a restarted node knows the newest state only.
        "--preserve-historical-states".into(),
    ];
    match options.mining {
        Mining::Automatic => {}
        Mining::Interval(seconds) => {
            arguments.extend(["--block-time".into(), seconds.to_string()]);
        }
        Mining::Manual => arguments.push("--no-mining".into()),
    }
    let mut node = Child::start(
        &Spec {
            name: "anvil",
            program: &parts::anvil()?,
            user: None,
            log: &log,
            farewell: None,
        },
        arguments,
        [],
    )?;
    node.wait_until("answer", READY_WITHIN, || {
        rpc(port, "eth_chainId", &json!([])).is_ok()
    })?;
    Ok(node)
}

fn rpc(port: u16, method: &str, params: &Value) -> Result<Value, TestbedError> {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let response = local_http::post_json(address, "/", &call.to_string())?;
    let mut answer: Value =
        serde_json::from_str(&response.body).map_err(|_| TestbedError::Unreadable {
            part: "anvil",
            answer: response.body.clone(),
        })?;
    match answer.get("error") {
        Some(error) => Err(TestbedError::Refused {
            part: "anvil",
            method: method.to_owned(),
            reason: error.to_string(),
        }),
        None => Ok(answer
            .get_mut("result")
            .map(Value::take)
            .unwrap_or_default()),
    }
}

fn text(value: &Value) -> Result<String, TestbedError> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| unreadable(value))
}

fn unreadable(answer: &Value) -> TestbedError {
    TestbedError::Unreadable {
        part: "anvil",
        answer: answer.to_string(),
    }
}
