# shellcheck shell=bash
# Secrets of the cluster from .env. A value is never an argument of a program, where others could read it in the list of
# processes, and never printed: bash's own printf writes it into kubectl's standard input.

need_env_file() {
  [ -f "$ENV_FILE" ] || fail "There is no file $ENV_FILE." "cp .env.example .env, fill it in, then run this command again."
  local line name
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line%$'\r'}
    case $line in '' | '#'* | ' '*'#'*) continue ;; esac
    name=${line%%=*}
    case $line in
      *=*) ;;
      *) fail "$ENV_FILE has a line without \"=\"." "write each line as NAME=value." ;;
    esac
    case " $KNOWN_NAMES " in
      *" $name "*) ;;
      *) fail "$ENV_FILE sets $name, which nothing reads." "remove it; .env.example has all names." ;;
    esac
  done <"$ENV_FILE"
  local set_of_livekit=
  for name in LIVEKIT_URL LIVEKIT_API_KEY LIVEKIT_API_SECRET; do
    if [ -n "$(env_value "$name")" ]; then set_of_livekit="$set_of_livekit $name"; fi
  done
  case $set_of_livekit in
    '' | ' LIVEKIT_URL LIVEKIT_API_KEY LIVEKIT_API_SECRET') ;;
    *) fail "$ENV_FILE sets only$set_of_livekit of the three LIVEKIT_ variables." "set all three, or none." ;;
  esac
}

KNOWN_NAMES='OPENAI_API_KEY LIVEKIT_URL LIVEKIT_API_KEY LIVEKIT_API_SECRET GREENROOM_LIVEKIT_PUBLIC_URL
DATABASE_URL GREENROOM_MIGRATE_DATABASE_URL GREENROOM_DATABASE_ROLE REDIS_URL POSTGRES_PASSWORD REDIS_PASSWORD GREENROOM_API_KEYS GREENROOM_HMAC_SECRET'
KNOWN_NAMES=$(printf '%s' "$KNOWN_NAMES" | tr '\n' ' ')

# env_value NAME: what .env gives it, without quotes around it; nothing if it is not there.
env_value() {
  local line value=
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line%$'\r'}
    case $line in "$1="*) value=${line#*=} ;; esac
  done <"$ENV_FILE"
  case $value in
    \"*\") value=${value#\"} && value=${value%\"} ;;
    \'*\') value=${value#\'} && value=${value%\'} ;;
  esac
  printf '%s' "$value"
}

encode() { base64 | tr -d '\n'; }

# kept SECRET KEY: what the cluster has, in base64; nothing if it has none.
kept() { kube get secret "$1" -n "$NAMESPACE" --ignore-not-found -o "jsonpath={.data.$2}"; }

random_hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

# chosen SECRET KEY DEFAULT: .env's value, else the cluster's, else the default; in base64. Fails when the cluster does not
# answer: a value that cannot be read must not be made anew.
chosen() {
  local given
  given=$(env_value "$2")
  if [ -n "$given" ]; then
    printf '%s' "$given" | encode
    return
  fi
  given=$(kept "$1" "$2") || fail "Secret $1 could not be read." "check that you may read Secrets in $NAMESPACE."
  if [ -n "$given" ]; then printf '%s' "$given"; else printf '%s' "$3" | encode; fi
}

# write_secret NAME: reads "KEY BASE64" lines; a key without a value is left out.
write_secret() {
  {
    printf 'apiVersion: v1\nkind: Secret\nmetadata: { name: %s, namespace: %s }\ntype: Opaque\ndata:\n' "$1" "$NAMESPACE"
    while read -r key value; do
      if [ -n "$value" ]; then printf '  %s: %s\n' "$key" "$value"; fi
    done
  } | kube apply --server-side --force-conflicts -f - >/dev/null ||
    fail "Secret $1 was not made." "check that you may write Secrets in $NAMESPACE, then run this command again."
  say "  Secret $1"
}

# line KEY VALUE: what write_secret reads.
line() { printf '%s %s\n' "$1" "$(printf '%s' "$2" | encode)"; }

# overlay_has KIND NAME: whether what is deployed brings it.
overlay_has() {
  printf '%s\n' "$RENDERED" | awk -v kind="$1" -v name="$2" '
    /^---/ { isKind = 0; inMeta = 0 }
    /^kind:/ { isKind = ($2 == kind) }
    /^metadata:/ { inMeta = 1; next }
    /^[^ ]/ { inMeta = 0 }
    inMeta && /^  name:/ && isKind && $2 == name { found = 1 }
    END { exit !found }'
}

