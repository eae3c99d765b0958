# Sourced by the scripts beside it: where the engine's prefix lies, and whether what lies there is whole.

engine=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$engine/../.." && pwd)
prefix=${SKIFF_ENGINE:-${XDG_CACHE_HOME:-/var/cache}/skiff-engine}
# The version that skiff was tried with; another one of the same minor number is taken, with a word.
tried=0.17.1
accepted=${SKIFF_ENGINE_VERSION:-${tried%.*}}

say() { echo "engine: $*" >&2; }
die() { say "$@" && exit 1; }

recipe() { (cd "$engine" && echo "${SKIFF_ENGINE_SUITE:-forky} $accepted" && sha256sum build lib.sh stub-llvm) | sha256sum; }

version_of() { # DIRECTORY with wasmedge/version.h
    sed -n 's/^#define WASMEDGE_VERSION "\(.*\)"/\1/p' "$1/wasmedge/version.h" 2>/dev/null
}

fits() { case $1 in "$accepted" | "$accepted".*) return 0 ;; *) return 1 ;; esac }

# The stamp is written last, so a prefix with one was complete; this tells whether it still is.
whole() {
    [ -e "$prefix/link/libwasmedge.so" ] && fits "$(version_of "$prefix/include")" &&
        (cd "$prefix" && sha256sum --status --check manifest 2>/dev/null)
}
