#!/usr/bin/env bash
# Stops what start-k8s.sh started; the data stays.
set -euo pipefail
# shellcheck source=scripts/k8s-steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/k8s-steps.sh"

while [ $# -gt 0 ]; do
  case $1 in
    --driver)
      [ $# -ge 2 ] || fail "--driver needs a value." "scripts/stop-k8s.sh --help lists the options."
      DRIVER=$2
      shift
      ;;
    --dry-run) DRY_RUN=yes ;;
    --help | -h)
      say 'Usage: scripts/stop-k8s.sh [--driver minikube|kind|k3s|current] [--dry-run]'
      say 'Ends the port forwards and stops the cluster; its data stays. Clusters of k3s and current go on.'
      exit 0
      ;;
    *) fail "There is no option \"$1\"." "scripts/stop-k8s.sh --help lists the options." ;;
  esac
  shift
done
recall_driver
stop_forwards
case $DRIVER in
  minikube) do_it minikube stop || fail "minikube did not stop." "minikube status says why." ;;
  kind)
    do_it docker stop "$CLUSTER_NAME-control-plane" ||
      fail "The node of kind did not stop." "docker ps --filter name=$CLUSTER_NAME shows it."
    ;;
  k3s) say 'The port forwards are ended. k3s goes on: sudo systemctl stop k3s stops it.' ;;
  current) say 'The port forwards are ended. The cluster goes on: scripts/delete-k8s.sh removes Greenroom from it.' ;;
esac
