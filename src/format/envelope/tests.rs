use super::*;

fn plain() -> Secret {
    Secret::new(b"A=1\nB='two'\n".to_vec())
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn key(seed: u8) -> Key {
    Key::from_random(Zeroizing::new([seed; 32]))
}

fn file_key(seed: u8) -> FileKey {
    FileKey::from_random(Zeroizing::new([seed; 32]))
}

const LOOSE: Bounds = Bounds {
    least: 1,
    total: 100,
};

fn password_slot(password: &str, rounds: u32, seed: u8) -> Slot {
    let salt = [seed; 16];
    Slot::for_password(&secret(password), &file_key(9), rounds, salt, [seed; 12]).unwrap()
}

fn key_slot(seed: u8) -> Slot {
    Slot::for_key(&key(seed), &file_key(9), [seed; 12]).unwrap()
}

fn loose(text: &[u8]) -> Envelope {
    Envelope::parse_within(text, &LOOSE).ok().unwrap()
}

fn fault(text: &[u8]) -> Fault {
    Envelope::parse(text).err().expect("a fault")
}

#[test]
fn every_slot_opens_the_same_content() {
    let slots = [
        password_slot("team", 2, 1),
        key_slot(2),
        password_slot("ci", 3, 3),
        key_slot(4),
    ];
    let text = seal(&plain(), &file_key(9), &slots, [7; 12]).unwrap();
    let envelope = loose(&text);
    assert!(envelope.slots() == slots);
    for (slot, opened) in [
        (0, envelope.open_with_password(&secret("team"))),
        (1, envelope.open_with_key(&key(2))),
        (2, envelope.open_with_password(&secret("ci"))),
        (3, envelope.open_with_key(&key(4))),
    ] {
        let opened = opened.ok().unwrap();
        assert_eq!(opened.plain.expose(), plain().expose());
        assert_eq!(opened.slot, slot);
        // Sealed again by whoever opened it, it opens for the others.
        let again = seal(
            &secret("C=3\n"),
            &opened.file_key,
            envelope.slots(),
            [8; 12],
        )
        .unwrap();
        assert!(loose(&again).open_with_key(&key(4)).is_ok());
        assert!(loose(&again).open_with_password(&secret("team")).is_ok());
    }
    assert_eq!(
        envelope.open_with_password(&secret("tea")).err(),
        Some(Fault::WrongPassword)
    );
    let stranger = envelope.open_with_key(&key(5)).err();
    let have = vec![key(2).id(), key(4).id()];
    assert_eq!(
        stranger,
        Some(Fault::NoSuchKey {
            id: key(5).id(),
            have
        })
    );
}

#[test]
fn content_of_any_length_survives() {
    for length in (0..130).chain([4096, 100_000]) {
        let plain = Secret::new((0..length).map(|n| n as u8).collect());
        let text = seal(&plain, &file_key(9), &[key_slot(2)], [7; 12]).unwrap();
        assert!(
            text.split(|b| *b == b'\n')
                .skip(3)
                .all(|line| line.len() <= COLUMNS)
        );
        let opened = Envelope::parse(&text)
            .ok()
            .unwrap()
            .open_with_key(&key(2))
            .ok()
            .unwrap();
        assert_eq!(opened.plain.expose(), plain.expose(), "{length}");
    }
    let large = Secret::new(vec![0; MOST_PLAIN + 1]);
    assert_eq!(
        seal(&large, &file_key(9), &[key_slot(2)], [7; 12]),
        Err(Fault::TooLarge)
    );
    let largest = Secret::new(vec![0; MOST_PLAIN]);
    let text = seal(
        &largest,
        &file_key(9),
        &vec![key_slot(2); MOST_SLOTS],
        [7; 12],
    )
    .unwrap();
    assert!(text.len() < MOST_TEXT);
}

#[test]
fn every_changed_bit_and_every_cut_fails() {
    let slots = [password_slot("pw", 2, 1), key_slot(2)];
    let text = seal(&plain(), &file_key(9), &slots, [7; 12]).unwrap();
    let opens = |text: &[u8]| {
        Envelope::parse_within(text, &LOOSE).is_ok_and(|envelope| {
            envelope.open_with_key(&key(2)).is_ok()
                || envelope.open_with_password(&secret("pw")).is_ok()
        })
    };
    assert!(opens(&text));
    for at in 0..text.len() {
        assert!(!opens(&text[..at]), "cut at {at}");
        for bit in 0..8 {
            let mut changed = text.clone();
            changed[at] ^= 1 << bit;
            assert!(!opens(&changed), "bit {bit} of byte {at}");
        }
    }
    for more in [&b"\n"[..], b" ", b"AAAA\n", b"\r\n"] {
        assert!(!opens(&[&text, more].concat()));
    }
}

#[test]
fn parts_of_two_files_never_open_together() {
    let one = seal(&plain(), &file_key(9), &[key_slot(2)], [7; 12]).unwrap();
    let two_slot = Slot::for_key(&key(2), &file_key(8), [6; 12]).unwrap();
    let two = seal(&secret("B=2\n"), &file_key(8), &[two_slot], [5; 12]).unwrap();
    let lines = |text: &[u8]| -> Vec<Vec<u8>> {
        text.split_inclusive(|b| *b == b'\n')
            .map(<[u8]>::to_vec)
            .collect()
    };
    let (one, two) = (lines(&one), lines(&two));
    // The first two lines are alike; the slot, the check and the content come from either file.
    for choice in 1..7u32 {
        let mixed: Vec<u8> = (0..one.len())
            .flat_map(|n| {
                let from_two = choice >> n.saturating_sub(2).min(2) & 1 == 1;
                if from_two {
                    two[n].clone()
                } else {
                    one[n].clone()
                }
            })
            .collect();
        let opened = Envelope::parse(&mixed).ok().unwrap().open_with_key(&key(2));
        assert_eq!(opened.err(), Some(Fault::WrongKey), "{choice:b}");
    }
}

#[test]
fn one_spelling_and_the_line_ends_of_git() {
    let text = seal(&plain(), &file_key(9), &[key_slot(2)], [7; 12]).unwrap();
    let text = String::from_utf8(text).unwrap();
    let crlf = text.replace('\n', "\r\n");
    let opened = Envelope::parse(crlf.as_bytes())
        .ok()
        .unwrap()
        .open_with_key(&key(2));
    assert_eq!(opened.ok().unwrap().plain.expose(), plain().expose());
    assert_eq!(
        fault(crlf.replacen("\r\n", "\n", 1).as_bytes()),
        Fault::Malformed(2)
    );
    assert_eq!(fault(&crlf.as_bytes()[..crlf.len() - 1]), Fault::Cut);
    assert_eq!(
        fault(text.replacen("slot key", "slot  key", 1).as_bytes()),
        Fault::Malformed(3)
    );
    assert_eq!(
        fault(text.replacen("# safe", "slot x\n# safe", 1).as_bytes()),
        Fault::Malformed(2)
    );
    assert_eq!(fault(b"A=1\n"), Fault::NotSealed);
    assert_eq!(fault(b""), Fault::NotSealed);
    assert_eq!(
        fault(b"\xef\xbb\xbfenvshim sealed file, format 1\n"),
        Fault::NotSealed
    );
    assert_eq!(
        fault(b"envshim sealed file, format 2\nwhatever\n"),
        Fault::Newer(2)
    );
    assert_eq!(
        fault(b"envshim sealed file, format 01\n"),
        Fault::Malformed(1)
    );
    assert_eq!(fault(b"envshim sealed file, format 1\n"), Fault::Cut);
    let conflict = text.replacen("slot", "<<<<<<< HEAD\nslot", 1);
    assert_eq!(fault(conflict.as_bytes()), Fault::Conflict(3));
}

#[test]
fn hostile_work_is_refused_before_it_is_done() {
    let hostile = |rounds: &[u32]| {
        let mut text = FIRST.to_owned();
        for rounds in rounds {
            let salt = Base64::encode_string(&[0; 16]);
            let wrapped = Base64::encode_string(&[0; WRAPPED]);
            text.push_str(&format!(
                "slot password pbkdf2-sha256 {rounds} {salt} {wrapped}\n"
            ));
        }
        let check = Base64::encode_string(&[0; 32]);
        let content = Base64::encode_string(&[0; 40]);
        text.push_str(&format!("content aes-256-gcm-siv {check}\n{content}\n"));
        Envelope::parse(text.as_bytes()).err()
    };
    assert_eq!(hostile(&[99_999]), Some(Fault::Weak(99_999)));
    assert_eq!(hostile(&[100_000]), None);
    assert_eq!(hostile(&[10_000_000]), None);
    assert_eq!(hostile(&[600_000; 16]), None);
    let too_much = Some(Fault::TooMuchWork(10_000_000));
    assert_eq!(hostile(&[10_000_001]), too_much);
    assert_eq!(hostile(&[u32::MAX, u32::MAX]), too_much);
    assert_eq!(hostile(&[9_000_000, 1_000_001]), too_much);
    assert_eq!(hostile(&[100_000; 17]), Some(Fault::TooManySlots));
    let huge = [FIRST.as_bytes(), &vec![b'#'; MOST_TEXT]].concat();
    assert_eq!(fault(&huge), Fault::TooLarge);
    assert_eq!(
        seal(&plain(), &file_key(9), &vec![key_slot(2); 17], [7; 12]),
        Err(Fault::TooManySlots)
    );
}

proptest::proptest! {
    #[test]
    fn no_text_panics(lines in proptest::collection::vec("(slot|content|#|envshim sealed file, format)?( ?(key|password|pbkdf2-sha256|1|600000|[A-Za-z0-9+/=]{0,80}|.{0,9})){0,5}(\n|\r\n)", 0..9)) {
        let text = format!("{FIRST}{}", lines.concat());
        drop(Envelope::parse(text.as_bytes()));
        drop(Envelope::parse(lines.concat().as_bytes()));
    }
}
