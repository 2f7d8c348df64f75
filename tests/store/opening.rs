//! What open refuses.

use custodyd::store::{Store, StoreError};

use crate::bed::Bed;

pub(crate) async fn a_database_of_a_newer_program_is_refused(bed: Bed) {
    let store = bed.open().await;
    store.close().await;
    let copied = bed
        .sql(
            "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) \
             SELECT 9999, description, installed_on, success, checksum, execution_time FROM _sqlx_migrations WHERE version = 1",
        )
        .await;
    assert_eq!(copied, 1);
    let error = Store::open(&bed.url).await.unwrap_err();
    assert!(matches!(error, StoreError::Migration(_)), "{error}");
}

#[tokio::test]
async fn postgresql_that_may_lose_acknowledged_commits_is_refused() {
    let bed = Bed::postgres();
    bed.sql("ALTER DATABASE custodyd SET synchronous_commit = off")
        .await;
    let error = Store::open(&bed.url).await.unwrap_err();
    assert!(
        matches!(
            &error,
            StoreError::Durability {
                name: "synchronous_commit",
                ..
            }
        ),
        "{error}"
    );
    bed.sql("ALTER DATABASE custodyd SET synchronous_commit = local")
        .await;
    Store::open(&bed.url).await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_unavailable_and_is_not_repeated() {
    let bed = Bed::postgres();
    let (before, after) = bed.url.split_once('@').unwrap();
    let (scheme, _) = before.rsplit_once(':').unwrap();
    let url = format!("{scheme}:wrong-secret@{after}");
    let error = Store::open(&url).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("wrong-secret"));
}

#[tokio::test]
async fn urls_that_name_no_database_of_ours_are_refused() {
    for url in ["", "mysql://u:hidden@h/d", "/var/lib/custodyd.db"] {
        let error = Store::open(url).await.unwrap_err();
        assert!(matches!(error, StoreError::UnknownScheme(_)), "{url}");
        assert!(!error.to_string().contains("hidden"));
    }
    for url in [
        "sqlite:",
        "sqlite::memory:",
        "sqlite:file.db?mode=memory",
        "postgres://[::1",
    ] {
        let error = Store::open(url).await.unwrap_err();
        assert!(matches!(error, StoreError::Url(_)), "{url}: {error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("no/such/folder/a.db");
    let error = Store::open(&format!("sqlite:{}", absent.display()))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    let text = folder.path().join("text.db");
    std::fs::write(&text, "no database ".repeat(500)).unwrap();
    let error = Store::open(&format!("sqlite:{}", text.display()))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not a database"), "{error}");
}
