//! The commands of every day: `get`, `has`, `ls`, `export`, `explain`, `check` for people; what
//! shells and `man` make of the tables. What they read from each store is the contract's affair.

mod explain;

mod export;

mod get;

mod lint;

mod shells;
