//! Real parts for tests, demo and benchmarks: nodes, tokens, databases, daemons.
