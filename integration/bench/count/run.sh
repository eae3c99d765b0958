#!/bin/bash
# Counts the system calls of `RUNTIME run ID` on a private cgroup2 mount. See README.md.
#   run.sh [RUNTIME...]     environment: KEEP=DIR keeps the traces there
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
max_execve=3
max_calls=262

if [ -z "${SKIFF_COUNT_INSIDE:-}" ]; then
    command -v strace >/dev/null || { echo "no strace: apt-get install strace"; exit 1; }
    export SKIFF_COUNT_INSIDE=1
    exec unshare --mount --propagation private "$here/run.sh" "$@"
fi

mount -t cgroup2 none /sys/fs/cgroup || exit 1
work=$(mktemp -d "${TMPDIR:-/tmp}/skiff-count.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/bundle/rootfs/{bin,proc,sys,dev}
cp /bin/busybox "$work/bundle/rootfs/bin/busybox" || { echo "no static busybox: apt-get install busybox-static"; exit 1; }
ln -s busybox "$work/bundle/rootfs/bin/true"

# Names of a trace's calls, without those of the container's program: after the last execve of its process.
# A call that strace prints in two parts counts where it starts.
count() { # trace
    awk -v program=/bin/true '
        { pid = $1; rest = $0; sub(/^[0-9]+ +/, "", rest) }
        rest !~ /^[a-z_0-9]+\(/ && rest !~ /^<\.\.\. execve/ { next }
        rest ~ /^<\.\.\. execve/ { if (rest ~ /= 0$/) { executed++; if (pid in entering) ended[pid] = 1 } next }
        ended[pid] { payload++; next }
        { calls++ }
        rest ~ /^execve(at)?\(/ {
            mine = index(rest, "execve(\"" program "\"") == 1
            if (rest ~ /= 0$/) { executed++; if (mine) ended[pid] = 1 }
            else if (mine && rest ~ /unfinished/) entering[pid] = 1
        }
        END { print executed + 0, calls + 0, payload + 0 }' "$1"
}

run() { # runtime
    strace -f -qq -o "$work/trace" "$1" --root "$work/state" run --bundle "$work/bundle" "count-$$" >"$work/out" 2>&1
}

failed=0
first=1
printf '%-24s %8s %13s %s\n' runtime execve 'system calls' '(of the container itself)'
runtimes=("$@")
for other in crun runc; do command -v $other >/dev/null && runtimes+=("$other"); done
for runtime in "${runtimes[@]}"; do
    cp "$here/../../common/default.json" "$work/bundle/config.json"
    note=
    if ! run "$runtime"; then
        if ! grep -q RLIM_MEMLOCK "$work/out"; then
            echo "$runtime fails: $(cat "$work/out")"
            failed=1
            continue
        fi
        # Only the resources go: an array of one rule, the last thing in its object.
        tr -d '\n' <"$here/../../common/default.json" | sed -E 's/"resources": *\{[^]]*\] *\},//' >"$work/bundle/config.json"
        note='without device rules: may not raise RLIMIT_MEMLOCK'
        run "$runtime" || { echo "$runtime fails: $(cat "$work/out")"; failed=1; continue; }
    fi
    [ -n "${KEEP:-}" ] && cp "$work/trace" "$KEEP/$(basename "$runtime").trace"
    read -r execve calls payload < <(count "$work/trace")
    printf '%-24s %8d %13d (%d) %s\n' "$(basename "$runtime")" "$execve" "$calls" "$payload" "$note"
    if [ $first = 1 ] && { [ "$execve" -gt $max_execve ] || [ "$calls" -gt $max_calls ]; }; then
        echo "too many: at most $max_execve execve and $max_calls system calls"
        failed=1
    fi
    first=0
done
exit $failed
