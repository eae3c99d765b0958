# Limits as the kernel has them, and what they do to those who exceed them.

everything='.linux.resources = {memory: {limit: 67108864, reservation: 33554432, swap: 100663296}, pids: {limit: 20},
    cpu: {quota: 20000, period: 100000, burst: 10000, shares: 1024}, unified: {"memory.high": "50331648"}}'

written() {
    up "$everything" 'exec sleep 1000' || return
    reads memory.max "" 67108864
    reads memory.low "" 33554432
    reads memory.high "" 50331648
    reads memory.swap.max "" 33554432
    reads pids.max "" 20
    reads cpu.max "" "20000 100000"
    reads cpu.max.burst "" 10000
    reads cpu.weight "" 100
    shows MemoryMax "" 67108864
    shows MemoryLow "" 33554432
    shows MemoryHigh "" 50331648
    shows MemorySwapMax "" 33554432
    shows TasksMax "" 20
    shows CPUQuotaPerSecUSec "" 200ms
    shows CPUWeight "" 100
    is "$part: limits from inside" "$($runtime exec c sh -c 'cd /sys/fs/cgroup && cat memory.max pids.max cpu.max' | xargs)" "67108864 20 20000 100000"
    is "$part: exec is limited with it" "$($runtime exec c cat /proc/self/cgroup)" "0::/"
    down
    is_gone "delete"
    up '.linux.resources.cpu.idle = 1' 'exec sleep 1000' || return
    reads cpu.idle "" 1
    shows CPUWeight " (idle)" idle
    down
}

memory() {
    refuses "a memory limit that init cannot live with" 'out of memory|killed' '.linux.resources.memory = {limit: 4096, swap: 4096}'
    is "$part: exit code of an oom kill" "$(once '.linux.resources.memory = {limit: 33554432, swap: 33554432}' 'exec dd if=/dev/zero of=/dev/null bs=128M count=1')" " 137"
    up '.linux.resources.memory = {limit: 33554432, swap: 33554432}' 'while [ ! -e /tmp/go ]; do sleep 0.1; done; dd if=/dev/zero of=/dev/null bs=128M count=1; exec sleep 1000' || return
    $runtime events --interval=1s c >events &
    local events=$!
    until_true [ -s events ]
    touch rootfs/tmp/go
    until_true at_least memory.events oom_kill 1
    is "$part: memory.events: oom_kill" "$(field memory.events oom_kill)" 1
    until_true grep -q '"oom"' events
    is "$part: events: oom" "$(jq -c 'select(.type == "oom")' events | head -n 1)" '{"type":"oom","id":"c"}'
    down
    until_true eval "! kill -0 $events"
    is "$part: events end with the container" "$(kill -0 $events 2>/dev/null && echo on)" ""
    # Its first process is the one that is killed: the unit has failed.
    up '.linux.resources.memory = {limit: 33554432, swap: 33554432}' 'while [ ! -e /tmp/go ]; do sleep 0.1; done; exec dd if=/dev/zero of=/dev/null bs=128M count=1' || return
    touch rootfs/tmp/go
    until_true eval "[ \"\$($runtime state c | jq -r .status)\" = stopped ]"
    is "$part: state after an oom kill" "$($runtime state c | jq -r .status)" stopped
    $runtime delete c
    is "$part: delete after an oom kill" $? 0
    is_gone "delete after an oom kill"
}

throttled() {
    up '.linux.resources.cpu = {quota: 10000, period: 100000}' 'while :; do :; done' || return
    until_true at_least cpu.stat nr_throttled 1
    local before
    before=$(field cpu.stat nr_throttled)
    until_true at_least cpu.stat nr_throttled $((before + 2))
    is "$part: nr_throttled grows" "$([ "$(field cpu.stat nr_throttled)" -gt "$before" ] && [ "$before" -gt 0 ] && echo grows)" grows
    if [ -e "$cg/cpu.pressure" ]; then
        until_true eval '[ "$(stalled cpu some)" -gt 0 ]'
        $runtime events --stats c >stats
        is "$part: events --stats: pressure of what is throttled" "$([ "$(data .cpu.psi.some.total)" -gt 0 ] && echo some)" some
    fi
    down
}

forks() {
    up '.linux.resources.pids = {limit: 20}' '(i=0; while [ $i -lt 40 ]; do sleep 1000 & i=$((i + 1)); done; echo unreachable); exec sleep 1000' || return
    until_true at_least pids.events max 1
    is "$part: a fork beyond pids.max" "$(at_least pids.events max 1 && cat out)" ""
    # The one that could not fork ends a moment later.
    until_true eval '[ "$(value pids.current)" -lt 20 ]'
    is "$part: as many processes as pids.max, but the one that failed" "$(value pids.current)" 19
    down
}

# A file on a loop device is read by two, one of them limited: it is still reading when the other has finished.
blocks() {
    local disk number reader
    disk=$(stat -c '%Hd:%Ld' "$work")
    [ "${disk%%:*}" != 0 ] || disk=$(cat /sys/class/block/ubda/dev)
    reader='.linux.devices = [{path: "/dev/disk", type: "b", major: MAJOR, minor: MINOR}] | .linux.resources.devices = [{allow: true, type: "b", major: MAJOR, minor: MINOR, access: "r"}]'
    up ".linux.resources.blockIO = {throttleReadBpsDevice: [{major: ${disk%:*}, minor: ${disk#*:}, rate: 1048576}], throttleWriteIOPSDevice: [{major: ${disk%:*}, minor: ${disk#*:}, rate: 100}]}" 'exec sleep 1000' || return
    reads io.max "" "$disk rbps=1048576 wbps=max riops=max wiops=100"
    down

    truncate -s 64M image && modprobe loop && disk=$(losetup --show -f image) || return
    number=$(lsblk -no MAJ:MIN "$disk" | xargs)
    reader=${reader//MAJOR/${number%:*}} reader=${reader//MINOR/${number#*:}}
    up "$reader | .linux.resources.blockIO.throttleReadBpsDevice = [{major: ${number%:*}, minor: ${number#*:}, rate: 1048576}]" 'dd if=/dev/disk of=/dev/null bs=64k; echo finished' || return
    until_true grep -q "^$number rbytes=[1-9]" "$cg/io.stat"
    local other
    other=$(dd if="$disk" of=/dev/null bs=64k iflag=direct 2>&1 | tail -n 1 | cut -d ' ' -f 1)
    is "$part: io.max holds a reader back" "$other $(cat out)" "67108864 "
    down
    losetup -d "$disk"
}

# What only a caller with every capability may do.
raised() {
    echo 2000000 >/proc/sys/fs/nr_open
    is "$part: a score lowered, a limit raised" "$(once '.process.oomScoreAdj = -500 | .process.rlimits = [{type: "RLIMIT_NOFILE", soft: 2000000, hard: 2000000}]' \
        'cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn')" "-500 2000000 2000000 0"
}
