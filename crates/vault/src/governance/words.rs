//! Changes in words, for those who are asked to sign them, and what differs between two texts of a policy. Daemon and
//! client both use these: a client shows what a proposal's own changes say, never the daemon's words about them.

use std::{collections::BTreeMap, fmt};

use crate::Change;

/// Addresses that are written out in a change of the block list; of the others the number is told.
const SHOWN_ADDRESSES: usize = 20;
/// Differing lines up to which the shortest difference is looked for: the work grows with their product.
const MOST_COMPARED: usize = 2_000;

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetPolicy { source } => {
                write!(f, "set another policy, of {} lines", source.lines().count())
            }
            Self::AddOperator { id, credentials } => {
                write!(f, "add operator {id} with {}", Several("key", credentials))
            }
            Self::RemoveOperator { id } => write!(f, "remove operator {id}"),
            Self::AddCredential {
                operator,
                credential,
            } => write!(f, "operator {operator} may sign with key {credential} too"),
            Self::RevokeCredential {
                operator,
                credential,
            } => write!(
                f,
                "operator {operator} may no longer sign with key {credential}"
            ),
            Self::Invite {
                operator,
                invitation,
                until,
            } => write!(
                f,
                "operator {operator} may bring a credential until {until}, by invitation {invitation}"
            ),
            Self::Uninvite { invitation } => write!(f, "take invitation {invitation} back"),
            Self::SetConsole { console } => write!(
                f,
                "passkeys sign for the console {}, at {}",
                console.id(),
                Several("", console.origins())
            ),
            Self::AddClient { id, key, scopes } => write!(
                f,
                "add client {id} with key {key}, which may do: {}",
                Several("", scopes)
            ),
            Self::RemoveClient { id } => write!(f, "remove client {id}"),
            Self::SetClientScopes { id, scopes } => {
                write!(f, "client {id} may do: {}", Several("", scopes))
            }
            Self::RotateClientKey { id, key } => write!(f, "client {id} signs with key {key}"),
            Self::AddDestination {
                address,
                name,
                tags,
            } => {
                write!(f, "add destination {address} as {name:?}")?;
                if tags.is_empty() {
                    return Ok(());
                }
                write!(f, ", tagged {}", Several("", tags))
            }
            Self::RemoveDestination { address } => write!(f, "remove destination {address}"),
            Self::Block { addresses } => write!(f, "block {}", Several("", addresses)),
            Self::Unblock { addresses } => write!(f, "unblock {}", Several("", addresses)),
            Self::SetWallet {
                id,
                fee_caps,
                confirmations,
            } => {
                write!(f, "wallet {id}:")?;
                if let Some(caps) = fee_caps {
                    write!(
                        f,
                        " fees up to {} and {} basis points",
                        caps.absolute, caps.relative_bp
                    )?;
                }
                if let Some(depth) = confirmations {
                    let and = if fee_caps.is_some() { "," } else { "" };
                    write!(f, "{and} final after {depth} confirmations")?;
                }
                Ok(())
            }
            Self::AddWallet {
                id,
                tier,
                network,
                fee_caps,
                confirmations,
                public_key,
                ..
            } => {
                write!(
                    f,
                    "add {tier} wallet {id} on {network}: fees up to {} and {} basis points, final after {confirmations} \
                     confirmations",
                    fee_caps.absolute, fee_caps.relative_bp
                )?;
                match public_key {
                    Some(key) => write!(f, ", key {key}"),
                    None => f.write_str(", its key made in the HSM"),
                }
            }
            Self::RetireWallet { id } => write!(
                f,
                "retire wallet {id}: from then on it pays own wallets only, until it is empty"
            ),
        }
    }
}

/// A list, cut where nobody would read on.
struct Several<T>(&'static str, T);

impl<T> fmt::Display for Several<&T>
where
    for<'a> &'a T: IntoIterator<Item: fmt::Display>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = 0_usize;
        for (at, item) in self.1.into_iter().enumerate() {
            if at >= SHOWN_ADDRESSES {
                rest = rest.saturating_add(1);
                continue;
            }
            let before = match (at, self.0) {
                (0, "") => "",
                (0, _) => self.0,
                _ => ",",
            };
            let gap = if before.is_empty() { "" } else { " " };
            write!(f, "{before}{gap}{item}")?;
        }
        if rest > 0 {
            write!(f, " and {rest} more")?;
        }
        Ok(())
    }
}

