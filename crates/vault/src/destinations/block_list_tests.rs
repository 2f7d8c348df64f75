//! Block lists as people hand them around.

use super::*;

const BITCOIN: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
const ETHER: &str = "0xd9A1b0B1e1aE382DbDc898Ea68012FfcB2853a91";

fn network(name: &str) -> Option<Network> {
    Some(name.parse().unwrap())
}

#[test]
fn a_line_is_an_address_with_its_network_or_of_the_one_that_the_list_is_for() {
    let text = format!(
        "\u{feff}# sanctioned\r\n\r\nbitcoin:{BITCOIN}  # somebody\r\n  eip155:1:{ETHER}\n{}\n",
        BITCOIN.to_uppercase()
    );
    let list = parse_block_list(&text, network("bitcoin")).unwrap();
    // Two spellings of one address are one.
    assert_eq!(list.len(), 2);
    assert!(parse_block_list("", None).unwrap().is_empty());
}

#[test]
fn the_first_line_that_is_no_address_is_named() {
    let refused = |text: &str, of| parse_block_list(text, of).unwrap_err();
    let good = format!("bitcoin:{BITCOIN}\n");
    let error = refused(&format!("{good}# a\n{BITCOIN}\n"), None);
    assert_eq!(error.line, 3);
    assert!(
        error.to_string().contains("does not name its network"),
        "{error}"
    );
    for (line, says) in [
        (
            "bitcoin:bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
            "checksum",
        ),
        (&format!("litecoin:{BITCOIN}"), "belongs to"),
        ("dogecoin:D7Y55", "unknown network"),
        (
            "eip155:1:0xd9a1b0b1e1ae382dbdc898ea68012ffcb2853a9g",
            "not an address",
        ),
        ("bitcoin:\u{202e}abc", "not an address"),
    ] {
        let error = refused(&format!("{good}{good}{line}\n{good}"), None);
        assert_eq!(error.line, 3, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.to_string().contains('\u{202e}'), "{error}");
    }
}

#[test]
fn a_million_lines_are_read_and_one_more_is_not() {
    let most = "#\n".repeat(MAX_BLOCK_LIST_LINES);
    assert!(parse_block_list(&most, None).unwrap().is_empty());
    let error = parse_block_list(&format!("{most}#\n"), None).unwrap_err();
    assert_eq!(
        (error.line, error.fault),
        (MAX_BLOCK_LIST_LINES + 1, BlockListFault::TooLong)
    );
}
