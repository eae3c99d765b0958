#!/bin/bash
# Modules under podman, ctr and docker, and under the recorded config.json files of those that do not run here. See README.md.
#   run.sh [SKIFF]     with SKIFF-wasm beside it; environment: see ../lib.sh; PARTS="podman rootless ctr recorded docker"
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../lib.sh"
# Outside of the private view, which has no network to fetch compilers from.
[ -n "${SKIFF_CLIENT_WORK:-}" ] || GUESTS=$("$here/../../wasm/build" guests)/guests || exit 1
export GUESTS
enter wasm "$@"
[ -n "$wasm" ] || { echo "wasm: no second binary beside $SKIFF_CLIENT_RUNTIME: integration/engine/build --compiler, integration/engine/cargo build"; exit 1; }
# The code that is compiled here goes with the view, and what was compiled before does not show in it.
mkdir -p "$work/cache"/{upper,work}
mount -t overlay -o "lowerdir=/var/cache,upperdir=$work/cache/upper,workdir=$work/cache/work" overlay /var/cache || exit 1
rm -rf /var/cache/skiff
binary=$runtime
strict=module.wasm.image/variant=compat smart=module.wasm.image/variant=compat-smart
modules=$work/modules
mkdir "$modules" && cp "$GUESTS"/{hello,world,exit,trap,wait,memory,files,echo,echo-v2,text}.wasm "$modules"

. "$here/podman.sh"
. "$here/ctr.sh"
. "$here/recorded.sh"
. "$here/docker.sh"

echo "wasm: $("$wasm" --version | head -1), $("$wasm" --version | grep -i wasmedge)"
# docker's rules for packets would stand in podman's way
for part in ${PARTS:-podman rootless ctr recorded docker}; do "part_$part"; done
finish
