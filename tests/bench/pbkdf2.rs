//! The bare loop that a password slot cannot do without, for `tests/bench/start`.

fn main() {
    let mut key = [0u8; 32];
    pbkdf2::pbkdf2_hmac::<sha2::Sha256>(b"password", b"0123456789abcdef", 600_000, &mut key);
    std::hint::black_box(key);
}
