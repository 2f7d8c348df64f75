//! Lists, page by page, without holding more than a page.

use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::error::ClientError;
use crate::page::{Page, with_query};

/// A list that is fetched as it is read.
#[derive(Debug)]
pub struct Pages<'a, T> {
    client: &'a Client,
    path: String,
    parameters: Vec<(&'static str, Option<String>)>,
    waiting: std::vec::IntoIter<T>,
    next: Next,
}

#[derive(Debug, PartialEq, Eq)]
enum Next {
    First,
    Cursor(String),
    Ended,
}

impl<'a, T: DeserializeOwned> Pages<'a, T> {
    pub(crate) fn new(
        client: &'a Client,
        path: &str,
        parameters: Vec<(&'static str, Option<String>)>,
    ) -> Self {
        Self {
            client,
            path: path.to_owned(),
            parameters,
            waiting: Vec::new().into_iter(),
            next: Next::First,
        }
    }

    /// The next item; nothing at the end of the list.
    ///
    /// # Errors
    /// As [`Client::get`]. Asking again goes on with the page that failed.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            if let Some(item) = self.waiting.next() {
                return Ok(Some(item));
            }
            let cursor = match &self.next {
                Next::Ended => return Ok(None),
                Next::First => None,
                Next::Cursor(cursor) => Some(cursor.clone()),
            };
            let mut parameters = self.parameters.clone();
            parameters.push(("cursor", cursor.clone()));
            let page: Page<T> = self
                .client
                .get(&with_query(&self.path, &parameters))
                .await?;
            self.waiting = page.items.into_iter();
            self.next = match page.next {
                // A cursor that doesn't move would go on for ever.
                Some(next) if Some(&next) != cursor.as_ref() => Next::Cursor(next),
                _ => Next::Ended,
            };
        }
    }

    /// All that is left.
    ///
    /// # Errors
    /// As [`Pages::next`].
    pub async fn all(mut self) -> Result<Vec<T>, ClientError> {
        let mut items = Vec::new();
        while let Some(item) = self.next().await? {
            items.push(item);
        }
        Ok(items)
    }
}
