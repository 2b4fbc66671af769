//! Pure grammars: bytes in, values out. Nothing here opens a file, reads a variable or speaks.

pub mod json;

pub mod naming;

pub mod ini;

pub mod template;

pub mod dotenv;

pub mod export;

pub mod reference;

pub mod key;

pub mod envelope;

pub mod fernet;

pub mod mask;

pub mod foreign;
