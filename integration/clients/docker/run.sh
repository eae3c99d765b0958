#!/bin/bash
# The actions of docker, under Debian's runc and under another runtime. See README.md.
#   run.sh [RUNTIME]     environment: see ../lib.sh
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../lib.sh"
need_tools docker.io dockerd
need_tools containerd containerd
need_tools util-linux unshare script
enter docker "$@"

docker=/usr/bin/docker
[ -x $docker ] || docker=$(command -v docker) || { echo "no docker: apt-get install docker.io"; exit 1; }
socket=/run/docker-test/d.sock
export DOCKER_HOST=unix://$socket DOCKER_CONFIG=$work/config
mkdir -p "$work/config" /run/docker-test
iptables -t nat -L >/dev/null 2>&1 && filter=true || filter=false
cat >"$work/daemon.json" <<CONFIG
{ "data-root": "$work/data", "exec-root": "/run/docker-test/exec", "pidfile": "/run/docker-test/d.pid", "hosts": ["$DOCKER_HOST"],
  "bip": "172.31.77.1/24", "storage-driver": "overlay2", "exec-opts": ["native.cgroupdriver=cgroupfs"], "iptables": $filter, "ip6tables": false,
  "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1024, "Hard": $(most n)}},
  "runtimes": {"reference": {"path": "$reference"}, "tested": {"path": "$runtime"}} }
CONFIG
dockerd --config-file "$work/daemon.json" >"$work/log" 2>&1 &
until_true $docker version || { echo "dockerd does not answer:"; tail -n 20 "$work/log"; exit 1; }

make_root "$work/rootfs"
tar -C "$work/rootfs" --numeric-owner --owner=0 --group=0 -cf "$work/bb.tar" .
image=bb:1
$docker import --change 'ENV PATH=/bin:/usr/bin' --change 'CMD ["/bin/sh"]' "$work/bb.tar" $image >/dev/null || { echo "cannot import the image"; exit 1; }

# As a program, so that script(1) and timeout(1) can run it; $binary is the runtime of the moment.
cat >"$work/dk" <<DK
#!/bin/bash
verb=\$1
shift
case \$verb in run | create) set -- --runtime "\$([ "\$binary" = "$reference" ] && echo reference || echo tested)" "\$@" ;; esac
exec timeout -k 5 60 $docker "\$verb" "\$@"
DK
chmod 755 "$work/dk"
export binary
PATH=$work:$PATH

network() { [[ " $* " == *" --network"* ]] || echo --network=none; }
run() { apart dk run --rm $(network "$@") "$@"; echo "code $?"; }
up() { dk run -d --name box $(network "$@") "$@" >/dev/null; }
down() { dk rm -f box >/dev/null 2>&1; }
with() { # a container that sleeps, and one command with it
    up "$image" sleep 1000
    "$@"
    echo "code $?"
    down
}
tty() { timeout -k 5 40 script -qec "stty rows 30 cols 100; $*" /dev/null; }
state() { dk inspect --format '{{.State.Status}} {{.State.ExitCode}}' box; }
status='^(Uid|Gid|Groups|Cap|NoNew|Seccomp:)'

