# buildah with a store of its own in the cache. Sourced by the scripts that make images.
# shellcheck shell=bash

need "buildah buildah" "unshare util-linux"
mkdir -p "${cache_root:?}/image-store"

# Its mounts live in a mount namespace that ends with the command.
store() {
  local folder=$cache_root/image-store
  CONTAINERS_REGISTRIES_CONF=${here:?}/images/registries.conf unshare --mount -- \
    buildah --root "$folder/storage" --runroot "$folder/run" --storage-driver "${GREENROOM_STORAGE_DRIVER:-overlay}" "$@"
}

# build_image NAME CONTEXT [BUILDAH OPTIONS]: nothing is pulled, every step runs in a chroot.
# Where $NODE_EXTRA_CA_CERTS names an extra authority, npm trusts it in RUN steps too; the image does not keep it.
build_image() {
  local name=$1 context=$2 settings=$cache_root/image-store/npmrc trust=(); shift 2
  if [[ -f ${NODE_EXTRA_CA_CERTS:-} ]]; then
    echo 'cafile=/run/build/authorities.crt' >"$settings"
    trust=(--volume "$(realpath "$NODE_EXTRA_CA_CERTS"):/run/build/authorities.crt:ro"
           --volume "$settings:/usr/local/etc/npmrc:ro")
  fi
  store build --isolation chroot --pull-never --layers --tag "$name" "${trust[@]}" "$@" "$context"
}

# save_image NAME ARCHIVE [NAME IN THE ARCHIVE]: a short name becomes the full one there.
save_image() {
  rm -f "$2.new"
  store push --quiet "$1" "docker-archive:$2.new:${3:-$1}"
  mv "$2.new" "$2"
}
