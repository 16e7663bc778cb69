#!/usr/bin/env bash
# Greenroom on a local cluster, with one command. Run it again after a failure: each step looks first at what is done.
set -euo pipefail
# shellcheck source=scripts/k8s-steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/k8s-steps.sh"
# shellcheck source=scripts/k8s-secrets.sh
. "$(dirname "${BASH_SOURCE[0]}")/k8s-secrets.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/start-k8s.sh [options]

Installs Greenroom on a local Kubernetes and forwards its ports until Ctrl-C:
  1 checks Docker  2 finds or installs the cluster's program  3 starts the cluster  4 builds the images
  5 deploys Greenroom, and what else the overlay has  6 waits until all is ready  7 forwards ports

  --driver NAME    minikube (default), kind, k3s, or current: the cluster that kubectl talks to now
  --overlay DIR    what is deployed (default: manifests/overlays/dev)
                   PostgreSQL and Redis are the overlay's, if it has Services of these names, else those of --env
  --env FILE       credentials (default: .env; cp .env.example .env makes one). They become Secrets of the cluster
  --no-build       the cluster has the images already; always so with --driver current
  --no-forward     ends when all is ready, and forwards no port
  --api-port, --try-port, --livekit-port N
                   ports of this machine (3000, 5173 and 7880)
  --timeout SECS   how long one component may take to be ready (default: 300)
  --dry-run        shows what would be done and changes nothing
  --help           shows this

scripts/stop-k8s.sh stops it; scripts/delete-k8s.sh deletes it. NODE_DIGEST names the base image of the build.
TEXT
}

OVERLAY=$REPOSITORY/manifests/overlays/dev
ENV_FILE=$REPOSITORY/.env
BUILD=yes
FORWARD=yes
TIMEOUT=300
API_PORT=3000
TRY_PORT=5173
LIVEKIT_PORT=7880

number_in() {
  case $2 in
    '' | *[!0-9]*) fail "$1 \"$2\" is no whole number." "give one, such as 300." ;;
  esac
  printf '%s' "$2"
}

read_options() {
  while [ $# -gt 0 ]; do
    case $1 in
      --driver | --overlay | --env | --timeout | --api-port | --try-port | --livekit-port)
        [ $# -ge 2 ] || fail "$1 needs a value." "scripts/start-k8s.sh --help lists the options."
        case $1 in
          --driver) DRIVER=$2 ;;
          --overlay) OVERLAY=$2 ;;
          --env) ENV_FILE=$2 ;;
          --timeout) TIMEOUT=$(number_in "$1" "$2") ;;
          --api-port) API_PORT=$(number_in "$1" "$2") ;;
          --try-port) TRY_PORT=$(number_in "$1" "$2") ;;
          --livekit-port) LIVEKIT_PORT=$(number_in "$1" "$2") ;;
        esac
        shift
        ;;
      --no-build) BUILD= ;;
      --no-forward) FORWARD= ;;
      --dry-run) DRY_RUN=yes ;;
      --help | -h) usage && exit 0 ;;
      *) fail "There is no option \"$1\"." "scripts/start-k8s.sh --help lists the options." ;;
    esac
    shift
  done
  [ -n "$DRIVER" ] || DRIVER=minikube
  check_driver
  [ -f "$OVERLAY/kustomization.yaml" ] ||
    fail "$OVERLAY has no kustomization.yaml." "give --overlay a folder below manifests/overlays."
  [ "$DRIVER" != current ] || BUILD=
}

check_docker() {
  say '1/7 Docker'
  if [ "$DRIVER" = current ]; then
    say '  not needed for --driver current'
    return
  fi
  if [ -n "$DRY_RUN" ]; then
    say '  would run: docker info'
    return
  fi
  has docker || fail "Docker is not installed." \
    "install Docker Desktop (https://docker.com/products/docker-desktop) or OrbStack, then run this command again."
  docker info >/dev/null 2>&1 || fail "Docker is not running." \
    "start Docker Desktop or OrbStack (Linux: sudo systemctl start docker), then run this command again."
  say '  runs'
}

