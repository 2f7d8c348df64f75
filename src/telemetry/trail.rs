//! The id of a request, from the first byte to the engine's answer. What the API makes up for a request is also the id of its
//! row in the inbox, of the answer that is looked up later, and of the withdrawal it asks for: one id finds every line.

use std::cell::Cell;

tokio::task_local! {
    static UNUSED: Cell<Option<String>>;
}

/// A fresh id: 32 hex digits, in order of time (UUID version 7).
pub fn fresh() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// Does something on behalf of the request with this id.
pub async fn under<T>(id: String, doing: impl Future<Output = T>) -> T {
    UNUSED.scope(Cell::new(Some(id)), doing).await
}

/// The id for what is stored on behalf of the request at hand; a fresh one if that was used, or there is no request.
pub fn take() -> String {
    let unused = UNUSED.try_with(Cell::take).ok().flatten();
    unused.unwrap_or_else(fresh)
}

/// What somebody else calls the request, if it can stand in a log as it is: 1 to 64 letters, digits, dots, dashes and
/// underscores.
pub fn well_formed(theirs: &str) -> Option<&str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let fits = (1..=64).contains(&theirs.len()) && theirs.bytes().all(plain);
    fits.then_some(theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_gives_its_id_away_once() {
        let (first, second) = under("one".to_owned(), async { (take(), take()) }).await;
        assert_eq!(first, "one");
        assert_eq!(second.len(), 32);
        assert_ne!(take(), take());
    }

    #[test]
    fn only_what_can_not_break_a_line_is_repeated() {
        assert_eq!(well_formed("a1b2-C3_d4.e5"), Some("a1b2-C3_d4.e5"));
        for wrong in ["", "a b", "a\nb", "a\"b", "é", "${jndi}", &"x".repeat(65)] {
            assert_eq!(well_formed(wrong), None, "{wrong:?}");
        }
    }
}
