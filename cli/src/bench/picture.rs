//! Draws a histogram on the terminal.

use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::units;

/// The number of lines of the histogram.
const LINES: usize = 10;
/// The length of the longest bar in characters.
const BAR: u64 = 50;

/// The quantiles and their names.
pub(super) const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// Formats the quantiles as in `p50 1.2 ms  p90 2.0 ms  ...  max 9.9 ms`.
pub(super) fn quantiles(latency: &Histogram<u64>) -> String {
    let mut text = String::new();
    for (name, quantile) in QUANTILES {
        let _ = write!(text, "{name} {}  ", duration(latency.value_at_quantile(quantile)));
    }
    // Writing to a `String` never fails.
    let _ = write!(text, "max {}", duration(latency.max()));
    text
}

/// Draws one line for each interval of time. Each interval is longer than the previous one by the same factor.
pub(super) fn bars(latency: &Histogram<u64>) -> String {
    let (min, max) = (latency.min().max(1) as f64, latency.max().max(1) as f64);
    let lines = if latency.equivalent(latency.min(), latency.max()) { 1 } else { LINES };
    let edge = |line: usize| (min * (max / min).powf(line as f64 / lines as f64)).round() as u64;
    let mut counts = vec![0; lines];
    for value in latency.iter_recorded() {
        let part = (value.value_iterated_to().max(1) as f64 / min).ln() / (max / min).ln();
        let line = (part * lines as f64) as usize;
        counts[line.min(lines - 1)] += value.count_at_value();
    }
    let most = counts.iter().copied().max().unwrap_or_default().max(1);
    let mut text = String::new();
    for (line, count) in counts.into_iter().enumerate() {
        let bar = (count * BAR).div_ceil(most) as usize;
        let _ = writeln!(text, "  {:>8} |{} {count}", duration(edge(line)), "#".repeat(bar));
    }
    text
}

fn duration(nanos: u64) -> String {
    units::duration(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_in_one_bar_and_no_line_is_too_long() {
        let mut latency = Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
        for value in (0..1000).map(|number: u64| 50_000 + number * number * 7) {
            latency.record(value).unwrap();
        }
        let text = bars(&latency);
        let counts: Vec<u64> = text.lines().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        assert_eq!((counts.iter().sum::<u64>(), counts.len()), (1000, 10), "{text}");
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    }

    #[test]
    fn one_time_alone_is_one_bar() {
        let mut latency = Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
        latency.record(1_000_000).unwrap();
        assert_eq!(bars(&latency).lines().count(), 1, "{}", bars(&latency));
    }
}
