//! What is known of nodes: when they answered, and how high their chain is.

use custodyd_chain::Network;
use custodyd_policy::Timestamp;
use metrics::{counter, gauge};

/// A daemon that has a node for each of these begins.
pub fn begin(networks: impl IntoIterator<Item = Network>) {
    for network in networks {
        let network = network.to_string();
        gauge!("custodyd_node_up", "network" => network.clone()).set(0);
        gauge!("custodyd_node_height", "network" => network.clone()).set(0);
        gauge!("custodyd_node_answer_timestamp_seconds", "network" => network.clone()).set(0);
        gauge!("custodyd_node_tip_timestamp_seconds", "network" => network.clone()).set(0);
        counter!("custodyd_node_failures_total", "network" => network).increment(0);
    }
}

/// A node told the height of its best block; `moved` if that is another one than before.
pub fn told_height(network: Network, height: u64, moved: bool, now: Timestamp) {
    let network = network.to_string();
    gauge!("custodyd_node_height", "network" => network.clone()).set(height as f64);
    if moved {
        gauge!("custodyd_node_tip_timestamp_seconds", "network" => network)
            .set(now.as_seconds() as f64);
    }
}

/// A node answered, or not.
pub fn asked(network: &str, answered: bool, now: Timestamp) {
    let network = network.to_owned();
    gauge!("custodyd_node_up", "network" => network.clone()).set(u32::from(answered));
    if answered {
        gauge!("custodyd_node_answer_timestamp_seconds", "network" => network)
            .set(now.as_seconds() as f64);
    } else {
        counter!("custodyd_node_failures_total", "network" => network).increment(1);
    }
}
