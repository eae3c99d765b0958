#!/bin/bash
# The actions of containerd's ctr, under Debian's runc and under another runtime. See README.md.
#   run.sh [RUNTIME]     environment: see ../lib.sh
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../lib.sh"
enter ctr "$@"
. "$here/setup.sh"

# --- how actions are run: $binary is the runtime of the moment
run() { # [ctr run options] -- command: foreground, exit code at the end
    local options=()
    while [ "$1" != -- ]; do options+=("$1"); shift; done
    shift
    count=$((count + 1))
    apart timeout -k 5 30 ctr run --rm --runc-binary "$binary" "${options[@]}" "$image" "c$count" "$@"
    echo "code $?"
}

# --- the actions
echo_hi() { run -- echo hi; }
exit_code() { run -- sh -c 'exit 7'; }
standard_error() { run -- sh -c 'echo out; echo err >&2' 2>&1 | sort; }
standard_input() { echo data | timeout -k 5 30 ctr run --rm --runc-binary "$binary" "$image" "in$((count += 1))" head -n 1; }
environment() { run --env A=b --env C= -- sh -c 'env | sort | grep -v HOSTNAME'; }
user() { image=${image}user run -- sh -c 'id; echo $HOME; touch /etc/new 2>&1'; }
working_directory() { run --cwd /home -- pwd; }
limits() { run -- sh -c 'ulimit -n; ulimit -Hn'; }
host_network() { run --net-host -- sh -c "[ \$(readlink /proc/self/ns/net) = '$(readlink /proc/self/ns/net)' ] && echo same"; }
own_network() { run -- sh -c "[ \$(readlink /proc/self/ns/net) = '$(readlink /proc/self/ns/net)' ] || echo own; cat /sys/class/net/lo/flags"; }
read_only() { run --read-only -- sh -c 'touch /new 2>&1'; }
bind_mount() { run --mount "type=bind,src=$work/rootfs/etc,dst=/mnt,options=rbind:ro" -- sh -c 'cat /mnt/passwd; touch /mnt/new 2>&1'; }
tmpfs_mount() { run --mount type=tmpfs,src=tmpfs,dst=/mnt,options=size=1m:mode=700:nosuid -- grep " /mnt " /proc/mounts; }
# The limit as the host sees it, hierarchy by hierarchy: ctr mounts no cgroup.
limit() { # controller/file, options...
    local file=$1 dir
    shift
    ctr run --detach --runc-binary "$binary" "$@" "$image" l sleep 1000 || return
    dir=/sys/fs/cgroup/${file%/*}/$CONTAINERD_NAMESPACE/l
    [ -d "$dir" ] || dir=/sys/fs/cgroup/$CONTAINERD_NAMESPACE/l
    cat "$dir/${file#*/}"
    ctr tasks delete --force l >/dev/null 2>&1
    ctr containers delete l
}
memory_limit() { limit memory/memory.limit_in_bytes --memory-limit 33554432; }
cpu_limit() { limit cpu/cpu.cfs_quota_us --cpus 0.5; }
cpu_shares() { limit cpu/cpu.shares --cpu-shares 512; }
# Without /dev/net/tun, which runc allows before 1.2.
device_rules() { limit devices/devices.list --device /dev/full | grep -v ' 10:200 '; }
out_of_memory() { run --memory-limit 8388608 -- dd if=/dev/zero of=/dev/null bs=64M count=1; }
capabilities() { run --cap-add CAP_SYS_PTRACE --cap-drop CAP_CHOWN -- grep -E '^(Cap|NoNew|Groups|Seccomp:)' /proc/self/status; }
new_privileges() { run --allow-new-privs -- grep NoNew /proc/self/status; }
privileged() { run --privileged -- grep CapEff /proc/self/status; }
device() { run --device /dev/full -- sh -c 'exec 2>&1; ls /dev; echo x >/dev/full' | sort; }
device_refused() { run --cap-add CAP_MKNOD -- sh -c 'mknod /tmp/k c 1 11 2>&1; mknod /tmp/n c 1 3 && echo x >/tmp/n && echo written'; }
annotation() { run --annotation a.b/c=d -- echo annotated; }
masked() { run -- sh -c 'wc -c </proc/keys; ls /sys/firmware | wc -l; echo 1 2>&1 >/proc/sys/kernel/hostname'; }
mounts() { run -- sh -c 'cut -d " " -f 2 /proc/mounts'; }
devices() { run -- sh -c 'cd /dev && stat -c "%N %a %t %T %u %g" *'; }
cgroup() { run -- cat /proc/self/cgroup; }
no_pivot() { run --no-pivot -- sh -c 'ls -d /bin'; }
missing_command() { run -- absent-command 2>&1 | grep -oE 'executable file not found in .PATH|code .*'; }
missing_path() { run -- /absent 2>&1 | grep -oE 'no such file or directory|code .*' | sort -u; }
not_executable() { run -- /etc/not-executable 2>&1 | grep -oE 'permission denied|code .*'; }
missing_source() { run --mount type=bind,src=/absent-on-host,dst=/mnt,options=rbind -- true 2>&1 | grep -oE 'no such file or directory|code .*' | sort -u; }
missing_cwd_is_made() { run --cwd /made/here -- pwd; }
pid_file() { run --pid-file "$work/pid" -- true && grep -cE '^[0-9]+$' "$work/pid"; }

