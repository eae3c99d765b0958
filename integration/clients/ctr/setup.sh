# Sourced after `enter`: containerd with its own directories and socket, and images for ctr.

need_tools containerd containerd ctr containerd-shim-runc-v2
need_tools util-linux unshare script
socket=$work/c.sock
namespace=skiff-test

# --- the daemon
cat >"$work/config.toml" <<CONFIG
version = 2
root = "$work/root"
state = "$work/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs"]
[grpc]
  address = "$socket"
CONFIG
containerd --config "$work/config.toml" --log-level warn >"$work/log" 2>&1 &
export CONTAINERD_ADDRESS=$socket CONTAINERD_NAMESPACE=$namespace
until_true ctr version || { echo "containerd does not answer:"; cat "$work/log"; exit 1; }

# --- an OCI archive with one layer, busybox and its links, and two images: ctr 1.6 takes the user from the image only
make_images() {
    local layout=$work/layout
    make_archive && mkdir -p "$layout/blobs/sha256"
    local arch diff layer config manifest user
    arch=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
    diff=$(sha256sum <"$work/bb.tar" | cut -d ' ' -f 1)
    layer=$(blob application/vnd.oci.image.layer.v1.tar <"$work/bb.tar")
    local manifests=()
    for user in '' user; do
        config=$(printf '{"architecture":"%s","os":"linux","config":{"User":"%s","Env":["PATH=/bin:/usr/bin"],"Cmd":["/bin/sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$arch" "$user" "$diff" |
            blob application/vnd.oci.image.config.v1+json)
        manifest=$(printf '{"schemaVersion":2,"config":%s,"layers":[%s]}' "$config" "$layer" | blob application/vnd.oci.image.manifest.v1+json)
        manifests+=("${manifest%\}},\"annotations\":{\"io.containerd.image.name\":\"$image$user\"}}")
    done
    printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
    printf '{"schemaVersion":2,"manifests":[%s,%s]}' "${manifests[@]}" >"$layout/index.json"
    tar -C "$layout" -cf "$work/image.tar" oci-layout index.json blobs
}

# Stores standard input as a blob and prints its descriptor.
blob() {
    local file=$work/blob digest
    cat >"$file"
    digest=$(sha256sum <"$file" | cut -d ' ' -f 1)
    mv "$file" "$work/layout/blobs/sha256/$digest"
    printf '{"mediaType":"%s","digest":"sha256:%s","size":%d}' "$1" "$digest" "$(stat -c %s "$work/layout/blobs/sha256/$digest")"
}

make_images && ctr images import "$work/image.tar" >/dev/null || { echo "cannot import the image"; exit 1; }
