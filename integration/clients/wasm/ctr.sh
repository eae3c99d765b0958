# Sourced by run.sh: modules under containerd's ctr.

ctr_run() { # [OPTIONS] -- COMMAND...
    local options=()
    while [ "$1" != -- ]; do options+=("$1"); shift; done
    shift
    count=$((count + 1))
    apart timeout -k 5 30 ctr run --rm --runc-binary "$binary" --mount "type=bind,src=$modules,dst=/wasm,options=rbind:ro" "${options[@]}" "$image" "c$count" "$@"
    echo "code $?"
}
ctr_module() { ctr_run --annotation "$strict" -- "$@"; }
ctr_up() { ctr run --detach --runc-binary "$binary" --annotation "$smart" --mount "type=bind,src=$modules,dst=/wasm,options=rbind:ro" "$image" w "$@" >/dev/null; }
ctr_gone() { ctr tasks delete --force w >/dev/null 2>&1; ctr containers delete w; }
ctr_exec() { ctr_up /wasm/wait.wasm busy; timeout -k 5 30 ctr tasks exec --exec-id x w "$@"; echo "code $?"; ctr_gone; }
# `tasks delete` tells the task's exit code.
ctr_killed() { # SIGNAL STATE
    ctr_up /wasm/wait.wasm "$2"
    ctr tasks kill --signal "$1" w
    until_true eval '[ "$(ctr tasks ls | awk "\$1 == \"w\" { print \$3 }")" = STOPPED ]'
    ctr tasks delete w 2>&1 | grep -oE 'exit code [0-9]+'
    ctr containers delete w
}
ctr_paused() { ctr_up /wasm/wait.wasm busy; ctr tasks pause w; ctr tasks ls | awk '$1 == "w" { print $3 }'; ctr tasks resume w; ctr tasks ls | awk '$1 == "w" { print $3 }'; ctr_gone; }
ctr_memory() { ctr_run --annotation "$strict" --memory-limit 67108864 -- /wasm/memory.wasm touch; }
ctr_terminal() { typing '^tty 2' 'typed\n\004' ctr run --rm -t --runc-binary "$binary" --annotation "$strict" --mount "type=bind,src=$modules,dst=/wasm,options=rbind:ro" "$image" t /wasm/world.wasm | grep -E '^(tty|stdin)'; }
ctr_left() {
    ctr containers ls -q
    find /sys/fs/cgroup -mindepth 2 -type d -path "*/$namespace/*"
    ps ax -o comm= | grep -cE '^(containerd-shim|skiff)'
}

part_ctr() {
    . "$clients/ctr/setup.sh"
    binary=$runtime
    expect ctr_module 'hello*;code 0' 'ctr: variant=compat' /wasm/hello.wasm
    expect ctr_run 'native;code 0' 'ctr: compat-smart, a native command' --annotation "$smart" -- echo native
    expect ctr_run 'main 4;code 4' 'ctr: compat-smart, a module' --annotation "$smart" -- /wasm/exit.wasm main 4
    expect ctr_module '*text.wasm*compat-smart*code 1' 'ctr: compat, no module' /wasm/text.wasm
    expect ctr_module 'main 7;code 7' 'ctr: exit code' /wasm/exit.wasm main 7
    expect ctr_module 'before unreachable;*code 134*' 'ctr: a trap' /wasm/trap.wasm
    skip 'ctr: standard input' 'ctr 1.6 never closes it, and the guests read to its end'
    expect ctr_terminal 'tty 0 \[yes];tty 1 \[yes];tty 2 \[yes];stdin \[typed]' 'ctr: terminal'
    expect ctr_killed 'exit code 143' 'ctr: kill, SIGTERM, a busy module' SIGTERM busy
    expect ctr_killed 'exit code 130' 'ctr: kill, SIGINT, a module that sleeps' SIGINT sleep
    expect ctr_killed 'exit code 137' 'ctr: kill, SIGKILL' SIGKILL busy
    expect ctr_exec 'native;code 0' 'ctr: exec, native' echo native
    expect ctr_exec 'proc 5;code 5' 'ctr: exec, a module' /wasm/exit.wasm proc 5
    expect ctr_paused 'PAUSED;RUNNING' 'ctr: pause, resume'
    expect ctr_memory 'began with * pages;grew to 8[89]? pages;code 0' 'ctr: the limit of memory is a failed grow'
    expect ctr_left '0' 'ctr: nothing left: containers, cgroups, shims'
}
