# Sourced by the scripts beside it: where the guests lie, how a part is built once, and Debian's packages unpacked apart.
# shellcheck disable=SC2034  # what it sets is read there

wasm=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$wasm/../.." && pwd)
suite=${SKIFF_GUEST_SUITE:-forky}
cache=${SKIFF_WASM_GUESTS:-${XDG_CACHE_HOME:-/var/cache}/skiff-wasm-guests}

# Builds a part in a directory of its own and moves it into place; does nothing when what lies there came of the same recipe.
# The part's function `make_NAME` is called in the new directory, by a process in which `set -e` holds.
part() ( # NAME RECIPE-FILES...
    set -eE
    name=$1 new=$cache/$1.new
    shift
    mkdir -p "$cache"
    exec 9>"$cache/$name.lock"
    flock 9
    wanted=$( (cd "$wasm" && echo "$suite" && sha256sum "$@") | sha256sum)
    [ "$(cat "$cache/$name/stamp" 2>/dev/null)" != "$wanted" ] || exit 0
    echo "building $name in $cache" >&2
    # What is out of date is of no use to anybody, also when building fails.
    rm -rf --one-file-system "$new" "${cache:?}/$name"
    mkdir "$new"
    trap 'rm -rf --one-file-system "$new"' EXIT
    trap 'echo "building $name failed: $BASH_COMMAND" >&2' ERR
    cd "$new"
    "make_$name"
    echo "$wanted" >stamp
    mv "$new" "$cache/$name"
)

# An apt for the suite with lists, cache and status of its own. The machine's hooks and sources do not count, its proxies and
# clocks do.
apt_apart() { # DIRECTORY
    local key=/usr/share/keyrings/debian-archive-keyring.gpg
    mkdir -p "$1"/{lists,archives}/partial "$1/none"
    : >"$1/status"
    echo "deb [signed-by=$key] ${SKIFF_GUEST_MIRROR:-$(mirror)} $suite main" >"$1/sources.list"
    apt-config dump --format '%f "%v";%n' Acquire | grep -v '^Acquire "' >"$1/apt.conf" || true
    cat >>"$1/apt.conf" <<CONF
Dir::Etc::Main "/dev/null";
Dir::Etc::Parts "$1/none";
Dir::Etc::SourceList "$1/sources.list";
Dir::Etc::SourceParts "$1/none";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "$1/none";
Dir::State::Lists "$1/lists";
Dir::State::status "$1/status";
Dir::Cache "$1";
Dir::Cache::archives "$1/archives";
APT::Sandbox::User "";
APT::Architectures { "$(dpkg --print-architecture)"; };
APT::Install-Recommends "false";
Acquire::Languages "none";
CONF
    export APT_CONFIG=$1/apt.conf
    apt-get -qq update
}

# Sets `apart` to the words that run a program which was unpacked apart, with the libraries it came with.
apart() { # ROOT PROGRAM
    local libraries
    libraries=$(dirname "$1"/usr/lib/*/libc.so.6)
    apart=("$libraries"/ld-linux-*.so.* --library-path "$libraries" "$1"$2)
}
