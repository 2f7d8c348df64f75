-- Every r that a key of this vault ever signed with: two signatures with one r over different digests give the private key
-- away. `key` is the public point, compressed, in hex; `origin` a transaction's id or `head` and its sequence number.
-- Written in the commit that stores the signature; rebuildable from the journal.
CREATE TABLE signature_points (
    vault TEXT NOT NULL,
    key TEXT NOT NULL,
    r BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    origin TEXT NOT NULL,
    PRIMARY KEY (vault, key, r)
);
