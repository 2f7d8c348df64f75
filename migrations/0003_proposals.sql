-- Proposals to change how the vault is governed, as readers see them. A projection: rebuildable from the journal.
CREATE TABLE proposals (
    vault TEXT NOT NULL,
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    created_seq BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (vault, id)
);
CREATE INDEX proposals_by_creation ON proposals (vault, created_seq, id);
CREATE INDEX proposals_by_state ON proposals (vault, state, created_seq, id);
