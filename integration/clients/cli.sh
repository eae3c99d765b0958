# Sourced by the scripts of podman and docker: what their command lines have in common. `cli` is the client with the runtime of the
# moment, as a program; a container in the background is `box`; `down` is the script's own, and so is $scratch, a directory that the
# client may write.

status='^(Uid|Gid|Groups|Cap|NoNew|Seccomp:)'

# Without a network, unless the arguments name one.
network() { [[ " $* " == *" --network"* ]] || echo --network=none; }
run() { apart cli run --rm $(network "$@") "$@"; echo "code $?"; }
up() { cli run -d --name box $(network "$@") "$@" >/dev/null; }
with() { # a container that sleeps, and one command with it
    up "$image" sleep 1000
    "$@"
    echo "code $?"
    down
}
state() { cli inspect --format '{{.State.Status}} {{.State.ExitCode}}' box; }

missing() { cli run --rm --network none "$image" "$1" 2>&1 | sed 's/is a directory/permission denied/' | grep -oE 'executable file .*not found in .PATH|no such file or directory|permission denied' | head -1; echo "code ${PIPESTATUS[0]}"; }
standard_input() { echo data | run -i "$image" head -n 1; }
terminal() { tty cli run -it --rm --network none "$image" sh -c "'tty; sleep 1; stty size; echo \$TERM; readlink /dev/console; stty -a | grep -o .onlcr'"; echo "code $?"; }
terminal_input() { printf 'echo a$((1+1))b\nexit 4\n' | script -qec "cli run -it --rm --network none $image sh" /dev/null | grep -E '^a2b'; echo "code ${PIPESTATUS[1]}"; }
killed_by_signal() { (until_true cli exec box true; cli kill box >/dev/null) & run --name box "$image" sleep 1000; }
environment() { printf 'A=b\nEMPTY=\nWORDS=a b\n' >"$work/env"; run --env-file "$work/env" --env C=d "$image" sh -c 'env | grep -v HOSTNAME | sort'; }
volume() { # OPTIONS COMMAND
    mkdir -p "$work/volume" && echo text >"$work/volume/file"
    run -v "$work/volume:/mnt$1" "$image" sh -c "$2"
    rm -rf "$work/volume"
}
named_volume() { run -v keep:/mnt "$image" sh -c 'echo kept >/mnt/file'; run -v keep:/mnt "$image" cat /mnt/file; cli volume rm keep >/dev/null; }
profile() {
    printf '{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32"],"syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}' >"$work/profile.json"
    run --security-opt "seccomp=$work/profile.json" "$image" sh -c 'mkdir /tmp/a 2>&1; grep Seccomp: /proc/self/status; echo on'
}
device() { run --device /dev/full:/dev/other:rw "$image" sh -c 'exec 2>&1; stat -c "%n %t:%T %a" /dev/other; echo x >/dev/other' | sort; }
device_refused() { run --cap-add MKNOD "$image" sh -c 'mknod /tmp/n b 259 99; head -c 1 /tmp/n'; }
host() { # OPTION KIND
    run "--$1" host "$image" sh -c "[ \$(readlink /proc/self/ns/$2) = '$(readlink "/proc/self/ns/$2")' ] && echo host"
}
published() { up --network bridge -p 127.0.0.1:8123:80 "$image" sh -c 'mkdir /www; echo page >/www/index.html; httpd -f -p 80 -h /www'; until_true busybox wget -qO- http://127.0.0.1:8123/ && busybox wget -qO- http://127.0.0.1:8123/; down; }
out_of_memory() { run --memory 16m --memory-swap 16m "$image" tail -c 64m /dev/zero; }

exec_terminal() { with tty cli exec -it box sh -c "'tty; sleep 1; stty size; exit 5'"; }
exec_detached() { with eval 'cli exec -d box sh -c "echo done >/tmp/flag" | tail -c 1; until_true cli exec box test -s /tmp/flag; cli exec box cat /tmp/flag'; }
exec_status() { up --cap-drop ALL --security-opt no-new-privileges "$image" sleep 1000; cli exec "$@" box grep -E "$status" /proc/self/status; echo "code $?"; down; }
exec_input() { with eval 'echo data | cli exec -i box cat'; }
exec_failing() { cli exec "$@" 2>&1 | grep -oE 'executable file .*not found in .PATH|no such file or directory|permission denied' | head -1; return "${PIPESTATUS[0]}"; }

logs() { up "$image" sh -c 'echo out; echo err >&2; exit 2'; cli wait box; cli logs box 2>&1 | sort; down; }
stats() { with eval 'cli stats --no-stream --format "{{.Name}} {{.PIDs}}" box'; }
pause() { with eval 'cli pause box >/dev/null; state; cli unpause box >/dev/null; state; cli exec box echo awake'; }
stop() { up "$image" sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done'; sleep 0.3; cli stop -t 5 box >/dev/null; state; down; }
stop_by_kill() { up "$image" sh -c 'trap "" TERM; while :; do sleep 0.1; done'; sleep 0.3; cli stop -t 1 box >/dev/null 2>&1; state; down; }
kill_with() { up "$image" sh -c 'trap "exit 8" USR1; while :; do sleep 0.1; done'; sleep 0.3; cli kill -s USR1 box >/dev/null; cli wait box; down; }
kill_hard() { with eval 'cli kill box >/dev/null; cli wait box; state'; }
restart() { with eval 'cli exec box touch /tmp/x; cli restart -t 0 box >/dev/null; cli exec box ls /tmp/x; state; cli stop -t 0 box >/dev/null; cli start box >/dev/null; state'; }
copy() { with eval 'echo data >"$scratch/file"; cli cp "$scratch/file" box:/tmp/in; cli exec box cat /tmp/in; cli exec box sh -c "echo out >/tmp/out"; cli cp box:/tmp/out "$scratch/file"; cat "$scratch/file"' | grep -v Successfully; rm -f "$scratch/file"; }
commit() { with eval 'cli exec box touch /made; cli commit box localhost/made:1 >/dev/null 2>&1 && cli run --rm --network none localhost/made:1 ls /made; cli rmi -f localhost/made:1 >/dev/null'; }
attach() { up -i "$image" sh -c 'read x; echo got $x; exit 3'; (sleep 1; echo word; sleep 1) | cli attach box; echo "code $?"; down; }
detach() { # ^P^Q leaves the container running
    typing ready '\020\021' cli run -it --name box --network none "$image" sh -c "'echo ready; exec sleep 1000'" >/dev/null
    state
    down
}
many() { local i; for i in 1 2 3 4; do cli run --rm --network none "$image" echo "$i" & done | sort; }
