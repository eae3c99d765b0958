# What needs a kernel of our own (run -k): sets of processors, weights of block devices.

has_controller() { grep -qw "$1" /sys/fs/cgroup/cgroup.controllers; }
allowed() { sed -n 's/^Cpus_allowed_list:\t//p' "/proc/$1/status"; } # PID
ran_on() { [ "$(sed 's/.*) //' "/proc/$pid/stat" | cut -d ' ' -f 37)" = "$1" ]; } # PROCESSOR

sets() {
    if ! has_controller cpuset || [ "$(nproc)" -lt 2 ]; then
        echo "skipped: $part: cpus and mems: the kernel has no cpuset, or one processor"
        return
    fi
    # Not where it would be run anyway.
    up '.linux.resources.cpu = {cpus: "1", mems: "0"}' 'while :; do :; done' || return
    reads cpuset.cpus "" 1
    reads cpuset.mems "" 0
    reads cpuset.cpus.effective "" 1
    shows AllowedCPUs "" 1
    shows AllowedMemoryNodes "" 0
    is "$part: cpus: where its process may run" "$(allowed "$pid")" 1
    until_true ran_on 1
    is "$part: cpus: where its process runs" "$(ran_on 1 && echo there)" there
    $runtime exec -d --pid-file other c sleep 1000 >/dev/null 2>&1
    is "$part: cpus: where exec may run" "$(allowed "$(cat other)")" 1

    changed "--cpuset-cpus" "cpuset.cpus:0" --cpuset-cpus 0 </dev/null
    shows AllowedCPUs " (updated)" 0
    shows AllowedMemoryNodes " (cpus updated)" 0
    is "$part: update --cpuset-cpus: where its processes may run" "$(allowed "$pid") $(allowed "$(cat other)")" "0 0"
    until_true ran_on 0
    is "$part: update --cpuset-cpus: where its process runs" "$(ran_on 0 && echo there)" there
    echo '{"cpu": {"cpus": "0,1"}}' | changed "a list of processors" "cpuset.cpus:0-1" -r -
    shows AllowedCPUs " (a list)" "0-1"
    changed "--cpuset-mems" "" --cpuset-mems 0 </dev/null
    leaves "a processor that does not exist" 'cpus' --cpuset-cpus 7
    shows AllowedCPUs " (refused)" "0-1"
    leaves "a node that does not exist" 'mems' --cpuset-mems 7
    leaves "a list that is none" 'cpus' --cpuset-cpus 1-0
    [ -z "$driver" ] || { $ctl daemon-reload && reads cpuset.cpus " after a reload" "0-1"; }
    down
    local runtime="taskset -c 0 $runtime"
    up '.linux.resources.cpu.cpus = "0-1"' 'exec sleep 1000' || return
    is "$part: cpus: a caller bound to one" "$(allowed "$pid")" "0-1"
    is "$part: cpus: a caller of exec bound to one" "$($runtime exec c cat /proc/self/status | sed -n 's/^Cpus_allowed_list:\t//p')" "0-1"
    down
    runtime=${runtime##* }
    refuses "a node that does not exist" 'mems' '.linux.resources.cpu.mems = "7"'
}

# A device's weight: to io.weight where the kernel keeps accounts of its costs (iocost), to io.bfq.weight where its scheduler is BFQ, a
# module, whose file takes the other's place.
weights() {
    local disk both scheduler=/sys/block/ubda/queue/scheduler qos=/sys/fs/cgroup/io.cost.qos
    if [ ! -e $qos ]; then
        echo "skipped: $part: weights of block devices: the kernel has no io.weight"
        return
    fi
    disk=$(cat /sys/class/block/ubda/dev)
    both=".linux.resources.blockIO = {weight: 500, weightDevice: [{major: ${disk%:*}, minor: ${disk#*:}, weight: 1000}]}"
    beyond_refuses "the weight of a device without iocost" 'weightDevice' "$both"
    echo "$disk enable=1" >$qos
    up "$both" 'exec sleep 1000' || return
    reads io.weight "" "default 4950 $disk 10000"
    shows IOWeight "" 4950
    shows IODeviceWeight "" "/dev/block/$disk 10000"
    changed "--blkio-weight" "io.weight:default 910" --blkio-weight 100 </dev/null
    shows IOWeight " (updated)" 910
    leaves "a weight that is none" 'weight' --blkio-weight 9
    down
    echo "$disk enable=0" >$qos

    modprobe bfq
    refuses "the weight of a device without BFQ" 'weight' "$both"
    echo bfq >$scheduler
    up "$both" 'exec sleep 1000' || return
    reads io.bfq.weight "" "default 500 $disk 1000"
    shows IOWeight " (BFQ)" 4950
    # systemd writes both files.
    changed "--blkio-weight (BFQ)" "io.bfq.weight:default 100${driver:+ io.weight:default 910}" --blkio-weight 100 </dev/null
    down
    echo none >$scheduler && rmmod bfq
}
