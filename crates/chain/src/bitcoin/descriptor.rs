//! Output descriptors (BIP-380 and 382): how a node or a third-party wallet is told what to watch.

use miniscript::Descriptor;

use crate::keys::PublicKey;

/// `wpkh(<key>)#<checksum>`: the one script that pays this key by P2WPKH, on every network.
#[must_use]
pub fn wpkh(key: &PublicKey) -> String {
    let key = ::bitcoin::PublicKey::new(*key.as_secp());
    Descriptor::new_wpkh(key)
        .expect("wpkh() takes every compressed key")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptor_is_that_of_litecoin_core() {
        // `litecoin-cli getdescriptorinfo`, Litecoin Core 0.21.2.1.
        let key = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
        assert_eq!(wpkh(&key.parse().unwrap()), format!("wpkh({key})#ucxz0gak"));
    }
}
