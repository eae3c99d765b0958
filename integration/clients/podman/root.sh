# Sourced by run.sh: the actions as root.

size_follows() { # the window changes while the container runs
    timeout -k 5 40 script -qec "tty >$scratch/tty; stty rows 30 cols 100; cli run -it --name box --network none $image sh -c 'trap \"stty size; exit 6\" WINCH; touch /ready; for i in 1 2 3 4 5 6 7 8; do sleep 1; done'" /dev/null &
    until_true cli exec box ls /ready
    stty -F "$(cat "$scratch/tty")" cols 90
    wait $!
    echo "code $?"
    down
}
limits() { run --ulimit nofile=1000:2000 --ulimit nproc=1000:1000 --ulimit core=0:0 "$image" sh -c 'ulimit -n; ulimit -Hn; ulimit -c'; }
# What the host mounts later under a shared source shows inside, and the other way round only for rshared.
propagation() { # FLAG
    mkdir -p "$work/shared" && mount -t tmpfs shared "$work/shared" && mount --make-rshared "$work/shared"
    mkdir "$work/shared/in" "$work/shared/out"
    up --cap-add sys_admin -v "$work/shared:/mnt:$1" "$image" sleep 1000
    mount -t tmpfs later "$work/shared/in"
    cli exec box sh -c 'grep -c " /mnt/in tmpfs" /proc/mounts; mount -t tmpfs inner /mnt/out && echo mounted'
    grep -c "$work/shared/out" /proc/self/mounts
    down
    umount -R -l "$work/shared"
    rmdir "$work/shared"
}
init() { run --init "$image" sh -c 'ps -o pid,args | head -2 | grep -oE "1 .*init|1 .*catatonit"; kill -9 $$'; }
bundle_root() { run --rootfs "$rootfs" /bin/sh -c 'echo from a directory; pwd'; }
preserved() { run --preserve-fds 2 "$image" sh -c 'cat <&3; cat <&4; ls /proc/self/fd | wc -l' 3<<<three 4<<<four; }
sysctls() { run --sysctl net.ipv4.ip_forward=1 --sysctl kernel.msgmax=9000 "$image" cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax; }
names() { run --hostname box --add-host other:10.1.2.3 --dns 9.9.9.9 --dns-search example.org --network bridge "$image" sh -c 'hostname; grep other /etc/hosts; cat /etc/resolv.conf'; }
pinned_namespace() { # KIND OPTION: a namespace by path
    local file=$work/ns-$1
    touch "$file"
    unshare "--$1=$file" true
    run "$2=ns:$file" "$image" sh -c "[ \$(stat -L -c %i /proc/self/ns/$1) = $(stat -c %i "$file") ] && echo joined"
    umount "$file"
    rm "$file"
}
pinned_network() {
    ip netns add pinned && ip -n pinned link add probe type bridge
    run --network ns:/run/netns/pinned "$image" sh -c 'ls /sys/class/net'
    ip netns del pinned
}
of_container() { # KIND: two containers share a namespace
    up "$image" sleep 1000
    cli run --rm "--$1" container:box "$image" readlink "/proc/self/ns/$1" >"$work/second"
    cmp <(cli exec box readlink "/proc/self/ns/$1") "$work/second" && echo same
    down
}
processes_of_container() { up "$image" sleep 1000; cli run --rm --network none --pid container:box "$image" sh -c 'ps -o args | grep "^sleep"; kill -9 1; echo on'; down; }
no_cgroup() { run --cgroups disabled "$image" sh -c 'cat /proc/1/cgroup | head -1'; }
limited() { run --memory 64m --cpus 0.5 --pids-limit 100 --cpu-shares 512 --cpuset-cpus 0 "$image" sh -c 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.shares pids/pids.max cpuset/cpuset.cpus'; }
maps() { run "$@" "$image" sh -c 'cat /proc/self/uid_map /proc/self/gid_map; id; touch /tmp/x && stat -c "%u %g" /tmp/x /etc/passwd /proc/1; ls -ld /dev/null | cut -c1-10'; }
maps_in_pieces() { # podman cannot make an overlay for such a map
    cp -a "$work/rootfs" "$work/mapped" && chown -R 100000:100000 "$work/mapped"
    run --uidmap 0:100000:1000 --uidmap 1000:300000:1000 --gidmap 0:100000:2000 --user 1000:1000 --rootfs "$work/mapped" /bin/sh -c 'cat /proc/self/uid_map; id; touch /tmp/mapped && stat -c "%u %g" /tmp/mapped'
    stat -c '%u %g' "$work/mapped/tmp/mapped"
    rm -rf "$work/mapped"
}
bind_for_mapped() { # a source that the mapped root cannot walk to
    mkdir -p "$work/closed/open" && chmod 700 "$work/closed" && chmod 777 "$work/closed/open"
    run --userns auto:size=1000 -v "$work/closed/open:/mnt" "$image" sh -c 'touch /mnt/made && stat -c %u /mnt/made'
    rm -rf "$work/closed"
}

exec_preserved() { with eval 'cli exec --preserve-fds 1 box cat /proc/self/fd/3 3<<<three'; }
exec_signal() { with cli exec box sh -c 'kill -9 $$'; }
exec_in_stopped() { cli create --name box --network none "$image" true >/dev/null; cli exec box true 2>&1 | grep -o 'container state improper'; echo "code ${PIPESTATUS[0]}"; down; }
exec_namespaces() { with cli exec box sh -c 'for n in mnt pid net uts ipc cgroup user; do [ $(readlink /proc/self/ns/$n) = $(readlink /proc/1/ns/$n) ] && echo $n; done; cut -d : -f 2,3 /proc/self/cgroup | sort -u | diff - <(cut -d : -f 2,3 /proc/1/cgroup | sort -u)' ; }
exec_mapped() { up --userns auto:size=1000 "$image" sleep 1000; cli exec box sh -c 'id; head -c 5 /proc/self/uid_map | tr -d " "; touch /root/x && stat -c %u /root/x'; cli exec -u 7:8 box id; down; }
exec_with_seccomp() { with cli exec box grep Seccomp: /proc/self/status; }

top() { with cli top box pid user args; }
remove_running() { up "$image" sleep 1000; cli rm box 2>&1 | grep -o 'without force'; cli rm -f -t 0 box >/dev/null; echo "code $?"; cli ps -aq; }
healthcheck() { up --health-cmd 'test -f /tmp/well' --health-interval=disable "$image" sleep 1000; cli healthcheck run box; echo "code $?"; cli exec box touch /tmp/well; cli healthcheck run box; echo "code $?"; down; }
update() { up --memory 64m "$image" sleep 1000; cli update --memory 32m box >/dev/null; cli exec box cat /sys/fs/cgroup/memory/memory.limit_in_bytes; down; }
bridge() { up --network bridge --ip 10.88.0.77 "$image" sh -c 'ip -4 addr show eth0 | grep -o "10.88.0.77"; sleep 1000'; until_true busybox ping -c 1 -W 1 10.88.0.77 && echo reached; cli logs box; down; }

pod() {
    cli pod create --name p --network none --share net,ipc,uts,pid --infra-image localhost/pause:1 >/dev/null || return
    cli run -d --pod p --name box "$image" sleep 1000 >/dev/null
    cli run --rm --pod p "$image" sh -c 'ps -o args | grep -c "^sleep"; hostname'
    here_or_not box net; here_or_not box pid
    cli pod stop -t 0 p >/dev/null 2>&1; cli pod ps --format '{{.Status}}'
    cli pod start p >/dev/null; cli pod ps --format '{{.Status}}'
    cli pod rm -f -t 0 p >/dev/null 2>&1; echo "code $?"
    cli ps -aq
}
pod_command() { # the infra container needs a command that stays
    printf 'FROM %s\nENTRYPOINT ["/bin/sleep","1000"]\n' "$image" | cli build -q -t localhost/pause:1 - >/dev/null 2>&1
}
mapped_pod() {
    cli pod create --name p --network none --userns auto:size=2000 --infra-image localhost/pause:1 >/dev/null || return
    cli run --rm --pod p "$image" sh -c 'id -u; tr -s " " </proc/self/uid_map | cut -d " " -f 2,4'
    echo "code $?"
    cli pod rm -f -t 0 p >/dev/null 2>&1
    cli ps -aq
}

# --- hooks: what nvidia's prestart hook and CDI's createContainer hooks do
hook() { # STAGE SCRIPT...: a hook of our own, named after its stage
    printf '#!/bin/bash\n%s\n' "$2" >"$work/hooks/$1.sh"
    chmod 755 "$work/hooks/$1.sh"
    printf '{"version":"1.0.0","hook":{"path":"%s","args":["%s","an argument"],"env":["PATH=/usr/sbin:/usr/bin:/sbin:/bin","A=b"]},"when":{"always":true},"stages":["%s"]}' \
        "$work/hooks/$1.sh" "$1.sh" "$1" >"$work/hooks/$1.json"
}
hooks_gone() { rm -rf "$work/hooks" "$work/hook.log"; mkdir "$work/hooks"; }
hook_mounts() { # enters the mount namespace of the pid in the state, mounts at the path of the root there, and runs a program in the root
    hook prestart 'state=$(cat)
pid=$(jq .pid <<<"$state") bundle=$(jq -r .bundle <<<"$state")
root=$(jq -r .root.path "$bundle/config.json")
nsenter -t $pid -m mount -t tmpfs -o size=64k nvidia $root/mnt
nsenter -t $pid -m sh -c "echo driver >$root/mnt/libcuda.so; mknod $root/dev/nv0 c 1 7"
nsenter -t $pid -m -n -i chroot $root /bin/busybox touch /etc/ld.so.cache'
    run --hooks-dir "$work/hooks" "$image" sh -c 'grep " /mnt " /proc/mounts | cut -d " " -f 1-3; cat /mnt/libcuda.so; ls /etc/ld.so.cache /dev/nv0'
    hooks_gone
}
hook_of_container() { # CDI: links and mounts from inside the namespace of the container, before the root is entered
    hook createContainer 'state=$(cat)
root=$(jq -r .root.path "$(jq -r .bundle <<<"$state")/config.json")
ln -s libcuda.so.1 $root/tmp/libcuda.so
mount -t tmpfs cdi $root/mnt'
    run --hooks-dir "$work/hooks" "$image" sh -c 'readlink /tmp/libcuda.so; grep " /mnt " /proc/mounts | cut -d " " -f 1-3'
    grep -c ' /mnt ' /proc/self/mounts
    hooks_gone
}
hook_stages() { # which hooks run, in which order, and what each is told
    local stage
    for stage in prestart createRuntime createContainer poststart poststop; do
        hook $stage "echo \"\${0##*/} \$1 \$A \$(jq -r '.status, (.pid > 0), (.id | length)' | paste -sd' ') \$(env | wc -l)\" >>$work/hook.log"
    done
    run --hooks-dir "$work/hooks" "$image" true
    until_true grep poststop "$work/hook.log"
    # runc 1.1 calls a container whose poststart hook runs `created`; the specification says `running`
    sed '/^poststart/s/ created / running /' "$work/hook.log"
    hooks_gone
}
hook_inside() { # startContainer: the program is looked up in the container
    printf '{"version":"1.0.0","hook":{"path":"/bin/sh","args":["sh","-c","cat >/tmp/state; id -u >>/tmp/state"]},"when":{"always":true},"stages":["startContainer"]}' >"$work/hooks/inside.json"
    run --hooks-dir "$work/hooks" "$image" sh -c 'grep -o "\"status\":\"[a-z]*\"" /tmp/state; tail -n 1 /tmp/state'
    hooks_gone
}
hook_fails() { # STAGE
    hook "$1" 'echo broken >&2; exit 3'
    cli run --rm --network none --hooks-dir "$work/hooks" "$image" echo ran 2>&1 | grep -oE '^ran|exit status 3|hook' | head -1
    echo "code ${PIPESTATUS[0]}"
    cli ps -aq
    hooks_gone
}

left() {
    cli ps -aq
    find /sys/fs/cgroup -mindepth 2 -type d -path '*libpod-*'
    find "/run/$(basename "$binary")" /run/runc /run/crun -mindepth 1 2>/dev/null
    grep -c "$work" /proc/self/mounts
    ps ax | grep -c '[c]onmon -'
}

part_root() {
    action run '^hi$' 'run' "$image" echo hi
    action run '^code 3$' 'exit code 3' "$image" sh -c 'exit 3'
    action run '^code 125$' 'exit code 125: an option that does not exist' --no-such-option "$image" true
    action missing_source '^code (125|126|127)$' 'a source that does not exist'
    action missing '^code 127$' 'exit code 127: missing command' absent-command
    action missing '^code 127$' 'exit code 127: missing path' /absent
    action missing '^code 126$' 'exit code 126: not executable' /etc/not-executable
    action missing '^code 126$' 'exit code 126: a directory' /etc
    action killed_by_signal '^code 137$' 'exit code 137'
    action standard_input '^data$' '-i with standard input'
    action run '^err$' 'standard error' "$image" sh -c 'echo err >&2'
    action terminal '^30 100$' '-it'
    action terminal_input '^a2b' '-it, a shell that is typed to'
    action size_follows '^30 90' '-it, the window changes'
    action run 'uid=1000' '--user by name' --user user "$image" sh -c 'id; echo $HOME; touch /etc/x'
    action run 'uid=7.* gid=8' '--user by numbers' --user 7:8 "$image" id
    action run '2000' '--user with the groups of the image' --user user "$image" id -G
    action run '3000' '--group-add' --user 7:8 --group-add 3000 --group-add more "$image" id -G
    action run 'code 12[56]' '--user that does not exist' --user nobody-here "$image" id
    action run 'CapEff' 'capabilities by default' "$image" grep -E "$status" /proc/self/status
    action run 'CapEff' '--cap-add' --cap-add sys_admin --cap-add net_raw "$image" grep -E "$status" /proc/self/status
    action run 'CapEff' '--cap-drop all' --cap-drop all "$image" grep -E "$status" /proc/self/status
    action run 'CapEff' '--cap-drop all --cap-add chown, as a user' --cap-drop all --cap-add chown --user 7 "$image" grep -E "$status" /proc/self/status
    action run 'CapEff' '--privileged' --privileged "$image" sh -c "grep -E '$status' /proc/self/status; ls /dev | grep -cE 'full|kmsg'; grep ' /sys ' /proc/mounts"
    action run 'Seccomp:.0' 'seccomp=unconfined' --security-opt seccomp=unconfined "$image" grep Seccomp: /proc/self/status
    action run 'NoNewPrivs:.1' 'no-new-privileges' --security-opt no-new-privileges "$image" grep NoNew /proc/self/status
    action profile 'Operation not permitted' 'seccomp=FILE'
    action run 'Seccomp:.2' 'the default profile' "$image" grep Seccomp: /proc/self/status
    action run '^0$' 'mask=/proc/version' --security-opt mask=/proc/version "$image" sh -c 'wc -c </proc/version'
    action run '^0$' 'unmask=ALL' --security-opt unmask=ALL "$image" sh -c 'grep -c " /proc/" /proc/mounts; [ -s /proc/keys ] && echo shown'
    action run 'Read-only' '--read-only' --read-only "$image" sh -c 'touch /new; touch /tmp/new; grep -E " (/|/tmp|/run) " /proc/mounts | cut -d " " -f 2,3 | sort'
    action run 'size=1024k' '--tmpfs with a size' --tmpfs /mnt:size=1m,mode=700,nosuid "$image" sh -c 'stat -c %u /mnt; grep " /mnt " /proc/mounts'
    action run 'tmpfs' '--mount type=tmpfs' --mount type=tmpfs,destination=/mnt,tmpfs-size=1m "$image" sh -c 'grep " /mnt " /proc/mounts | sed s/,mode=755//; touch /mnt/x'
    action volume '^text$' '-v' '' 'cat /mnt/file; touch /mnt/new && echo written'
    action volume 'Read-only' '-v ro' :ro 'cat /mnt/file; touch /mnt/new'
    action volume 'nosuid' '-v with nosuid,nodev,noexec' :nosuid,nodev,noexec 'grep " /mnt " /proc/mounts | cut -d " " -f 4'
    action volume '^1000' '-v with U' :U 'stat -c "%u" /mnt; echo 1000'
    action volume 'written' '-v with O, an overlay' :O 'touch /mnt/new && echo written; ls /mnt'
    action named_volume '^kept$' '-v of a named volume'
    action propagation '^mounted$' '-v rshared' rshared
    action propagation '^mounted$' '-v rslave' rslave
    action propagation '^mounted$' '-v rprivate' rprivate
    action init 'init|catatonit' '--init'
    action device '^/dev/other' '--device'
    action device_refused 'not permitted' 'a device that is not allowed'
    action sysctls '^9000$' '--sysctl'
    action limits '^1000$' '--ulimit'
    action run 'size=2048k' '--shm-size' --shm-size 2m "$image" grep /dev/shm /proc/mounts
    action names '^box$' '--hostname, --add-host, --dns'
    action environment '^WORDS=a b$' '--env-file, --env'
    action run '^/home$' '--workdir' --workdir /home "$image" pwd
    action run '^code 126$' '--workdir that is not there' --workdir /new/dir "$image" pwd
    action run '^a b$' '--entrypoint' --entrypoint '["echo","a"]' "$image" b
    action bundle_root 'from a directory' '--rootfs'
    action preserved '^three$' '--preserve-fds'
    action run 'lo' '--net none' "$image" sh -c 'ls /sys/class/net; cat /sys/class/net/lo/flags'
    action host '^host$' '--net host' network net
    action host '^host$' '--pid host' pid pid
    action host '^host$' '--ipc host' ipc ipc
    action host '^host$' '--uts host' uts uts
    action host '^host$' '--cgroupns host' cgroupns cgroup
    action bridge '^reached$' '--net bridge'
    action published '^page$' '-p on loopback'
    action of_container '^same$' '--net container:' net
    action of_container '^same$' '--ipc container:' ipc
    action processes_of_container 'sleep 1000' '--pid container:'
    action pinned_network '^probe$' '--net ns:PATH'
    action pinned_namespace '^joined$' '--ipc ns:PATH' ipc --ipc
    action pinned_namespace '^joined$' '--uts ns:PATH' uts --uts
    action no_cgroup '^[0-9]+:' '--cgroups disabled'
    action limited '^67108864$' 'limits: memory, cpu, pids, cpuset'
    action out_of_memory '^code 137$' 'out of memory'
    action maps '0 +[1-9]' '--userns auto' --userns auto
    action maps '0 +[1-9].*4000' '--userns auto:size' --userns auto:size=4000
    action maps '4294967295' '--userns host' --userns host
    action maps '^ *0 +100000 +5000' '--uidmap, --gidmap' --uidmap 0:100000:5000 --gidmap 0:200000:5000
    action maps_in_pieces '^ *1000 +300000 +1000' '--uidmap in pieces, --user'
    action maps '.' '--userns keep-id as root' --userns keep-id
    action maps '.' '--userns nomap as root' --userns nomap
    action bind_for_mapped '^0$' '-v of a directory that the mapped root cannot reach'
    action maps 'uid=0' '--userns auto --read-only --tmpfs --cap-drop' --userns auto:size=1000 --read-only --tmpfs /mnt:size=1m --cap-drop all --cap-add dac_override

    action with '^hi$' 'exec' cli exec box echo hi
    action with '^code 5$' 'exec: exit code' cli exec box sh -c 'exit 5'
    action with '^code 127$' 'exec: missing command' exec_failing box absent-command
    action with '^code 126$' 'exec: not executable' exec_failing box /etc/not-executable
    action exec_signal '^code 137$' 'exec: killed'
    action exec_terminal '^30 100$' 'exec -it'
    action exec_input '^data$' 'exec -i'
    action exec_detached '^done$' 'exec -d'
    action with 'uid=7 gid=8' 'exec -u' cli exec -u 7:8 box id
    action with 'uid=1000' 'exec -u by name' cli exec -u user box id
    action with '^b$' 'exec -e, -w' cli exec -e A=b -w /home box sh -c 'echo $A; pwd'
    action with 'no such|chdir|code 12' 'exec -w that does not exist' exec_failing_in /absent
    action exec_status 'CapEff:.0+$' 'exec: as restricted as the container'
    action exec_status 'CapEff:.*[1-9a-f]' 'exec --privileged' --privileged
    action exec_with_seccomp 'Seccomp:.2' 'exec: seccomp'
    action exec_preserved '^three$' 'exec --preserve-fds'
    action exec_namespaces '^mnt$' 'exec: the namespaces and cgroups of the container'
    action exec_mapped 'uid=0' 'exec into a user namespace'
    action exec_in_stopped 'code' 'exec in a container that does not run'

    action logs '^err$' 'logs'
    action top 'sleep 1000' 'top'
    action stats '^box [1-9]' 'stats --no-stream'
    action pause '^paused' 'pause, unpause'
    action stop '^exited 9' 'stop'
    action stop_by_kill '^exited 137' 'stop, by SIGKILL in the end'
    action kill_with '^8$' 'kill -s USR1'
    action kill_hard '^137$' 'kill'
    action restart '^running' 'restart, start again'
    action copy '^data$' 'cp'
    action commit '^/made$' 'commit'
    action remove_running 'without force' 'rm, rm -f'
    action attach '^got word$' 'attach'
    action detach '^running' 'detach by keys'
    action healthcheck '^code 0$' 'healthcheck run'
    action update '^33554432$' 'update'
    action many '^4$' 'four at once'

    skip 'checkpoint, restore' 'criu of Debian 12 is too old for the kernels that are tested'

    pod_command
    action pod '^Running' 'pod: create, run, stop, start, rm'
    action mapped_pod '^0$' 'pod in a user namespace'

    action hook_mounts 'nvidia /mnt' 'hooks: prestart mounts as nvidia does'
    action hook_of_container 'cdi /mnt' 'hooks: createContainer mounts and links as CDI does'
    action hook_stages 'poststop' 'hooks: stages, order, state, arguments, environment'
    action hook_inside 'status' 'hooks: startContainer'
    action hook_fails 'code' 'hooks: prestart fails' prestart
    action hook_fails 'code' 'hooks: createContainer fails' createContainer
    action hook_fails 'code' 'hooks: poststart fails' poststart
    action left '^0$' 'nothing left: containers, cgroups, state, mounts, conmon'
}

missing_source() { run -v /absent-here:/mnt "$image" true 2>&1 | grep -oE 'no such file or directory|code .*'; }
exec_failing_in() { cli exec -w "$1" box pwd 2>&1 | grep -oE 'no such file or directory' | head -1; return "${PIPESTATUS[0]}"; }
