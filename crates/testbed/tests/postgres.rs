//! PostgreSQL is real, durable and private.
#![allow(clippy::unwrap_used, clippy::panic)]

use custodyd_testbed::Postgres;

#[test]
fn postgres_keeps_what_was_committed_when_it_is_killed() {
    let mut postgres = Postgres::start().unwrap();
    let url = postgres.create_database("journal").unwrap();
    assert!(url.starts_with("postgres://custodyd:"), "{url}");
    assert!(url.ends_with("/journal"), "{url}");
    postgres
        .psql(
            "journal",
            "CREATE TABLE t (n BIGINT); INSERT INTO t VALUES (7)",
        )
        .unwrap();
    postgres.kill().unwrap();
    postgres.restart().unwrap();
    assert_eq!(postgres.psql("journal", "SELECT n FROM t").unwrap(), "7");
    assert_eq!(
        postgres.psql("journal", "SHOW synchronous_commit").unwrap(),
        "on"
    );
    postgres.stop().unwrap();
    assert!(postgres.psql("journal", "SELECT 1").is_err());
}

#[test]
fn postgres_asks_for_a_password_over_tcp() {
    let postgres = Postgres::start().unwrap();
    let rules = postgres
        .psql(
            "postgres",
            "SELECT DISTINCT auth_method FROM pg_hba_file_rules WHERE type = 'host'",
        )
        .unwrap();
    assert_eq!(rules, "scram-sha-256");
}
