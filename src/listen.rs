//! Socket activation: descriptors that systemd passed to the runtime go on to the container (sd_listen_fds(3)).

use skiff_plan::Process;
use std::ffi::CString;

/// How many descriptors from 3 on `LISTEN_FDS` announces; the process is told that they are for it, whose pid is 1.
pub(crate) fn hand_on(process: &mut Process) -> u32 {
    let count = std::env::var("LISTEN_FDS").ok().and_then(|text| text.parse::<u32>().ok()).filter(|count| *count > 0);
    let Some(count) = count else { return 0 };
    let variables = [format!("LISTEN_FDS={count}"), "LISTEN_PID=1".to_owned()];
    process.env.extend(variables.into_iter().filter_map(|variable| CString::new(variable).ok()));
    count
}
