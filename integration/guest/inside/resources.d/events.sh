# Statistics against the kernel's files.

data() { jq -c "select(.type == \"stats\") | .data | $1" "${2:-stats}" | head -n 1; }

stalled() { sed -n "s/^$2 .*total=//p" "$cg/$1.pressure"; } # WHAT some|full

# A processor's is never all zero where a quota holds something back.
pressure() {
    local what name which before told
    if [ ! -e "$cg/cpu.pressure" ]; then
        echo "skipped: $part: events --stats: pressure: the kernel has no PSI"
        return
    fi
    for what in cpu memory io; do
        name=${what/io/blkio}
        for which in some full; do
            before=$(stalled $what $which)
            $runtime events --stats c >stats
            told=$(data ".$name.psi.$which.total")
            is "$part: events --stats: pressure: $what, $which" "$([ "$before" -le "$told" ] && [ "$told" -le "$(stalled $what $which)" ] && echo theirs)" theirs
        done
    done
}

measured() {
    up '.linux.resources = {memory: {limit: 67108864, swap: 100663296}, pids: {limit: 20}}' 'i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); done; echo ready; exec sleep 1000' || return
    until_true [ -s out ]
    until_true statistics_of memory.current memory.stat cpu.stat
    is "$part: events --stats: type and id" "$(jq -r '"\(.type) \(.id)"' stats)" "stats c"
    is "$part: events --stats: memory" "$(data .memory.usage.limit) $(data .memory.usage.usage)" "67108864 $(value memory.current)"
    is "$part: events --stats: raw memory" "$(data .memory.raw.anon)" "$(field memory.stat anon)"
    is "$part: events --stats: pids" "$(data .pids.current) $(data .pids.limit)" "1 20"
    is "$part: events --stats: cpu" "$(data '.cpu.usage.total // 0')" "$(($(field cpu.stat usage_usec) * 1000))"
    is "$part: events --stats: throttling" "$(data '.cpu.throttling.periods // 0') $(data '.cpu.throttling.throttledPeriods // 0')" "$(field cpu.stat nr_periods) $(field cpu.stat nr_throttled)"
    pressure
    $runtime events --interval=100ms c >stream &
    local events=$!
    until_true eval '[ $(wc -l <stream) -ge 3 ]'
    is "$part: events: one after another" "$(head -n 3 stream | jq -r .type | xargs)" "stats stats stats"
    $runtime pause c
    $runtime events --stats c >stats
    is "$part: events --stats of a paused container" "$(data .pids.current)" 1
    down
    until_true eval "! kill -0 $events"
    is "$part: events end with delete --force" "$(kill -0 $events 2>/dev/null && echo on)" ""
    refused "events of what does not exist" 'does not exist' "$runtime" events --stats c
}