/// What differs between two texts, line by line: `-` and `+` lines in their place, unchanged ones left out but for their
/// number. Empty if nothing differs.
pub fn line_diff(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old, new) = (
        old.get(head..).unwrap_or_default(),
        new.get(head..).unwrap_or_default(),
    );
    let tail = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let cut = |lines: &[&'_ str]| lines.len().saturating_sub(tail);
    let (old, new) = (
        old.get(..cut(old)).unwrap_or_default(),
        new.get(..cut(new)).unwrap_or_default(),
    );
    let mut text = String::new();
    let mut unchanged = head;
    let mut push = |unchanged: &mut usize, sign: char, line: &str| {
        if *unchanged > 0 {
            text.push_str(&format!("  … {unchanged} lines as before\n"));
            *unchanged = 0;
        }
        text.push(sign);
        text.push(' ');
        text.push_str(line);
        text.push('\n');
    };
    let common = common_lines(old, new);
    let (mut at_old, mut at_new) = (0_usize, 0_usize);
    for (next_old, next_new) in common.into_iter().chain([(old.len(), new.len())]) {
        for line in old.get(at_old..next_old).unwrap_or_default() {
            push(&mut unchanged, '-', line);
        }
        for line in new.get(at_new..next_new).unwrap_or_default() {
            push(&mut unchanged, '+', line);
        }
        if next_old < old.len() {
            unchanged = unchanged.saturating_add(1);
        }
        (at_old, at_new) = (next_old.saturating_add(1), next_new.saturating_add(1));
    }
    text
}

/// Places of a longest common subsequence; none where looking for it would take too long.
fn common_lines(old: &[&str], new: &[&str]) -> Vec<(usize, usize)> {
    if old.len() > MOST_COMPARED || new.len() > MOST_COMPARED {
        return Vec::new();
    }
    // longest[(i, j)]: of what follows old line i and new line j.
    let mut longest: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    let mut below = vec![0_u32; new.len().saturating_add(1)];
    longest.insert(old.len(), below.clone());
    let at = |row: &[u32], j: usize| row.get(j).copied().unwrap_or(0);
    for (i, line) in old.iter().enumerate().rev() {
        let mut row = vec![0_u32; new.len().saturating_add(1)];
        for (j, other) in new.iter().enumerate().rev() {
            let after = j.saturating_add(1);
            let best = if line == other {
                at(&below, after).saturating_add(1)
            } else {
                at(&below, j).max(at(&row, after))
            };
            if let Some(cell) = row.get_mut(j) {
                *cell = best;
            }
        }
        below.clone_from(&row);
        longest.insert(i, row);
    }
    let value = |i: usize, j: usize| longest.get(&i).map_or(0, |row| at(row, j));
    let (mut i, mut j, mut common) = (0_usize, 0_usize, Vec::new());
    while let (Some(line), Some(other)) = (old.get(i), new.get(j)) {
        if line == other {
            common.push((i, j));
            (i, j) = (i.saturating_add(1), j.saturating_add(1));
        } else if value(i.saturating_add(1), j) >= value(i, j.saturating_add(1)) {
            i = i.saturating_add(1);
        } else {
            j = j.saturating_add(1);
        }
    }
    common
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_line_by_line_and_nothing_else() {
        assert_eq!(line_diff("a\nb\nc", "a\nb\nc"), "");
        assert_eq!(
            line_diff("a\nb\nc\nd\ne", "a\nx\nc\nd\ny\ne"),
            "  … 1 lines as before\n- b\n+ x\n  … 2 lines as before\n+ y\n"
        );
        assert_eq!(line_diff("", "a"), "+ a\n");
        assert_eq!(line_diff("a", ""), "- a\n");
        let many: Vec<String> = (0..5_000).map(|n| n.to_string()).collect();
        let other: Vec<String> = (0..5_000).map(|n| format!("x{n}")).collect();
        let diff = line_diff(&many.join("\n"), &other.join("\n"));
        assert_eq!(diff.lines().count(), 10_000);
    }

    #[test]
    fn a_change_says_all_that_it_does() {
        let change: Change = serde_json::from_str(
            r#"{"change":"add_client","id":"feed","key":"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a","scopes":["prices","read"]}"#,
        )
        .unwrap();
        assert_eq!(
            change.to_string(),
            "add client feed with key d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a, which may do: \
             read, prices"
        );
        let change: Change =
            serde_json::from_str(r#"{"change":"set_wallet","id":"hot-ltc","confirmations":6}"#)
                .unwrap();
        assert_eq!(
            change.to_string(),
            "wallet hot-ltc: final after 6 confirmations"
        );
    }
}
