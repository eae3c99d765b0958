#!/bin/bash
# The actions of docker, under Debian's runc and under another runtime. See README.md.
#   run.sh [RUNTIME]     environment: see ../lib.sh
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../lib.sh"
enter docker "$@"
. "$here/setup.sh"

init() { run --init "$image" sh -c 'ps -o pid,args | head -2 | grep -oE "1 .*init"'; }
names() { run --hostname box --add-host other:10.1.2.3 --dns 9.9.9.9 --network bridge "$image" sh -c 'hostname; grep other /etc/hosts; grep nameserver /etc/resolv.conf'; }
of_container() { # OPTION KIND
    up --ipc shareable "$image" sleep 1000
    cli run --rm "--$1" container:box "$image" readlink "/proc/self/ns/$2" >"$work/second"
    cmp <(cli exec box readlink "/proc/self/ns/$2") "$work/second" && echo same
    down
}
bridge() { up --network bridge "$image" sleep 1000; address=$(cli inspect --format '{{.NetworkSettings.IPAddress}}' box); until_true busybox ping -c 1 -W 1 "$address" && echo reached; cli exec box ip -4 addr show eth0 | grep -o '172.31.77'; down; }
limited() { up --memory 64m --cpus 0.5 --pids-limit 100 --cpu-shares 512 --cpuset-cpus 0 "$image" sleep 1000; local id; id=$(cli inspect --format '{{.Id}}' box); (cd /sys/fs/cgroup && cat "memory/docker/$id/memory.limit_in_bytes" "cpu/docker/$id/cpu.cfs_quota_us" "cpu/docker/$id/cpu.shares" "pids/docker/$id/pids.max" "cpuset/docker/$id/cpuset.cpus"); down; }
out_of_memory_seen() { cli run --name box --network none --memory 16m --memory-swap 16m "$image" sh -c 'exec tail -c 64m /dev/zero' ; echo "code $?"; cli inspect --format '{{.State.OOMKilled}}' box; down; }

exec_privileged() { with cli exec --privileged box grep -E "$status" /proc/self/status; }
exec_environment() { with eval 'printf "A=b\n" >"$work/env"; cli exec --env-file "$work/env" -e C=d box sh -c "echo \$A \$C"'; }

top() { with eval 'cli top box -o pid,args | grep -c "sleep 1000"'; }
restart_policy() { up --restart on-failure:2 "$image" sh -c 'echo once; exit 1'; until_true eval '[ "$(cli inspect --format "{{.RestartCount}} {{.State.Status}}" box)" = "2 exited" ]'; cli logs box; down; }
remove_running() { up "$image" sleep 1000; cli rm box 2>&1 | grep -oE 'You cannot remove a running container|container is running'; cli rm -f box >/dev/null; echo "code $?"; cli ps -aq; }
healthcheck() { up --health-cmd 'test -f /tmp/well' --health-interval 1s --health-start-period 0s "$image" sh -c 'touch /tmp/well; sleep 1000'; until_true eval '[ "$(cli inspect --format "{{.State.Health.Status}}" box)" = healthy ]' && echo healthy; down; }
update() { up --memory 64m "$image" sleep 1000; cli update --memory 32m --memory-swap 64m box >/dev/null; cat "/sys/fs/cgroup/memory/docker/$(cli inspect --format '{{.Id}}' box)/memory.limit_in_bytes"; down; }
built() { printf 'FROM %s\nRUN echo built >/made\n' "$image" | DOCKER_BUILDKIT=0 cli build -q -t built:1 - >/dev/null 2>&1; run built:1 cat /made; cli rmi -f built:1 >/dev/null; }
left() {
    cli ps -aq
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

action with '^hi$' 'exec' cli exec box echo hi
action with '^code 5$' 'exec: exit code' cli exec box sh -c 'exit 5'
action with '^code 12[67]$' 'exec: missing command' exec_failing box absent-command
action with '^code 126$' 'exec: not executable' exec_failing box /etc/not-executable
action with '^code 137$' 'exec: killed' cli exec box sh -c 'kill -9 $$'
action exec_terminal '^30 100$' 'exec -it'
action exec_input '^data$' 'exec -i'
action exec_detached '^done$' 'exec -d'
action with 'uid=7.* gid=8' 'exec -u' cli exec -u 7:8 box id
action with 'uid=1000' 'exec -u by name' cli exec -u user box id
action with '^/home$' 'exec -w' cli exec -w /home box pwd
action with 'code 12' 'exec -w that does not exist' exec_failing -w /absent box pwd
action exec_environment '^b d$' 'exec -e, --env-file'
action exec_status 'CapEff:.0+$' 'exec: as restricted as the container'
action exec_privileged 'CapEff' 'exec --privileged'
action with 'Seccomp:.2' 'exec: seccomp' cli exec box grep Seccomp: /proc/self/status

action logs '^err$' 'logs'
action top '^1$' 'top'
action stats '^box [1-9]' 'stats --no-stream'
action pause '^paused' 'pause, unpause'
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
action update '^33554432$' 'update'
action many '^4$' 'four at once'
action left '^0$' 'nothing left: containers, cgroups, state, shims'
skip 'checkpoint' 'dockerd would need to be experimental'
finish
