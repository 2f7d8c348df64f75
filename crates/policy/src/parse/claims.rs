//! Claims about a policy: the file `NAME.proofs.toml`, read as strictly as a policy.

use std::collections::BTreeMap;

use custodyd_chain::{Asset, Network};
use serde::Deserialize;
use toml::Spanned;

use crate::analysis::claim::{Bound, Claim, ClaimError, Claims, Outflow, Statement};
use crate::analysis::world::{Wallet, World};
use crate::duration::parse_duration;
use crate::error::{Place, PolicyError, PolicyFault};
use crate::facts::Tier;
use crate::fiat::{Currency, Fiat, Price};
use crate::ids::{ClientId, Quoted, RuleId, WalletId};
use crate::parse::{Parser, advice, line_of, syntax};
use crate::policy::Policy;

/// The most people whose collusion is worked out.
const MOST_OPERATORS: usize = 8;
const MOST_CLIENTS: usize = 8;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    world: WrittenWorld,
    #[serde(default)]
    prove: Vec<Spanned<WrittenClaim>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct WrittenWorld {
    #[serde(default)]
    wallets: Vec<Spanned<WrittenWallet>>,
    #[serde(default)]
    clients: Vec<Spanned<ClientId>>,
    #[serde(default)]
    prices: BTreeMap<Asset, Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenWallet {
    id: WalletId,
    tier: Tier,
    network: Network,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenClaim {
    id: RuleId,
    claim: Kind,
    when: Option<syntax::When>,
    at_least: Option<Spanned<Vec<Spanned<syntax::Requirement>>>>,
    window: Option<Spanned<String>>,
    colluding: Option<Colluding>,
    at_most: Option<Spanned<String>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Requires,
    Never,
    Outflow,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Colluding {
    operators: usize,
    clients: usize,
}

/// Reads a file of claims about this policy.
pub(crate) fn read(policy: &Policy, source: &str) -> Result<Claims, ClaimError> {
    let file: File = toml::from_str(source).map_err(|refusal| PolicyError {
        line: refusal.span().map(|span| line_of(source, &span)),
        fault: Box::new(PolicyFault::Syntax {
            message: advice(refusal.message()),
        }),
    })?;
    let spoken = policy.fiat().map(|fiat| fiat.currency);
    let world = world(source, file.world, spoken)?;
    if file.prove.is_empty() {
        return Err(ClaimError::Empty);
    }
    let reader = Reader {
        source,
        currency: spoken,
        parser: Parser {
            source,
            people: policy.0.people.clone(),
            calendars: policy.0.calendars.clone(),
            fiat: policy.0.fiat,
            ways: Default::default(),
        },
    };
    let mut claims: Vec<Claim> = Vec::new();
    for written in file.prove {
        let claim = reader.claim(&written)?;
        if claims.iter().any(|known| known.id == claim.id) {
            return Err(ClaimError::Twice {
                line: line_of(source, &written.span()),
                name: claim.id.to_string(),
            });
        }
        claims.push(claim);
    }
    Ok(Claims { world, claims })
}

/// What is assumed, in the currency that the policy speaks of.
fn world(
    source: &str,
    written: WrittenWorld,
    currency: Option<Currency>,
) -> Result<World, ClaimError> {
    let mut world = World::default();
    for wallet in written.wallets {
        let line = line_of(source, &wallet.span());
        let WrittenWallet { id, tier, network } = wallet.into_inner();
        if world.wallets.iter().any(|known| known.id == id) {
            let name = id.to_string();
            return Err(ClaimError::Twice { line, name });
        }
        world.wallets.push(Wallet { id, tier, network });
    }
    for client in written.clients {
        let line = line_of(source, &client.span());
        let name = client.get_ref().to_string();
        if !world.clients.insert(client.into_inner()) {
            return Err(ClaimError::Twice { line, name });
        }
    }
    let mut prices = BTreeMap::new();
    for (asset, text) in written.prices {
        let refused = || ClaimError::Value {
            line: line_of(source, &text.span()),
            found: Quoted::new(text.get_ref()),
            wanted: "price in the currency of the policy's [fiat]; write for example \"64000 USD\"",
        };
        let (price, of) = text.get_ref().split_once(' ').ok_or_else(refused)?;
        let price: Price = price.parse().map_err(|_| refused())?;
        let of: Currency = of.parse().map_err(|_| refused())?;
        if currency != Some(of) {
            return Err(refused());
        }
        prices.insert(asset, price);
    }
    world.prices = currency
        .filter(|_| !prices.is_empty())
        .map(|currency| (currency, prices));
    Ok(world)
}

struct Reader<'a> {
    source: &'a str,
    /// The policy's currency.
    currency: Option<Currency>,
    parser: Parser<'a>,
}

impl Reader<'_> {
    fn claim(&self, written: &Spanned<WrittenClaim>) -> Result<Claim, ClaimError> {
        let line = line_of(self.source, &written.span());
        let claim = written.get_ref();
        let keys = [
            ("when", claim.when.is_some()),
            ("at_least", claim.at_least.is_some()),
            ("window", claim.window.is_some()),
            ("colluding", claim.colluding.is_some()),
            ("at_most", claim.at_most.is_some()),
        ];
        let (kind, wanted): (&'static str, &[(&'static str, &'static str)]) = match claim.claim {
            Kind::Requires => (
                "requires",
                &[
                    ("when", "when = { asset = [\"BTC\"] }"),
                    (
                        "at_least",
                        "at_least = [{ group = \"treasury\", quorum = 2 }]",
                    ),
                ],
            ),
            Kind::Never => ("never", &[("when", "when = { tier = [\"cold\"] }")]),
            Kind::Outflow => (
                "outflow",
                &[
                    ("window", "window = \"24h\""),
                    ("colluding", "colluding = { operators = 1, clients = 1 }"),
                    ("at_most", "at_most = \"10 BTC\""),
                ],
            ),
        };
        for (key, is_there) in keys {
            let id = || claim.id.clone();
            match wanted.iter().find(|(name, _)| *name == key) {
                Some((key, example)) if !is_there => {
                    return Err(ClaimError::Missing {
                        line,
                        claim: id(),
                        key,
                        kind,
                        example,
                    });
                }
                None if is_there => {
                    return Err(ClaimError::KeyWithoutKind {
                        line,
                        claim: id(),
                        key,
                        kind,
                    });
                }
                Some(_) | None => {}
            }
        }
        Ok(Claim {
            id: claim.id.clone(),
            statement: self.statement(written)?,
        })
    }

    /// The claim's parts, which are known to be there.
    fn statement(&self, written: &Spanned<WrittenClaim>) -> Result<Statement, ClaimError> {
        let claim = written.get_ref();
        let place = Place::Claim(claim.id.clone());
        let when = match &claim.when {
            Some(when) => self.parser.when(&place, written, when)?,
            None => Default::default(),
        };
        if let Some(at_least) = &claim.at_least {
            let at_least = self.parser.requirements(&place, at_least)?;
            return Ok(Statement::Requires { when, at_least });
        }
        let (Some(window), Some(colluding), Some(at_most)) =
            (&claim.window, &claim.colluding, &claim.at_most)
        else {
            return Ok(Statement::Never { when });
        };
        let line = |at: &Spanned<String>| line_of(self.source, &at.span());
        let value = |at: &Spanned<String>, wanted| ClaimError::Value {
            line: line(at),
            found: Quoted::new(at.get_ref()),
            wanted,
        };
        let numbers = [
            (colluding.operators, MOST_OPERATORS, "operators"),
            (colluding.clients, MOST_CLIENTS, "clients"),
        ];
        for (found, most, who) in numbers {
            if found > most {
                let line = line_of(self.source, &written.span());
                return Err(ClaimError::TooMany {
                    line,
                    found,
                    who,
                    most,
                });
            }
        }
        let text = at_most.get_ref();
        let amount = text.parse().map(Bound::Amount).ok();
        let bound = amount.or_else(|| {
            let fiat = text
                .parse()
                .ok()
                .filter(|fiat: &Fiat| self.currency == Some(fiat.currency));
            fiat.map(Bound::Fiat)
        });
        Ok(Statement::Outflow(Outflow {
            window_ms: parse_duration(window.get_ref())
                .map_err(|_| value(window, "duration; write for example \"24h\""))?,
            operators: colluding.operators,
            clients: colluding.clients,
            at_most: bound.ok_or_else(|| {
                value(at_most, "bound in an asset or in the policy's currency; write for example \"10 BTC\" or \"100000 USD\"")
            })?,
        }))
    }
}
