# shellcheck shell=bash
# What start-k8s.sh, stop-k8s.sh and delete-k8s.sh share. bash 3.2 must do, because macOS has no newer one.

REPOSITORY=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
STATE=${GREENROOM_K8S_STATE:-$REPOSITORY/.greenroom/k8s}
# The scripts that source this file read both.
# shellcheck disable=SC2034
NAMESPACE=ai-agents
# shellcheck disable=SC2034
SYSTEM_NAMESPACE=greenroom-system
CLUSTER_NAME=greenroom
DRIVER=
DRY_RUN=

say() { printf '%s\n' "$*"; }

# fail SENTENCE NEXT-STEP: what is wrong, and what to do about it.
fail() {
  printf 'Error: %s\n  Next: %s\n' "$1" "$2" >&2
  exit 1
}

# do_it COMMAND...: runs it, or shows it in a dry run.
do_it() {
  if [ -n "$DRY_RUN" ]; then
    say "  would run: $*"
  else
    "$@"
  fi
}

has() { command -v "$1" >/dev/null 2>&1; }

check_driver() {
  case $DRIVER in
    minikube | kind | k3s | current) ;;
    *) fail "There is no driver \"$DRIVER\"." "give --driver minikube, kind, k3s or current." ;;
  esac
}

# The driver that start-k8s.sh used, unless one was given.
recall_driver() {
  if [ -z "$DRIVER" ] && [ -f "$STATE/driver" ]; then DRIVER=$(cat "$STATE/driver"); fi
  [ -n "$DRIVER" ] || DRIVER=minikube
  check_driver
}

# kubectl on the cluster of the driver, whatever the current context is. KUBE_BY=exec replaces the shell by it.
kube() {
  local by=${KUBE_BY:-command}
  case $DRIVER in
    minikube) "$by" kubectl --context minikube "$@" ;;
    kind) "$by" kubectl --context "kind-$CLUSTER_NAME" "$@" ;;
    k3s) "$by" kubectl --kubeconfig "${K3S_KUBECONFIG:-/etc/rancher/k3s/k3s.yaml}" "$@" ;;
    current) "$by" kubectl "$@" ;;
  esac
}

# The same as words, for sentences that name a command to type.
kube_words() {
  case $DRIVER in
    minikube) printf 'kubectl --context minikube' ;;
    kind) printf 'kubectl --context kind-%s' "$CLUSTER_NAME" ;;
    k3s) printf 'kubectl --kubeconfig %s' "${K3S_KUBECONFIG:-/etc/rancher/k3s/k3s.yaml}" ;;
    current) printf 'kubectl' ;;
  esac
}

# do_kube ARGUMENTS...: kubectl on that cluster, or what it would be.
do_kube() {
  if [ -n "$DRY_RUN" ]; then say "  would run: $(kube_words) $*"; else kube "$@"; fi
}

need_kubectl() {
  has kubectl || fail "kubectl is not installed." \
    "brew install kubectl, or https://kubernetes.io/docs/tasks/tools/, then run this command again."
}

# Ends the port forwards that start-k8s.sh noted, and nothing else: a pid may belong to another program by now.
stop_forwards() {
  [ -f "$STATE/forwards" ] || return 0
  while read -r pid; do
    # The loop that starts kubectl again, and then its kubectl.
    case $(ps -o command= -p "$pid" 2>/dev/null) in
      *start-k8s.sh* | *port-forward*)
        if [ -n "$DRY_RUN" ]; then
          say "  would end port forward $pid"
        else
          kill "$pid" 2>/dev/null || say "  port forward $pid has ended already"
        fi
        ;;
    esac
  done <"$STATE/forwards"
  [ -n "$DRY_RUN" ] || rm -f "$STATE/forwards"
}
