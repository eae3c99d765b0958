# Sourced by run.sh: modules under podman, as root and without it.

# Modules alone; the same with the annotation on the image; busybox and modules; modules for the platform wasi/wasm.
build_images() {
    local from='FROM scratch\nCOPY *.wasm /\n'
    printf "$from" | build localhost/modules:1 &&
        printf "${from}"'ENV A=b\nENTRYPOINT ["/world.wasm"]\n' | build localhost/annotated:1 --annotation "$strict" &&
        printf "FROM $image\nCOPY *.wasm /\n" | build localhost/both:1 &&
        printf "FROM $image\nCOPY *.wasm /\n" | build localhost/smart:1 --annotation "$smart" &&
        printf "${from}"'ENTRYPOINT ["/exit.wasm"]\n' | build localhost/platform:1 --platform wasi/wasm
}
# Without the cache: it has the layers of both kinds, and one annotation.
build() {
    cat >"$scratch/Containerfile"
    cli build --no-cache -q -t "$1" "${@:2}" -f "$scratch/Containerfile" "$context" >"$work/build.log" 2>&1 || { cat "$work/build.log"; return 1; }
}

# What the plain forms run; `world` prints everything that it is given.
module() { run --annotation "$strict" localhost/modules:1 "$@"; }
trap_report() { run --annotation "$strict" --annotation org.skiff.wasm.interpret=true localhost/modules:1 /trap.wasm; }
compiled() { # only compiled code has a report that says how to run the module without it
    local digest
    digest=$(sha256sum <"$modules/trap.wasm" | cut -d ' ' -f 1)
    module /trap.wasm >/dev/null 2>&1
    until_true eval "ls $1/skiff/wasm/$digest-*.aot"
    module /trap.wasm
}
handler() { run --annotation "run.oci.handler=$1" localhost/modules:1 "${@:2}"; }
up_module() { up --annotation "$strict" "${@:3}" localhost/modules:1 "$1" "$2" && until_true eval "cli logs box 2>&1 | grep -q $2"; }
up_smart() { up --annotation "$smart" "$@" localhost/both:1 /wait.wasm busy && until_true eval 'cli logs box 2>&1 | grep -q busy'; }

error_only() { "$@" 2>&1 | grep -oE 'text.wasm.*|code .*' | sed 's/: OCI runtime error//'; }
input() { printf 'a line\nanother\n' | run -i --annotation "$strict" localhost/modules:1 /world.wasm 2>&1 | grep -E '^stdin|code'; }
standard_error() { module /world.wasm 2>&1 >/dev/null; }
typed_to() {
    typing '^tty 2' 'typed\n\004' cli run -it --rm --network none --annotation "$strict" localhost/modules:1 /world.wasm | grep -E '^(tty|stdin)'
}
environment_of_module() { run --annotation "$strict" --env A=b --env C= localhost/modules:1 /world.wasm 'two words' '' 2>&1 | grep -E '^(arg|env .(A|C|PATH)=|cwd|code)'; }
working_directory() { run --annotation "$strict" --workdir /tmp localhost/both:1 ../world.wasm 2>&1 | grep -E '^(cwd|here|code)'; }
annotated() { run localhost/annotated:1 x 2>&1 | grep -E '^(arg|env .A=|code)'; }
with_init() { # catatonit stays native; what it executes is native, too
    up --init --annotation "$smart" localhost/both:1 sleep 1000
    cli exec box sh -c 'ps -o pid,args | grep -oE "^ *1 .*(init|catatonit)" | tr -s " "'
    down
}
native_command() { run "$@" sh -c 'echo native; exit 4'; }
platform() { # podman 4.3 chooses no runtime by the platform, later ones take crun-wasm
    binary=$wasm cli run --rm --network none --platform wasi/wasm localhost/platform:1 "$@" 2>"$scratch/err"
    echo "code $?"
    grep -v 'does not match' "$scratch/err"
}
sniffed() { run --annotation org.skiff.wasm.sniff=true localhost/both:1 /hello.wasm; }
without_annotation() { run localhost/both:1 /hello.wasm 2>&1 | grep -oiE 'exec format error|permission denied|code .*' | tail -2; }
killed() { # STATE SIGNAL
    up_module /wait.wasm "$1" -i
    cli kill -s "$2" box >/dev/null
    cli wait box
    down
}
stopped() { up_module /wait.wasm "$1"; cli stop -t 30 box >/dev/null; state; down; }
paused() { up_smart; cli pause box >/dev/null; state; cli unpause box >/dev/null; state; cli stop -t 30 box >/dev/null; state; down; }
logged() { up --annotation "$strict" localhost/modules:1 /world.wasm; cli wait box; cli logs box 2>&1 | grep -E 'stderr|arg'; down; }
restarted() { up_smart; cli restart -t 30 box >/dev/null; state; cli exec box /exit.wasm main 3; echo "code $?"; down; }

