# Input and machines that are refused: one clear error, and nothing is left.

nothing_left() { # NAME
    is "$part: nothing is left of $1" "$($runtime list -q) $(find /sys/fs/cgroup -name "${2:-c}" -o -name '*t-c.scope')" " "
}

refuses() { # NAME PATTERN JQ
    container "$3" 'exec true'
    refused "$1" "$2" "$runtime" $driver run c
    $runtime delete -f c 2>/dev/null
    nothing_left "$1"
}

refusals() {
    refuses "a swap below the memory is refused" 'swap|memory' '.linux.resources.memory = {limit: 67108864, swap: 33554432}'
    refuses "a unified file out of the cgroup is refused" 'unified|/' '.linux.resources.unified = {"../memory.max": "1"}'
    refuses "a unified file that does not exist is refused" 'nonsense' '.linux.resources.unified = {"nonsense.max": "1"}'
    if [ -e /sys/fs/cgroup/cpuset.cpus.effective ]; then
        refuses "a CPU that does not exist" 'cpus' '.linux.resources.cpu.cpus = "999"'
    else
        refuses "CPUs without the controller" 'cpuset' '.linux.resources.cpu.cpus = "0"'
    fi
    [ -e /sys/fs/cgroup/io.cost.qos ] || refuses "a weight without its file" 'io.weight' '.linux.resources.blockIO.weight = 500'
    refuses "huge pages without the controller" 'hugetlb' '.linux.resources.hugepageLimits = [{pageSize: "2MB", limit: 2097152}]'
    if [ "$driver" ]; then
        no_systemd
    else
        refuses "a value that the kernel refuses" 'cpu' '.linux.resources.cpu = {quota: 5, period: 100000}'
        is "$part: an empty block for a controller that is absent" "$(once '.linux.resources = {hugepageLimits: [], network: {}, rdma: {}, blockIO: {}, cpu: {cpus: ""}}' 'echo here')" "here 0"
        beyond_refuses "a cgroupsPath with .." '\.\.|path' '.linux.cgroupsPath = "/resources/../c"'
        [ -d /run/systemd/system ] || refused "--systemd-cgroup without systemd" systemd "$runtime" --systemd-cgroup run c
    fi
    taken
}

beyond_refuses() { if reference; then echo "skipped: $part: $1: $runtime takes it"; else refuses "$@"; fi; }

# The cgroup of another container.
taken() {
    up '.linux.resources.pids.limit = 20' 'exec sleep 1000' || return
    refused "the cgroup of another container" 'cgroup|unit|exist' "$runtime" $driver run d
    is "$part: the other is as it was" "$(status) $(value pids.max cgroup.procs)" "running 20 $pid"
    is "$part: nothing is left of the second" "$($runtime list -q)" c
    $runtime delete -f d 2>/dev/null
    down
}

# Nobody answers for systemd.
no_systemd() {
    container . 'exec true'
    if [ "$rootless" ]; then
        refused "no D-Bus" 'dbus|bus|systemd' env -u XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS=unix:path=/absent "$runtime" --root "$work/state" $driver run c
    else
        refused "no D-Bus" 'dbus|bus|systemd' unshare -m --propagation private sh -c 'mount -t tmpfs none /run/dbus && mount --bind /dev/null /run/systemd/private && exec "$@"' sh "$runtime" $driver run c
    fi
    nothing_left "no D-Bus"
}

# As a user: systemd hands neither io nor cpuset down.
not_delegated() {
    local disk
    disk=$(cat /sys/class/block/ubda/dev)
    refuses "a controller that is not delegated" 'io' ".linux.resources.blockIO = {throttleReadBpsDevice: [{major: ${disk%:*}, minor: ${disk#*:}, rate: 1048576}]}"
    ! has_controller cpuset || refuses "cpus that are not delegated" 'cpus' '.linux.resources.cpu.cpus = "0"'
    refuses "a unified file of it" 'io' ".linux.resources.unified = {\"io.max\": \"$disk rbps=1048576\"}"
}

# As a user in somebody else's cgroup.
alone() {
    is "$part: without limits it runs" "$(once 'del(.linux.resources, .linux.cgroupsPath)' 'echo here')" "here 0"
    is "$part: what limits nothing is no limit" "$(once 'del(.linux.cgroupsPath) | .linux.resources = {memory: {limit: -1}, blockIO: {}}' 'echo here')" "here 0"
    refuses "a limit where nothing is delegated" 'pids.limit: .*delegated.*permission denied|rootless' 'del(.linux.cgroupsPath) | .linux.resources.pids.limit = 20'
    refuses "a limit in a cgroup of somebody else" 'pids.limit: .*delegated.*permission denied|rootless' '.linux.cgroupsPath = "/system.slice/c" | .linux.resources.pids.limit = 20'
    refuses "a cgroup of somebody else" 'cgroupsPath: .*delegated.*permission denied|rootless' '.linux.cgroupsPath = "/system.slice/c" | del(.linux.resources)'
}