# DATABASE_URL and REDIS_URL of .env, else of the servers that the overlay brings. These get their Secrets in any case, because
# their pods do not start without.
choose_stores() {
  local password
  DATABASE=$(env_value DATABASE_URL)
  REDIS=$(env_value REDIS_URL)
  if overlay_has Service postgres; then
    password=$(chosen postgres POSTGRES_PASSWORD "$(random_hex 24)")
    { line POSTGRES_USER app && line POSTGRES_DB app && printf 'POSTGRES_PASSWORD %s\n' "$password"; } | write_secret postgres
    DATABASE=${DATABASE:-postgresql://app:$(printf '%s' "$password" | base64 -d)@postgres:5432/app}
  fi
  if overlay_has Service redis; then
    password=$(chosen redis REDIS_PASSWORD "$(random_hex 24)")
    printf 'REDIS_PASSWORD %s\n' "$password" | write_secret redis
    REDIS=${REDIS:-redis://:$(printf '%s' "$password" | base64 -d)@redis:6379}
  fi
  [ -n "$DATABASE" ] || fail "$OVERLAY brings no PostgreSQL." "set DATABASE_URL in $ENV_FILE, then run this command again."
  [ -n "$REDIS" ] || fail "$OVERLAY brings no Redis." "set REDIS_URL in $ENV_FILE, then run this command again."
}

# LIVEKIT_* of .env, else of the LiveKit that the overlay brings, else none: sessions then have no rooms.
choose_livekit() {
  local keys
  LIVEKIT=$(env_value LIVEKIT_URL)
  LIVEKIT_KEY=$(env_value LIVEKIT_API_KEY)
  LIVEKIT_SECRET=$(env_value LIVEKIT_API_SECRET)
  LIVEKIT_PUBLIC=$(env_value GREENROOM_LIVEKIT_PUBLIC_URL)
  overlay_has Service livekit || return 0
  # As livekit-server reads its environment; its configuration signs webhooks with the key of this name.
  keys=$(chosen livekit LIVEKIT_KEYS "greenroom: $(random_hex 24)")
  printf 'LIVEKIT_KEYS %s\n' "$keys" | write_secret livekit
  [ -z "$LIVEKIT" ] || return 0
  keys=$(printf '%s' "$keys" | base64 -d)
  LIVEKIT=ws://livekit:7880
  LIVEKIT_KEY=${keys%%: *}
  LIVEKIT_SECRET=${keys#*: }
  LIVEKIT_PUBLIC=${LIVEKIT_PUBLIC:-ws://localhost:$LIVEKIT_PORT}
}

make_secrets() {
  local keys hmac owner openai
  RENDERED=$(kube kustomize "$OVERLAY") || fail "$OVERLAY cannot be built." "$(kube_words) kustomize $OVERLAY says why."
  choose_stores
  choose_livekit
  keys=$(chosen session-management-server GREENROOM_API_KEYS "$(random_hex 24)")
  hmac=$(chosen session-management-server GREENROOM_HMAC_SECRET "$(random_hex 32)")
  owner=$(env_value GREENROOM_MIGRATE_DATABASE_URL)
  openai=$(env_value OPENAI_API_KEY)
  {
    printf 'GREENROOM_API_KEYS %s\nGREENROOM_HMAC_SECRET %s\n' "$keys" "$hmac"
    line DATABASE_URL "$DATABASE"
    line REDIS_URL "$REDIS"
    line LIVEKIT_URL "$LIVEKIT"
    line LIVEKIT_API_KEY "$LIVEKIT_KEY"
    line LIVEKIT_API_SECRET "$LIVEKIT_SECRET"
    line GREENROOM_LIVEKIT_PUBLIC_URL "$LIVEKIT_PUBLIC"
  } | write_secret session-management-server
  {
    line DATABASE_URL "${owner:-$DATABASE}"
    line GREENROOM_DATABASE_ROLE "$(env_value GREENROOM_DATABASE_ROLE)"
  } | write_secret greenroom-migrate
  if [ -n "$openai" ]; then line OPENAI_API_KEY "$openai" | write_secret agent-secrets; fi
  make_assign_key
}

# The key that signs deliveries is made once. A new one would be drift of every pod.
make_assign_key() {
  local found
  found=$(kube get secret greenroom-assign-key -n "$NAMESPACE" --ignore-not-found -o name) ||
    fail "Secret greenroom-assign-key could not be read." "check that you may read Secrets in $NAMESPACE."
  [ -z "$found" ] || return 0
  {
    if has npm && [ -d "$REPOSITORY/node_modules" ]; then
      npm run -s --prefix "$REPOSITORY" assign-key
    else
      docker run --rm "greenroom:$(image_version)" assign-key
    fi
  } | kube apply --server-side -f - >/dev/null || fail "The key that signs deliveries was not made." \
    "npm ci in this folder (or build the image), then run this command again."
  say '  Secret greenroom-assign-key'
}
