#!/usr/bin/env bash
# Deletes Greenroom and its data from the cluster, and on request the cluster.
set -euo pipefail
# shellcheck source=scripts/k8s-steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/k8s-steps.sh"

YES=
CLUSTER=
while [ $# -gt 0 ]; do
  case $1 in
    --driver)
      [ $# -ge 2 ] || fail "--driver needs a value." "scripts/delete-k8s.sh --help lists the options."
      DRIVER=$2
      shift
      ;;
    --cluster) CLUSTER=yes ;;
    --yes) YES=yes ;;
    --dry-run) DRY_RUN=yes ;;
    --help | -h)
      say 'Usage: scripts/delete-k8s.sh [--driver minikube|kind|k3s|current] [--cluster] [--yes] [--dry-run]'
      say "Deletes the namespaces $NAMESPACE and $SYSTEM_NAMESPACE with everything in them, the database included."
      say '--cluster deletes the whole cluster of minikube or kind. Without --yes it asks.'
      exit 0
      ;;
    *) fail "There is no option \"$1\"." "scripts/delete-k8s.sh --help lists the options." ;;
  esac
  shift
done
recall_driver
if [ -n "$CLUSTER" ]; then
  case $DRIVER in
    minikube | kind) ;;
    *) fail "A cluster of --driver $DRIVER is not ours to delete." "leave out --cluster." ;;
  esac
fi
if [ -z "$YES$DRY_RUN" ]; then
  printf 'Delete Greenroom and its database from %s? Type yes: ' "$DRIVER"
  read -r answer || answer=
  [ "$answer" = yes ] || fail "Nothing was deleted." "type yes, or give --yes."
fi
stop_forwards
if [ -n "$CLUSTER" ]; then
  case $DRIVER in
    minikube) do_it minikube delete || fail "minikube was not deleted." "minikube delete --all --purge." ;;
    kind)
      do_it kind delete cluster --name "$CLUSTER_NAME" ||
        fail "kind's cluster was not deleted." "docker ps --filter name=$CLUSTER_NAME shows what is left."
      ;;
  esac
else
  need_kubectl
  # Webhooks first: without their pods nothing in the namespaces could be changed any more.
  for kind in mutatingwebhookconfiguration validatingwebhookconfiguration clusterrolebinding clusterrole priorityclass; do
    case $kind in
      *webhook*) name=agent-webhook ;;
      priorityclass) name=greenroom ;;
      *) name=agent-webhook-certificates ;;
    esac
    do_kube delete "$kind" "$name" --ignore-not-found ||
      fail "$kind $name was not deleted." "ask for the right to delete it, then run this command again."
  done
  do_kube delete namespace "$NAMESPACE" "$SYSTEM_NAMESPACE" --ignore-not-found --timeout=180s ||
    fail "The namespaces are not gone yet." "run this command again; $(kube_words) get all -n $NAMESPACE shows what is left."
fi
[ -n "$DRY_RUN" ] || rm -rf "$STATE"
