//! The body of `PUT /v1/prices`.

use std::fmt;

use custodyd_chain::Asset;
use custodyd_policy::{Currency, Price, Timestamp};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};
use utoipa::ToSchema;

/// Body of `PUT /v1/prices`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PricesBody {
    /// Three capitals, the policy's: `USD`.
    #[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "USD")]
    pub currency: Currency,
    /// Since when they stand, Unix milliseconds.
    #[schema(value_type = u64, minimum = 0, maximum = 9_007_199_254_740_991_u64, example = 1_767_571_200_000_u64)]
    pub as_of: Timestamp,
    /// What one unit of each asset costs, as decimal strings.
    #[schema(value_type = std::collections::BTreeMap<String, String>, example = json!({"BTC": "64000.5", "ETH": "3100"}))]
    pub prices: PriceList,
}

/// Prices as they were written: an asset that is there twice is not two prices of which the last counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceList(pub Vec<(Asset, Price)>);

impl Serialize for PriceList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(asset, price)| (asset, price)))
    }
}

impl<'de> Deserialize<'de> for PriceList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = PriceList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of assets and their prices")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PriceList, A::Error> {
                let mut prices = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    prices.push(entry);
                }
                Ok(PriceList(prices))
            }
        }
        deserializer.deserialize_map(List)
    }
}
