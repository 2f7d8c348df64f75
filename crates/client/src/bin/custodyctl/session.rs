//! One run's connection, and how its answers are printed.

use custodyd_client::{Client, ClientError, Endpoint, Identity, Page, Tls, with_query};
use serde_json::Value;

use crate::arguments::{Command, Connection};
use crate::failure::Failure;
use crate::text;

/// A client, and whether to print JSON.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) endpoint: Endpoint,
    pub(crate) tls: Tls,
    pub(crate) json: bool,
}

impl Session {
    /// Opens key files and certificates and sets the connection up; nothing is sent yet.
    pub(crate) fn open(connection: Connection, command: &Command) -> Result<Self, Failure> {
        let url = connection
            .url
            .ok_or_else(|| missing("--url", "CUSTODYD_URL"))?;
        let endpoint =
            Endpoint::parse(&url, connection.insecure_http).map_err(ClientError::from)?;
        let tls = connection.certificates.load()?;
        // Health is open to everyone.
        let identity = match command {
            Command::Health => None,
            _ => Some(connection.signer.identity()?),
        };
        Ok(Self {
            client: Client::over(&tls, endpoint.clone(), identity)?,
            endpoint,
            tls,
            json: connection.json,
        })
    }

    /// Who signs.
    pub(crate) fn identity(&self) -> Result<&Identity, Failure> {
        self.client
            .identity()
            .ok_or_else(|| missing("--key", "CUSTODYD_KEY"))
    }

    /// Prints an answer: as JSON, or for people in the form given.
    pub(crate) fn print(&self, answer: &Value, for_people: impl FnOnce(&Value) -> String) {
        if self.json {
            println!("{answer:#}");
        } else {
            println!("{}", for_people(answer));
        }
    }

    /// All pages of a list.
    pub(crate) async fn pages(
        &self,
        path: &str,
        parameters: &[(&str, Option<String>)],
    ) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut cursor = None;
        loop {
            let mut with_cursor = parameters.to_vec();
            with_cursor.push(("cursor", cursor.clone()));
            let page: Page<Value> = self.client.get(&with_query(path, &with_cursor)).await?;
            items.extend(page.items);
            // A cursor that doesn't move would go on for ever.
            if page.next.is_none() || page.next == cursor {
                return Ok(items);
            }
            cursor = page.next;
        }
    }

    /// Prints all pages of a list, each item as an outline.
    pub(crate) async fn list(
        &self,
        path: &str,
        parameters: &[(&str, Option<String>)],
    ) -> Result<(), Failure> {
        let items = self.pages(path, parameters).await?;
        self.print(&Value::Array(items), text::outline);
        Ok(())
    }
}

pub(crate) fn missing(option: &str, variable: &str) -> Failure {
    Failure::Usage(format!("{option} is missing (or set {variable})"))
}
