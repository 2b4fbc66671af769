//! AWS Secrets Manager and Parameter Store.

mod chain;

mod oracles;

mod promises;

mod stores;
