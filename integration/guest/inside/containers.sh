# Sourced by `resources`, after lib.sh: containers named c, and what the kernel and systemd say of them from outside.
# Set by it: $runtime, $part (what a result's name begins with), $driver (the option that chooses it, or nothing), $path (the
# cgroupsPath), $ctl (systemctl of the manager in charge).

reference() { case $runtime in *skiff) false ;; esac; }

# What the runtime does beyond runc and crun: nothing is said against these.
beyond() { # NAME GOT WANTED
    if [ "$2" != "$3" ] && reference; then echo "skipped: $1: $runtime does not: ${2:-nothing}, not ${3:-nothing}"; else is "$@"; fi
}

# A root of busybox for containers, and plain.json beside it, in a directory of their own.
prepare() {
    local applet
    work=$(mktemp -d /tmp/resources.XXXXXX) && cd "$work" && chmod 755 . || exit
    mkdir -p rootfs/{bin,dev,proc,sys,tmp} && cp /bin/busybox rootfs/bin/
    for applet in sh cat sleep dd true echo mkdir mknod; do ln -s busybox "rootfs/bin/$applet"; done
    "$runtime" spec ${rootless:+--rootless} && mv config.json plain.json || exit
}

# Writes config.json: the default one, changed by jq, with a shell script for a process.
container() { # JQ SCRIPT
    jq --arg script "$2" --arg path "$path" ".process.terminal = false | .process.args = [\"/bin/sh\", \"-c\", \$script] | .root.readonly = false
        | .linux.cgroupsPath = \$path | .linux.resources = {} | ($1)" plain.json >config.json
}

# In the background; $pid and $cg are its process and its cgroup.
up() { # JQ SCRIPT
    container "$1" "$2"
    rm -f rootfs/tmp/*
    # What the container writes goes to a file as well, so nothing keeps a pipe of ours.
    if ! $runtime $driver run -d c </dev/null >out 2>err; then
        echo "FAIL $part: run -d: $(xargs -0 <err)"
        $runtime delete -f c >/dev/null 2>&1
        return 1
    fi
    find_cgroup
}

find_cgroup() {
    pid=$($runtime state c | jq .pid)
    cg=/sys/fs/cgroup$(cut -d : -f 3 "/proc/$pid/cgroup")
    # crun's containers are below their scopes.
    [[ $cg != *.scope/container ]] || cg=${cg%/container}
}

down() { $runtime delete -f c; }

# Prints what a run in the foreground prints, in a line, and its exit code.
once() { # JQ SCRIPT
    local code
    container "$1" "$2"
    timeout 300 $runtime $driver run c </dev/null >out 2>err
    code=$?
    echo "$(xargs <out) $code"
}

value() { (cd "$cg" && cat "$@") 2>/dev/null | xargs; } # FILE...
field() { sed -n "s/^$2 //p" "$cg/$1"; } # FILE KEY
at_least() { [ "$(field "$1" "$2")" -ge "$3" ]; } # FILE KEY NUMBER
reads() { is "$part: $2$1" "$(value "$1")" "$3"; } # FILE CIRCUMSTANCE WANTED

shows() { # PROPERTY CIRCUMSTANCE WANTED: what systemd says of the scope
    [ -z "$driver" ] || is "$part: $1 of the unit$2" "$($ctl show -P "$1" "${cg##*/}")" "$3"
}

# events --stats, read between two looks at files of the kernel that are alike: the container has come to rest.
statistics_of() { # FILE...
    local before
    before=$(value "$@")
    $runtime events --stats c >stats && [ "$before" = "$(value "$@")" ]
}

# All that update may change, in a line a file.
limits_of() { (cd "$cg" && grep -H '' cpu.max cpu.max.burst cpu.weight cpu.idle memory.max memory.low memory.high memory.swap.max pids.max cpuset.cpus cpuset.mems io.max io.weight io.bfq.weight 2>/dev/null); }

# Nothing is left of container c.
is_gone() { # NAME
    is "$part: $1: its cgroup is gone" "$(find "$cg" -maxdepth 0 2>/dev/null)" ""
    [ -z "$driver" ] || is "$part: $1: its unit is gone" "$($ctl show -P LoadState "${cg##*/}")" not-found
    is "$part: $1: its state is gone" "$($runtime list -q)" ""
}

# A command that must fail with an error that says why.
refused() { # NAME PATTERN COMMAND...
    local name=$1 pattern=$2 code
    shift 2
    timeout 300 "$@" </dev/null >out 2>err
    code=$?
    if [ $code != 0 ] && [ $code != 124 ] && grep -qiE -- "$pattern" out err; then echo "ok $part: $name"; else
        echo "FAIL $part: $name: code $code, $(cat out err | xargs -0 echo | head -c 300)"
    fi
}

# Calls them, or those of them that ONLY names.
timed() { # FUNCTIONS...
    local name started
    for name; do
        [[ " ${ONLY:-$name} " == *" $name "* ]] || continue
        started=$EPOCHREALTIME
        $name
        echo "($part: $name took $(((${EPOCHREALTIME/./} - ${started/./}) / 1000)) ms)"
    done
}
