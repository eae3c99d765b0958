# Pause and resume.

status() { $runtime state c | jq -r .status; }
lines() { wc -l <rootfs/tmp/rounds; }
moves_on() { [ "$(lines)" -gt "$1" ]; }

frozen() {
    local before usage
    up . 'while :; do echo . >>/tmp/rounds; sleep 0.01; done' || return
    until_true [ -s rootfs/tmp/rounds ]
    $runtime pause c
    is "$part: pause" "$? $(status) $(field cgroup.events frozen)" "0 paused 1"
    before=$(lines) usage=$(field cpu.stat usage_usec)
    refused "exec in a paused container is refused" 'paused' "$runtime" exec c true
    refused "pause of a paused container is refused" 'paus|running' "$runtime" pause c
    is "$part: nothing moves while it is paused" "$(lines) $(field cpu.stat usage_usec)" "$before $usage"
    $runtime update --pids-limit 33 c
    is "$part: update of a paused container" "$? $(value pids.max) $(field cgroup.events frozen)" "0 33 1"
    # It may wait until it is thawed.
    $runtime exec --ignore-paused -d c sh -c 'echo here >/tmp/here' >/dev/null 2>&1 &
    local other=$!
    $runtime resume c
    is "$part: resume" "$? $(status) $(field cgroup.events frozen)" "0 running 0"
    until_true moves_on "$before"
    is "$part: it goes on after resume" "$(moves_on "$before" && echo on)" on
    until_true [ -s rootfs/tmp/here ]
    wait $other
    is "$part: exec --ignore-paused" "$? $(cat rootfs/tmp/here)" "0 here"
    refused "resume of a running container is refused" 'paused' "$runtime" resume c
    is "$part: it is as it was" "$(status)" running
    $runtime pause c
    $runtime kill c KILL
    $runtime delete --force c
    is "$part: delete --force of a paused container" $? 0
    is_gone "delete --force of a paused container"
    refused "pause of what does not exist" 'does not exist' "$runtime" pause c
}
