//! Azure Key Vault.

mod chain;
mod faults;
mod oracles;
mod promises;
mod recorded;
mod stores;
