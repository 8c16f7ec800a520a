//! Sends requests to components, and measures how long the responses take.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use hdrhistogram::Histogram;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::BodyExt as _;
use wayside_harness::{Body, Error, Harness};

use super::answers::{Answered, Answers};
use crate::args::Expected;

/// The number of requests that are sent before the measurement, to warm up code and memory.
const WARM_UP: u64 = 20;
/// The number of requests whose fuel is counted; more would give the same count.
const COUNTED: usize = 5;
/// The number of rounds in which components take turns.
const ROUNDS: u64 = 20;
/// The longest time that the histogram can hold, in nanoseconds. Longer times are recorded as this one.
const LONGEST: u64 = 3_600_000_000_000;

/// A request that is sent repeatedly.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) method: Method,
    pub(super) path: Uri,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
    pub(super) expected: Vec<Expected>,
}

/// How many requests are measured, how many of them run at once, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) requests: u64,
    pub(super) concurrency: usize,
    pub(super) max_time: Duration,
}

/// A component that is opened twice: in a harness that is measured by time, and in one that counts fuel.
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) timed: Harness,
    pub(super) counting: Harness,
}

/// The results of one component.
pub(super) struct Measured {
    /// How long each request took, in nanoseconds.
    pub(super) latency: Histogram<u64>,
    pub(super) took: Duration,
    pub(super) answers: Answers,
    pub(super) cost: Cost,
    /// The median time of a request in each round, in nanoseconds.
    medians: Vec<f64>,
}

/// The usage of one request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    pub(super) fuel: u64,
    pub(super) host_calls: u64,
    pub(super) memory_bytes: usize,
}

/// The ratios of the first component to the second. Above 1, the first component takes more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ratio {
    pub(super) time: f64,
    /// The lower and the upper quartile of the rounds' ratios of time.
    pub(super) quartiles: (f64, f64),
    pub(super) fuel: f64,
}

impl Sample {
    fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::from(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.path.clone();
        for (name, value) in &self.headers {
            request.headers_mut().append(name, value.clone());
        }
        request
    }

    /// Sends the request, and reads the whole response.
    async fn send(&self, app: &Harness) -> Answered {
        let response = app.request(self.request()).await;
        let status = response.status();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            if frame.is_err() {
                return Answered { status, is_whole: false };
            }
        }
        Answered { status, is_whole: true }
    }
}

impl Subject {
    /// Sends a request, and returns an error if the component fails.
    async fn answers(&self, app: &Harness, sample: &Sample) -> Result<(), Error> {
        let answered = sample.send(app).await;
        if !answered.has_failed(&sample.expected) {
            return Ok(());
        }
        let (method, path, status) = (&sample.method, &sample.path, answered.status.as_u16());
        let how = if answered.is_whole { format!("with {status}") } else { format!("with {status} and a cut body") };
        let what = format!("`{}` fails at {method} {path} {how}, so that there is nothing to measure", self.name);
        Err(Error::new(what).with_help(SEE_ANSWER))
    }
}

/// The advice for a component that fails.
pub(super) const SEE_ANSWER: &str = "`wayside request` shows the answer, and what the component says";

/// Measures components with the same request. The components take turns.
pub(super) async fn measure(subjects: &[Subject], sample: &Sample, extent: Extent) -> Result<Vec<Measured>, Error> {
    let mut measured = Vec::new();
    for subject in subjects {
        for _ in 0..WARM_UP {
            subject.answers(&subject.timed, sample).await?;
        }
        measured.push(Measured {
            latency: histogram()?,
            took: Duration::ZERO,
            answers: Answers::default(),
            cost: cost(subject, sample).await?,
            medians: Vec::new(),
        });
    }
    let rounds = if subjects.len() > 1 { ROUNDS.min(extent.requests) } else { 1 };
    let end = Instant::now() + extent.max_time;
    for round in 0..rounds {
        let requests = share(extent.requests, rounds, round);
        for turn in 0..subjects.len() {
            // The component that was last in one round is the first in the next round.
            let which = if round % 2 == 0 { turn } else { subjects.len() - 1 - turn };
            let turns = (rounds - round) * subjects.len() as u64 - turn as u64;
            let end = end_of_turn(Instant::now(), end, turns);
            measured[which].round(&subjects[which], sample, requests, extent.concurrency, end).await?;
        }
        if Instant::now() >= end {
            break;
        }
    }
    Ok(measured)
}

/// Returns the number of requests in one round. The rounds differ by at most one request.
fn share(requests: u64, rounds: u64, round: u64) -> u64 {
    requests / rounds + u64::from(round < requests % rounds)
}

/// Returns when a turn must end, so that all remaining turns get an equal share of the remaining time.
fn end_of_turn(now: Instant, end: Instant, turns: u64) -> Instant {
    now + end.saturating_duration_since(now) / u32::try_from(turns).unwrap_or(u32::MAX).max(1)
}

