# Sourced by the clients' scripts. Each calls `enter NAME "$@"` first, then runs actions under Debian's runc and under the runtime.
#   environment: REFERENCE (default runc), ONLY=REGEX for the actions wanted, KEEP_LOG=FILE for the daemon's log

clients=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
image=localhost/bb:1
wasm= count=0 failures=0 passes=0 skips=0

# Goes on in private mount, pid, network, ipc, uts and cgroup namespaces, in a cgroup of its own, with an own /run and /dev/shm.
# What is started dies with the pid namespace, what is mounted goes with the mount namespace, and the outer half removes the rest.
# Sets $runtime, $reference and $work; and $wasm, if there is a second binary RUNTIME-wasm.
enter() { # NAME RUNTIME
    client=$1
    if [ -n "${SKIFF_CLIENT_WORK:-}" ]; then
        work=$SKIFF_CLIENT_WORK runtime=$SKIFF_CLIENT_RUNTIME reference=$REFERENCE
        private_view || { echo "$client: no private view"; exit 1; }
        # conmon leaves a file where it was started when memory runs out
        cd "$work" || exit 1
        return
    fi
    [ "$(id -u)" = 0 ] || { echo "$client: needs root"; exit 1; }
    SKIFF_CLIENT_RUNTIME=$(realpath -e "${2:-${RUNTIME:?name the runtime as argument}}") || exit 1
    REFERENCE=$(realpath -e "$(command -v "${REFERENCE:-runc}")") || { echo "no reference runtime: apt-get install runc"; exit 1; }
    # systemd, and whatever it was that started us, must not be talked to
    unset NOTIFY_SOCKET LISTEN_FDS LISTEN_PID DBUS_SESSION_BUS_ADDRESS XDG_RUNTIME_DIR DOCKER_HOST CONTAINER_HOST
    work=$(mktemp -d "${TMPDIR:-/tmp}/skiff-$client.XXXXXX") && chmod 755 "$work"
    group=skiff-${work##*.}
    export SKIFF_CLIENT_WORK=$work SKIFF_CLIENT_RUNTIME REFERENCE
    trap leave EXIT
    trap 'exit 130' INT TERM HUP
    (
        join_group
        exec unshare --mount --propagation private --pid --net --ipc --uts --cgroup --fork --kill-child --mount-proc bash "$0"
    ) &
    inside=$!
    wait "$inside"
    code=$?
    inside=
    exit "$code"
}

leave() {
    # unshare ignores SIGTERM; when it dies, so does the first process of the pid namespace, and with it the others
    [ -n "${inside:-}" ] && kill -KILL "$inside" 2>/dev/null && wait "$inside" 2>/dev/null
    local dir tries
    [ -n "${KEEP_LOG:-}" ] && [ -f "$work/log" ] && cp "$work/log" "$KEEP_LOG"
    for dir in /sys/fs/cgroup/*/"$group" /sys/fs/cgroup/"$group"; do
        for tries in $(seq 50); do
            [ -d "$dir" ] || break
            find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null
            sleep 0.05
        done
        [ -d "$dir" ] && echo "left behind: $dir"
    done
    rm -rf --one-file-system "$work" || echo "left behind: $work"
}

# An own group in every hierarchy: it is the root of the cgroup namespace that follows.
join_group() {
    local dir
    for dir in /sys/fs/cgroup /sys/fs/cgroup/*; do
        [ -f "$dir/cgroup.procs" ] && [ ! -L "$dir" ] || continue
        mkdir "$dir/$group"
        # a new cpuset of version 1 has no processor and no memory
        if [ -f "$dir/cpuset.cpus" ] && [ ! -f "$dir/cgroup.controllers" ]; then
            cat "$dir/cpuset.cpus" >"$dir/$group/cpuset.cpus"
            cat "$dir/cpuset.mems" >"$dir/$group/cpuset.mems"
        fi
        echo "$BASHPID" >"$dir/$group/cgroup.procs"
    done
}

private_view() {
    local hierarchies dir
    hierarchies=$(awk '$2 ~ "^/sys/fs/cgroup" && $3 == "cgroup" { n = split($2, part, "/"); print part[n], $4 }' /proc/self/mounts)
    umount -R -l /sys/fs/cgroup || return
    if [ -n "$hierarchies" ]; then
        # Without `unified`: podman 4 and crun take a host that has both for one that they cannot use.
        mount -t tmpfs -o mode=755 skiff-client /sys/fs/cgroup || return
        while read -r dir options; do
            mkdir "/sys/fs/cgroup/$dir"
            options=$(tr ',' '\n' <<<"$options" | grep -Ex 'cpu|cpuacct|cpuset|memory|devices|freezer|blkio|pids|net_cls|net_prio|perf_event|hugetlb|rdma|misc|name=.*' | paste -sd,)
            case $options in name=*) options=none,$options ;; esac
            mount -t cgroup -o "$options" "$dir" "/sys/fs/cgroup/$dir" || return
        done <<<"$hierarchies"
        mount -o remount,ro /sys/fs/cgroup
    else
        mount -t cgroup2 cgroup2 /sys/fs/cgroup || return
        mkdir /sys/fs/cgroup/init && echo $$ >/sys/fs/cgroup/init/cgroup.procs
        sed 's/\([a-z]*\)/+\1/g' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
    fi
    mount -t tmpfs -o mode=755 skiff-client /run && mkdir -m 1777 /run/lock
    mount -t tmpfs -o mode=1777 skiff-client /dev/shm
    # A copy, so that a build in between does not mix two runtimes; and a /var/tmp for everybody, where the machine has none.
    mkdir "$work/bin" && cp "$runtime" "$work/bin/" || return
    [ ! -x "$runtime-wasm" ] || { cp "$runtime"-wasm* "$work/bin/" && wasm=$work/bin/$(basename "$runtime-wasm"); }
    runtime=$work/bin/$(basename "$runtime")
    if [ "$(stat -c %a /var/tmp)" != 1777 ] && [[ $work != /var/tmp/* ]]; then
        mkdir -m 1777 "$work/tmp" && mount --bind "$work/tmp" /var/tmp
    fi
    # As on a host: what is mounted later is seen in the mount namespaces made from this one, and nowhere else.
    mount --make-rshared /
    ip link set lo up
}

# A root for images: busybox with its links, root, a user in a further group.
make_root() { # DIR
    local root=$1 applet
    mkdir -p "$root"/{bin,etc,tmp,home,mnt,root,proc,dev,sys,run} && chmod 1777 "$root/tmp"
    cp /bin/busybox "$root/bin/busybox"
    for applet in $("$root/bin/busybox" --list); do [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"; done
    printf 'root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n' >"$root/etc/passwd"
    printf 'root:x:0:\nuser:x:1000:\nmore:x:2000:user\n' >"$root/etc/group"
    echo text >"$root/etc/not-executable"
}

# The same as $work/rootfs and as an archive, $work/bb.tar.
make_archive() {
    [ ! -f "$work/bb.tar" ] || return 0
    make_root "$work/rootfs" && tar -C "$work/rootfs" --numeric-owner --owner=0 --group=0 -cf "$work/bb.tar" .
}

need_tools() { # PACKAGE TOOL...
    local package=$1 tool
    shift
    for tool; do command -v "$tool" >/dev/null || { echo "no $tool: apt-get install $package"; exit 1; }; done
}

# The largest hard limit that may be set without CAP_SYS_RESOURCE; docker's and podman's defaults are above it.
most() { ulimit "-H$1" | sed 's/unlimited/1048576/'; }

# Waits until the command succeeds, 10 seconds at most.
until_true() {
    local tries
    for tries in $(seq 100); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done
    return 1
}

# Runs a command with its standard error after its standard output: clients that carry two streams do not keep their order.
apart() {
    local code file
    file=$(mktemp "$work/err.XXXXXX")
    "$@" 2>"$file"
    code=$?
    cat "$file" >&2
    rm "$file"
    return $code
}

# Runs a command on a terminal of 30 lines by 100 columns.
tty() { timeout -k 5 40 script -qec "stty rows 30 cols 100; $*" /dev/null; }
# The same, and types a text (as printf has it) once the screen shows something.
typing() { # PATTERN TEXT COMMAND...
    : >"$work/screen"
    (until_true grep -q "$1" "$work/screen"; keys "$2") | tty "${@:3}" >"$work/screen"
    cat "$work/screen"
}
# Key by key: podman wants each of the two that detach in a read of its own.
keys() {
    local text i
    # shellcheck disable=SC2059
    printf -v text "$1"
    for ((i = 0; i < ${#text}; i++)); do printf '%s' "${text:i:1}"; sleep 0.2; done
    sleep 1
}

# Prints what one action shows under $binary, without what differs from run to run.
shown() {
    "$@" 2>&1 </dev/null | tr -d '\r\000' | sed -E "s/\^@//; s/\bc$count\b/ID/g; s#$binary#RUNTIME#g; s#$work#WORK#g; s/\b[0-9a-f]{64}\b/HASH/g; s/\b[0-9a-f]{12}\b/HASH/g
        s/[0-9]{4}-[0-9]{2}-[0-9]{2}T[^ \"]*/TIME/g"
}

short() { tr '\n' ';' <<<"$1" | tr -s ' \t' ' ' | sed 's/;*$//' | cut -c "1-${2:-60}"; }

# One line: ok and the result, FAIL and both, or skipped because the reference does not do it either.
action() { # FUNCTION PATTERN-OF-THE-REFERENCE WORDS [ARGUMENTS-OF-THE-FUNCTION...]
    local name=$1 pattern=$2 words=$3 want got
    [[ $words =~ ${ONLY:-} ]] || return 0
    shift 3
    binary=$reference
    want=$(shown "$name" "$@")
    binary=$runtime
    got=$(shown "$name" "$@")
    if ! grep -Eq -- "$pattern" <<<"$want"; then
        if grep -Eq -- "$pattern" <<<"$got"; then
            passes=$((passes + 1))
            echo "ok       $words: only the runtime does it: $(short "$got") | reference: $(short "$want" 150)"
        else
            skips=$((skips + 1))
            echo "skipped  $words: the reference does not do it here: $(short "$want" 150) | runtime: $(short "$got" 150)"
        fi
    elif [ "$got" = "$want" ]; then
        passes=$((passes + 1))
        echo "ok       $words: $(short "$want") | the same"
    else
        failures=$((failures + 1))
        echo "FAIL     $words: $(short "$want" 200) | runtime: $(short "$got" 300)"
        diff <(echo "$want") <(echo "$got") | sed -n 's/^</             reference: /p; s/^>/             runtime:   /p' >>"$work/differences"
        [ -n "${VERBOSE:-}" ] && diff <(echo "$want") <(echo "$got") | sed -n 's/^</             reference: /p; s/^>/             runtime:   /p'
    fi
}

# One line for what no reference does: ok, or FAIL with what was wanted; an asterisk in it stands for any text.
expect() { # FUNCTION WANTED WORDS [ARGUMENTS-OF-THE-FUNCTION...]
    local name=$1 wanted=$2 words=$3 got
    [[ $words =~ ${ONLY:-} ]] || return 0
    shift 3
    binary=$runtime
    got=$(short "$(shown "$name" "$@")" 1000)
    # shellcheck disable=SC2053
    if [[ $got == $wanted ]]; then
        passes=$((passes + 1))
        echo "ok       $words: $(cut -c 1-100 <<<"$got")"
    else
        failures=$((failures + 1))
        echo "FAIL     $words: wanted $wanted | got $got"
    fi
}

skip() { # WORDS REASON
    [[ $1 =~ ${ONLY:-} ]] || return 0
    skips=$((skips + 1))
    echo "skipped  $1: $2"
}

finish() {
    echo "$client: $passes ok, $failures failed, $skips skipped"
    [ "$failures" -eq 0 ]
}
