-- What the console draws and searches. Both are projections: written in the commit that changes them, rebuildable from the
-- journal.

-- How a sum stood over time, one row for each series and ten minutes: `wallet/<id>` is what a wallet held on the chain,
-- `outflow/<asset>` all that was ever paid to others and is final. Base units in decimal; the last value of the ten minutes
-- stays. Rows older than 400 days go.
CREATE TABLE samples (
    vault TEXT NOT NULL,
    series TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    units TEXT NOT NULL,
    PRIMARY KEY (vault, series, at_ms)
);
CREATE INDEX samples_by_age ON samples (vault, at_ms);

-- Which commits, by the sequence number of their signed head, hold an event about what: `wd_…`, `tx_…`, `ex_…`, `pr_…`, a
-- key's id, `wallet/…`, `client/…`, `operator/…`, `kind/…`.
CREATE TABLE subjects (
    vault TEXT NOT NULL,
    subject TEXT NOT NULL,
    head_seq BIGINT NOT NULL,
    PRIMARY KEY (vault, subject, head_seq)
);
