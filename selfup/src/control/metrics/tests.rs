use std::time::Duration;

use super::*;
use crate::control::tests::status;

const COUNTS: Counts = Counts {
    upgrades: 1,
    refusals: 2,
    rollbacks: 3,
    restarts: 4,
    abandoned: 5,
    fetch_failures: 6,
    killed: 7,
};

#[test]
fn each_sample_is_behind_its_help_and_type() {
    let page = render(&status(), &COUNTS);
    let mut head = "";
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(help.ends_with('.'), "{line}");
            head = name;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, head);
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        } else {
            let name = line.split(['{', ' ']).next().unwrap();
            assert_eq!(name, head, "{line}");
            let value = line.rsplit_once(' ').unwrap().1;
            assert!(value.parse::<u64>().is_ok(), "{line}");
        }
    }
    assert!(page.ends_with('\n'));
}

#[test]
fn what_is_known_is_there_once() {
    let mut status = status();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    status.last_upgrade.as_mut().unwrap().at = at;
    let page = render(&status, &COUNTS);
    for line in [
        r#"selfup_info{version="1.1.0",digest="22",selfup="0.1.0"} 1"#,
        "selfup_generation 2",
        r#"selfup_phase{phase="handover"} 1"#,
        r#"selfup_phase{phase="serving"} 0"#,
        r#"selfup_generations{state="draining"} 1"#,
        r#"selfup_generations{state="starting"} 0"#,
        r#"selfup_generation_age_seconds{generation="1"} 60"#,
        r#"selfup_open_connections{generation="2"} 3"#,
        r#"selfup_upgrades_state{state="on"} 1"#,
        r#"selfup_upgrades_state{state="none"} 0"#,
        "selfup_next_poll_seconds 30",
        "selfup_last_upgrade_timestamp_seconds 1700000000",
        "selfup_upgrades_total 1",
        "selfup_refusals_total 2",
        "selfup_rollbacks_total 3",
        "selfup_restarts_total 4",
        "selfup_restarts_abandoned_total 5",
        "selfup_fetch_failures_total 6",
        "selfup_drains_timed_out_total 7",
    ] {
        assert_eq!(page.lines().filter(|found| *found == line).count(), 1, "{line} in\n{page}");
    }
    assert!(!page.contains(r#"open_connections{generation="1"}"#), "it was not told");
}

#[test]
fn what_a_version_says_stays_in_its_label() {
    let mut status = status();
    status.generations[1].version = Some("1\"} 0\nselfup_evil 1\\".into());
    let page = render(&status, &COUNTS);
    assert!(page.contains(r#"version="1\"} 0\nselfup_evil 1\\","#), "{page}");
    assert!(!page.lines().any(|line| line.starts_with("selfup_evil")));
}

#[test]
fn a_service_of_which_nothing_is_known_has_no_generation() {
    let mut status = status();
    status.generations.clear();
    let page = render(&status, &Counts::default());
    assert!(!page.lines().any(|line| line.starts_with("selfup_generation ")));
    assert!(page.contains("selfup_upgrades_total 0\n"));
}

#[test]
fn what_serves_is_what_would_serve_again() {
    let serving_of = |states: &[&'static str]| {
        let mut generations = status().generations;
        generations.truncate(1);
        let each = states.iter().zip(1..).map(|(state, generation)| {
            let one = generations[0].clone();
            GenerationStatus { generation, state, ..one }
        });
        let each: Vec<_> = each.collect();
        serving(&each).map(|it| it.generation)
    };
    assert_eq!(serving_of(&["draining", "serving", "starting"]), Some(2));
    assert_eq!(serving_of(&["draining", "paused", "probation"]), Some(2));
    assert_eq!(serving_of(&["draining", "starting"]), Some(2));
    assert_eq!(serving_of(&[]), None);
}