execs() { up_smart; cli exec "$@"; echo "code $?"; down; }
exec_in_modules() { up_module /wait.wasm busy; cli exec box "$@" 2>&1; echo "code $?"; down; }
exec_world() { up_smart; echo line | cli exec -i -e X=y -w /tmp box /world.wasm one 2>&1 | grep -E '^(arg|env .X|cwd|stdin)'; down; }
exec_on_terminal() { up_smart; typing '^tty 2' '\004' cli exec -it box /world.wasm | grep -E '^(tty|stdin)'; down; }
exec_stops_alone() { # the signals of an exec'd module are not the container's
    up_smart
    (until_true eval 'cli exec box ps -o args | grep -q "sleep 300"'; cli exec box sh -c 'kill -TERM $(ps -o pid,args | grep "[s]leep 300" | while read -r pid rest; do echo $pid; done)') &
    cli exec box /wait.wasm sleep 300
    echo "code $?"
    wait
    state
    down
}
healthy() { # COMMAND-OF-THE-CHECK
    up_smart --health-interval=disable --health-cmd "$1"
    cli healthcheck run box
    echo "code $?"
    down
}

volume_with_module() { run --annotation "$strict" -v "$modules:/vol:ro" "$image" /vol/exit.wasm main 5; }
volume_written() {
    mkdir -p "$work/volume" && chmod 777 "$work/volume"
    run --annotation "$strict" -v "$work/volume:/mnt$1" localhost/modules:1 /files.wasm write /mnt/made text
    cat "$work/volume/made" 2>/dev/null
    rm -rf "$work/volume"
}
read_only() { run --annotation "$strict" --read-only --read-only-tmpfs=false "$@" localhost/both:1 /files.wasm write /made text; }
memory() { run --annotation "$strict" --memory "$1" --memory-swap "$1" localhost/modules:1 /memory.wasm "$2"; }
mapped() { # MAPS...
    run --annotation "$smart" "$@" localhost/both:1 /files.wasm write /tmp/made text
    up_smart "$@"
    cli exec box sh -c 'id -u; tr -s " " </proc/1/uid_map'
    cli exec box /files.wasm stat /etc/passwd
    down
}
as_user() { run --annotation "$smart" --user 1000:1000 localhost/both:1 /files.wasm write "$1" text; }
ask() { # PORT TEXT: one connection to the echo server
    local line
    exec 7<>"/dev/tcp/127.0.0.1/$1" || return
    echo "$2" >&7
    read -r line <&7
    exec 7>&-
    echo "$line"
}
# A client on the host asks a module behind the bridge.
published_echo() { # GUEST PORT
    up --network bridge -p "127.0.0.1:$2:$2" --annotation "$strict" localhost/modules:1 "/$1.wasm" serve 0.0.0.0 "$2" 2
    until_true eval 'cli logs box | grep -q listening'
    ask "$2" 'from the host'
    ask "$2" again
    cli wait box
    cli logs box
    down
}
no_sockets() { run --annotation "$strict" --annotation org.skiff.wasm.sockets=false localhost/modules:1 /echo.wasm serve 127.0.0.1 0; }

pod_with_sidecar() { # the sidecar asks the module over the pod's loopback
    cli pod create --name p --network none --share net,ipc,uts --infra-image localhost/pause:1 >/dev/null || return
    cli run -d --pod p --name box --annotation "$smart" localhost/both:1 /echo.wasm serve 127.0.0.1 7000 1 >/dev/null
    until_true eval 'cli logs box | grep -q listening'
    cli run --rm --pod p --annotation "$smart" "$image" sh -c '(echo asked; sleep 1) | nc 127.0.0.1 7000'
    cli wait box
    cli pod rm -f -t 0 p >/dev/null 2>&1; echo "code $?"
    cli ps -aq
}
# kube play hands the annotations of a pod to all its containers.
played() {
    cat >"$work/pod.yaml" <<POD
apiVersion: v1
kind: Pod
metadata:
  name: p
  annotations: {module.wasm.image/variant: compat-smart}
spec:
  restartPolicy: Never
  containers:
  - {name: module, image: "localhost/both:1", command: [/exit.wasm, main, "9"]}
  - {name: side, image: "$image", command: [sh, -c, "echo native; exec sleep 1000"]}
POD
    cli kube play --network none "$work/pod.yaml" >"$work/play.log" 2>&1 || { grep -oE 'Error.*' "$work/play.log"; cli pod rm -f -t 0 p >/dev/null 2>&1; return; }
    cli wait p-module
    cli logs p-module
    cli logs p-side
    cli pod rm -f -t 0 p >/dev/null 2>&1; echo "code $?"
    cli ps -aq
}
pause_image() { printf 'FROM %s\nENTRYPOINT ["/bin/sleep","1000"]\n' "$image" | cli build -q -t localhost/pause:1 - >/dev/null 2>&1; }
left() {
    cli ps -aq
    until_true eval '! ps ax -o comm= | grep -E "^(conmon|skiff)"'
    find /sys/fs/cgroup -mindepth 2 -type d -path '*libpod-*' -o -name 'skiff-compile-*'
    find "/run/$(basename "$binary")" /run/runc /run/crun -mindepth 1 -not -path '*/wasm-cache*' 2>/dev/null
    ps ax -o comm= | grep -cE '^(conmon|skiff)'
}

