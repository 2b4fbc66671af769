//! Google Secret Manager.

mod chain;

mod emulator;

mod federation;

mod promises;

mod stores;

mod troubles;
