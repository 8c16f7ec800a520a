//! The command `wayside bench`: measures components.

mod answers;
mod measure;
mod picture;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use bytes::Bytes;
use http::Method;
use serde::Serialize;
use wayside_harness::{Error, show};

use crate::args::{Bench, Case, Guest, Target};
use crate::exit_code::ExitCode;
use crate::recorders::Recorders;
use crate::{guest, report, units};
use measure::{Extent, Measured, Ratio, Sample, Subject};

/// The measurements of one case, which is a request that is sent many times.
#[derive(Serialize)]
struct CaseFigures {
    method: String,
    path: String,
    components: Vec<Figures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<Compared>,
}

/// The measurements of one component.
#[derive(Serialize)]
struct Figures {
    component: String,
    requests: u64,
    /// The number of responses that broke off or had an unexpected status; by default, those are the 5xx.
    failed: u64,
    /// The number of responses with a status outside of 2xx.
    non_2xx: u64,
    /// The number of responses with each status.
    statuses: BTreeMap<u16, u64>,
    requests_per_second: f64,
    p50_ns: u64,
    p90_ns: u64,
    p99_ns: u64,
    p99_9_ns: u64,
    max_ns: u64,
    fuel: u64,
    host_calls: u64,
    memory_bytes: usize,
}

#[derive(Serialize)]
struct Compared {
    time: f64,
    time_quartiles: (f64, f64),
    fuel: f64,
}

pub(crate) async fn run(args: Bench) -> Result<ExitCode, Error> {
    let extent = Extent { requests: args.requests, concurrency: args.concurrency as usize, max_time: args.max_time };
    if cfg!(debug_assertions) {
        report::note("note: this is a debug build of wayside, whose own share of the times is far too large");
    }
    let settings = guest::read_env_files(args.guest)?;
    let mut recorders = Recorders::of([&settings.outbound]);
    let mut subjects = vec![subject(args.target, &settings, args.reuse, &mut recorders).await?];
    if let Some(other) = args.vs {
        let other = Target { target: other, features: Vec::new() };
        subjects.push(subject(other, &settings, args.reuse, &mut recorders).await?);
    }
    let cases = if args.case.is_empty() { vec![Case::default()] } else { args.case };
    let samples = cases.into_iter().map(|case| {
        let data = case.own.data.as_deref().or(args.data.as_deref());
        Ok(Sample {
            method: case.method.unwrap_or(if data.is_some() { Method::POST } else { Method::GET }),
            path: case.path,
            headers: [args.headers.clone(), case.own.headers].concat(),
            body: body(data)?,
            expected: if case.own.expect.is_empty() { args.expect.clone() } else { case.own.expect },
        })
    });
    let samples = samples.collect::<Result<Vec<_>, Error>>()?;
    let (mut results, mut codes) = (Vec::new(), Vec::new());
    for sample in samples {
        let measured = measure::measure(&subjects, &sample, extent).await?;
        let ratio = measured.get(1).and_then(|other| measured[0].compared_with(other));
        if !args.json {
            report::text(&text(&subjects, &sample, extent, &measured, ratio))?;
        }
        codes.extend(failures(&subjects, &sample, &measured));
        codes.extend(refusals(&subjects, &sample, &measured));
        codes.extend(differing(&subjects, &sample, &measured, args.fail_above.is_some()));
        codes.extend(args.fail_above.map(|allowed| judge(&sample, ratio, allowed)));
        results.push(result(&subjects, &sample, &measured, ratio));
    }
    if args.json {
        let json = serde_json::to_string_pretty(&results)
            .map_err(|error| Error::new("cannot tell the figures as JSON").with_source(error))?;
        report::json(&(json + "\n"))?;
    }
    let first = [ExitCode::Failure, ExitCode::Regression].into_iter().find(|code| codes.contains(code));
    Ok(first.unwrap_or(ExitCode::Success))
}

