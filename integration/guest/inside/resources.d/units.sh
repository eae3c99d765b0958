# What only the systemd driver has: names of slices and scopes, properties of the unit.

scope_at() { # CGROUPSPATH WANTED-END-OF-CGROUP
    path=$1
    up . 'exec sleep 1000' || return
    is "$part: cgroupsPath $1" "$([[ $cg == *$2 ]] && echo "$2" || echo "$cg")" "$2"
    down
    is_gone "cgroupsPath $1"
    path=:t:c
}

property() { # ANNOTATION VALUE PROPERTY WANTED
    up ".annotations = {\"org.systemd.property.$1\": \"$2\"}" 'exec sleep 1000' || return
    is "$part: annotation $1" "$($ctl show -P "$3" "${cg##*/}")" "$4"
    down
}

units() {
    local slice=system.slice
    [ -z "$rootless" ] || slice=user.slice
    scope_at :t:c "/$slice/t-c.scope"
    scope_at a-b.slice:t:c /a.slice/a-b.slice/t-c.scope
    scope_at "-.slice:t:c" "/t-c.scope"
    path=:t:c
    $ctl stop a.slice a-b.slice 2>/dev/null

    up . 'exec sleep 1000' || return
    is "$part: the scope is delegated" "$($ctl show -P Delegate "${cg##*/}")" yes
    is "$part: the scope counts" "$(for name in Memory Tasks IO; do $ctl show -P ${name}Accounting "${cg##*/}"; done | xargs)" "yes yes yes"
    is "$part: the scope is running" "$($ctl show -P SubState "${cg##*/}") $($ctl show -P DefaultDependencies "${cg##*/}")" "running no"
    is "$part: systemctl status counts its process" "$($ctl status "${cg##*/}" | sed -n 's/ *Tasks: \([0-9]*\).*/\1/p')" 1
    down

    # Another caller reloads systemd, and it puts everything in place that it knows of.
    up "$everything" 'trap "exit 0" TERM; while :; do sleep 0.1; done' || return
    $runtime update --pids-limit 40 --memory 80M c
    local before
    before=$(limits_of)
    $ctl daemon-reload
    is "$part: a reload leaves the limits" "$(diff <(echo "$before") <(limits_of))" ""
    $ctl stop "${cg##*/}"
    until_true eval "[ \"\$($runtime state c | jq -r .status)\" = stopped ]"
    is "$part: systemctl stop" "$(status)" stopped
    down
    is_gone "delete after systemctl stop"

    property TimeoutStopUSec "uint64 123000000" TimeoutStopUSec 2min\ 3s
    property TimeoutStopSec "uint64 5" TimeoutStopUSec 5s
    property CollectMode "'inactive-or-failed'" CollectMode inactive-or-failed
    property Description "'of a test'" Description "of a test"
    property Wants "['basic.target']" Wants "basic.target"
    property SendSIGHUP "true" SendSIGHUP yes
    refuses "a property that does not exist" 'nonsense|propert' '.annotations = {"org.systemd.property.Nonsense": "true"}'
    refuses "a property that is no GVariant" 'propert|parse|variant' '.annotations = {"org.systemd.property.CollectMode": "[unclosed"}'
    refuses "a property of another type" 'propert|type|invalid' '.annotations = {"org.systemd.property.TimeoutStopUSec": "true"}'
    refuses "a cgroupsPath of two parts" 'cgroupsPath|slice:prefix:name|cgroup' '.linux.cgroupsPath = "t:c"'
    refuses "a slice that is none" 'slice' '.linux.cgroupsPath = "a/b.slice:t:c"'
    refuses "a slice with an empty part" 'slice' '.linux.cgroupsPath = "a--b.slice:t:c"'
}
