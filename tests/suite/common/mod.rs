//! The harness of the black-box tests: a bundle with a busybox root filesystem, a runtime with a private state
//! root, and a check that nothing is left when a test ends. `both!` runs one body on the host's cgroups as they
//! are and on a private cgroup v2 mount.

mod fd_socket;
mod leaks;
mod mode;
mod mountinfo;
pub mod pty;
mod refusal;
mod runtime;
mod skip;
mod test;

pub use fd_socket::FdSocket;
pub use mode::Mode;
pub use mountinfo::{MountLine, mount_at};
pub use refusal::{refused, refused_call};
pub use runtime::{Out, Running, binary, is_skiff};
pub use skip::skipped;
pub use test::{HostMount, Test, copy_program};

use std::time::{Duration, Instant};

/// Runs `body` as `name::host` and `name::v2`.
#[macro_export]
macro_rules! both {
    ($name:ident, $body:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            #[test]
            fn host() {
                $crate::common::run(module_path!(), $crate::common::Mode::Host, $body);
            }

            #[test]
            fn v2() {
                $crate::common::run(module_path!(), $crate::common::Mode::V2, $body);
            }
        }
    };
}

/// Runs `body` once, on the host's cgroups.
#[macro_export]
macro_rules! host_only {
    ($name:ident, $body:expr) => {
        #[test]
        fn $name() {
            let name = concat!(module_path!(), "::", stringify!($name));
            $crate::common::run(name, $crate::common::Mode::Host, $body);
        }
    };
}

/// Leaves the test with a word about why.
#[macro_export]
macro_rules! skip {
    ($t:expr, $($reason:tt)*) => {{
        $t.skip(&format!($($reason)*));
        return;
    }};
}

/// Skips what another runtime (SKIFF_TEST_RUNTIME) does not do.
#[macro_export]
macro_rules! skiff_only {
    ($t:expr, $reason:expr) => {
        if !$crate::common::is_skiff() {
            $crate::skip!($t, "another runtime is under test: {}", $reason);
        }
    };
}

/// One test: the setting up, `body`, and the check that nothing is left.
pub fn run(name: &str, mode: Mode, body: impl FnOnce(&mut Test)) {
    let name = name.trim_start_matches("suite::");
    let name = match mode {
        Mode::Host => name.to_string(),
        Mode::V2 => format!("{name}::v2"),
    };
    if let Some(reason) = mode.missing() {
        skipped(&name, &reason);
        return;
    }
    let mut test = Test::new(&name, mode);
    body(&mut test);
    test.finish();
}

/// Waits until `condition` holds. Bounded polling, never a timed assertion: the bound is for what would never come, not for what
/// is slow because the machine is busy.
#[track_caller]
pub fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    wait_at_most(Duration::from_secs(300), what, condition);
}

/// The same for what has a bound of its own.
#[track_caller]
pub fn wait_at_most(bound: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + bound;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}
