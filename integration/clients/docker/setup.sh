# Sourced after `enter`: dockerd with its own directories, socket and bridge; `cli` is its client, see ../cli.sh.

need_tools docker.io dockerd
need_tools containerd containerd
need_tools util-linux unshare script
. "$clients/cli.sh"
scratch=$work
docker=/usr/bin/docker
[ -x $docker ] || docker=$(command -v docker) || { echo "no docker: apt-get install docker.io"; exit 1; }
socket=/run/docker-test/d.sock
export DOCKER_HOST=unix://$socket DOCKER_CONFIG=$work/config
mkdir -p "$work/config" /run/docker-test
iptables -t nat -L >/dev/null 2>&1 && filter=true || filter=false
cat >"$work/daemon.json" <<CONFIG
{ "data-root": "$work/data", "exec-root": "/run/docker-test/exec", "pidfile": "/run/docker-test/d.pid", "hosts": ["$DOCKER_HOST"],
  "bip": "172.31.77.1/24", "storage-driver": "overlay2", "exec-opts": ["native.cgroupdriver=cgroupfs"], "iptables": $filter, "ip6tables": false,
  "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1024, "Hard": $(most n)}},
  "runtimes": {"reference": {"path": "$reference"}, "tested": {"path": "$runtime"}, "wasm": {"path": "${wasm:-$runtime}"}} }
CONFIG
dockerd --config-file "$work/daemon.json" >"$work/log" 2>&1 &
until_true $docker version || { echo "dockerd does not answer:"; tail -n 20 "$work/log"; exit 1; }

make_archive
$docker import --change 'ENV PATH=/bin:/usr/bin' --change 'CMD ["/bin/sh"]' "$work/bb.tar" "$image" >/dev/null || { echo "cannot import the image"; exit 1; }

# As a program, so that script(1) and timeout(1) can run it; $binary is the runtime of the moment.
cat >"$work/cli" <<DK
#!/bin/bash
verb=\$1
shift
case \$verb in run | create) set -- --runtime "\$([ "\$binary" = "$reference" ] && echo reference || echo tested)" "\$@" ;; esac
exec timeout -k 5 60 $docker "\$verb" "\$@"
DK
chmod 755 "$work/cli"
export binary
PATH=$work:$PATH

down() { cli rm -f box >/dev/null 2>&1; }
