//! Rules that a compiler does not check.
