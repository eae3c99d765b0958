#!/bin/bash
# The actions of podman as root and without it, under Debian's runc and under another runtime. See README.md.
#   run.sh [RUNTIME]     environment: see ../lib.sh; PARTS="root rootless"
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../lib.sh"
enter podman "$@"
. "$here/setup.sh"
. "$here/root.sh"
. "$here/rootless.sh"

echo "podman: $(podman --version | cut -d ' ' -f 3), $("$reference" --version | head -1) beside $("$runtime" --version | head -1)"
for part in ${PARTS:-root rootless}; do "part_$part"; done
finish
