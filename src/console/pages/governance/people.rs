//! Who may speak: operators with their credentials and groups, clients with their scopes, and invitations that are open.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;
use custodyd_policy::{OperatorId, Timestamp};
use custodyd_vault::{Credential, Scope, Vault};

use super::{Tab, page, tabs};
use crate::{
    console::{
        pages::{Fault, Frame, Section},
        words::Moment,
    },
    http::AppState,
};

/// A group of the policy with its members, an organisation likewise.
pub(in crate::console::pages) type Group = (String, Vec<String>);

#[derive(Template)]
#[template(path = "people.html")]
pub(in crate::console::pages) struct Page {
    pub(in crate::console::pages) frame: Frame,
    pub(in crate::console::pages) tabs: [Tab; 4],
    pub(in crate::console::pages) shown: Everybody,
}

/// Everybody who may speak.
#[derive(Debug)]
pub(in crate::console::pages) struct Everybody {
    pub(in crate::console::pages) people: Vec<Person>,
    pub(in crate::console::pages) groups: Vec<Group>,
    pub(in crate::console::pages) organisations: Vec<Group>,
    pub(in crate::console::pages) clients: Vec<Service>,
    pub(in crate::console::pages) invitations: Vec<Invited>,
    /// The console that passkeys sign for, and its origins.
    pub(in crate::console::pages) console: Option<(String, String)>,
}

/// An operator.
#[derive(Debug)]
pub(in crate::console::pages) struct Person {
    pub(in crate::console::pages) id: String,
    pub(in crate::console::pages) groups: String,
    pub(in crate::console::pages) organisation: Option<String>,
    pub(in crate::console::pages) credentials: Vec<Holder>,
    /// What should be better about their credentials.
    pub(in crate::console::pages) warning: Option<&'static str>,
}

/// A credential.
#[derive(Debug)]
pub(in crate::console::pages) struct Holder {
    pub(in crate::console::pages) what: &'static str,
    pub(in crate::console::pages) text: String,
    /// How often a passkey says it was used; none if it doesn't count.
    pub(in crate::console::pages) counter: Option<u32>,
}

/// A client.
#[derive(Debug)]
pub(in crate::console::pages) struct Service {
    pub(in crate::console::pages) id: String,
    pub(in crate::console::pages) key: String,
    /// Every scope, and whether it has it.
    pub(in crate::console::pages) scopes: Vec<(&'static str, bool)>,
}

/// An open invitation.
#[derive(Debug)]
pub(in crate::console::pages) struct Invited {
    pub(in crate::console::pages) operator: String,
    pub(in crate::console::pages) key: String,
    pub(in crate::console::pages) until: Moment,
    pub(in crate::console::pages) over: bool,
}

impl Everybody {
    pub(in crate::console::pages) fn of(vault: &Vault, now: Timestamp) -> Self {
        let policy = vault.policy();
        let invited = |(key, invitation): (&_, &custodyd_vault::Invitation)| Invited {
            operator: invitation.operator.to_string(),
            key: format!("{key}"),
            until: Moment::of(invitation.until, now),
            over: invitation.until <= now,
        };
        let service = |(id, client): (&_, &custodyd_vault::Client)| Service {
            id: format!("{id}"),
            key: client.key.to_string(),
            scopes: Scope::ALL
                .into_iter()
                .map(|scope| (scope.as_str(), client.may(scope)))
                .collect(),
        };
        Self {
            people: vault
                .operators()
                .iter()
                .map(|(id, credentials)| Person::of(vault, id, credentials))
                .collect(),
            groups: named(policy.groups()),
            organisations: named(policy.organisations()),
            clients: vault.clients().iter().map(service).collect(),
            invitations: vault.invitations().iter().map(invited).collect(),
            console: vault.console().map(|console| {
                let origins: Vec<&str> = console.origins().iter().map(String::as_str).collect();
                (console.id().to_owned(), origins.join(", "))
            }),
        }
    }
}

impl Person {
    fn of(vault: &Vault, id: &OperatorId, credentials: &[Credential]) -> Self {
        let policy = vault.policy();
        let groups: Vec<&str> = policy
            .groups()
            .iter()
            .filter(|(_, members)| members.contains(id))
            .map(|(group, _)| group.as_str())
            .collect();
        let organisation = policy
            .organisations()
            .iter()
            .find(|(_, members)| members.contains(id));
        let passkeys = credentials.iter().filter(|c| c.passkey().is_some()).count();
        let warning = match (credentials.len(), passkeys) {
            (0, _) => Some("has no credential yet"),
            (_, 0) => Some("has no passkey, and can't sign in here"),
            (_, 1) => Some(
                "has only one passkey: if it is lost, nothing here can be approved without another vote",
            ),
            _ => None,
        };
        Self {
            id: id.to_string(),
            groups: groups.join(", "),
            organisation: organisation.map(|(name, _)| name.to_string()),
            credentials: credentials.iter().map(|c| Holder::of(vault, c)).collect(),
            warning,
        }
    }
}

impl Holder {
    fn of(vault: &Vault, credential: &Credential) -> Self {
        let (what, counter) = match credential {
            Credential::Ed25519(_) => ("key", None),
            Credential::P256(_) => ("smart card", None),
            Credential::Passkey(passkey) => {
                let counter = vault.passkey_counter(&passkey.id);
                ("passkey", Some(counter).filter(|counter| *counter > 0))
            }
        };
        Self {
            what,
            text: credential.to_string(),
            counter,
        }
    }
}

fn named<K: ToString, P: ToString>(
    groups: &BTreeMap<K, std::collections::BTreeSet<P>>,
) -> Vec<Group> {
    let group = |(name, members): (&K, &std::collections::BTreeSet<P>)| {
        (name.to_string(), members.iter().map(P::to_string).collect())
    };
    groups.iter().map(group).collect()
}

/// `GET /console/governance/people`.
///
/// # Errors
/// Engine or database don't answer.
pub async fn show(state: &AppState, operator: &OperatorId) -> Result<Response, Fault> {
    let (frame, shown) = Frame::with(state, operator, Section::Governance, Everybody::of).await?;
    page(&Page {
        tabs: tabs("/console/governance/people"),
        frame,
        shown,
    })
}
