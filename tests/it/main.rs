//! The real binary, driven as users drive it: a chapter per capability.
#![allow(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "the house list is for the program"
)]

mod house;

mod audit;

mod aws;

mod azure;

mod bad_input;

mod command_line;

mod commands;

mod django;

mod docker;

mod dotenv;

mod dump;

mod entries;

mod environment;

mod exit_status;

mod google;

mod hcp;

mod http;

mod json;

mod jwt;

mod leaks;

mod mask;

mod messages;

mod migrate;

mod precedence;

mod prompts;

mod providers;

mod rotation;

mod sealed;

mod signals;

mod static_binary;

mod supervise;

mod transparency;

mod vault;

mod writing;
