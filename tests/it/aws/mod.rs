//! AWS Secrets Manager and Parameter Store.

mod oracles;

mod promises;