detached() {
    ctr run --detach --runc-binary "$binary" "$image" d sh -c 'trap "exit 5" TERM; while :; do sleep 0.1; done' && ctr tasks ls | awk '$1 == "d" { print $3 }'
    ctr tasks ps d | awk 'NR > 1' | wc -l | sed 's/^[1-9]$/some/'
    ctr tasks metrics d | grep -c '^memory.usage_in_bytes'
    ctr tasks kill --signal SIGTERM d
    for _ in $(seq 200); do [ "$(ctr tasks ls | awk '$1 == "d" { print $3 }')" = STOPPED ] && break; sleep 0.05; done
    ctr tasks delete d
    echo "code $?"
    ctr containers delete d && ctr containers ls -q
}
killed() {
    ctr run --detach --runc-binary "$binary" "$image" k sh -c 'sleep 1000 & sleep 1000'
    ctr tasks kill --signal SIGKILL --all k
    for _ in $(seq 200); do [ "$(ctr tasks ls | awk '$1 == "k" { print $3 }')" = STOPPED ] && break; sleep 0.05; done
    ctr tasks delete k
    echo "code $?"
    ctr containers delete k
}
forced() {
    ctr run --detach --runc-binary "$binary" "$image" f sleep 1000
    ctr tasks delete f 2>&1 | grep -oE 'must be stopped before deletion: running' | head -1
    ctr tasks delete --force f
    echo "code $?"
    ctr containers delete f
}
many() {
    for i in 1 2 3 4 5 6; do ctr run --rm --runc-binary "$binary" "$image" "m$i" echo "$i" & done | sort
    wait -n 2>/dev/null
    echo done
}
terminal() { timeout -k 5 30 script -qec "stty rows 30 cols 100; ctr run --rm -t --runc-binary $binary $image c$((count += 1)) sh -c 'tty; sleep 0.5; stty size'" /dev/null; echo "code $?"; }
terminal_input() { printf 'echo a$((1+1))b\nexit 4\n' | timeout -k 5 30 script -qec "ctr run --rm -t --runc-binary $binary $image c$((count += 1)) sh" /dev/null | grep -E '^a2b'; echo "code ${PIPESTATUS[1]}"; }
up() { ctr run --detach --runc-binary "$binary" "$@" "$image" e sleep 1000; }
down() { ctr tasks delete --force e >/dev/null 2>&1; ctr containers delete e; }
execs() { up; timeout -k 5 30 ctr tasks exec --exec-id x e "$@"; echo "code $?"; down; }
exec_failing() { execs "$@" 2>&1 | grep -oE 'executable file not found in .PATH|permission denied|code .*'; }
exec_cwd() { up; ctr tasks exec --exec-id x --cwd /home e pwd; down; }
exec_user() { up; ctr tasks exec --exec-id x --user 1000:1000 e id; down; }
exec_input() { up; echo data | timeout -k 5 30 ctr tasks exec --exec-id x e head -n 1; down; }
exec_terminal() { up; timeout -k 5 30 script -qec "ctr tasks exec -t --exec-id x e sh -c 'tty; sleep 0.5; exit 5'" /dev/null; echo "code $?"; down; }
exec_detached() { up; ctr tasks exec --detach --exec-id x e sh -c 'echo done >/tmp/flag'; until_true ctr tasks exec --exec-id y e test -s /tmp/flag; ctr tasks exec --exec-id z e cat /tmp/flag; down; }
seccomp() { run --seccomp -- sh -c 'grep Seccomp: /proc/self/status; unshare -U true 2>&1'; }
exec_seccomp() { up --seccomp; ctr tasks exec --exec-id x e grep Seccomp: /proc/self/status; down; }
seccomp_profile() {
    printf '{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32"],"syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}' >"$work/profile.json"
    run --seccomp --seccomp-profile "$work/profile.json" -- sh -c 'mkdir /tmp/a 2>&1; echo on'
}
maps() { run --uidmap 0:100000:1000 --gidmap 0:100000:1000 -- sh -c 'cat /proc/self/uid_map /proc/self/gid_map; id -u; touch /tmp/x 2>&1 && stat -c "%u %g" /tmp/x'; }
joined_network() {
    ip netns add pinned && ip -n pinned link add probe type bridge
    run --with-ns network:/run/netns/pinned -- ls /sys/class/net
    ip netns del pinned
}
joined_ipc() {
    touch "$work/ipc" && unshare --ipc="$work/ipc" true
    run --with-ns "ipc:$work/ipc" -- sh -c "[ \$(stat -L -c %i /proc/self/ns/ipc) = $(stat -c %i "$work/ipc") ] && echo joined"
    umount "$work/ipc"
}
paused() { up; ctr tasks pause e; ctr tasks ls | awk '$1 == "e" { print $3 }'; ctr tasks resume e; ctr tasks ls | awk '$1 == "e" { print $3 }'; down; }
nothing_left() {
    ctr containers ls -q
    find /sys/fs/cgroup -mindepth 2 -type d -path "*/$namespace/*"
    find /run/containerd/runc -mindepth 2 2>/dev/null
    ps ax | grep -c '[c]ontainerd-shim'
}

