# Sourced by run.sh: config.json files as containerd's CRI, CRI-O, Kubernetes and podman wrote them, with an annotation for the pod.

fixtures=$here/../../../tests/fixtures

# A bundle of a recording: what lay on its machine is left out (sources, namespaces, users' limits), the rest stays.
recorded_bundle() { # FILE JQ-FILTER
    rm -rf "$work/recorded" && mkdir -p "$work/recorded"
    cp -a "$work/rootfs" "$work/recorded/rootfs"
    cp "$modules"/*.wasm "$work/recorded/rootfs/"
    printf '#!/bin/sh\necho "native $0"\n' >"$work/recorded/rootfs/pause" && chmod 755 "$work/recorded/rootfs/pause"
    jq --argjson most "$(most n)" '
        .root.path = "rootfs" | .linux.cgroupsPath = "/skiff-recorded/c"
        | .mounts |= map(select(.type != "bind")) | .linux.namespaces |= map(del(.path))
        | .process.rlimits |= (. // [] | map(.hard |= ([., $most] | min) | .soft |= ([., $most] | min)))
        | '"$2" "$fixtures/$1.json" >"$work/recorded/config.json"
}
recorded() { # FILE JQ-FILTER
    recorded_bundle "$1" "$2" || return
    timeout -k 5 30 "$binary" --root "$work/recorded/state" run --bundle "$work/recorded" r 2>&1
    echo "code $?"
    ls "$work/recorded/state"
}

part_recorded() {
    make_archive
    local name annotate=".annotations[\"module.wasm.image/variant\"] = \"compat\""
    for name in containerd16-cri-sandbox kube136-v1-sandbox; do
        expect recorded 'native /pause;code 0' "recorded: $name stays native" $name "$annotate"
    done
    expect recorded 'native /pause;code 0' 'recorded: a sandbox of CRI-O stays native' crio137-wasm \
        '.annotations["io.kubernetes.cri-o.ContainerType"] = "sandbox" | .process.args = ["/pause"]'
    for name in containerd16-cri-container kube136-v1-container-limits kube136-v1-container-restricted crio137-v1-container; do
        expect recorded 'main 7;code 7' "recorded: $name, a module" $name "$annotate | .process.args = [\"/exit.wasm\", \"main\", \"7\"]"
        expect recorded 'native;code 0' "recorded: $name, smart, a native command" $name \
            '.annotations["module.wasm.image/variant"] = "compat-smart" | .process.args = ["/bin/echo", "native"]'
    done
    for name in crio137-wasm podman43-wasm; do
        expect recorded 'hello*;code 0' "recorded: $name" $name .
    done
    expect recorded 'began with * pages;grew to 8[89]? pages;code 0' 'recorded: the limit of memory of kube136-v1-container-limits' \
        kube136-v1-container-limits "$annotate | .process.args = [\"/memory.wasm\", \"touch\"]"
}
