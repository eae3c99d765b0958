# Updates, by each flag and by a file, all without the option that chose the driver.

changed() { # NAME WANTED-DIFFERENCE ARGUMENTS-OF-UPDATE...: only that differs afterwards, a line FILE:VALUE for each
    local name=$1 wanted=$2 before message
    shift 2
    before=$(limits_of)
    message=$($runtime update "$@" c 2>&1) || { echo "FAIL $part: update $name: $message"; return; }
    is "$part: update $name" "$(diff <(echo "$before") <(limits_of) | sed -n 's/^> //p' | sort | xargs)" "$wanted"
}

updates() {
    up "$everything" 'exec sleep 1000' || return
    changed "--memory" "memory.max:83886080 memory.swap.max:16777216" --memory 83886080 </dev/null
    shows MemoryMax " (updated)" 83886080
    shows MemorySwapMax " (updated)" 16777216
    changed "--memory-swap" "memory.swap.max:50331648" --memory 83886080 --memory-swap 134217728 </dev/null
    changed "--memory with a unit" "memory.max:100663296 memory.swap.max:33554432" --memory 96M </dev/null
    changed "--memory-reservation" "memory.low:16777216" --memory-reservation 16777216 </dev/null
    shows MemoryLow " (updated)" 16777216
    changed "--cpu-quota" "cpu.max:30000 100000" --cpu-quota 30000 </dev/null
    shows CPUQuotaPerSecUSec " (updated)" 300ms
    changed "--cpu-period" "cpu.max:30000 50000" --cpu-period 50000 </dev/null
    shows CPUQuotaPerSecUSec " (period updated)" 600ms
    changed "--cpu-burst" "cpu.max.burst:5000" --cpu-burst 5000 </dev/null
    changed "--cpu-share" "cpu.weight:59" --cpu-share 512 </dev/null
    shows CPUWeight " (updated)" 59
    changed "--pids-limit" "pids.max:40" --pids-limit 40 </dev/null
    shows TasksMax " (updated)" 40
    changed "--pids-limit -1" "pids.max:max" --pids-limit -1 </dev/null
    shows TasksMax " (unlimited)" infinity
    changed "--cpu-quota -1" "cpu.max:max 100000" --cpu-period 100000 --cpu-quota -1 </dev/null
    shows CPUQuotaPerSecUSec " (unlimited)" infinity
    changed "--memory -1" "memory.max:max memory.swap.max:max" --memory -1 </dev/null
    shows MemoryMax " (unlimited)" infinity

    echo '{"memory": {"limit": 67108864, "swap": 100663296}, "pids": {"limit": 25}}' >resources.json
    changed "--resources FILE" "memory.max:67108864 memory.swap.max:33554432 pids.max:25" --resources resources.json </dev/null
    shows MemoryMax " (from a file)" 67108864
    echo '{"cpu": {"quota": 40000, "period": 100000, "shares": 1024}}' | changed "--resources -" "cpu.max:40000 100000 cpu.weight:100" --resources -
    shows CPUQuotaPerSecUSec " (from standard input)" 400ms
    echo '{"unified": {"memory.high": "41943040"}}' | changed "unified" "memory.high:41943040" -r -
    shows MemoryHigh " (updated)" 41943040
    echo '{}' | changed "with nothing" "" -r -
    changed "--cpu-idle 1" "cpu.idle:1 cpu.weight:1" --cpu-idle 1 </dev/null
    is "$part: exec is limited after updates" "$($runtime exec c cat /sys/fs/cgroup/pids.max)" 25
    unchanged
    down
}

leaves() { # NAME PATTERN ARGUMENTS-OF-UPDATE...: refused, and the limits are as they were
    local name=$1 pattern=$2 before
    shift 2
    before=$(limits_of)
    refused "update refuses $name" "$pattern" "$runtime" update "$@" c
    beyond "$part: limits after $name" "$(diff <(echo "$before") <(limits_of))" ""
}

unchanged() {
    echo '{"memory": {"limit": 4096, "swap": 4096, "checkBeforeUpdate": true}, "pids": {"limit": 7}}' >low.json
    leaves "a limit below what is used" 'use' -r low.json
    shows MemoryMax " (refused)" 67108864
    echo '{"memory": ' >broken.json
    leaves "a file that is not JSON" 'json|eof|unexpected|parse' -r broken.json
    echo '{"pids": {"limit": "many"}}' >type.json
    leaves "a value of another type" 'limit|string|invalid|number' -r type.json
    leaves "a file that does not exist" 'no such file' -r absent.json
    leaves "a number out of range" 'range|invalid|too large' --pids-limit 99999999999999999999
    leaves "a size that is none" 'invalid|parse' --memory much
    leaves "a swap below the memory" 'swap|memory' --memory 67108864 --memory-swap 33554432
    leaves "a period that the kernel refuses" 'period|invalid|cpu' --cpu-period 7
    refused "update of what does not exist is refused" 'does not exist' "$runtime" update --pids-limit 7 absent
}
