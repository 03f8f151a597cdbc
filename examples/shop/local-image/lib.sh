# Sourced by examples/shop/build-images and tests/images/build: the layers that their images share.
#
#   node_base     prints the archive with Node, its libraries and user 1000
#   prisma_base   prints the archive with Prisma on top of it
#   image NAME BASE DIR OUT [option...]   writes one image with DIR as /app
#
# All archives are kept in the cache under the hash of what they are made of, so no clone makes them twice; what nobody
# asked for in a week goes.

shopt -s inherit_errexit
shop=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
oci_image=$shop/../../local-cluster/oci-image
cache=${XDG_CACHE_HOME:-$HOME/.cache}/database-migration-operator/shop
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

for tool in node npm python3 tar sha256sum; do
  command -v "$tool" >/dev/null || { echo "$0: needs $tool" >&2; exit 1; }
done
[ -x "$oci_image" ] || { echo "$0: needs local-cluster/oci-image" >&2; exit 1; }

find "$cache" -name '*.tar' -mtime +7 -delete 2>/dev/null || true

hash_of() { cat "$@" | sha256sum | cut -c1-12; }

# Hash of a folder: names and content.
hash_of_tree() { (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum | sha256sum | cut -c1-12); }

# A tar of a folder that is the same for the same content; the temporary folder is writable by all.
layer_tar() {
  tar --create --file "$2" --directory "$1" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=gnu .
}

copy_libraries() { # PROGRAM ROOT
  local library
  ldd "$1" | grep -o '/[^ )]*' | sort -u | while read -r library; do
    mkdir -p "$2$(dirname "$library")"
    cp -L "$library" "$2$library"
  done
  # Name look-ups load these at run time.
  local folder
  folder=$(dirname "$(ldd "$1" | grep -o '/[^ ]*libc\.so\.6')")
  for library in libnss_dns.so.2 libnss_files.so.2 libresolv.so.2; do
    cp -L "$folder/$library" "$2$folder/"
  done
}

node_base() {
  local node archive root arch
  node=$(node -p process.execPath)
  archive=$cache/node-$(node -p 'process.version + "-" + process.arch')-$(hash_of "$shop/local-image/lib.sh" "$oci_image").tar
  if [ ! -f "$archive" ]; then
    mkdir -p "$cache"
    root=$scratch/node
    mkdir -p "$root"/{app,etc,home/node,tmp,usr/local/bin,usr/local/lib}
    cp -L "$node" "$root/usr/local/bin/node"
    copy_libraries "$node" "$root"
    printf 'root:x:0:0:root:/root:/sbin/nologin\nnode:x:1000:1000::/home/node:/sbin/nologin\n' >"$root/etc/passwd"
    printf 'root:x:0:\nnode:x:1000:\n' >"$root/etc/group"
    printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
    find "$root" -type d -exec chmod 755 {} +
    find "$root" -type f -exec chmod go-w,a+r {} +
    chmod 1777 "$root/tmp"
    layer_tar "$root" "$scratch/node.tar"
    arch=$(node -p '({x64: "amd64"})[process.arch] ?? process.arch')
    "$oci_image" --name localhost/shop-node:base --out "$scratch/node-base.tar" --layer "$scratch/node.tar" --arch "$arch" \
      --user 1000:1000 --workdir /app --env PATH=/usr/local/bin --env HOME=/tmp --env NODE_ENV=production \
      --entrypoint '["node"]' --cmd '["--version"]' >&2
    keep "$scratch/node-base.tar" "$archive"
  fi
  touch "$archive"
  echo "$archive"
}