part_podman() {
    as= context=$modules
    [ -n "${store:-}" ] || . "$clients/podman/setup.sh"
    binary=$runtime
    build_images || { echo "cannot build the images"; exit 1; }
    pause_image
    expect handler 'hello*;code 0' 'podman: run.oci.handler=wasm' wasm /hello.wasm
    expect handler 'hello*;code 0' 'podman: run.oci.handler=wasmedge' wasmedge /hello.wasm
    expect handler '*wasmtime*wasm-smart*code 126' 'podman: a handler that there is not' wasmtime /hello.wasm
    expect module 'hello*;code 0' 'podman: variant=compat' /hello.wasm
    expect annotated 'arg 0 \[/world.wasm];arg 1 \[x];env \[A=b];code 0' 'podman: the annotation of an image'
    expect error_only 'text.wasm*compat-smart*code 126' 'podman: compat, no module' module /text.wasm
    expect native_command 'native;code 4' 'podman: compat-smart, a native command' --annotation "$smart" localhost/both:1
    expect native_command 'native;code 4' 'podman: compat-smart on an image, a native command' localhost/smart:1
    expect run 'exit 3code 3' 'podman: compat-smart on an image, a module' localhost/smart:1 /exit.wasm exit 3
    expect with_init '* 1 /*init' 'podman: compat-smart with --init'
    expect platform 'main 6;code 6*' 'podman: a wasi/wasm image, the runtime called by a name in -wasm' main 6
    skip 'podman: a wasi/wasm image by its platform alone' 'podman 4.3 chooses no runtime by the platform; later ones take the one called crun-wasm'
    expect sniffed 'hello*;code 0' 'podman: a module by its bytes'
    expect without_annotation '*code 126' 'podman: a module without any sign'

    expect module 'main 7;code 7' 'podman: exit code of main' /exit.wasm main 7
    expect module 'proc 511;code 255' 'podman: exit code, its low byte' /exit.wasm proc 511
    expect trap_report 'before unreachable;*unreachable*trap.c*middle*outer*code 134' 'podman: a trap, its report'
    expect module 'before unreachable;*code 134' 'podman: a trap' /trap.wasm
    expect compiled 'before unreachable;*interpret*code 134' 'podman: a second start is compiled' /var/cache
    expect module '*found in $PATH*code 127' 'podman: a module that there is not' absent.wasm
    expect stopped 'exited 143' 'podman: stop, a busy module' busy
    expect stopped 'exited 143' 'podman: stop, a module that sleeps' sleep
    expect killed 130 'podman: kill -s INT, a module that reads' read INT
    expect killed 129 'podman: kill -s HUP' busy HUP
    expect killed 131 'podman: kill -s QUIT' sleep QUIT
    expect killed 137 'podman: kill' busy KILL
    expect paused 'paused 0;running 0;exited 143' 'podman: pause, unpause, stop'
    expect restarted 'running 0;main 3;code 3' 'podman: restart'

    expect environment_of_module 'arg 0 \[/world.wasm];arg 1 \[two words];arg 2 \[];*env \[A=b]*cwd \[/]*code 0' 'podman: arguments, environment'
    expect working_directory '*here \[ok];code 0' 'podman: --workdir, a relative path'
    expect input 'stdin \[a line];stdin \[another];code 0' 'podman: -i'
    expect standard_error 'stderr is heard' 'podman: standard error'
    expect typed_to 'tty 0 \[yes];tty 1 \[yes];tty 2 \[yes];stdin \[typed]' 'podman: -it'
    expect logged '0;arg 0*stderr is heard' 'podman: logs, wait'

    expect execs 'native;code 4' 'podman: exec, native' box sh -c 'echo native; exit 4'
    expect execs 'proc 5;code 5' 'podman: exec, a module' box /exit.wasm proc 5
    expect execs '*unreachable*code 134' 'podman: exec, a trap' box /trap.wasm
    expect exec_in_modules 'hello*code 0' 'podman: exec, a module in a container of modules' /hello.wasm
    expect exec_in_modules '*not found*code 127' 'podman: exec, a command that there is not' sh
    expect exec_world 'arg 0 \[/world.wasm];arg 1 \[one];env \[X=y];cwd \[/];stdin \[line]' 'podman: exec -i -e -w, a module'
    expect exec_on_terminal 'tty 0 \[yes];tty 1 \[yes];tty 2 \[yes]' 'podman: exec -it, a module'
    expect exec_stops_alone 'sleep;code 143;running 0' 'podman: exec, a module that is stopped'
    expect healthy 'code 0' 'podman: healthcheck by a shell' 'test -f /hello.wasm'
    expect healthy '*code 0' 'podman: healthcheck by a module' '["/exit.wasm", "main", "0"]'
    expect healthy '*code 1' 'podman: healthcheck by a module that fails' '["/exit.wasm", "main", "3"]'

    expect volume_with_module 'main 5;code 5' 'podman: -v, a module on a volume'
    expect volume_written 'code 0;text' 'podman: -v, written by a module' ''
    expect volume_written '*error*code 1' 'podman: -v ro' :ro
    expect read_only '*error*code 1' 'podman: --read-only'
    expect read_only 'code 0' 'podman: the same module without --read-only' --read-only=false
    expect memory 'began with * pages;grew to 8[89]? pages;code 0' 'podman: --memory is a failed grow' 64m touch
    expect memory 'began with * pages;malloc gave 5? MiB;code 0' 'podman: --memory is a failed malloc' 64m malloc
    expect mapped 'code 0;0; 0 100000 1000;file *' 'podman: --uidmap' --uidmap 0:100000:1000 --gidmap 0:100000:1000
    expect mapped 'code 0;0; 0 5* 1000;file *' 'podman: --userns auto' --userns auto:size=1000
    expect as_user 'code 0' 'podman: --user, where it may write' /tmp/made
    expect as_user '*error*code 1' 'podman: --user, where it may not' /etc/made

    expect published_echo 'from the host;again;0;listening 8125;echoed 14;echoed 6' 'podman: an echo server behind a bridge' echo 8125
    expect published_echo 'from the host;again;0;listening 8126;echoed 14;echoed 6' 'podman: an echo server by the _v2 names' echo-v2 8126
    expect no_sockets '*error*code 1' 'podman: sockets refused'
    expect pod_with_sidecar 'asked;0;code 0' 'podman: a pod with a native sidecar'
    expect played '9;main 9;native;code 0' 'podman: kube play, the annotation on the pod'
    expect left '0' 'podman: nothing left: containers, cgroups, state, conmon'
}

