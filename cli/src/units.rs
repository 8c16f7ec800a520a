//! Sizes and durations with units: `10 MiB`, `30s`.

use std::time::Duration;

/// The units of sizes, in bytes: MB is 10^6 and MiB is 2^20. The empty unit is for a plain number.
const SIZES: [(&str, u64); 9] = [
    ("", 1),
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

/// The units of durations, in nanoseconds.
const DURATIONS: [(&str, u64); 7] = [
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Parses a size in bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let size = parse(text, &SIZES)
        .ok_or_else(|| "write a size as `10 MiB`, `64 KiB` or `5 MB`; a number alone counts bytes".to_owned())?;
    u64::try_from(size).map_err(|_| "this is more than can be counted".to_owned())
}

/// Parses a size of memory in bytes.
pub(crate) fn parse_memory(text: &str) -> Result<usize, String> {
    usize::try_from(parse_size(text)?).map_err(|_| "this is more than a machine can have".to_owned())
}

/// Parses a duration above zero.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let nanos = parse(text, &DURATIONS)
        .ok_or_else(|| "write a duration with its unit, as `30s`, `500ms` or `2min`".to_owned())?;
    match u64::try_from(nanos) {
        Ok(0) => Err("it must be above zero".to_owned()),
        Ok(nanos) => Ok(Duration::from_nanos(nanos)),
        Err(_) => Err("this is longer than can be counted".to_owned()),
    }
}

/// Parses a decimal number with one of these units, in upper or lower case, and returns their product. Saturates on
/// overflow.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u128> {
    let text = text.trim();
    let split = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.trim_start().to_ascii_lowercase();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    if decimals.is_empty() || decimals.len() > 9 {
        return None;
    }
    let parts = decimals.parse::<u128>().ok()? * u128::from(*factor) / 10_u128.pow(decimals.len() as u32);
    if whole.is_empty() || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole = whole.parse::<u128>().unwrap_or(u128::MAX);
    Some(whole.saturating_mul(u128::from(*factor)).saturating_add(parts))
}

/// Formats a size in the largest unit in which it is at least 1.
pub(crate) fn size(bytes: u64) -> String {
    for (unit, factor) in [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= factor {
            return format!("{:.1} {unit}", bytes as f64 / factor as f64);
        }
    }
    format!("{bytes} B")
}

/// Formats a duration in seconds, milliseconds or microseconds, so that it has few digits.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        10.0.. => format!("{seconds:.1} s"),
        1.0.. => format!("{seconds:.2} s"),
        0.01.. => format!("{:.1} ms", seconds * 1e3),
        // Rounding would show 999.5 us as 1000 us, so milliseconds begin here.
        0.000_999_5.. => format!("{:.2} ms", seconds * 1e3),
        _ => format!("{:.0} us", seconds * 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit_or_counts_bytes() {
        for (text, bytes) in [
            ("0", 0),
            ("123", 123),
            ("1b", 1),
            ("10 MiB", 10 << 20),
            ("10mib", 10 << 20),
            ("5 MB", 5_000_000),
            ("1.5KiB", 1536),
            (" 2 GiB ", 2 << 30),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "MiB", "-1", "1 XB", "1.", "1..5 MB", "1 M iB", "1e3", "99999999999999999999", "16777216 TiB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_duration_has_a_unit() {
        for (text, millis) in [("30s", 30_000), ("500ms", 500), ("1.5 s", 1500), ("2min", 120_000), ("1H", 3_600_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "30", "s", "0s", "0.0ms", "-1s", "1 fortnight", "999999999999d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn amounts_are_short() {
        assert_eq!([0, 1023, 1024, 1_300_000].map(size), ["0 B", "1023 B", "1.0 KiB", "1.2 MiB"]);
        let micros = [42, 1_234, 12_345, 1_234_567, 12_345_678].map(|micros| duration(Duration::from_micros(micros)));
        assert_eq!(micros, ["42 us", "1.23 ms", "12.3 ms", "1.23 s", "12.3 s"]);
    }
}
