//! What was raised and has not arrived, and which conditions were told, in a folder beside the anchor: after a `kill -9` the
//! first is delivered, and the end of the second is told.
//!
//! Each message is a file, so that taking one out rewrites none. What can't be written is delivered from memory as long as
//! the daemon lives.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use custodyd_policy::Timestamp;
use serde::Deserialize;

use super::detect::Told;
use crate::webhooks::Message;

/// Messages that are read at once; as many may wait in memory.
const MOST_LETTERS: usize = 256;
/// Bytes of one file.
const MOST_BYTES: u64 = 1024 * 1024;
/// The file of what was told to hold.
const TOLD: &str = "told.json";

/// An alert on its way.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) message: Message,
    pub(super) raised: Timestamp,
}

/// The folder. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Spool {
    folder: Arc<Path>,
}

/// What waits: of a process before this one, or because there was no room.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// In the order in which they were raised.
    pub(super) letters: Vec<Letter>,
    /// Whether there are more.
    pub(super) more: bool,
    pub(super) told: Vec<Told>,
}

impl Spool {
    /// The folder, made if it is not there.
    ///
    /// # Errors
    /// It can't be made.
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        Ok(Self {
            folder: folder.into(),
        })
    }

    /// What is in it. A file that can't be read as what it should be is put aside with a line in the log.
    pub(super) fn left(&self) -> Left {
        let mut left = Left::default();
        let names = fs::read_dir(&self.folder).and_then(|entries| {
            let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            names.collect::<io::Result<Vec<_>>>()
        });
        let mut names = names.unwrap_or_else(|error| {
            tracing::error!(%error, "which alerts did not arrive can't be read");
            Vec::new()
        });
        // An id begins with its time.
        names.sort_unstable();
        for name in names {
            let path = self.folder.join(&name);
            let understood = if name == TOLD {
                read(&path).and_then(|text| {
                    left.told = serde_json::from_str(&text)?;
                    Ok(())
                })
            } else if let Some(id) = name.strip_suffix(".json") {
                read(&path).and_then(|body| {
                    let Dated { timestamp } = serde_json::from_str(&body)?;
                    if left.letters.len() >= MOST_LETTERS {
                        left.more = true;
                    } else {
                        left.letters.push(Letter {
                            message: Message {
                                id: id.to_owned(),
                                body,
                            },
                            raised: Timestamp::from_ms(timestamp),
                        });
                    }
                    Ok(())
                })
            } else {
                continue;
            };
            if let Err(error) = understood {
                tracing::error!(%error, file = name, "an alert that did not arrive can't be read; the log before tells it");
                let _ = fs::rename(&path, path.with_extension("unreadable"));
            }
        }
        left
    }

    /// Keeps a message until it has arrived.
    pub(super) async fn keep(&self, message: &Message) {
        let (path, body) = (self.path(&message.id), message.body.clone());
        self.write(path, body).await;
    }

    /// It has arrived, or never will.
    pub(super) async fn forget(&self, id: &str) {
        let path = self.path(id);
        let removed = tokio::task::spawn_blocking(move || fs::remove_file(path)).await;
        match removed {
            // What could not be kept is not there.
            Ok(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, id, "an alert that arrived will be sent again after a restart");
            }
            _ => {}
        }
    }

    /// These were told to hold, and no others.
    pub(super) async fn keep_told(&self, told: &[Told]) {
        match serde_json::to_string(told) {
            Ok(text) => self.write(self.folder.join(TOLD), text).await,
            Err(error) => tracing::error!(%error, "what was told can't be written"),
        }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    async fn write(&self, path: PathBuf, text: String) {
        let folder = Arc::clone(&self.folder);
        let written = tokio::task::spawn_blocking(move || replace(&folder, &path, &text)).await;
        if let Ok(Err(error)) = written {
            tracing::error!(%error, "an alert could not be kept; a restart would lose it");
        }
    }
}

/// When it was raised, Unix milliseconds; the rest is for the recipient.
#[derive(Deserialize)]
struct Dated {
    timestamp: u64,
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(MOST_BYTES)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// Written beside, synced, renamed over, the folder synced.
fn replace(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::Kind;

    fn message(id: &str, at: u64) -> Message {
        Message {
            id: id.to_owned(),
            body: format!(r#"{{"type":"alert.firing","timestamp":{at},"data":{{}}}}"#),
        }
    }

    fn told(subject: &str) -> Told {
        Told {
            kind: Kind::NodeDown,
            subject: subject.to_owned(),
            since_ms: 7,
            what: "it is gone".to_owned(),
        }
    }

    #[tokio::test]
    async fn what_has_not_arrived_is_there_again_in_order_and_what_has_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Spool::open(folder.path().join("alerts")).unwrap();
        let spool = open();
        for (id, at) in [("alert_2", 20), ("alert_1", 10), ("alert_3", 30)] {
            spool.keep(&message(id, at)).await;
        }
        spool.keep_told(&[told("a"), told("b")]).await;
        spool.keep_told(&[told("b")]).await;
        spool.forget("alert_2").await;
        spool.forget("alert_9").await;
        let left = open().left();
        let letters: Vec<_> = left
            .letters
            .iter()
            .map(|letter| (letter.message.id.as_str(), letter.raised.as_ms()))
            .collect();
        assert_eq!(letters, [("alert_1", 10), ("alert_3", 30)]);
        assert_eq!(left.letters[0].message.body, message("alert_1", 10).body);
        assert_eq!(left.told, [told("b")]);
    }

    #[tokio::test]
    async fn what_can_not_be_read_is_put_aside_and_keeps_nothing_back() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path().to_owned()).unwrap();
        spool.keep(&message("alert_2", 20)).await;
        for name in ["alert_1.json", TOLD] {
            fs::write(folder.path().join(name), "{\"torn").unwrap();
        }
        fs::write(folder.path().join("alert_3.new"), "{\"torn").unwrap();
        for _ in 0..2 {
            let left = spool.left();
            assert_eq!(left.letters.len(), 1);
            assert_eq!(left.told, []);
        }
        assert!(folder.path().join("alert_1.unreadable").exists());
    }
}
