//! The operators' console, served under /console.

pub mod assets;
pub mod pages;
pub mod words;
