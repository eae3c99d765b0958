//! What holds of a cgroup whatever its version: each test runs in every hierarchy of version 1 and in the unified one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
use common::{Place, Shell};
use nix::errno::Errno;
use skiff_cgroup::{Cgroup, CgroupRecord, Error, Event};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

macro_rules! both {
    ($name:ident, $body:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn v1() {
                Place::v1(concat!("v1-", stringify!($name))).inspect($body);
            }

            #[test]
            fn v2() {
                Place::v2(concat!("v2-", stringify!($name))).inspect($body);
            }
        }
    };
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(300)
}

both!(everything_is_fine_with_a_cgroup_that_is_gone, |place| {
    let cgroup = place.create("c", vec![]);
    cgroup.remove().unwrap();
    for cgroup in [&cgroup, &Cgroup::open(&cgroup.record())] {
        assert!(cgroup.pids().unwrap().is_empty());
        assert!(!cgroup.frozen().unwrap());
        cgroup.signal_all(libc::SIGKILL).unwrap();
        cgroup.kill().unwrap();
        cgroup.let_end().unwrap();
        assert_eq!(cgroup.oom_kills(), None);
        cgroup.remove().unwrap();
        assert!(cgroup.place(std::process::id()).is_err());
    }
});

both!(a_cgroup_that_is_gone_has_no_statistics, |place| {
    let cgroup = place.create("c", vec![]);
    assert!(cgroup.stats().is_ok());
    cgroup.remove().unwrap();
    for cgroup in [&cgroup, &Cgroup::open(&cgroup.record())] {
        let error = cgroup.stats().unwrap_err();
        assert!(error.is_gone() && error.to_string().contains(&*place.name.to_string_lossy()), "{error}");
    }
    let none = Cgroup::open(&CgroupRecord::default());
    assert_eq!(none.stats(), Err(Error::NoCgroup));
});

// It goes on while any process is there, and then tells of the end again and again.
both!(the_watch_lasts_until_the_last_process, |place| {
    // On version 1 the unified hierarchy of a hybrid host tells.
    if !place.has("") {
        return common::skip("the_watch_lasts_until_the_last_process", "no unified hierarchy");
    }
    let cgroup = place.create("c", vec![]);
    let (mut init, mut other) = (Shell::waiting(), Shell::waiting());
    for shell in [&init, &other] {
        cgroup.place(shell.pid()).unwrap();
    }
    let pidfd = skiff_sys::pidfd_open(init.pid()).unwrap();
    let output = std::fs::File::create("/dev/null").unwrap();
    let mut watch = cgroup.watch(pidfd, Duration::from_millis(1), output.as_fd()).unwrap();
    assert_eq!(watch.wait(), Ok(Event::Interval));
    init.finish();
    for _ in 0..3 {
        assert_eq!(watch.wait(), Ok(Event::Interval));
    }
    other.finish();
    let deadline = deadline();
    while watch.wait() == Ok(Event::Interval) {
        assert!(Instant::now() < deadline, "the end is not told");
    }
    assert_eq!((watch.wait(), watch.wait()), (Ok(Event::End), Ok(Event::End)));
});

both!(a_forking_crowd_is_killed, |place| {
    let cgroup = place.create("c", vec![]);
    let mut shell = Shell::start("while :; do if [ $((n=n+1)) -lt 50 ]; then sleep 1000 & else /bin/true; fi; done");
    cgroup.place(shell.pid()).unwrap();
    shell.go();
    let deadline = deadline();
    while cgroup.pids().unwrap().len() < 20 {
        assert!(Instant::now() < deadline, "no crowd");
    }
    cgroup.kill().unwrap();
    assert!(cgroup.pids().unwrap().is_empty());
});

both!(removal_waits_for_processes_that_are_about_to_end, |place| {
    let cgroup = place.create("c", vec![]);
    let mut shell = Shell::waiting();
    cgroup.place(shell.pid()).unwrap();
    shell.go();
    // On a busy machine it may take longer to end than a removal waits.
    let deadline = deadline();
    while let Err(error) = cgroup.remove() {
        let busy = matches!(&error, Error::Several(_)) || error.errno() == Some(Errno::EBUSY);
        assert!(busy && Instant::now() < deadline, "{error}");
    }
    assert!(cgroup.record().dirs.iter().all(|(_, dir)| !dir.exists()));
});

both!(a_cgroup_in_use_is_refused, |place| {
    let cgroup = place.create("c", vec![]);
    let shell = Shell::waiting();
    cgroup.place(shell.pid()).unwrap();
    let error = Cgroup::create(&place.plan("c", vec![])).unwrap_err();
    let dirs = cgroup.record().dirs;
    let told = |(_, dir): &(String, std::path::PathBuf)| {
        error.to_string() == format!("container's cgroup is not empty: 1 process(es) found in {}", dir.display())
    };
    assert!(dirs.iter().any(told), "{error}");
    assert!(dirs.iter().all(|(_, dir)| dir.exists()), "what was there before stays");
});

both!(freeze_and_thaw, |place| {
    let cgroup = place.create("pod/c", vec![]);
    let mut shell = Shell::waiting();
    cgroup.place(shell.pid()).unwrap();
    assert!(!cgroup.frozen().unwrap());
    cgroup.freeze().unwrap();
    assert!(cgroup.frozen().unwrap());
    cgroup.signal_all(libc::SIGTERM).unwrap();
    assert!(cgroup.frozen().unwrap(), "a paused container stays paused");
    cgroup.resume().unwrap();
    assert!(!cgroup.frozen().unwrap());
    assert_eq!(shell.signal(), Some(libc::SIGTERM));
});

both!(a_frozen_container_dies, |place| {
    let cgroup = place.create("c", vec![]);
    let mut shell = Shell::waiting();
    cgroup.place(shell.pid()).unwrap();
    cgroup.freeze().unwrap();
    cgroup.kill().unwrap();
    assert_eq!(shell.signal(), Some(libc::SIGKILL));
});
