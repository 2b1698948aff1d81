//! What is checked of every source.
#![allow(clippy::print_stdout, reason = "the figures are there to be read")]

use std::time::{Duration, Instant};

use selfup::fetcher::RetryAfter;

use super::front::NAME;
use super::{Fault, Poller, RETRY_AFTER, Source, Way, chain};
use crate::{Load, Names, Release, Service, ServiceBuilder, eventually};

/// Whether two polls of a fetcher meet each fault as an error of its own, and the next one takes what is
/// published.
///
/// # Panics
///
/// If that is not so.
pub fn each_fault_is_an_error<S: Source>(way: Way) {
    let source = S::start(way);
    let mut poller = Poller::new(source.fetcher("30s"));
    for fault in Fault::ALL.into_iter().filter(|fault| source.front().knows(*fault)) {
        poller.ask_by(source.fetcher(fault.silence()));
        let release = Release::good();
        source.publish(&release);
        source.front().fail(fault);
        for _ in 0..2 {
            match (source.words(fault), poller.take()) {
                ("", Ok(taken)) => assert!(taken.as_deref() != Some(release.bytes()), "{fault:?}"),
                (words, Err(error)) => {
                    let told = chain(&*error);
                    println!("{fault:?}: {told}");
                    assert!(told.contains(words), "{fault:?}: {told}");
                    let when = error.downcast_ref().map(RetryAfter::after);
                    assert_eq!(when.is_some(), fault.tells_when(), "{fault:?}: {told}");
                    assert!(when <= Some(Duration::from_secs(RETRY_AFTER)), "{fault:?}: {when:?}");
                }
                (_, Ok(taken)) => panic!("{fault:?}: {:?} bytes", taken.map(|bytes| bytes.len())),
            }
        }
        source.front().heal();
        let taken = poller.take().unwrap_or_else(|error| panic!("{fault:?}: {}", chain(&*error)));
        assert!(taken.as_deref() == Some(release.bytes()), "{fault:?}: not what is published");
        poller.keep();
        assert!(poller.take().expect("nothing is wrong").is_none(), "{fault:?}: taken again");
    }
}

/// Whether a service goes on through each of these faults, and takes the next release after it, while its
/// clients ask and lose nothing.
///
/// # Panics
///
/// If that is not so.
pub fn no_fault_is_noticed<S: Source>(way: Way, faults: &[Fault]) {
    let source = S::start(way);
    let silence = if faults.contains(&Fault::Stalled) { "2s" } else { "30s" };
    let (mut service, mut generation) = (serving(&source, "100ms", silence), 1);
    let load = Load::start(service.address(), "/", 2);
    for fault in faults.iter().copied().filter(|fault| source.front().knows(*fault)) {
        let before = failures(&service);
        let serving = service.get("/");
        source.front().fail(fault);
        let release = Release::good();
        source.publish(&release);
        eventually(&format!("{fault:?} is told"), || (failures(&service) > before).then_some(()));
        assert_eq!(service.get("/"), serving, "{fault:?}: something else runs");
        source.front().heal();
        generation += 1;
        service.wait_for(&format!("event committed: generation {generation} "));
        service.assert_runs(&release);
    }
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
}

/// Whether a poll that finds nothing new is one request, and nothing but a head answers it. It prints
/// how many bytes that is.
///
/// # Panics
///
/// If that is not so.
pub fn an_idle_poll_is_one_request<S: Source>() {
    let source = S::start(Way::Plain);
    source.publish(&Release::good());
    let mut poller = Poller::new(source.fetcher("30s"));
    assert!(poller.take().expect("nothing is wrong").is_some());
    poller.keep();
    let before = source.front().asked().len();
    for polls in 1..=10 {
        assert!(poller.take().expect("nothing is wrong").is_none());
        let asked = source.front().asked().split_off(before);
        assert_eq!(asked.len(), polls, "{asked:?}");
        assert!(asked.iter().all(|asked| asked.body == 0), "{asked:?}");
    }
    let last = source.front().asked().pop().expect("it was asked");
    let (request, status, head) = (&last.request, last.status, last.head);
    println!("an idle poll: {} {}: {status}, {head} bytes", request.method, request.target);
}

/// Whether a service whose source has a name that is not known goes on, says why there is nothing to be had,
/// and takes the next release once the name is known; and that again.
///
/// # Panics
///
/// If that is not so.
pub fn a_name_is_waited_for<S: Source>() {
    let Some(names) = Names::try_new() else { return };
    let (source, first) = (S::start(Way::Named), Release::good());
    let mut service = names.known_to(builder(&source, &first, "100ms")).start();
    let load = Load::start(service.address(), "/", 2);
    for generation in 2..=3 {
        let before = service.lines("event fetch_failed: ").len();
        let release = Release::good();
        source.publish(&release);
        for count in 1..=2 {
            let line = service.wait_for_nth("event fetch_failed: ", before + count);
            assert!(line.contains("dns error"), "{line}");
        }
        assert!(service.get("/").contains(&format!(" {} ", generation - 1)));
        names.know(Some(NAME));
        service.wait_for(&format!("event committed: generation {generation} "));
        service.assert_runs(&release);
        // A poll that knows the name already may find what is published next.
        let failed = service.lines("event fetch_failed: ").len();
        names.know(None);
        service.wait_for_nth("event fetch_failed: ", failed + 1);
    }
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
}

/// Publishes five releases one after another for a service that polls each second, and prints how long
/// it takes until each is serving.
///
/// # Panics
///
/// If one does not come.
pub fn publish_to_serving<S: Source>() {
    let source = S::start(Way::Plain);
    let mut service = serving(&source, "1s", "30s");
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..5 {
        // A release that is published while another is on trial waits for that.
        let committed = service.lines("event committed: ").len();
        let release = Release::good();
        let id = release.id().to_string();
        source.publish(&release);
        let begun = Instant::now();
        eventually(&format!("{id} answers"), || service.get("/").contains(&id).then_some(()));
        times.push(begun.elapsed());
        service.wait_for_nth("event committed: ", committed + 1);
    }
    times.sort_unstable();
    println!("published to serving, with an interval of 1s: {times:?}");
    assert!(service.stop().success());
}

/// A service of a release that is published, which has found out that it runs already.
fn serving<S: Source>(source: &S, interval: &str, silence: &str) -> Service {
    let release = Release::good();
    source.publish(&release);
    let service = builder(source, &release, interval).set("SILENCE", silence).start();
    source.front().wait_for(2);
    service
}

/// A service of `release` with the fetcher of `source`.
fn builder<S: Source>(source: &S, release: &Release, interval: &str) -> ServiceBuilder {
    let variables = source.variables().into_iter().chain(source.front().variables());
    let builder = ServiceBuilder::new(release).set("INTERVAL", interval);
    variables.fold(builder, |builder, (name, value)| builder.set(&name, value))
}

/// How often it was told that nothing could be had, or nothing good.
fn failures(service: &Service) -> usize {
    let told = ["event fetch_failed: ", "event candidate_refused: "];
    told.iter().map(|event| service.lines(event).len()).sum()
}
