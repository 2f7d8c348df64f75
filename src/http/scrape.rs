//! Pages of metrics, one made at a time: whoever asks costs the database a dozen queries and the engine a look at every limit,
//! and nobody signs for it.

use std::{future::Future, time::Duration};

use tokio::{sync::Mutex, time::Instant};

/// Between two pages at least.
const PAUSE: Duration = Duration::from_millis(100);

/// The last page, and whoever waits for the next one.
#[derive(Debug, Default)]
pub struct Scrapes(Mutex<Option<(Instant, String)>>);

impl Scrapes {
    /// A page that was begun after this was asked. All who ask while one is made share the next one.
    pub(super) async fn page<F: Future<Output = String>>(
        &self,
        make: impl FnOnce() -> F,
    ) -> String {
        let asked = Instant::now();
        let mut last = self.0.lock().await;
        if let Some((begun, page)) = &*last {
            if *begun > asked {
                return page.clone();
            }
            tokio::time::sleep_until(*begun + PAUSE).await;
        }
        let begun = Instant::now();
        let page = make().await;
        // Only now: who hangs up meanwhile leaves the page before as it was.
        *last = Some((begun, page.clone()));
        page
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use tokio::sync::Semaphore;

    use super::*;

    #[derive(Clone)]
    struct Desk {
        scrapes: Arc<Scrapes>,
        asked: Arc<AtomicU32>,
        made: Arc<AtomicU32>,
        /// Each page takes one.
        leave: Arc<Semaphore>,
    }

    impl Desk {
        async fn ask(self) -> String {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let make = || async {
                self.leave.acquire().await.unwrap().forget();
                self.made.fetch_add(1, Ordering::Relaxed).to_string()
            };
            self.scrapes.page(make).await
        }

        async fn until_asked(&self, many: u32) {
            while self.asked.load(Ordering::Relaxed) < many {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn a_thousand_who_ask_at_once_get_one_page_that_is_no_older_than_their_question() {
        let desk = Desk {
            scrapes: Arc::default(),
            asked: Arc::default(),
            made: Arc::default(),
            leave: Arc::new(Semaphore::new(0)),
        };
        let first = tokio::spawn(desk.clone().ask());
        desk.until_asked(1).await;
        let crowd: Vec<_> = (0..1_000)
            .map(|_| tokio::spawn(desk.clone().ask()))
            .collect();
        desk.until_asked(1_001).await;
        desk.leave.add_permits(2);
        assert_eq!(first.await.unwrap(), "0");
        for one in crowd {
            assert_eq!(one.await.unwrap(), "1");
        }
        // Who hangs up while a page is made leaves nothing half made to the next.
        let gone = tokio::spawn(desk.clone().ask());
        desk.until_asked(1_002).await;
        gone.abort();
        desk.leave.add_permits(2);
        assert_eq!(desk.ask().await, "2");
    }
}
