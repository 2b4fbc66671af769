//! Time: the one deadline of a load, durations as people write them, timestamps for logs.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

/// The moment at which the whole load must have ended.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at: Instant,
    whole: Duration,
}

impl Deadline {
    /// A deadline `whole` from now.
    pub fn after(whole: Duration) -> Self {
        let now = Instant::now();
        // A duration beyond the clock's range is "never" for a start-up: a day.
        let at = now
            .checked_add(whole)
            .unwrap_or_else(|| now + Duration::from_secs(86_400));
        Deadline { at, whole }
    }

    /// What is left; zero when it has passed.
    pub fn left(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// How long it was in all, for messages.
    pub fn whole(&self) -> Duration {
        self.whole
    }
}

/// Time since the machine started, asleep or not: all processes of it agree, and nobody sets it.
pub fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

/// Reads `30`, `30s`, `1500ms`, `5m`, `1h`, `2d`; a bare number is seconds. `None` when it is not one.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        "h" => Some(Duration::from_secs(number.checked_mul(3_600)?)),
        "d" => Some(Duration::from_secs(number.checked_mul(86_400)?)),
        _ => None,
    }
}

/// A duration for a person: `350 ms`, `42 s`, `5 min`, `3 h`, `12 days`.
pub fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A moment in RFC 3339, UTC, whole seconds: `2026-11-22T06:29:00Z`.
pub fn timestamp(moment: SystemTime) -> String {
    let seconds = moment
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Reads a moment in RFC 3339: `2026-11-22T06:29:00Z`, also with a fraction, which is dropped, or an
/// offset (`+01:00`). Before 1970 there was none.
pub fn moment(text: &str) -> Option<SystemTime> {
    let text = text.trim_ascii();
    let digits = |from: usize, to: usize| -> Option<u64> {
        let digits = text.get(from..to)?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    };
    let marks = [(4, "-"), (7, "-"), (13, ":"), (16, ":")];
    let shaped = marks
        .iter()
        .all(|(at, mark)| text.get(*at..*at + 1) == Some(mark))
        && matches!(text.get(10..11), Some("T" | "t" | " "));
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    let sane = shaped
        && year >= 1970
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !sane {
        return None;
    }
    let rest = text.get(19..)?;
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let (years, months) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let days =
        365 * years + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day - 1;
    let seconds = (days.checked_sub(719_468)?) * 86_400 + hour * 3_600 + minute * 60 + second;
    let seconds = match zone.as_bytes() {
        b"Z" | b"z" | b"UTC" => seconds,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let number = |tens: &u8, ones: &u8| {
                let digit = |b: &u8| char::from(*b).to_digit(10).map(u64::from);
                Some(digit(tens)? * 10 + digit(ones)?)
            };
            let offset = number(h1, h2)? * 3_600 + number(m1, m2)? * 60;
            if *sign == b'+' {
                seconds.checked_sub(offset)?
            } else {
                seconds + offset
            }
        }
        _ => return None,
    };
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Days since 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so
/// that the leap day is the last day of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 0000-03-01
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{moment, parse_duration, timestamp};
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn durations() {
        assert_eq!(parse_duration("30"), Some(Duration::from_secs(30)));
        assert_eq!(parse_duration("1500ms"), Some(Duration::from_millis(1500)));
        assert_eq!(parse_duration("1h"), Some(Duration::from_secs(3600)));
        for bad in [
            "",
            "h",
            "-1s",
            "1.5h",
            "1 week",
            "99999999999999999999",
            "18446744073709551615d",
        ] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn moments_are_read() {
        for (text, want) in [
            ("2000-02-29T12:34:56Z", Some(951_827_696)),
            ("2000-02-29T12:34:56.123456Z", Some(951_827_696)),
            ("2000-02-29T13:34:56+01:00", Some(951_827_696)),
            ("2000-02-29T07:04:56-05:30", Some(951_827_696)),
            ("2000-02-29T12:34:56UTC", Some(951_827_696)),
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T00:00:00+01:00", None),
            ("2000-02-29T12:34:56", None),
            ("2000-13-29T12:34:56Z", None),
            ("2000-02-29T12:34:5\u{e4}Z", None),
            ("soon", None),
        ] {
            let want = want.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(moment(text), want, "{text}");
        }
        for seconds in (0..4_200_000_000u64).step_by(86_413 * 7) {
            let at = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(moment(&timestamp(at)), Some(at));
        }
    }

    #[test]
    fn timestamps_match_known_days() {
        for (seconds, want) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_827_696, "2000-02-29T12:34:56Z"),
            (1_735_640_000, "2024-12-31T10:13:20Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(seconds)), want);
        }
    }
}