/// Reports failed requests as errors, because their times say nothing about successful ones. Returns the exit code, if
/// any failed.
fn failures(subjects: &[Subject], sample: &Sample, measured: &[Measured]) -> Option<ExitCode> {
    let mut code = None;
    for (subject, measured) in subjects.iter().zip(measured).filter(|(_, measured)| measured.answers.failed > 0) {
        let (name, failed, all) = (&subject.name, measured.answers.failed, measured.latency.len());
        let what = format!("`{name}` fails at {failed} of {all} requests of {} {}", sample.method, sample.path);
        report::error(&Error::new(what).with_help(measure::SEE_ANSWER));
        code = Some(ExitCode::Failure);
    }
    code
}

/// Reports components most of whose responses are errors, and warns about those that answer no request with 2xx, unless
/// the user has said what to expect. Returns the exit code.
fn refusals(subjects: &[Subject], sample: &Sample, measured: &[Measured]) -> Option<ExitCode> {
    let Sample { method, path, expected, .. } = sample;
    let mut code = None;
    for (subject, measured) in subjects.iter().zip(measured).filter(|_| expected.is_empty()) {
        let (name, answers) = (&subject.name, &measured.answers);
        let text = answers.text();
        if let Some(errors) = answers.most_are_errors().filter(|_| answers.failed == 0) {
            let all = measured.latency.len();
            let what = format!("`{name}` answers {errors} of {all} requests of {method} {path} with errors ({text})");
            let help = "give the requests what they lack, with `-H`, `-d` or `--case`; to measure these responses, name \
                        their status with `--expect`";
            report::error(&Error::new(what).with_help(help));
            code = Some(ExitCode::Failure);
        } else if answers.none_is_2xx() && answers.failed == 0 {
            report::note(&format!("warning: `{name}` answers no request of {method} {path} with 2xx ({text})"));
        }
    }
    code
}

/// Warns if two components answer with different statuses, because rejecting a request is not comparable with handling
/// it. Returns the exit code of a failure if `--fail-above` is given.
fn differing(subjects: &[Subject], sample: &Sample, measured: &[Measured], is_judged: bool) -> Option<ExitCode> {
    let ([one, other, ..], [first, second, ..]) = (subjects, measured) else { return None };
    if first.answers.has_the_statuses_of(&second.answers) {
        return None;
    }
    let (method, path) = (&sample.method, &sample.path);
    let what = format!(
        "{method} {path} is answered differently: `{}` with {}, `{}` with {}",
        one.name,
        first.answers.list(),
        other.name,
        second.answers.list()
    );
    if is_judged {
        report::error(&Error::new(what).with_help(measure::SEE_ANSWER));
        return Some(ExitCode::Failure);
    }
    report::note(&format!("warning: {what}"));
    None
}

/// Reports if the first component takes more time or fuel than allowed, and returns the exit code.
fn judge(sample: &Sample, ratio: Option<Ratio>, allowed: f64) -> ExitCode {
    let (method, path) = (&sample.method, show::url(&sample.path));
    let Some(ratio) = ratio else {
        let what = format!("nothing was measured of {method} {path} that could be compared");
        report::error(&Error::new(what).with_help("give it more time, with `--max-time`"));
        return ExitCode::Failure;
    };
    let regressions = ratio.regressions(allowed);
    for (what, percent) in &regressions {
        report::note(&format!("error: {method} {path} takes {percent:.1} % more {what}; {allowed} % is allowed"));
    }
    if regressions.is_empty() { ExitCode::Success } else { ExitCode::Regression }
}

fn body(data: Option<&str>) -> Result<Bytes, Error> {
    match data.map(|data| (data, data.strip_prefix('@'))) {
        None => Ok(Bytes::new()),
        Some((text, None)) => Ok(text.to_owned().into()),
        Some((_, Some(path))) => std::fs::read(path).map(Bytes::from).map_err(|error| {
            Error::new(format!("cannot read the data file `{path}`"))
                .with_help("check the path; `-d` without `@` takes text")
                .with_source(error)
        }),
    }
}

