#!/usr/bin/env bash
# Builds Dapr's own programs from this folder's pinned module into the user's cache; does nothing when they are there.
set -euo pipefail
cd "$(dirname "$0")"

version=1.18.2
needs=1.26.5
programs=(daprd placement scheduler)
packages=("${programs[@]/#/github.com/dapr/dapr/cmd/}")

# Whether the folder has all programs.
has_all() {
  local name
  for name in "${programs[@]}"; do
    [ -x "$1/$name" ] || return 1
  done
}

# Whether version $1 is at least version $2.
is_at_least() {
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)" = "$2" ]
}

# Copies the compiler's messages and shows how many of $1 packages are compiled: in place in a terminal, else by tenths.
show_progress() {
  local total=$1 count=0 shown=0 line
  while IFS= read -r line; do
    case $line in
      *" "*) printf '%s\n' "$line" >&2; continue ;;
    esac
    count=$((count + 1))
    if [ -t 1 ]; then
      printf '\rdapr: %d of at most %d packages compiled' "$count" "$total"
    elif [ $((count * 10 / total)) -gt "$shown" ]; then
      shown=$((count * 10 / total))
      printf 'dapr: %d of at most %d packages compiled\n' "$count" "$total"
    fi
  done
  if [ -t 1 ] && [ "$count" -gt 0 ]; then printf '\n'; fi
}

if [ -n "${DAPR_BIN_DIR:-}" ]; then
  if has_all "$DAPR_BIN_DIR"; then
    echo "dapr: found in $DAPR_BIN_DIR"
    exit 0
  fi
  echo "dapr: DAPR_BIN_DIR is $DAPR_BIN_DIR, which lacks one of ${programs[*]}; unset it to build them" >&2
  exit 1
fi

folder=${XDG_CACHE_HOME:-$HOME/.cache}/interop-hub/dapr-$version
if has_all "$folder"; then
  echo "dapr: found in $folder"
  exit 0
fi
if ! command -v go >/dev/null; then
  echo "dapr: building Dapr $version needs Go $needs or later, and there is no 'go' in PATH; install it," \
    "or set DAPR_BIN_DIR to a folder that has ${programs[*]}" >&2
  exit 1
fi
found=$(GOTOOLCHAIN=local go env GOVERSION)
found=${found#go}
if ! is_at_least "${found%%[!0-9.]*}" "$needs"; then
  echo "dapr: building Dapr $version needs Go $needs or later, found $found" >&2
  exit 1
fi

export CGO_ENABLED=0
flags=(-tags stablecomponents)
echo "dapr: building ${programs[*]} $version into $folder (the first time about 15 minutes and 7 GB of Go's caches)"
echo "dapr: fetching the modules"
total=$(nice -n 19 go list -deps "${flags[@]}" "${packages[@]}" | wc -l)
mkdir -p "$folder"
staging=$(mktemp -d "$folder/.build-XXXXXX")
trap 'rm -rf "$staging"' EXIT
nice -n 19 go build -v -p 2 -trimpath "${flags[@]}" \
  -ldflags "-s -w -X github.com/dapr/dapr/pkg/buildinfo.version=$version" \
  -o "$staging/" "${packages[@]}" 2>&1 | show_progress "$total"
for name in "${programs[@]}"; do
  mv -f "$staging/$name" "$folder/$name"
done
echo "dapr: built in $folder"
