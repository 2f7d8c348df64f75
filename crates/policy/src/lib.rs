//! Policy: rules, limits, quorums, verdicts that explain themselves.
