# Sourced after `enter`: podman with its own storage, users, networks and configuration; `cli` is it, see ../cli.sh.

need_tools podman podman conmon
need_tools util-linux unshare script setpriv
. "$clients/cli.sh"
scratch=$work/scratch rootfs=$work/rootfs
mkdir "$work/etc" "$work/hooks" && mkdir -m 1777 "$scratch"
# Users are made in copies: `containers` lends the ids of --userns auto, `skifftest` has a range of ids, `skiffone` has none.
for file in passwd group shadow subuid subgid; do
    cp -p "/etc/$file" "$work/etc/$file" 2>/dev/null || touch "$work/etc/$file"
    [ -e "/etc/$file" ] && mount --bind "$work/etc/$file" "/etc/$file"
done
printf '%s\n' "skifftest:x:54345:54345::$work/home:/bin/sh" "skiffone:x:54346:54346::$work/home-one:/bin/sh" >>/etc/passwd
printf '%s\n' skifftest:x:54345: skiffone:x:54346: >>/etc/group
# slirp4netns needs a device that only root may open here
mkdir -p "$work/net" && cp -a /dev/net/. "$work/net" 2>/dev/null && chmod 666 "$work/net/tun" && mount --bind "$work/net" /dev/net
printf '%s\n' containers:500000:100000 skifftest:700000:65536 | tee -a /etc/subuid >>/etc/subgid
cat >"$work/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=$(most n):$(most n)", "nproc=$(most u):$(most u)"]
pids_limit = 0
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime_supports_json = ["$(basename "$reference")", "$(basename "$runtime")", "crun-wasm"]
runtime_supports_nocgroup = ["$(basename "$reference")", "$(basename "$runtime")"]
CONF
[ -z "$wasm" ] || printf '[engine.runtimes]\ncrun-wasm = ["%s"]\n' "$wasm" >>"$work/containers.conf"
printf '[storage]\ndriver = "overlay"\nrunroot = "/run/podman-test"\ngraphroot = "%s/store"\n' "$work" >"$work/storage.conf"
printf '{ "default": [{ "type": "insecureAcceptAnything" }] }\n' >"$work/policy.json"
export CONTAINERS_CONF=$work/containers.conf CONTAINERS_STORAGE_CONF=$work/storage.conf
# As a program, so that script(1) and timeout(1) can run it; $binary is the runtime of the moment, $as the user without privileges.
cat >"$work/cli" <<'PM'
#!/bin/bash
podman=(podman --root "$store" --runroot "$runroot" --runtime "$binary" --network-config-dir "$work/networks")
if [ -n "$as" ]; then
    home=$(getent passwd "$as" | cut -d : -f 6)
    cd "$home" || exit 1
    podman=(podman --root "$store" --runroot "$runroot" --runtime "$binary")
    podman=(setpriv --reuid "$as" --regid "$as" --init-groups --inh-caps=-all env -u SKIFF_CLIENT_WORK HOME="$home" TMPDIR="$home" USER="$as" XDG_RUNTIME_DIR="/run/user/$as" XDG_CONFIG_HOME="$home/.config" "${podman[@]}")
fi
exec timeout -k 5 60 "${podman[@]}" "$@"
PM
chmod 755 "$work/cli"
export work binary store=$work/store runroot=/run/podman-test as=
PATH=$work:$PATH

make_archive
import() { cli import --change 'ENV PATH=/bin:/usr/bin' --change 'CMD ["/bin/sh"]' "$work/bb.tar" "$image" >"$work/import.log" 2>&1 || { cat "$work/import.log"; return 1; }; }
binary=$reference import || { echo "cannot import the image"; exit 1; }

down() { cli rm -af -t 0 >/dev/null 2>&1; }
here_or_not() { [ "$(cli exec "$1" readlink "/proc/self/ns/$2")" = "$(readlink "/proc/self/ns/$2")" ] && echo "host's $2" || echo "own $2"; }
# From here on the actions are this user's.
become() { # USER
    as=$1 store=$work/store-$1 runroot=/run/user/$1/podman-test
    mkdir -p "$(getent passwd "$1" | cut -d : -f 6)" "$store" "/run/user/$1"
    chown "$1:$1" "$(getent passwd "$1" | cut -d : -f 6)" "$store" "/run/user/$1"
    chmod 700 "/run/user/$1"
    chmod 755 "$work"
    scratch=$work/scratch-$1 rootfs=$work/rootfs-$1
    install -d -o "$1" "$scratch"
    cp -a "$work/rootfs" "$rootfs" && chown -R "$1:$1" "$rootfs"
    binary=$reference import
}