part_rootless() {
    [ -n "${store:-}" ] || . "$clients/podman/setup.sh"
    become skifftest
    context=$scratch/modules
    cp -r "$modules" "$context" && chown -R skifftest "$context"
    modules=$context
    binary=$runtime
    build_images || { echo "cannot build the images"; exit 1; }
    expect module 'hello*;code 0' 'rootless: variant=compat' /hello.wasm
    expect annotated 'arg 0 \[/world.wasm];arg 1 \[x];env \[A=b];code 0' 'rootless: the annotation of an image'
    expect platform 'main 6;code 6*' 'rootless: a wasi/wasm image, the runtime called by a name in -wasm' main 6
    expect with_init '* 1 /*init' 'rootless: compat-smart with --init'
    expect module 'main 7;code 7' 'rootless: exit code' /exit.wasm main 7
    expect module 'before unreachable;*unreachable*code 134' 'rootless: a trap' /trap.wasm
    expect compiled 'before unreachable;*interpret*code 134' 'rootless: a second start is compiled' "$work/home/.cache"
    expect stopped 'exited 143' 'rootless: stop' busy
    expect input 'stdin \[a line];stdin \[another];code 0' 'rootless: -i'
    expect typed_to 'tty 0 \[yes];tty 1 \[yes];tty 2 \[yes];stdin \[typed]' 'rootless: -it'
    expect execs 'native;code 4' 'rootless: exec, native' box sh -c 'echo native; exit 4'
    expect execs 'proc 5;code 5' 'rootless: exec, a module' box /exit.wasm proc 5
    expect volume_with_module 'main 5;code 5' 'rootless: -v, a module on a volume'
    expect mapped 'code 0;0; 0 1 1000;file *' 'rootless: --uidmap' --uidmap 0:1:1000 --gidmap 0:1:1000
    expect healthy '*code 0' 'rootless: healthcheck by a module' '["/exit.wasm", "main", "0"]'
    as=
}