install_program() {
  say "2/7 kubectl and $DRIVER"
  if [ -n "$DRY_RUN" ]; then
    say "  would install $DRIVER if it is missing"
    return
  fi
  need_kubectl
  case $DRIVER in
    minikube) has minikube || install_minikube ;;
    kind)
      has kind || fail "kind is not installed." \
        "brew install kind, or go install sigs.k8s.io/kind@latest, then run this command again."
      ;;
    k3s)
      has k3s || fail "k3s is not installed." \
        "install it as root (https://docs.k3s.io/quick-start), then run this command again."
      ;;
  esac
  say '  found'
}

# From its own release page, checked against the digest that is published beside it; into a folder of the user.
install_minikube() {
  local system machine base folder
  if has brew; then
    say '  installing minikube with brew'
    brew install minikube ||
      fail "brew could not install minikube." "https://minikube.sigs.k8s.io/docs/start/ shows other ways."
    return
  fi
  has curl || fail "minikube is not installed, and there is no curl to fetch it." \
    "install curl or minikube (https://minikube.sigs.k8s.io/docs/start/), then run this command again."
  system=$(uname -s | tr '[:upper:]' '[:lower:]')
  case $(uname -m) in
    x86_64) machine=amd64 ;;
    arm64 | aarch64) machine=arm64 ;;
    *) fail "minikube is not built for $(uname -m)." "use another --driver." ;;
  esac
  base=https://github.com/kubernetes/minikube/releases/latest/download/minikube-$system-$machine
  folder=${GREENROOM_BIN:-$HOME/.local/bin}
  say "  installing minikube into $folder"
  mkdir -p "$folder"
  if ! curl -fsSL -o "$folder/minikube.part" "$base" || ! curl -fsSL -o "$folder/minikube.sha256" "$base.sha256"; then
    rm -f "$folder/minikube.part" "$folder/minikube.sha256"
    fail "minikube could not be fetched." "check the network, or install it: https://minikube.sigs.k8s.io/docs/start/."
  fi
  if [ "$(digest_of "$folder/minikube.part")" != "$(tr -d '[:space:]' <"$folder/minikube.sha256")" ]; then
    rm -f "$folder/minikube.part" "$folder/minikube.sha256"
    fail "The minikube that was fetched is not the published one." "run this command again on another network."
  fi
  rm -f "$folder/minikube.sha256"
  chmod +x "$folder/minikube.part"
  mv "$folder/minikube.part" "$folder/minikube"
  PATH=$folder:$PATH
}

digest_of() {
  if has sha256sum; then sha256sum "$1" | cut -d' ' -f1; else shasum -a 256 "$1" | cut -d' ' -f1; fi
}

start_cluster() {
  say "3/7 Cluster ($DRIVER)"
  case $DRIVER in
    minikube)
      if [ -z "$DRY_RUN" ] && minikube status >/dev/null 2>&1; then
        say '  runs already'
      else
        do_it minikube start --driver=docker --cpus=4 --memory=8192 || fail "minikube did not start." \
          "give Docker 4 CPUs and 8 GiB, or: minikube delete; then run this command again."
      fi
      ;;
    kind)
      if [ -z "$DRY_RUN" ] && kind get clusters 2>/dev/null | grep -qx "$CLUSTER_NAME"; then
        say '  exists already'
      else
        do_it kind create cluster --name "$CLUSTER_NAME" --wait 120s || fail "kind made no cluster." \
          "kind delete cluster --name $CLUSTER_NAME, then run this command again."
      fi
      ;;
  esac
  [ -z "$DRY_RUN" ] || return 0
  kube get --raw /readyz >/dev/null 2>&1 || fail "The cluster does not answer $(kube_words)." "$(cluster_remedy)"
  mkdir -p "$STATE"
  printf '%s\n' "$DRIVER" >"$STATE/driver"
  say '  answers'
}

