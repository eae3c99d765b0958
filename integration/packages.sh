# Sourced by the scripts beside it. `need PACKAGE...` installs Debian packages that are missing; cargo is put on PATH.

command -v cargo >/dev/null || PATH="$HOME/.cargo/bin:$PATH"
command -v cargo >/dev/null || { echo "no cargo: install Rust first (https://rustup.rs)" >&2; exit 1; }

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q ' installed$'; }

apt() { apt-get -q -y -o Dpkg::Use-Pty=0 "$@" </dev/null; }

need() {
    local package missing=()
    command -v dpkg-query >/dev/null || { echo "no Debian here: install yourself: $*" >&2; return 0; }
    for package; do installed "$package" || missing+=("$package"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || { echo "as root: apt-get install ${missing[*]}" >&2; exit 1; }
    echo "installing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # The lists may be stale, and a mirror may be in the middle of an update.
    { apt update && apt install --no-install-recommends "${missing[@]}"; } >/dev/null ||
        { sleep 5; apt update && apt install --no-install-recommends "${missing[@]}"; }
}

# The mirror that apt uses on this machine, out of either format of its lists.
mirror() {
    local lists
    lists=$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true)
    sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb +(\[[^]]*\] +)?([^ ]+) .*/\2/p' <<<"$lists" | awk '/\/debian\/?$/ && !found++'
}