/// Opens a component twice, to measure time and to count fuel. The output of the component is dropped, because printing
/// it would disturb the measurement.
async fn subject(target: Target, settings: &Guest, reuse: u32, recorders: &mut Recorders) -> Result<Subject, Error> {
    let name = name(&target.target);
    let again = Target { target: target.target.clone(), features: target.features.clone() };
    recorders.rewind();
    let timed = guest::open_quietly(target, settings.clone(), recorders).await?.reuse(reuse).await?;
    recorders.rewind();
    let counting = guest::open_quietly(again, settings.clone(), recorders).await?.reuse(reuse).count_fuel().await?;
    Ok(Subject { name, timed, counting })
}

fn name(target: &std::path::Path) -> String {
    // `.` has a name only as an absolute path.
    let full: PathBuf = std::fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
    full.file_name().map_or_else(|| target.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn text(subjects: &[Subject], sample: &Sample, extent: Extent, measured: &[Measured], ratio: Option<Ratio>) -> String {
    // Writing to a `String` never fails.
    let mut text = format!("{} {}\n", sample.method, show::url(&sample.path));
    for (subject, measured) in subjects.iter().zip(measured) {
        let (count, cost) = (measured.latency.len(), measured.cost);
        let _ = writeln!(text, "\n{}: {:.0} requests a second", show::line(&subject.name), measured.rate());
        let short =
            if count < extent.requests { format!(" of {}, for want of time", extent.requests) } else { String::new() };
        let _ = writeln!(text, "  {count} requests{short}, {} at once", extent.concurrency);
        let _ = writeln!(text, "  responses: {}", measured.answers.distribution());
        if measured.answers.failed > 0 {
            let _ = writeln!(text, "  failed: {}", measured.answers.failed);
        }
        let _ = writeln!(text, "  {}", picture::quantiles(&measured.latency));
        text.push_str(&picture::bars(&measured.latency));
        let memory = units::size(cost.memory_bytes as u64);
        let _ = writeln!(
            text,
            "  a request: {} fuel, {} calls to the host, {memory} of memory",
            cost.fuel, cost.host_calls
        );
    }
    if let (Some(ratio), [one, other, ..]) = (ratio, subjects) {
        let (low, high) = ratio.quartiles;
        let _ = writeln!(
            text,
            "\n{} takes {:.3} times the time of {} ({low:.3} to {high:.3}), {:.3} times the fuel",
            show::line(&one.name),
            ratio.time,
            show::line(&other.name),
            ratio.fuel
        );
    }
    text.push('\n');
    text
}

fn result(subjects: &[Subject], sample: &Sample, measured: &[Measured], ratio: Option<Ratio>) -> CaseFigures {
    let components = subjects.iter().zip(measured).map(|(subject, measured)| {
        let [p50_ns, p90_ns, p99_ns, p99_9_ns] =
            picture::QUANTILES.map(|(_, quantile)| measured.latency.value_at_quantile(quantile));
        Figures {
            component: subject.name.clone(),
            requests: measured.latency.len(),
            failed: measured.answers.failed,
            non_2xx: measured.answers.non_2xx(),
            statuses: measured.answers.statuses.clone(),
            requests_per_second: measured.rate(),
            p50_ns,
            p90_ns,
            p99_ns,
            p99_9_ns,
            max_ns: measured.latency.max(),
            fuel: measured.cost.fuel,
            host_calls: measured.cost.host_calls,
            memory_bytes: measured.cost.memory_bytes,
        }
    });
    CaseFigures {
        method: sample.method.to_string(),
        path: show::url(&sample.path),
        components: components.collect(),
        ratio: ratio.map(|ratio| Compared { time: ratio.time, time_quartiles: ratio.quartiles, fuel: ratio.fuel }),
    }
}
