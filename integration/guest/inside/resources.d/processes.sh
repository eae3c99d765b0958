# Many processes and cgroups below the container's.

processes() {
    up . 'sleep 1000 & sleep 1000 & exec sleep 1000' || return
    until_true eval "[ \$(wc -l <$cg/cgroup.procs) = 3 ]"
    $runtime kill --all c KILL
    is "$part: kill --all" $? 0
    until_true eval "[ ! -s $cg/cgroup.procs ]"
    is "$part: kill --all: nobody is left" "$(value cgroup.procs)" ""
    down
    is_gone "kill --all"
    if [ "$rootless" ]; then
        echo "skipped: $part: the host's processes: no proc can be mounted for them"
        return
    fi
    up 'del(.linux.namespaces[] | select(.type == "pid"))' 'sleep 1000 & sleep 1000 & exec sleep 1000' || return
    until_true eval "[ \$(wc -l <$cg/cgroup.procs) = 3 ]"
    $runtime kill --all c KILL
    until_true eval "[ ! -s $cg/cgroup.procs ]"
    is "$part: kill --all without a pid namespace" "$(value cgroup.procs)" ""
    down
    up 'del(.linux.namespaces[] | select(.type == "pid"))' 'sleep 1000 & sleep 1000 & exec sleep 1000' || return
    until_true eval "[ \$(wc -l <$cg/cgroup.procs) = 3 ]"
    down
    is "$part: delete --force without a pid namespace" $? 0
    is_gone "delete --force without a pid namespace"
}

sorted() { tr ' ' '\n' | sort -n | xargs; }

nested() {
    local other
    up . 'sleep 1000 & sleep 1000 & exec sleep 1000' || return
    until_true eval "[ \$(wc -l <$cg/cgroup.procs) = 3 ]"
    mkdir -p "$cg/a/b" "$cg/own"
    other=$(grep -vx "$pid" "$cg/cgroup.procs" | head -n 1)
    echo "$other" >"$cg/a/b/cgroup.procs"
    is "$part: ps over nested cgroups" "$($runtime ps --format json c | jq -r '.[]' | sort -n | xargs)" "$(value cgroup.procs a/b/cgroup.procs | sorted)"
    $runtime exec -d --cgroup a/b --pid-file inner c sleep 1000 >/dev/null 2>&1
    is "$part: exec --cgroup" "$? $(sed 's/.*\(\/a\/b\)$/\1/' "/proc/$(cat inner)/cgroup")" "0 /a/b"
    refused "exec --cgroup out of the container" 'cgroup' "$runtime" exec --cgroup ../.. c true
    # Controllers for its children: no process may be in the container's cgroup itself any more.
    for other in $(cat "$cg/cgroup.procs"); do echo "$other" >"$cg/own/cgroup.procs"; done
    echo +pids >"$cg/cgroup.subtree_control" && echo +memory >"$cg/cgroup.subtree_control"
    is "$part: exec where only a cgroup below may have processes" "$($runtime exec c echo in 2>&1)" in
    $runtime pause c
    is "$part: pause of nested cgroups" "$(sed -n 's/^frozen //p' "$cg/own/cgroup.events" "$cg/a/b/cgroup.events" | xargs)" "1 1"
    $runtime resume c
    down
    is "$part: delete --force with nested cgroups" $? 0
    is_gone "delete --force with nested cgroups"
}

# A container with a user namespace of its own may divide what it was given: as root, and as the first user in it.
delegated() {
    chown -R 100000:100000 rootfs
    # runc does so under systemd only.
    local owned=is
    [ "$driver" ] || owned=beyond
    local own='.linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings | .linux.namespaces += [{type: "user"}, {type: "cgroup"}]
        | .linux.namespaces |= unique | .linux.resources.pids.limit = 30 | (.mounts[] | select(.destination == "/sys/fs/cgroup")).options = ["nosuid", "noexec", "nodev"]'
    up "$own" 'mkdir /sys/fs/cgroup/inner && echo $$ >/sys/fs/cgroup/inner/cgroup.procs && echo +pids >/sys/fs/cgroup/cgroup.subtree_control && echo 10 >/sys/fs/cgroup/inner/pids.max; exec sleep 1000' || return
    cg=${cg%/inner}
    until_true grep -qx 10 "$cg/inner/pids.max"
    $owned "$part: a container with ids of its own divides its cgroup" "$(value inner/pids.max) $(value pids.max)" "10 30"
    $owned "$part: it owns the directory" "$(cd "$cg" && stat -c %u . cgroup.procs cgroup.subtree_control cgroup.threads | xargs)" "100000 100000 100000 100000"
    is "$part: it does not own its limits" "$(cd "$cg" && stat -c %u memory.max pids.max | xargs)" "0 0"
    down
    is_gone "delete --force of a divided cgroup"
    chown -R 0:0 rootfs
}