prisma_base() {
  local node archive root
  node=$(node_base)
  archive=$cache/prisma-$(node -p "require('$shop/local-image/package.json').dependencies.prisma")-$(
    { echo "${node##*/}"; cat "$shop"/local-image/{package-lock.json,*.cjs}; } | hash_of -
  ).tar
  if [ ! -f "$archive" ]; then
    root=$scratch/prisma
    mkdir -p "$root"/app "$root"/usr/local/lib/prisma
    cp "$shop"/local-image/package{,-lock}.json "$root/app/"
    (cd "$root/app" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2
    rm "$root"/app/package{,-lock}.json
    prune "$root/app/node_modules"
    cp "$shop/local-image/prisma.config.cjs" "$root/app/"
    cp "$shop/local-image/timers.cjs" "$root/usr/local/lib/prisma/"
    # Prisma looks for engines to download unless it is told of others.
    install -m 755 "$shop/local-image/schema-engine.cjs" "$root/usr/local/lib/prisma/schema-engine"
    : >"$root/usr/local/lib/prisma/no-query-engine"
    "$oci_image" --name localhost/shop-prisma:base --out "$scratch/prisma-base.tar" --base "$node" --layer "$root:/" \
      --env PRISMA_QUERY_ENGINE_LIBRARY=/usr/local/lib/prisma/no-query-engine \
      --env PRISMA_SCHEMA_ENGINE_BINARY=/usr/local/lib/prisma/schema-engine \
      --env CHECKPOINT_DISABLE=1 --env PRISMA_HIDE_UPDATE_MESSAGE=1 \
      --env NODE_OPTIONS="--require /usr/local/lib/prisma/timers.cjs" \
      --cmd '["node_modules/prisma/build/index.js", "--help"]' >&2
    keep "$scratch/prisma-base.tar" "$archive"
  fi
  touch "$archive"
  echo "$archive"
}

# Leaves what `migrate` loads: 100 MB become 20.
prune() {
  local modules=$1
  rm -rf "$modules"/{.bin,.package-lock.json,@types,undici-types,effect/src,effect/dist/{dts,esm}} \
    "$modules"/fast-check/lib/{esm,types,cjs/types} \
    "$modules"/prisma/{prisma-client,scripts,build/public,build/xdg-open} \
    "$modules"/@prisma/get-platform/dist/test-utils
  find "$modules/prisma/build" -name 'query_*' -delete
  find "$modules" -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.md' \
    -o -name '*.flow' \) -delete
  find "$modules" -type d -empty -delete
}

# Puts a finished file in its place in one step, so that two builds at a time do no harm.
keep() {
  mv "$1" "$2.$$"
  mv "$2.$$" "$2"
}

image() {
  local name=$1 base=$2 app=$3 out=$4 key archive
  shift 4
  key=$({
    printf '%s\n' "$name" "${base##*/}" "$@"
    hash_of_tree "$app"
    cd "$app" && find . -type d | LC_ALL=C sort
  } | hash_of -)
  archive=$cache/image-$key.tar
  if [ ! -f "$archive" ]; then
    mkdir -p "$cache"
    "$oci_image" --name "$name" --out "$archive" --base "$base" --layer "$app:/app" "$@" >/dev/null
  fi
  touch "$archive"
  [ "$out" -ef "$archive" ] || ln -f "$archive" "$out" 2>/dev/null || cp --preserve=timestamps "$archive" "$out"
  echo "$name: $out"
}

# The application as it was at a version: the base and every release up to it, in order.
release() { # VERSION DIR
  local version
  mkdir -p "$2/restore"
  cp "$shop"/{package.json,pnpm-workspace.yaml} "$2/"
  cp -r "$shop"/{packages,apps,smoke} "$2/"
  cp "$shop/restore/restore.mjs" "$2/restore/"
  find "$2" -name node_modules -prune -exec rm -rf {} +
  for version in $(cd "$shop/releases" && printf '%s\n' * | sort -V); do
    [ "$(printf '%s\n' "$version" "$1" | sort -V | head -1)" = "$version" ] || break
    cp -r "$shop/releases/$version/." "$2/"
  done
}

versions() {
  echo 1.0.0
  (cd "$shop/releases" && printf '%s\n' * | sort -V)
}
