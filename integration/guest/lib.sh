# Sourced by the scripts beside it: where the guest lies, and how results are counted.

guest=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$guest/../.." && pwd)
cache=${SKIFF_GUEST:-${XDG_CACHE_HOME:-/var/cache}/skiff-guest}
passed=0 failed=0 skipped=0

skip() { # NAME REASON
    echo "skipped: $1: $2"
    skipped=$((skipped + 1))
}

# The last line of every script here.
counts() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ]
}

# The guest needs root: hostfs acts as the user who runs it, and the guest's root must own files.
root_or_skip() { # NAME
    [ "$(id -u)" = 0 ] && return
    skip "$1" "the guest needs root"
    counts
    exit
}

# With KERNEL=own, builds that kernel; $own is the option of `run` that chooses it.
own=''
own_kernel() {
    [ "${KERNEL:-}" = own ] || return 0
    own=-k
    "$guest/kernel/build"
}

# Counts the lines of a script of inside/: `ok NAME`, `FAIL NAME: WHY`, `skipped: NAME: WHY`; a script that did not reach
# its last line, `done`, counts as failed.
count_lines() { # FILE NAME
    passed=$((passed + $(grep -c '^ok ' "$1")))
    failed=$((failed + $(grep -c '^FAIL ' "$1")))
    skipped=$((skipped + $(grep -c '^skipped: ' "$1")))
    tail -n 1 "$1" | grep -qx 'done' && return
    echo "FAIL $2: it did not reach its end"
    failed=$((failed + 1))
}

# Builds with cargo and prints the path of each executable: `KIND NAME PATH`, KIND as cargo names it (bin, test, lib).
executables() { # CARGO-ARGUMENTS...
    (cd "$top" && cargo "$@" --message-format=json) |
        jq -r 'select(.reason == "compiler-artifact" and .executable) | "\(.target.kind[0]) \(.target.name) \(.executable)"'
    [ "${PIPESTATUS[0]}" = 0 ]
}
