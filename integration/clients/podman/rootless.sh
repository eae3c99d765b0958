# Sourced by run.sh: the actions of a user without privileges, most of them those of root.sh. Nothing of the user outlives the private view.

unprivileged() { run "$image" sh -c 'id -u; grep -E "^(CapEff|Seccomp:|NoNew)" /proc/self/status; tr -s " " </proc/self/uid_map'; }
left_rootless() {
    cli ps -aq
    find "/run/user/$as/$(basename "$binary")" -mindepth 1 2>/dev/null
    ps ax | grep -c '[c]onmon -'
}
kept() { run --userns keep-id "$@" "$image" sh -c 'id -u; id -g; touch /tmp/x && stat -c "%u %g" /tmp/x /etc/passwd; tr -s " " </proc/self/uid_map'; }
volume_of_user() { # OPTIONS...: what the user owns outside
    mkdir -p "$work/volume" && chmod 777 "$work/volume"
    run "$@" -v "$work/volume:/mnt" "$image" sh -c 'touch /mnt/made && stat -c "%u %g" /mnt/made'
    stat -c '%u %g' "$work/volume/made"
    rm -rf "$work/volume"
}

not_mapped() { run --user 7 "$image" id 2>&1 | grep -oE 'invalid argument|code .*' | tail -1; }

part_rootless() {
    become skifftest || { skip 'rootless' 'podman cannot import the image'; return; }
    # shellcheck disable=SC2154
    action run '^hi$' 'rootless: run' "$image" echo hi
    action run '^code 3$' 'rootless: exit code 3' "$image" sh -c 'exit 3'
    action missing '^code 127$' 'rootless: exit code 127' absent-command
    action missing '^code 126$' 'rootless: exit code 126' /etc/not-executable
    action killed_by_signal '^code 137$' 'rootless: exit code 137'
    action unprivileged '^0$' 'rootless: capabilities, seccomp, map'
    action standard_input '^data$' 'rootless: -i'
    action terminal '^30 100$' 'rootless: -it'
    action run 'uid=1000' 'rootless: --user by name' --user user "$image" sh -c 'id; touch /etc/x'
    action run 'CapEff' 'rootless: --privileged' --privileged "$image" sh -c "grep -E '$status' /proc/self/status; ls /dev | grep -cE 'full|null'"
    action run 'CapEff' 'rootless: --cap-drop all' --cap-drop all "$image" grep -E "$status" /proc/self/status
    action profile 'Operation not permitted' 'rootless: seccomp=FILE'
    action run 'NoNewPrivs:.1' 'rootless: no-new-privileges' --security-opt no-new-privileges "$image" grep NoNew /proc/self/status
    action run 'Read-only' 'rootless: --read-only' --read-only "$image" sh -c 'touch /new; touch /tmp/new; echo on'
    action run 'size=1024k' 'rootless: --tmpfs with a size' --tmpfs /mnt:size=1m,nosuid "$image" sh -c 'grep " /mnt " /proc/mounts | sed "s/,mode=755//;s/,inode64//"'
    action volume_of_user '^54345 54345$' 'rootless: -v'
    action volume_of_user '^54345 54345$' 'rootless: -v, keep-id' --userns keep-id
    action volume 'Read-only' 'rootless: -v ro' :ro 'cat /mnt/file; touch /mnt/new'
    action volume 'nosuid' 'rootless: -v with nosuid,nodev,noexec' :nosuid,nodev,noexec 'grep " /mnt " /proc/mounts | cut -d " " -f 4'
    action kept '^54345$' 'rootless: --userns keep-id'
    action kept '^0$' 'rootless: --userns keep-id --user 0' --user 0
    action maps '^ *0 +1 +[0-9]' 'rootless: --userns nomap' --userns nomap
    action maps '^ *0' 'rootless: --userns host' --userns host
    action maps '^ *0 +1 +1000' 'rootless: --uidmap' --uidmap 0:1:1000 --gidmap 0:1:1000
    action maps '0 +[1-9]' 'rootless: --userns auto' --userns auto:size=500
    action host '^host$' 'rootless: --net host' network net
    action host '^host$' 'rootless: --pid host' pid pid
    action host '^host$' 'rootless: --ipc host' ipc ipc
    action of_container '^same$' 'rootless: --net container:' net
    action processes_of_container 'sleep 1000' 'rootless: --pid container:'
    action run 'lo' 'rootless: --net none' "$image" sh -c 'ls /sys/class/net; cat /sys/class/net/lo/flags'
    action run 'tap0|eth0' 'rootless: --net slirp4netns' --network slirp4netns "$image" sh -c 'ls /sys/class/net'
    action init 'init|catatonit' 'rootless: --init'
    action device '^/dev/other' 'rootless: --device'
    action limits '^1000$' 'rootless: --ulimit'
    action run '^box$' 'rootless: --hostname' --hostname box "$image" hostname
    action run '^9000$' 'rootless: --sysctl' --sysctl kernel.msgmax=9000 "$image" cat /proc/sys/kernel/msgmax
    action preserved '^three$' 'rootless: --preserve-fds'
    action bundle_root 'from a directory' 'rootless: --rootfs'
    action with '^code 5$' 'rootless: exec: exit code' cli exec box sh -c 'echo hi; exit 5'
    action with '^code 127$' 'rootless: exec: missing command' exec_failing box absent-command
    action exec_terminal '^30 100$' 'rootless: exec -it'
    action exec_detached '^done$' 'rootless: exec -d'
    action with 'uid=7 gid=8' 'rootless: exec -u' cli exec -u 7:8 box id
    action exec_status 'CapEff:.0+$' 'rootless: exec: as restricted as the container'
    action exec_status 'CapEff:.*[1-9a-f]' 'rootless: exec --privileged' --privileged
    action exec_namespaces '^mnt$' 'rootless: exec: the namespaces of the container'
    action logs '^err$' 'rootless: logs'
    action top 'sleep 1000' 'rootless: top'
    action stop '^exited 9' 'rootless: stop'
    action kill_hard '^137$' 'rootless: kill'
    action restart '^running' 'rootless: restart'
    action copy '^data$' 'rootless: cp'
    action commit '^/made$' 'rootless: commit'
    action remove_running 'without force' 'rootless: rm -f'
    action detach '^running' 'rootless: detach by keys'
    action hook_of_container 'cdi /mnt' 'rootless: hooks: createContainer'
    action hook_mounts 'nvidia /mnt' 'rootless: hooks: prestart mounts as nvidia does'
    pod_command
    action pod '^Running' 'rootless: pod'
    skip 'rootless: limits, stats, pause' 'version 1 of cgroups is not delegated to users'
    action left_rootless '^0$' 'rootless: nothing left: containers, state, conmon'

    become skiffone || { skip 'rootless with one id' 'podman cannot import the image'; return; }
    action run '^hi$' 'one id, no newuidmap: run' "$image" echo hi
    action unprivileged '^0$' 'one id: capabilities, seccomp, map'
    action run '^code 3$' 'one id: exit code 3' "$image" sh -c 'exit 3'
    action not_mapped '^code 126$' 'one id: --user that is not mapped'
    action terminal '^30 100$' 'one id: -it'
    action volume_of_user '^54346 54346$' 'one id: -v'
    action with '^code 5$' 'one id: exec' cli exec box sh -c 'id -u; exit 5'
    action exec_terminal '^30 100$' 'one id: exec -it'
    action host '^host$' 'one id: --net host' network net
    action stop '^exited 9' 'one id: stop'
}