cluster_remedy() {
  case $DRIVER in
    minikube) printf 'minikube delete, then run this command again.' ;;
    kind) printf 'kind delete cluster --name %s, then run this command again.' "$CLUSTER_NAME" ;;
    k3s) printf 'sudo systemctl start k3s, and let your user read %s.' "${K3S_KUBECONFIG:-/etc/rancher/k3s/k3s.yaml}" ;;
    current) printf 'kubectl config get-contexts shows the clusters; kubectl config use-context NAME chooses one.' ;;
  esac
}

image_version() { sed -n 's/^  "version": "\(.*\)",$/\1/p' "$REPOSITORY/package.json"; }

build_images() {
  local image
  image=greenroom:$(image_version)
  say "4/7 Image $image"
  if [ -z "$BUILD" ]; then
    say '  not built: the cluster has to find it'
    return
  fi
  if [ -n "$DRY_RUN" ]; then
    say "  would build $image, and bring it into the cluster"
    return
  fi
  # minikube's own Docker: what is built there needs no registry.
  if [ "$DRIVER" = minikube ]; then eval "$(minikube docker-env)"; fi
  if [ -z "${NODE_DIGEST:-}" ]; then
    NODE_DIGEST=$(docker buildx imagetools inspect node:26-bookworm-slim --format '{{.Manifest.Digest}}') ||
      fail "The digest of node:26-bookworm-slim could not be read." \
        "check the network, or set NODE_DIGEST=sha256:…, then run this command again."
  fi
  docker build --build-arg "NODE_DIGEST=$NODE_DIGEST" -t "$image" "$REPOSITORY" ||
    fail "The image was not built." "read the lines above, then run this command again."
  # The names of the STELLA documents.
  docker tag "$image" session-management-server:latest
  docker tag "$image" conversational-ai-server:latest
  case $DRIVER in
    kind)
      kind load docker-image "$image" --name "$CLUSTER_NAME" ||
        fail "kind did not take the image." "check the space of Docker's disk, then run this command again."
      ;;
    k3s)
      docker save "$image" | k3s ctr images import - ||
        fail "k3s did not take the image." "run this command as a user who may run k3s ctr (root)."
      ;;
  esac
}

deploy() {
  say '5/7 Deploy'
  if [ -n "$DRY_RUN" ]; then
    say "  would make the namespaces and the Secrets from $ENV_FILE (values are never shown)"
    say "  would run: $(kube_words) apply --server-side -k $OVERLAY"
    return
  fi
  for name in "$NAMESPACE" "$SYSTEM_NAMESPACE"; do
    printf 'apiVersion: v1\nkind: Namespace\nmetadata: { name: %s }\n' "$name" |
      kube apply --server-side -f - >/dev/null ||
      fail "Namespace $name could not be made." "ask for the right to make namespaces, then run this command again."
  done
  local before after
  before=$(secret_version session-management-server)
  make_secrets
  after=$(secret_version session-management-server)
  kube apply --server-side --force-conflicts -k "$OVERLAY" || fail "$OVERLAY was not applied." \
    "read the lines above. A webhook that is starting refuses pods for some seconds: run this command again."
  if [ -n "$before" ] && [ "$before" != "$after" ]; then
    # Pods read their Secret when they start.
    say '  Secret session-management-server has changed, so the session server starts again'
    kube rollout restart deployment/session-management-server -n "$NAMESPACE" >/dev/null ||
      fail "The session server was not restarted." "$(kube_words) rollout restart deployment/session-management-server -n $NAMESPACE."
  fi
}

# secret_version NAME: another one whenever its content changes; nothing if it is not there.
secret_version() {
  kube get secret "$1" -n "$NAMESPACE" --ignore-not-found -o 'jsonpath={.metadata.resourceVersion}' ||
    fail "Secret $1 could not be read." "check that you may read Secrets in $NAMESPACE."
}

