//! The bundle that crosses the air gap, and nothing else.
