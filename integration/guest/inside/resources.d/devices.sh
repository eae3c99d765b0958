# Devices: what may be opened and made; and that an update leaves no moment without a filter, nor with one that refuses all.

# Reads it, writes it and makes another: prints a letter for each that succeeds. Any device may be made by default, not opened.
probe='(: </dev/probe) 2>/dev/null && echo r; (: >>/dev/probe) 2>/dev/null && echo w; mknod /tmp/probe b 7 0 2>/dev/null && echo m; rm -f /tmp/probe'
node='.process.capabilities[] += ["CAP_MKNOD"] | .linux.devices = [{path: "/dev/probe", type: "b", major: 7, minor: 0, fileMode: 438}]'

rules() { # ACCESS: in the form of the spec
    echo "[{allow: false, access: \"rwm\"}${1:+, {allow: true, type: \"b\", major: 7, minor: 0, access: \"$1\"\}}]"
}

devices() {
    local access
    modprobe loop
    for access in "" r w rw; do
        is "$part: devices: allowed ${access:-nothing}" "$(once "$node | .linux.resources.devices = $(rules "$access")" "$probe; echo end")" \
            "$(sed 's/./& /g' <<<"$access")m end 0"
    done
    is "$part: devices: a whole kind" "$(once "$node | .linux.resources.devices = [{allow: false, access: \"rwm\"}, {allow: true, type: \"b\", access: \"rw\"}]" "$probe; echo end")" "r w m end 0"
}

# While a list is put in place of the other, a device that both allow can be opened at every moment, and one that none allows at none.
replaced() {
    local round
    up "$node | .linux.resources.devices = $(rules r)" 'exec 2>/dev/null; while :; do true </dev/probe || echo refused; true >>/dev/probe && echo let in; echo . >>/tmp/rounds; done' || return
    until_true [ -s rootfs/tmp/rounds ]
    for round in 1 2 3 4 5 6 7 8; do
        jq -n "{devices: $(rules r)}" | $runtime update -r - c || break
        jq -n "{devices: ($(rules r) + [{allow: true, type: \"c\", major: 1, minor: 11, access: \"r\"}]), pids: {limit: 100}}" | $runtime update -r - c || break
        $runtime update --memory $((100000000 + round * 4096)) --memory-swap $((200000000 + round * 4096)) c || break
    done
    is "$part: updates with lists of devices" "$round $(value pids.max)" "8 100"
    round=$(wc -l <rootfs/tmp/rounds)
    until_true eval '[ $(wc -l <rootfs/tmp/rounds) -gt '"$round"' ]'
    is "$part: no update refuses a device or lets one in" "$(sort out | uniq -c | xargs)" ""
    down

    up "$node" 'exec sleep 1000' || return
    is "$part: exec: devices that nobody lists" "$($runtime exec c sh -c "$probe; echo end" | xargs)" "m end"
    jq -n "{devices: $(rules rw)}" | $runtime update -r - c
    beyond "$part: update replaces the devices" "$($runtime exec c sh -c "$probe; echo end" | xargs)" "r w m end"
    jq -n "{devices: $(rules r)}" | $runtime update -r - c
    beyond "$part: update takes a right away" "$($runtime exec c sh -c "$probe; echo end" | xargs)" "r m end"
    $runtime update --pids-limit 50 c
    beyond "$part: an update without devices leaves them" "$($runtime exec c sh -c "$probe; echo end" | xargs) $(value pids.max)" "r m end 50"
    down
}