async fn cost(subject: &Subject, sample: &Sample) -> Result<Cost, Error> {
    for _ in 0..COUNTED {
        subject.answers(&subject.counting, sample).await?;
        subject.counting.idle().await;
    }
    // Adds up the usage per request, because middleware in front of the component has a separate record.
    let mut requests: BTreeMap<u64, Cost> = BTreeMap::new();
    for usage in subject.counting.usage() {
        let cost = requests.entry(usage.request).or_default();
        cost.fuel += usage.fuel.unwrap_or_default();
        cost.host_calls += usage.host_calls.unwrap_or_default();
        cost.memory_bytes += usage.memory_bytes;
    }
    let least = requests.into_values().rev().take(COUNTED).min_by_key(|cost| cost.fuel);
    least.ok_or_else(|| Error::new(format!("`{}` was given no request", subject.name)))
}

fn histogram() -> Result<Histogram<u64>, Error> {
    Histogram::new_with_bounds(1, LONGEST, 3)
        .map_err(|error| Error::new("cannot keep the times of requests").with_source(error))
}

impl Measured {
    async fn round(
        &mut self,
        subject: &Subject,
        sample: &Sample,
        requests: u64,
        concurrency: usize,
        end: Instant,
    ) -> Result<(), Error> {
        let mut latency = histogram()?;
        let begin = Instant::now();
        let mut answers = futures_util::stream::iter(0..requests)
            .map(|number| async move {
                let start = Instant::now();
                // After the end of the turn no request is started, but a started one is still measured. Each component
                // gets at least one request per round, so that there is something to compare.
                if number > 0 && start >= end {
                    return None;
                }
                let answer = sample.send(&subject.timed).await;
                Some((start.elapsed(), answer))
            })
            .buffer_unordered(concurrency);
        while let Some(answer) = answers.next().await {
            let Some((took, answer)) = answer else { continue };
            latency.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(LONGEST));
            self.answers.add(answer, &sample.expected);
        }
        drop(answers);
        self.took += begin.elapsed();
        if !latency.is_empty() {
            self.medians.push(latency.value_at_quantile(0.5) as f64);
        }
        self.latency.add(&latency).map_err(|error| Error::new("cannot add up the times of requests").with_source(error))
    }

    /// Returns the requests per second.
    pub(super) fn rate(&self) -> f64 {
        self.latency.len() as f64 / self.took.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Compares this component with another one that took turns with it. Returns `None` if no round measured both.
    pub(super) fn compared_with(&self, other: &Self) -> Option<Ratio> {
        let mut ratios: Vec<f64> = self.medians.iter().zip(&other.medians).map(|(one, other)| one / other).collect();
        ratios.sort_by(f64::total_cmp);
        let at = |share: f64| ratios.get(((ratios.len().checked_sub(1)?) as f64 * share).round() as usize).copied();
        Some(Ratio {
            time: at(0.5)?,
            quartiles: (at(0.25)?, at(0.75)?),
            fuel: self.cost.fuel as f64 / other.cost.fuel.max(1) as f64,
        })
    }
}

impl Ratio {
    /// Returns which of time and fuel exceed the allowed percentage, and by how many percent the first component takes
    /// more.
    pub(super) fn regressions(&self, allowed_percent: f64) -> Vec<(&'static str, f64)> {
        let more = [("time", self.time), ("fuel", self.fuel)].map(|(what, ratio)| (what, (ratio - 1.0) * 100.0));
        more.into_iter().filter(|(_, percent)| *percent > allowed_percent).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(medians: &[f64], fuel: u64) -> Measured {
        let cost = Cost { fuel, host_calls: 0, memory_bytes: 0 };
        let latency = histogram().unwrap();
        Measured { latency, took: Duration::ZERO, answers: Answers::default(), cost, medians: medians.to_vec() }
    }

    #[test]
    fn the_rounds_add_up_to_all_requests() {
        for requests in [1, 19, 20, 1003] {
            assert_eq!((0..20).map(|round| share(requests, 20, round)).sum::<u64>(), requests);
        }
    }

    #[test]
    fn turns_share_the_time_that_is_left() {
        let now = Instant::now();
        let end = now + Duration::from_secs(8);
        assert_eq!(end_of_turn(now, end, 4), now + Duration::from_secs(2));
        // A turn that took longer than its share leaves less time for the remaining turns.
        let later = now + Duration::from_secs(6);
        assert_eq!(end_of_turn(later, end, 2), later + Duration::from_secs(1));
        assert_eq!(end_of_turn(end + Duration::from_secs(1), end, 1), end + Duration::from_secs(1));
    }

    #[test]
    fn rounds_are_compared_one_by_one() {
        let one = measured(&[20.0, 200.0, 2000.0], 110);
        let other = measured(&[10.0, 100.0, 500.0], 100);
        let ratio = one.compared_with(&other).unwrap();
        assert_eq!((ratio.time, ratio.quartiles), (2.0, (2.0, 4.0)));
        assert!(measured(&[], 1).compared_with(&other).is_none());
    }

    #[test]
    fn a_regression_is_more_than_is_allowed() {
        let ratio = Ratio { time: 1.05, quartiles: (1.0, 1.1), fuel: 1.2 };
        let what = |allowed| ratio.regressions(allowed).iter().map(|(what, _)| *what).collect::<Vec<_>>();
        assert_eq!((what(0.0), what(10.0), what(25.0)), (vec!["time", "fuel"], vec!["fuel"], vec![]));
    }
}
