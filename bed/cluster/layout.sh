# Where everything lies and which addresses are used. Sourced by every script of this folder.
# shellcheck shell=bash disable=SC2034

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# pinned MODULE PACKAGE: the version that the module's go.mod requires.
pinned() { sed -n "s|^\s*$2 \(v[^ ]*\).*|\1|p" "$here/modules/$1/go.mod"; }

kube_version=$(pinned kubernetes k8s.io/kubernetes)
containerd_version=$(pinned containerd github.com/containerd/containerd/v2)
kube_router_version=$(pinned kube-router github.com/cloudnativelabs/kube-router/v2)
cache_root=${GREENROOM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/greenroom}
cache=$cache_root/kube-$kube_version
bin=$cache/bin            # binaries that ./build made
archives=$cache/images    # image archives that `up` loads into each new cluster
clusters=$cache_root/clusters # one file per cluster, named by its number, that holds the path of its state folder

node_name=greenroom-node
cri_namespace=k8s.io      # containerd's namespace for Kubernetes

log() { printf '%s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# need "PROGRAM PACKAGE"...: ends with the apt line that brings what is missing.
need() {
  local pair programs=() packages=()
  for pair in "$@"; do
    command -v "${pair%% *}" >/dev/null || { programs+=("${pair%% *}"); packages+=("${pair#* }"); }
  done
  (( ${#programs[@]} == 0 )) || die "missing: ${programs[*]}; on Debian or Ubuntu: apt-get install -y ${packages[*]}"
}

programs_of_up=("unshare util-linux" "nsenter util-linux" "mount mount" "ip iproute2" "iptables iptables"
  "iptables-restore iptables" "conntrack conntrack" "openssl openssl" "runc runc" "sysctl procps" "curl curl")
programs_of_images=("buildah buildah" "debootstrap debootstrap" "npm npm")

# need_root WHY
need_root() { [[ $(id -u) == 0 ]] || die "${0##*/} needs root: $1"; }

# Prints tenths of a second since the given $EPOCHREALTIME, as 12.3.
seconds_since() {
  local us=$(( ${EPOCHREALTIME/./} - ${1/./} ))
  printf '%d.%d' $((us / 1000000)) $((us % 1000000 / 100000))
}

# wait_for SECONDS WHAT COMMAND...: polls every 0.1 s until COMMAND succeeds.
wait_for() {
  local limit=$1 what=$2 start=$SECONDS; shift 2
  until "$@" >/dev/null 2>&1; do
    (( SECONDS - start < limit )) || { log "gave up after $limit s waiting for $what"; return 1; }
    sleep 0.1
  done
}

# The folder of the CNI plugins: $CNI_BIN, else where distributions put them.
cni_plugins() {
  local folder
  for folder in "${CNI_BIN:-}" /opt/cni/bin /usr/lib/cni; do
    [[ ! -x $folder/bridge ]] || { echo "$folder"; return; }
  done
}

newest_cluster() {
  local file newest=''
  for file in "$clusters"/*; do
    [[ ! -f $file || ( -n $newest && $newest -nt $file ) ]] || newest=$file
  done
  [[ -z $newest ]] || cat "$newest"
}

# The state folder to work on: the argument, else $GREENROOM_CLUSTER, else the cluster started last.
find_cluster() {
  state=${1:-${GREENROOM_CLUSTER:-$(newest_cluster)}}
  [[ -n $state && -f $state/cluster.env ]] || die "no cluster found${state:+ in $state}; start one with ./up"
  state=$(realpath "$state")
  # shellcheck source=/dev/null
  source "$state/cluster.env"
  use_addresses
}

# Every address of a cluster follows from its number, so that several can run side by side.
use_addresses() {
  : "${number:?}"
  host_ip=10.200.$number.1          # the machine's end of the cable into the node
  node_ip=10.200.$number.2          # API server, kubelet
  pod_cidr=10.210.$number.0/24
  bridge_ip=10.210.$number.1
  service_cidr=10.220.$number.0/24
  api_service_ip=10.220.$number.1
  dns_ip=10.220.$number.10
  host_link=greenroom$number        # on the machine
  cgroup=greenroom$number           # below it: every pod's cgroup
  socket=$state/node/run/containerd/containerd.sock
  export KUBECONFIG=$state/admin.kubeconfig
}

# Whether the node's first process is alive. Pids are used again, so its command line must name our state folder.
node_runs() {
  [[ -n ${node_pid:-} ]] && tr '\0' '\n' 2>/dev/null <"/proc/$node_pid/cmdline" | grep -qxF -- "$state"
}

kubectl() { "$bin/kubectl" "$@"; }
ctr() {
  "$bin/ctr" --address "$socket" --namespace "$cri_namespace" "$@" \
    2> >(grep -v 'DEPRECATION: The support for cgroup v1' >&2)
}

# Runs a command inside the node: its network, mounts, processes and host name.
in_node() { nsenter --target "$node_pid" --net --mount --uts --ipc --pid -- "$@"; }