missing() { dk run --rm --network none "$image" "$1" 2>&1 | sed 's/is a directory/permission denied/' | grep -oE 'executable file .*not found in .PATH|no such file or directory|permission denied' | head -1; echo "code ${PIPESTATUS[0]}"; }
standard_input() { echo data | run -i "$image" head -n 1; }
terminal() { tty dk run -it --rm --network none "$image" sh -c "'tty; sleep 1; stty size; echo \$TERM; readlink /dev/console; stty -a | grep -o .onlcr'"; echo "code $?"; }
terminal_input() { printf 'echo a$((1+1))b\nexit 4\n' | script -qec "dk run -it --rm --network none $image sh" /dev/null | grep -E '^a2b'; echo "code ${PIPESTATUS[1]}"; }
killed_by_signal() { (sleep 1; dk kill box >/dev/null) & run --name box "$image" sleep 1000; }
volume() { # OPTIONS COMMAND
    mkdir -p "$work/volume" && echo text >"$work/volume/file"
    run -v "$work/volume:/mnt$1" "$image" sh -c "$2"
    rm -rf "$work/volume"
}
named_volume() { run -v keep:/mnt "$image" sh -c 'echo kept >/mnt/file'; run -v keep:/mnt "$image" cat /mnt/file; dk volume rm keep >/dev/null; }
profile() {
    printf '{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32"],"syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}' >"$work/profile.json"
    run --security-opt "seccomp=$work/profile.json" "$image" sh -c 'mkdir /tmp/a 2>&1; grep Seccomp: /proc/self/status; echo on'
}
init() { run --init "$image" sh -c 'ps -o pid,args | head -2 | grep -oE "1 .*init"'; }
device() { run --device /dev/full:/dev/other:rw "$image" sh -c 'exec 2>&1; stat -c "%n %t:%T %a" /dev/other; echo x >/dev/other' | sort; }
device_refused() { run --cap-add MKNOD "$image" sh -c 'mknod /tmp/n b 259 99; head -c 1 /tmp/n'; }
environment() { printf 'A=b\nEMPTY=\nWORDS=a b\n' >"$work/env"; run --env-file "$work/env" --env C=d "$image" sh -c 'env | grep -v HOSTNAME | sort'; }
names() { run --hostname box --add-host other:10.1.2.3 --dns 9.9.9.9 --network bridge "$image" sh -c 'hostname; grep other /etc/hosts; grep nameserver /etc/resolv.conf'; }
host() { # OPTION KIND
    run "--$1" host "$image" sh -c "[ \$(readlink /proc/self/ns/$2) = '$(readlink "/proc/self/ns/$2")' ] && echo host"
}
of_container() { # OPTION KIND
    up --ipc shareable "$image" sleep 1000
    dk run --rm "--$1" container:box "$image" readlink "/proc/self/ns/$2" >"$work/second"
    cmp <(dk exec box readlink "/proc/self/ns/$2") "$work/second" && echo same
    down
}
bridge() { up --network bridge "$image" sleep 1000; address=$(dk inspect --format '{{.NetworkSettings.IPAddress}}' box); until_true busybox ping -c 1 -W 1 "$address" && echo reached; dk exec box ip -4 addr show eth0 | grep -o '172.31.77'; down; }
published() { up --network bridge -p 127.0.0.1:8124:80 "$image" sh -c 'mkdir /www; echo page >/www/index.html; httpd -f -p 80 -h /www'; until_true busybox wget -qO- http://127.0.0.1:8124/ && busybox wget -qO- http://127.0.0.1:8124/; down; }
limited() { up --memory 64m --cpus 0.5 --pids-limit 100 --cpu-shares 512 --cpuset-cpus 0 "$image" sleep 1000; local id; id=$(dk inspect --format '{{.Id}}' box); (cd /sys/fs/cgroup && cat "memory/docker/$id/memory.limit_in_bytes" "cpu/docker/$id/cpu.cfs_quota_us" "cpu/docker/$id/cpu.shares" "pids/docker/$id/pids.max" "cpuset/docker/$id/cpuset.cpus"); down; }
out_of_memory() { run --memory 16m --memory-swap 16m "$image" tail -c 64m /dev/zero; }
out_of_memory_seen() { dk run --name box --network none --memory 16m --memory-swap 16m "$image" sh -c 'exec tail -c 64m /dev/zero' ; echo "code $?"; dk inspect --format '{{.State.OOMKilled}}' box; down; }

exec_terminal() { with tty dk exec -it box sh -c "'tty; sleep 1; stty size; exit 5'"; }
exec_detached() { with eval 'dk exec -d box sh -c "echo done >/tmp/flag"; until_true dk exec box test -s /tmp/flag; dk exec box cat /tmp/flag'; }
exec_status() { up --cap-drop ALL --security-opt no-new-privileges "$image" sleep 1000; dk exec "$@" box grep -E "$status" /proc/self/status; echo "code $?"; down; }
exec_input() { with eval 'echo data | dk exec -i box cat'; }
exec_failing() { dk exec "$@" 2>&1 | grep -oE 'executable file .*not found in .PATH|no such file or directory|permission denied' | head -1; return "${PIPESTATUS[0]}"; }
exec_privileged() { with dk exec --privileged box grep -E "$status" /proc/self/status; }
exec_environment() { with eval 'printf "A=b\n" >"$work/env"; dk exec --env-file "$work/env" -e C=d box sh -c "echo \$A \$C"'; }

logs() { up "$image" sh -c 'echo out; echo err >&2; exit 2'; dk wait box; dk logs box 2>&1 | sort; down; }
top() { with eval 'dk top box -o pid,args | grep -c "sleep 1000"'; }
stats() { with eval 'dk stats --no-stream --format "{{.Name}} {{.PIDs}}" box'; }
pause() { with eval 'dk pause box >/dev/null; state; dk unpause box >/dev/null; state; dk exec box echo awake'; }
stop() { up "$image" sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done'; sleep 0.3; dk stop -t 5 box >/dev/null; state; down; }
stop_by_kill() { up "$image" sh -c 'trap "" TERM; while :; do sleep 0.1; done'; sleep 0.3; dk stop -t 1 box >/dev/null; state; down; }
kill_with() { up "$image" sh -c 'trap "exit 8" USR1; while :; do sleep 0.1; done'; sleep 0.3; dk kill -s USR1 box >/dev/null; dk wait box; down; }
kill_hard() { with eval 'dk kill box >/dev/null; dk wait box; state'; }
restart() { with eval 'dk exec box touch /tmp/x; dk restart -t 0 box >/dev/null; dk exec box ls /tmp/x; state; dk stop -t 0 box >/dev/null; dk start box >/dev/null; state'; }
restart_policy() { up --restart on-failure:2 "$image" sh -c 'echo once; exit 1'; until_true eval '[ "$(dk inspect --format "{{.RestartCount}} {{.State.Status}}" box)" = "2 exited" ]'; dk logs box; down; }
copy() { with eval 'echo data >"$work/file"; dk cp "$work/file" box:/tmp/in; dk exec box cat /tmp/in; dk exec box sh -c "echo out >/tmp/out"; dk cp box:/tmp/out "$work/file"; cat "$work/file"' | grep -v Successfully; }
commit() { with eval 'dk exec box touch /made; dk commit box made:1 >/dev/null && dk run --rm --network none made:1 ls /made; dk rmi -f made:1 >/dev/null'; }
remove_running() { up "$image" sleep 1000; dk rm box 2>&1 | grep -oE 'You cannot remove a running container|container is running'; dk rm -f box >/dev/null; echo "code $?"; dk ps -aq; }
attach() { up -i "$image" sh -c 'read x; echo got $x; exit 3'; (sleep 1; echo word; sleep 1) | dk attach box; echo "code $?"; down; }
detach() { (sleep 2; printf '\020\021'; sleep 1) | script -qec "dk run -it --name box --network none $image sleep 1000" /dev/null >/dev/null; state; down; }
healthcheck() { up --health-cmd 'test -f /tmp/well' --health-interval 1s --health-start-period 0s "$image" sh -c 'touch /tmp/well; sleep 1000'; until_true eval '[ "$(dk inspect --format "{{.State.Health.Status}}" box)" = healthy ]' && echo healthy; down; }
update() { up --memory 64m "$image" sleep 1000; dk update --memory 32m --memory-swap 64m box >/dev/null; cat "/sys/fs/cgroup/memory/docker/$(dk inspect --format '{{.Id}}' box)/memory.limit_in_bytes"; down; }
many() { local i; for i in 1 2 3 4; do dk run --rm --network none "$image" echo "$i" & done | sort; }
built() { printf 'FROM %s\nRUN echo built >/made\n' "$image" | DOCKER_BUILDKIT=0 dk build -q -t built:1 - >/dev/null 2>&1; run built:1 cat /made; dk rmi -f built:1 >/dev/null; }
left() {
    dk ps -aq
    find /sys/fs/cgroup -mindepth 3 -type d -path '*/docker/*'
    find /run/docker-test/exec/runtime-* -mindepth 2 2>/dev/null
    ps ax | grep -c '[c]ontainerd-shim'
}

echo "docker: $(dockerd --version | cut -d ' ' -f 3), $("$reference" --version | head -1) beside $("$runtime" --version | head -1)"
action run '^hi$' 'run' "$image" echo hi
action run '^code 3$' 'exit code 3' "$image" sh -c 'exit 3'
action run '^code 125$' 'exit code 125' --no-such-option "$image" true
action missing '^code 127$' 'exit code 127: missing command' absent-command
action missing '^code 127$' 'exit code 127: missing path' /absent
action missing '^code 126$' 'exit code 126: not executable' /etc/not-executable
action missing '^code 126$' 'exit code 126: a directory' /etc
action killed_by_signal '^code 137$' 'exit code 137'
action standard_input '^data$' '-i with standard input'
action run '^err$' 'standard error' "$image" sh -c 'echo err >&2'
action terminal '^30 100$' '-it'
action terminal_input '^a2b' '-it, a shell that is typed to'
action run 'uid=1000' '--user by name' --user user "$image" sh -c 'id; echo $HOME; touch /etc/x'
action run 'uid=7.* gid=8' '--user by numbers' --user 7:8 "$image" id
action run '3000' '--group-add' --user 7:8 --group-add 3000 --group-add more "$image" id -G
action run 'CapEff' 'capabilities by default' "$image" grep -E "$status" /proc/self/status
action run 'CapEff' '--cap-add' --cap-add SYS_ADMIN --cap-add NET_RAW "$image" grep -E "$status" /proc/self/status
action run 'CapEff' '--cap-drop ALL' --cap-drop ALL "$image" grep -E "$status" /proc/self/status
action run 'CapEff' '--cap-drop ALL --cap-add CHOWN, as a user' --cap-drop ALL --cap-add CHOWN --user 7 "$image" grep -E "$status" /proc/self/status
action run 'CapEff' '--privileged' --privileged "$image" sh -c "grep -E '$status' /proc/self/status"
action run 'Seccomp:.0' 'seccomp=unconfined' --security-opt seccomp=unconfined "$image" grep Seccomp: /proc/self/status
action run 'NoNewPrivs:.1' 'no-new-privileges' --security-opt no-new-privileges "$image" grep NoNew /proc/self/status
action profile 'Operation not permitted' 'seccomp=FILE'
action run 'not permitted' 'the default profile' "$image" sh -c 'unshare -U true; grep Seccomp: /proc/self/status'
action run 'Read-only' '--read-only' --read-only "$image" sh -c 'touch /new; touch /dev/shm/new; grep -E " / " /proc/mounts | cut -d " " -f 2,3'
action run 'size=1024k' '--tmpfs with a size' --tmpfs /mnt:size=1m,mode=700,nosuid "$image" sh -c 'stat -c %u /mnt; grep " /mnt " /proc/mounts'
action volume '^text$' '-v' '' 'cat /mnt/file; touch /mnt/new && echo written'
action volume 'Read-only' '-v ro' :ro 'cat /mnt/file; touch /mnt/new'
action named_volume '^kept$' '-v of a named volume'
action init 'init' '--init'
action device '^/dev/other' '--device'
action device_refused 'not permitted' 'a device that is not allowed'
action run '^9000$' '--sysctl' --sysctl kernel.msgmax=9000 "$image" cat /proc/sys/kernel/msgmax
action run '^1000$' '--ulimit' --ulimit nofile=1000:2000 "$image" sh -c 'ulimit -n; ulimit -Hn'
action run 'size=2048k' '--shm-size' --shm-size 2m "$image" grep /dev/shm /proc/mounts
action environment '^WORDS=a b$' '--env-file, --env'
action run '^/new/dir$' '--workdir that is not there' --workdir /new/dir "$image" pwd
action run '^a b$' '--entrypoint' --entrypoint echo "$image" a b
action run 'lo' '--network none' "$image" sh -c 'ls /sys/class/net'
action host '^host$' '--network host' network net
action host '^host$' '--pid host' pid pid
action host '^host$' '--ipc host' ipc ipc
action host '^host$' '--uts host' uts uts
action bridge '^reached$' '--network bridge'
action names '^box$' '--hostname, --add-host, --dns'
action published '^page$' '-p on loopback'
action of_container '^same$' '--network container:' network net
action of_container '^same$' '--ipc container:' ipc ipc
action of_container '^same$' '--pid container:' pid pid
action limited '^67108864$' 'limits: memory, cpu, pids, cpuset'
action out_of_memory '^code 137$' 'out of memory'
action out_of_memory_seen 'true' 'out of memory, as docker sees it'

action with '^hi$' 'exec' dk exec box echo hi
action with '^code 5$' 'exec: exit code' dk exec box sh -c 'exit 5'
action with '^code 12[67]$' 'exec: missing command' exec_failing box absent-command
action with '^code 126$' 'exec: not executable' exec_failing box /etc/not-executable
action with '^code 137$' 'exec: killed' dk exec box sh -c 'kill -9 $$'
action exec_terminal '^30 100$' 'exec -it'
action exec_input '^data$' 'exec -i'
action exec_detached '^done$' 'exec -d'
action with 'uid=7.* gid=8' 'exec -u' dk exec -u 7:8 box id
action with 'uid=1000' 'exec -u by name' dk exec -u user box id
action with '^/home$' 'exec -w' dk exec -w /home box pwd
action with 'code 12' 'exec -w that does not exist' exec_failing -w /absent box pwd
action exec_environment '^b d$' 'exec -e, --env-file'
action exec_status 'CapEff:.0+$' 'exec: as restricted as the container'
action exec_privileged 'CapEff' 'exec --privileged'
action with 'Seccomp:.2' 'exec: seccomp' dk exec box grep Seccomp: /proc/self/status

action logs '^err$' 'logs'
action top '^1$' 'top'
action stats '^box [1-9]' 'stats --no-stream'
action_if pause pause '^paused' 'pause, unpause'
action stop '^exited 9' 'stop'
action stop_by_kill '^exited 137' 'stop, by SIGKILL in the end'
action kill_with '^8$' 'kill -s USR1'
action kill_hard '^137$' 'kill'
action restart '^running' 'restart, start again'
action restart_policy '^once$' 'restart on failure'
action copy '^data$' 'cp'
action commit '^/made$' 'commit'
action built '^built$' 'build'
action remove_running 'code 0' 'rm, rm -f'
action attach '^got word$' 'attach'
action detach '^running' 'detach by keys'
action healthcheck '^healthy$' 'healthcheck'
action_if update update '^33554432$' 'update'
action many '^4$' 'four at once'
action left '^0$' 'nothing left: containers, cgroups, state, shims'
skip 'checkpoint' 'dockerd would need to be experimental'
finish
