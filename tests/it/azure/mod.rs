//! Azure Key Vault.

mod promises;
mod stores;