echo "ctr: $(containerd --version | cut -d ' ' -f 3), $("$reference" --version | head -1) beside $("$runtime" --version | head -1)"
action echo_hi '^hi$' 'run a command'
action exit_code '^code 7$' 'exit code'
action standard_error '^err$' 'standard error'
action standard_input '^data$' 'standard input'
action environment '^A=b$' 'environment'
action user 'uid=1000' 'user, groups and HOME of the image'
action working_directory '^/home$' 'working directory'
action missing_cwd_is_made '^/made/here$' 'working directory that is not there'
action limits '^1024$' 'limit of open files'
action host_network '^same$' 'host network'
action own_network '^own$' 'own network, lo up'
action read_only 'Read-only' 'read-only root'
action bind_mount 'Read-only' 'read-only bind mount'
action tmpfs_mount ' /mnt tmpfs' 'tmpfs with options'
action memory_limit '^33554432$' 'memory limit'
action cpu_limit '^50000$' 'cpu quota'
action cpu_shares '^512$' 'cpu shares'
action device_rules '^c 1:7 rwm$' 'device rules'
action out_of_memory '^code 137$' 'out of memory'
action capabilities '^CapEff' 'capabilities'
action new_privileges 'NoNewPrivs:.0' 'new privileges allowed'
action privileged 'CapEff' 'privileged'
action device '^full$' 'a device'
action device_refused 'not permitted|written' 'a device that is not allowed'
action annotation '^annotated$' 'annotation'
action masked '^0$' 'masked and read-only paths'
action mounts '^/proc$' 'mount points'
action devices "null" 'device nodes'
action cgroup ':/' 'cgroup path'
action no_pivot '^/bin$' 'without pivot_root'
action pid_file '^1$' 'pid file'
action missing_command 'executable file not found' 'missing command'
action missing_path 'no such file' 'missing command by path'
action not_executable 'permission denied' 'command that is not executable'
action missing_source 'no such file' 'missing mount source'
action detached '^RUNNING$' 'detached: list, ps, metrics, SIGTERM, delete'
action killed 'code' 'kill --all with SIGKILL'
action forced 'code 0' 'delete --force of a running task'
action many '^6$' 'six at once'
action terminal '^30 100$' 'terminal'
action terminal_input '^a2b' 'terminal, a shell that is typed to'
action execs '^hi$' 'exec' echo hi
action execs '^code 5$' 'exec: exit code' sh -c 'exit 5'
action execs '^code 137$' 'exec: killed' sh -c 'kill -9 $$'
action exec_failing 'executable file not found' 'exec: missing command' absent-command
action exec_failing 'permission denied' 'exec: not executable' /etc/not-executable
action exec_cwd '^/home$' 'exec --cwd'
action exec_user 'uid=1000' 'exec --user'
action exec_input '^data$' 'exec: standard input'
action exec_terminal '^/dev/pts/' 'exec -t'
action exec_detached '^done$' 'exec --detach'
action execs 'CapEff' 'exec: capabilities' grep -E '^(Cap|NoNew|Groups|Seccomp:)' /proc/self/status
action seccomp 'Seccomp:.2' 'seccomp'
action exec_seccomp 'Seccomp:.2' 'exec: seccomp'
action seccomp_profile 'Operation not permitted' 'seccomp of a file'
action maps '^ *0 +100000 +1000' 'uidmap, gidmap'
action joined_network '^probe$' 'with-ns: network'
action joined_ipc '^joined$' 'with-ns: ipc'
action paused 'PAUSED' 'pause, resume'
action nothing_left '^0$' 'nothing left: containers, cgroups, state, shims'
skip 'checkpoint, restore' 'criu of Debian 12 is too old for the kernels that are tested'
finish
