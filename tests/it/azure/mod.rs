//! Azure Key Vault.

mod chain;
mod faults;
pub mod oracles;
mod promises;
mod recorded;
mod stores;
