//! What holds the keys of a house: a SoftHSM token on this machine, or network HSMs in containers that hold the same keys.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use crate::{
    HsmContainer, Reach, SoftToken, TestbedError,
    house::{Plan, project},
    house_files::pkcs11_calls,
    parts::pkcs11_spy_module,
};

/// The label of every house's token.
const LABEL: &str = "custodyd";

/// CKA_ID of a house's wrapping key.
const WRAPPING_KEY: &str = "577261704b657900000000000000000a";

/// What a house's keys are to be held by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HsmPlan {
    /// A SoftHSM token, loaded by custodyd.
    #[default]
    Soft,
    /// So many HSMs with the same keys, each in a container reached over a network that can be cut.
    Containers(usize),
}

/// What holds a house's keys.
#[derive(Debug)]
pub enum HouseHsm {
    /// As [`HsmPlan::Soft`].
    Soft(SoftToken),
    /// As [`HsmPlan::Containers`], named `hsm-1` and so on in custodyd's configuration.
    Containers(Vec<HsmContainer>),
}

impl HouseHsm {
    pub(crate) fn start(folder: &Path, plan: HsmPlan) -> Result<Self, TestbedError> {
        match plan {
            HsmPlan::Soft => SoftToken::init_in(&folder.join("token"), LABEL).map(Self::Soft),
            HsmPlan::Containers(count) => {
                let first = HsmContainer::start(LABEL, Reach::Network)?;
                let mut all = vec![first];
                while all.len() < count {
                    all.push(all[0].twin()?);
                }
                Ok(Self::Containers(all))
            }
        }
    }

    /// The SoftHSM token.
    ///
    /// # Errors
    /// [`TestbedError::Unexpected`] in a house whose HSMs are containers.
    pub fn token(&self) -> Result<&SoftToken, TestbedError> {
        match self {
            Self::Soft(token) => Ok(token),
            Self::Containers(_) => Err(TestbedError::unexpected(
                "house",
                "its HSMs are containers, and no token is on this machine",
            )),
        }
    }

    /// The HSMs in containers; none in a house with a SoftHSM token.
    pub fn containers(&self) -> &[HsmContainer] {
        match self {
            Self::Soft(_) => &[],
            Self::Containers(containers) => containers,
        }
    }

    /// The `[[hsm.tokens]]` of custodyd's configuration.
    pub(crate) fn config(&self, folder: &Path, plan: &Plan) -> Result<String, TestbedError> {
        let mut text = String::new();
        if plan.wrapped {
            let _ = write!(text, "\n[hsm]\nwrapping_key = \"{WRAPPING_KEY}\"\n");
        }
        let mut token =
            |name: &str, profile: &str, pin: &Path, module: Option<&Path>, environment| {
                let _ = write!(
                    text,
                    r#"
[[hsm.tokens]]
name = "{name}"
profile = "{profile}"
token = "{LABEL}"
pin = {{ file = "{pin}" }}
workers = {workers}
environment = {{ {environment} }}
"#,
                    profile = project().join("hsm-config").join(profile).display(),
                    pin = pin.display(),
                    workers = plan.workers,
                    environment = inline(&environment),
                );
                if let Some(module) = module {
                    let _ = writeln!(text, "module = \"{}\"", module.display());
                }
            };
        match self {
            Self::Soft(soft) if plan.spied => {
                let spied = soft.spied_environment(&pkcs11_calls(folder))?;
                let spy = pkcs11_spy_module()?;
                token("soft", "softhsm.toml", soft.pin_file(), Some(&spy), spied);
            }
            Self::Soft(soft) => {
                let environment = soft.environment();
                token("soft", "softhsm.toml", soft.pin_file(), None, environment);
            }
            Self::Containers(containers) => {
                for (index, hsm) in containers.iter().enumerate() {
                    token(
                        &format!("hsm-{}", index + 1),
                        "p11-kit-remote.toml",
                        &hsm.pin_file(),
                        Some(&hsm.module()?),
                        hsm.environment(),
                    );
                }
            }
        }
        Ok(text)
    }
}

fn inline(variables: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = variables
        .iter()
        .map(|(name, value)| format!("{name} = \"{value}\""))
        .collect();
    pairs.join(", ")
}
