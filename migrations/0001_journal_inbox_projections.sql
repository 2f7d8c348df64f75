-- One dialect for SQLite and PostgreSQL: TEXT, BIGINT, BYTEA, nothing else. Times are Unix
-- milliseconds, sequence numbers start at 1, hashes are 32 bytes, documents are JSON text.

-- The source of truth: per vault a hash chain of events, and a signed head per commit.
CREATE TABLE journal (
    vault TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    kind TEXT NOT NULL,
    event TEXT NOT NULL,
    prev_hash BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (vault, seq)
);

CREATE TABLE heads (
    vault TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    signature BYTEA NOT NULL,
    PRIMARY KEY (vault, seq)
);

-- The one row per vault that every commit compares and sets, and that writers queue on.
CREATE TABLE vaults (
    vault TEXT NOT NULL PRIMARY KEY,
    head_seq BIGINT NOT NULL,
    head_hash BYTEA NOT NULL
);

-- Arrival order of the inbox. A counter row instead of a sequence: it is portable, and because
-- writers hold it until they commit, positions become visible in order.
CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('inbox', 0);

-- Signed requests as they came; `done` is set with the outcome.
CREATE TABLE inbox (
    id TEXT NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL,
    vault TEXT NOT NULL,
    kind TEXT NOT NULL,
    principal TEXT NOT NULL,
    nonce TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    request TEXT NOT NULL,
    done BIGINT NOT NULL DEFAULT 0,
    UNIQUE (principal, nonce)
);
CREATE INDEX inbox_pending ON inbox (vault, position) WHERE done = 0;

CREATE TABLE outcomes (
    inbox_id TEXT NOT NULL PRIMARY KEY REFERENCES inbox (id),
    status BIGINT NOT NULL,
    body TEXT NOT NULL
);

-- Projections: what reads are served from. Rebuildable from the journal.
CREATE TABLE withdrawals (
    vault TEXT NOT NULL,
    id TEXT NOT NULL,
    client TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    state TEXT NOT NULL,
    created_seq BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (vault, id),
    UNIQUE (client, idempotency_key)
);
CREATE INDEX withdrawals_by_creation ON withdrawals (vault, created_seq, id);
CREATE INDEX withdrawals_by_state ON withdrawals (vault, state, created_seq, id);
CREATE INDEX withdrawals_by_client ON withdrawals (vault, client, created_seq, id);

CREATE TABLE transactions (
    vault TEXT NOT NULL,
    id TEXT NOT NULL,
    txid TEXT,
    wallet TEXT NOT NULL,
    network TEXT NOT NULL,
    state TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (vault, id)
);

CREATE TABLE wallets (
    vault TEXT NOT NULL,
    id TEXT NOT NULL,
    tier TEXT NOT NULL,
    asset TEXT NOT NULL,
    state TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (vault, id)
);

CREATE TABLE keys (
    vault TEXT NOT NULL,
    id TEXT NOT NULL,
    wallet TEXT NOT NULL,
    state TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (vault, id)
);

CREATE TABLE exports (
    vault TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (vault, id)
);

-- The second line against paying twice: over all vaults, one transaction per coin and per nonce.
CREATE TABLE outpoint_reservations (
    network TEXT NOT NULL,
    outpoint TEXT NOT NULL,
    vault TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    PRIMARY KEY (network, outpoint)
);
CREATE INDEX outpoint_reservations_by_vault ON outpoint_reservations (vault);

CREATE TABLE nonce_reservations (
    network TEXT NOT NULL,
    account TEXT NOT NULL,
    nonce BIGINT NOT NULL,
    vault TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    PRIMARY KEY (network, account, nonce)
);
CREATE INDEX nonce_reservations_by_vault ON nonce_reservations (vault);

-- Files that left for the air-gapped signer; the first bytes stored under an export stay.
CREATE TABLE bundles (
    vault TEXT NOT NULL,
    export_id TEXT NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (vault, export_id)
);
