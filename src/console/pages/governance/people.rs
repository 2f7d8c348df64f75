//! Who may speak: operators with their credentials and groups, clients with their scopes, and invitations that are open.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;
use custodyd_policy::{ClientId, OperatorId, Timestamp};
use custodyd_vault::{Client, Credential, Scope, Vault};

use super::{
    Tabs,
    form::{Field, Form, Kind},
    page, tabs,
};
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
    pub(in crate::console::pages) tabs: Tabs,
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
    /// Forms that add somebody.
    pub(in crate::console::pages) add_operator: Form,
    pub(in crate::console::pages) add_client: Form,
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
    pub(in crate::console::pages) forms: [Form; 2],
}

/// A credential.
#[derive(Debug)]
pub(in crate::console::pages) struct Holder {
    pub(in crate::console::pages) what: &'static str,
    pub(in crate::console::pages) text: String,
    /// How often a passkey says it was used; none if it doesn't count.
    pub(in crate::console::pages) counter: Option<u32>,
    pub(in crate::console::pages) revoke: Form,
}

/// A client.
#[derive(Debug)]
pub(in crate::console::pages) struct Service {
    pub(in crate::console::pages) id: String,
    pub(in crate::console::pages) key: String,
    /// What it may do.
    pub(in crate::console::pages) scopes: Vec<&'static str>,
    pub(in crate::console::pages) forms: [Form; 3],
}

/// An open invitation.
#[derive(Debug)]
pub(in crate::console::pages) struct Invited {
    pub(in crate::console::pages) operator: String,
    pub(in crate::console::pages) key: String,
    pub(in crate::console::pages) until: Moment,
    pub(in crate::console::pages) over: bool,
    pub(in crate::console::pages) take_back: Form,
}

impl Everybody {
    pub(in crate::console::pages) fn of(vault: &Vault, now: Timestamp) -> Self {
        let policy = vault.policy();
        let invited = |(key, invitation): (&_, &custodyd_vault::Invitation)| Invited {
            operator: invitation.operator.to_string(),
            key: format!("{key}"),
            until: Moment::of(invitation.until, now),
            over: invitation.until <= now,
            take_back: Form::taking("uninvite", "Take it back", "Propose to take it back")
                .about("invitation", key),
        };
        Self {
            people: vault
                .operators()
                .iter()
                .map(|(id, credentials)| Person::of(vault, id, credentials))
                .collect(),
            groups: named(policy.groups()),
            organisations: named(policy.organisations()),
            clients: vault.clients().iter().map(Service::of).collect(),
            invitations: vault.invitations().iter().map(invited).collect(),
            add_operator: Form::new(
                "add_operator",
                "Add an operator by their key",
                "Propose the operator",
            )
            .noting("Somebody who shall sign in here is invited instead: their passkey is made by them. A key signs at the command line only.")
            .with(name("id", "Name", "erin"))
            .with(
                Field::of("credentials", "Keys or smart cards, one a line", Kind::Lines("p256:02…"))
                    .hint(KEYS),
            ),
            add_client: Form::new("add_client", "Add a client", "Propose the client")
                .with(name("id", "Name", "payroll"))
                .with(client_key())
                .with(scopes(|scope| Scope::default_set().contains(&scope))),
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
            credentials: credentials
                .iter()
                .map(|c| Holder::of(vault, id, c))
                .collect(),
            warning,
            forms: [
                Form::new(
                    "add_credential",
                    "Add a key or smart card",
                    "Propose the key",
                )
                .about("operator", id)
                .with(Field::text("credential", "Key or smart card", 80, "p256:02…").hint(KEYS)),
                Form::taking("remove_operator", "Remove", "Propose to remove them")
                    .noting(
                        "All of their credentials count no longer, and their open votes are void.",
                    )
                    .about("id", id),
            ],
        }
    }
}

/// How credentials that are no passkeys are written.
const KEYS: &str = "64 hex digits of an Ed25519 key, as custodyctl keygen prints them, or p256: and 66 of a smart card's.";

fn name(member: &'static str, label: &'static str, like: &'static str) -> Field {
    Field::text(member, label, 64, like).hint("Small letters, digits and hyphens.")
}

fn client_key() -> Field {
    Field::text("key", "Public key", 64, "")
        .hint("64 hex digits of an Ed25519 key, as custodyctl keygen prints them. The private half stays with the client.")
}

fn scopes(chosen: impl Fn(Scope) -> bool) -> Field {
    let scopes = Scope::ALL
        .into_iter()
        .map(|scope| (scope.as_str(), chosen(scope)));
    Field::of("scopes", "May do", Kind::Ticks(scopes.collect()))
}

impl Service {
    fn of((id, client): (&ClientId, &Client)) -> Self {
        let has = Scope::ALL.into_iter().filter(|scope| client.may(*scope));
        Self {
            id: id.to_string(),
            key: client.key.to_string(),
            scopes: has.map(Scope::as_str).collect(),
            forms: [
                Form::new("set_client_scopes", "Change what it may do", "Propose it")
                    .about("id", id)
                    .with(scopes(|scope| client.may(scope))),
                Form::new("rotate_client_key", "Change its key", "Propose the key")
                    .noting("From the moment that it takes effect the old key signs nothing: have the client ready to change over.")
                    .about("id", id)
                    .with(client_key()),
                Form::taking("remove_client", "Remove", "Propose to remove it")
                    .noting("What it asked for before stays.")
                    .about("id", id),
            ],
        }
    }
}

impl Holder {
    fn of(vault: &Vault, operator: &OperatorId, credential: &Credential) -> Self {
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
            revoke: Form::taking("revoke_credential", "Revoke", "Propose to revoke it")
                .about("operator", operator)
                .about("credential", credential),
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
