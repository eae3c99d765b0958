# Sourced by run.sh: modules under dockerd 20.10, which knows no annotations: the runtime's name says it.

dk_module() { run --runtime wasm "$@"; }
dk_stopped() { up --runtime wasm modules:1 /wait.wasm busy && until_true eval 'cli logs box | grep -q busy'; cli stop -t 30 box >/dev/null; state; down; }
dk_exec() { up --runtime wasm modules:1 /wait.wasm busy; cli exec box "$@"; echo "code $?"; down; }

part_docker() {
    as=
    . "$clients/docker/setup.sh"
    # The last --runtime counts.
    binary=$runtime
    cp -a "$work/rootfs" "$work/both" && cp "$modules"/*.wasm "$work/both/"
    tar -C "$work/both" --numeric-owner --owner=0 --group=0 -cf "$work/modules.tar" .
    $docker import --change 'ENV PATH=/bin' "$work/modules.tar" modules:1 >/dev/null || { echo "cannot import the modules"; exit 1; }
    expect dk_module 'main 7;code 7' 'docker: a runtime whose name ends in -wasm, a module' modules:1 /exit.wasm main 7
    expect dk_module 'native;code 0' 'docker: the same, a native command' modules:1 echo native
    expect dk_module 'native;code 0' 'docker: --init' --init modules:1 echo native
    expect dk_stopped 'exited 143' 'docker: stop'
    expect dk_exec 'native;code 0' 'docker: exec, native' echo native
    expect dk_exec 'proc 5;code 5' 'docker: exec, a module' /exit.wasm proc 5
}