wait_for_all() {
  say '6/7 Wait'
  if [ -n "$DRY_RUN" ]; then
    say '  would wait for every Deployment and StatefulSet, and for a warm pod'
    return
  fi
  local place name
  for place in "$NAMESPACE" "$SYSTEM_NAMESPACE"; do
    for name in $(kube get statefulsets,deployments -n "$place" -o name | sort -r); do
      say "  $name"
      kube rollout status "$name" -n "$place" --timeout="${TIMEOUT}s" || fail "$name is not ready after $TIMEOUT s." \
        "$(kube_words) describe $name -n $place; $(kube_words) get events -n $place --sort-by=.lastTimestamp; docs/operate/troubleshooting.md."
    done
  done
  say '  a warm agent'
  local waited=0
  until kube wait pods -n "$NAMESPACE" -l greenroom.dev/state=idle --for=condition=Ready --timeout=5s >/dev/null 2>&1; do
    waited=$((waited + 5))
    [ "$waited" -lt "$TIMEOUT" ] || fail "No agent pod is ready after $TIMEOUT s." \
      "$(kube_words) get events -n $NAMESPACE --field-selector involvedObject.name=agent-pools; docs/pool-problems.md."
    sleep "${GREENROOM_K8S_PAUSE:-2}"
  done
}

# Starts kubectl again when it ends: it does whenever the pod behind it goes.
keep_forward() {
  local child=
  trap 'kill "$child" 2>/dev/null; exit 0' TERM INT
  while :; do
    # Without exec the child would be a shell, and its kubectl would outlive it.
    KUBE_BY='exec' kube port-forward -n "$NAMESPACE" "$1" "$2" >/dev/null 2>>"$STATE/port-forward.log" &
    child=$!
    wait "$child" || true
    sleep "${GREENROOM_K8S_PAUSE:-2}"
  done
}

# in_use PORT: whether something listens there on this machine.
in_use() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

forward_ports() {
  say '7/7 Ports'
  local server=svc/session-management-server
  if [ -n "$DRY_RUN" ]; then
    say "  would forward $API_PORT and $TRY_PORT to $server, $LIVEKIT_PORT to svc/livekit"
    return
  fi
  [ -n "$FORWARD" ] || return 0
  stop_forwards
  local pairs="$server=$API_PORT:3000 $server=$TRY_PORT:3000" pair port
  # LiveKit tells callers its own port for media, so that one is the same on this machine.
  if kube get svc livekit -n "$NAMESPACE" >/dev/null 2>&1; then
    pairs="$pairs svc/livekit=$LIVEKIT_PORT:7880 svc/livekit=7881:7881"
  fi
  for pair in $pairs; do
    port=${pair#*=}
    port=${port%%:*}
    if in_use "$port"; then
      fail "Port $port of this machine is in use." "end the program that listens there (lsof -i :$port), then run this command again."
    fi
  done
  : >"$STATE/forwards"
  trap 'stop_forwards; exit 0' INT TERM
  trap stop_forwards EXIT
  for pair in $pairs; do
    keep_forward "${pair%%=*}" "${pair#*=}" &
    printf '%s\n' "$!" >>"$STATE/forwards"
  done
  say "  Session API  http://localhost:$API_PORT"
  say "  Try it       http://localhost:$TRY_PORT/try"
  case $pairs in *livekit*) say "  LiveKit      ws://localhost:$LIVEKIT_PORT" ;; esac
  say "  API key      $(kube_words) get secret session-management-server -n $NAMESPACE -o jsonpath='{.data.GREENROOM_API_KEYS}' | base64 -d"
  say 'Ctrl-C ends the port forwards; the cluster goes on. scripts/stop-k8s.sh stops it.'
  wait
}

read_options "$@"
[ -n "$DRY_RUN" ] || need_env_file
check_docker
install_program
start_cluster
build_images
deploy
wait_for_all
forward_ports
