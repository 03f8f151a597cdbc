# shellcheck shell=bash disable=SC2154 # names of common.sh
# The programs that are built from Go modules: once per version for all clones of a user.

# program NAME: where its binary is cached.
program() {
  case $1 in
    helm) echo "$cache/bin/helm-v$helm_version/helm" ;;
    coredns) echo "$cache/bin/coredns-v$coredns_version/coredns" ;;
    etcd) echo "$cache/bin/etcd-v$etcd_version/etcd" ;;
    pause) echo "$cache/bin/pause-$pause_version/pause" ;;
    *) echo "$cache/bin/kubernetes-v$kubernetes_version/$1" ;;
  esac
}

require_go() {
  type -P go >/dev/null || die "Go is missing: the cluster's programs are built from Go modules" \
    "install Go 1.26 or newer, from your system or go.dev" "$existing_way_out"
  local have
  have=$(GOTOOLCHAIN='' go env GOVERSION)
  [ "$(printf '%s\n' go1.26 "$have" | sort -V | head -n 1)" = go1.26 ] ||
    die "Go 1.26 or newer is needed to build the cluster's programs; this is $have" "$existing_way_out"
}

# go_build NAME MODULE PACKAGE [LDFLAGS]: under another name first, so that half a build is never taken for one.
go_build() {
  local out
  out=$(program "$1")
  mkdir -p "$(dirname "$out")"
  cd "$here/go/$2" || return
  GOFLAGS='' go build -buildvcs=false -trimpath -ldflags "-s -w ${4:-}" -o "$out.$$" "$3" &&
    mv "$out.$$" "$out"
}

kubernetes_flags() {
  local place major=${kubernetes_version%%.*} rest=${kubernetes_version#*.}
  for place in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf -- '-X %s.gitVersion=v%s -X %s.gitMajor=%s -X %s.gitMinor=%s -X %s.gitTreeState=clean ' \
      $place "$kubernetes_version" $place "$major" $place "${rest%%.*}" $place
  done
}

# require_binaries NAME...: build those that no clone has built yet, one after the other.
require_binaries() {
  local name missing=()
  for name in "$@"; do
    [ -x "$(program "$name")" ] || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  require_go
  say "  to be built once for this user (some minutes): ${missing[*]}"
  for name in "${missing[@]}"; do
    case $name in
      helm) step "building helm $helm_version" go_build helm helm helm.sh/helm/v3/cmd/helm ;;
      coredns) step "building coredns $coredns_version" go_build coredns coredns github.com/coredns/coredns ;;
      etcd) step "building etcd $etcd_version" go_build etcd etcd go.etcd.io/etcd/server/v3 ;;
      pause) step "building pause" go_build pause pause . ;;
      *) step "building $name $kubernetes_version" \
        go_build "$name" kubernetes "k8s.io/kubernetes/cmd/$name" "$(kubernetes_flags)" ;;
    esac
  done
}

link_binaries() {
  local name
  mkdir -p "$local_dir/bin"
  for name in "$@"; do
    ln -sfn "$(program "$name")" "$local_dir/bin/$name"
  done
}
