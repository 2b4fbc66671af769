//! Pure grammars: bytes in, values out. Nothing here opens a file, reads a variable or speaks.

pub mod reference;

pub mod json;

pub mod key;

pub mod envelope;

pub mod fernet;
