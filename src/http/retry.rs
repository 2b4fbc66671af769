//! When to ask again, and how long to wait before: exponential back-off with full jitter, the
//! server's own `Retry-After`, and never past the deadline.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::poll::{PollTimeout, poll};

use crate::sys;

use super::Answer;

/// How often and how patiently.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Attempts in all.
    pub tries: u32,
    /// The upper end of the first wait; it doubles with every attempt.
    pub base: Duration,
    /// The longest wait that is our own idea.
    pub cap: Duration,
    /// Statuses to ask again for, beyond 429 and 5xx except 501.
    pub also: &'static [u16],
    /// An answer that asks for patience in a way of its own, whatever its status.
    pub throttled: fn(&Answer) -> bool,
    /// Attempts in all as long as the answers ask for patience; the waits then begin at a second.
    pub patience: u32,
    /// A wait that an answer asks for in a way of its own; it raises ours, but not by much.
    pub wish: fn(&Answer) -> Option<Duration>,
}

/// A wish raises a wait by no more than this.
const MOST_MORE: Duration = Duration::from_secs(5);

/// The upper end of the first wait after an answer that asks for patience in its own way.
const SLOWER: Duration = Duration::from_secs(1);

impl Default for Policy {
    fn default() -> Self {
        Policy {
            tries: 5,
            base: Duration::from_millis(300),
            cap: Duration::from_secs(5),
            also: &[],
            throttled: |_| false,
            patience: 5,
            wish: |_| None,
        }
    }
}

impl Policy {
    /// One attempt and no more: probing whether a metadata service exists.
    pub const ONCE: Policy = Policy {
        tries: 1,
        base: Duration::ZERO,
        cap: Duration::ZERO,
        also: &[],
        throttled: |_| false,
        patience: 1,
        wish: |_| None,
    };

    /// An answer with this status is worth another attempt. A request that must not be done twice
    /// is sent again only where the server says that it has not begun with it.
    pub(super) fn again(&self, status: u16, idempotent: bool) -> bool {
        let untouched = matches!(status, 429 | 503) || self.also.contains(&status);
        let passing = matches!(status, 500 | 502..=599);
        untouched || (idempotent && passing)
    }

    /// The wait after an answer.
    pub(super) fn pause_after(&self, answer: &Answer, tries: u32, throttled: bool) -> Duration {
        let own = self.pause(tries, throttled);
        match (self.wish)(answer) {
            Some(wish) => own.max(wish.min(own + MOST_MORE)),
            None => own,
        }
    }

    /// The wait after attempt number `tries` (from 1): anything from nothing to the limit, so that
    /// a thousand containers that start together do not come back together.
    pub(super) fn pause(&self, tries: u32, throttled: bool) -> Duration {
        let base = if throttled { SLOWER } else { self.base };
        let factor = 1u32
            .checked_shl(tries.saturating_sub(1))
            .unwrap_or(u32::MAX);
        let most = base.saturating_mul(factor).min(self.cap);
        let mut random = [0u8; 4];
        // Without random numbers, half of it.
        if sys::random(&mut random).is_err() {
            return most / 2;
        }
        most.mul_f64(f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX))
    }
}

/// Waits. A terminating signal ends the process from its handler, in the middle of this.
pub(super) fn wait(duration: Duration) {
    let end = Instant::now() + duration;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        // Rounded up, lest it spins through the last millisecond. EINTR: look at the clock again.
        let millis = i32::try_from(left.as_millis() + 1).unwrap_or(i32::MAX);
        poll(
            &mut [],
            PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX),
        )
        .ok();
    }
}

/// Reads `Retry-After`: seconds, or a date (RFC 9110 section 10.2.3).
pub(super) fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    Some(date(text)?.duration_since(now).unwrap_or(Duration::ZERO))
}

/// Reads a date in a header.
pub fn date(text: &str) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(http_date(text)?))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` as seconds since 1970. The two obsolete forms of dates are not
/// read; our own back-off stands in for them.
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_, date) = text.split_once(", ")?;
    let mut words = date.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as u64;
    let year: u64 = words.next()?.parse().ok()?;
    let mut clock = words
        .next()?
        .split(':')
        .map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let sane = (1970..=9999).contains(&year)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60
        && (words.next(), words.next()) == (Some("GMT"), None)
        && clock.next().is_none();
    // Days from 1970; years are counted from March, so that the leap day comes last.
    let (year, month) = if month < 2 {
        (year - 1, month + 10)
    } else {
        (year, month - 2)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    sane.then(|| (days - 719_468) * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::{Policy, http_date, retry_after, wait};
    use crate::clock::timestamp;
    use proptest::prelude::{ProptestConfig, proptest};
    use std::time::{Duration, Instant, UNIX_EPOCH};

    #[test]
    fn retry_after_is_read() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (text, want) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("Sun, 06 Nov 1994 08:49:47 CET", None),
            ("Sun, 06 Xyz 1994 08:49:47 GMT", None),
            ("Sun, 06 Nov 0000 08:49:47 GMT", None),
            ("Sun, 00 Jan 1970 08:49:47 GMT", None),
        ] {
            assert_eq!(
                retry_after(text, now),
                want.map(Duration::from_secs),
                "{text:?}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn dates_are_the_inverse_of_the_clock(seconds in 0u64..253_402_300_800) {
            let stamp = timestamp(UNIX_EPOCH + Duration::from_secs(seconds));
            let (date, time) = stamp.trim_end_matches('Z').split_once('T').unwrap();
            let parts: Vec<&str> = date.split('-').collect();
            let month: usize = parts[1].parse().unwrap();
            let name = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct",
                "Nov", "Dec"][month - 1];
            let text = format!("Xyz, {} {name} {} {time} GMT", parts[2], parts[0]);
            assert_eq!(http_date(&text), Some(seconds), "{text}");
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC*") {
            assert!(http_date(&text).is_none_or(|seconds| seconds <= 253_402_300_800));
        }
    }

    #[test]
    fn pauses_grow_to_the_cap() {
        let policy = Policy::default();
        for tries in 1..100 {
            assert!(policy.pause(tries, false) <= policy.cap);
        }
        assert!((0..100).all(|_| policy.pause(1, false) <= policy.base));
        assert!((0..100).any(|_| policy.pause(4, false) > policy.base));
        assert_eq!(Policy::ONCE.pause(3, false), Duration::ZERO);
    }

    #[test]
    fn statuses() {
        let policy = Policy {
            also: &[412],
            ..Policy::default()
        };
        for status in [429, 500, 502, 503, 504, 412] {
            assert!(policy.again(status, true), "{status}");
        }
        for status in [200, 400, 403, 404, 501] {
            assert!(!policy.again(status, true), "{status}");
        }
        for status in [500, 502, 504] {
            assert!(!policy.again(status, false), "{status}");
        }
    }

    #[test]
    fn waits_as_long_as_it_says() {
        let begun = Instant::now();
        wait(Duration::from_millis(20));
        assert!(begun.elapsed() >= Duration::from_millis(20));
    }
}
