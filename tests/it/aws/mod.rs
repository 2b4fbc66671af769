//! AWS Secrets Manager and Parameter Store.

mod chain;

mod oracles;

mod patience;

mod promises;

mod stores;
