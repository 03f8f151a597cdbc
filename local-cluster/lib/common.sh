# shellcheck shell=bash disable=SC2034 # used by the scripts that read this
# Names, places and messages that every script of the local cluster shares.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
repo=$(dirname "$here")
local_dir=$repo/.local
cache=${XDG_CACHE_HOME:-$HOME/.cache}/database-migration-operator

kubernetes_version=1.34.4
helm_version=3.22.0
coredns_version=1.15.0
etcd_version=3.6.5
pause_version=1

node_name=dbm-node
node_ip=10.244.0.1
pod_subnet=10.244.0.0/24
service_subnet=10.96.0.0/16
kubernetes_ip=10.96.0.1
dns_ip=10.96.0.10
bridge=dbm0
api_url=https://$node_ip:6443

# The bridge and the subnets are fixed, so a machine runs one such cluster, whichever clone started it.
# What must be found again by another clone, or after the clone is gone, lives here; sockets too,
# whose paths may not be longer than 107 bytes.
run_dir=/run/dbm-local-cluster
containerd_socket=$run_dir/containerd.sock
cgroup_name=dbm-local-cluster

say() { printf '%s\n' "$*" >&2; }

die() {
  printf 'local-cluster: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
  exit 1
}

# step WHAT COMMAND...: run it with its output in a log, and show that it is still at it.
step() {
  local what=$1 log start=$SECONDS code=0 pid
  shift
  mkdir -p "$local_dir"
  log=$(mktemp "$local_dir/step-XXXXXX.log")
  (set -e; "$@") >"$log" 2>&1 &
  pid=$!
  if [ -t 2 ]; then
    while kill -0 "$pid" 2>/dev/null; do
      printf '\r  %s ... %d s ' "$what" $((SECONDS - start)) >&2
      sleep 0.2
    done
    printf '\r\033[K' >&2
  else
    say "  $what ..."
  fi
  wait "$pid" || code=$?
  if [ "$code" -ne 0 ]; then
    say "  $what: failed after $((SECONDS - start)) s; the last lines of $log:"
    tail -n 20 "$log" | sed 's/^/    /' >&2
    return "$code"
  fi
  rm -f "$log"
  say "  $what: done in $((SECONDS - start)) s"
}

# until_true SECONDS COMMAND...: ask ten times a second, for what offers nothing to watch.
until_true() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
}

owner_dir() { cat "$run_dir/owner" 2>/dev/null; }

uses_existing() {
  [ "${CLUSTER:-$(cat "$local_dir/cluster-kind" 2>/dev/null || true)}" = existing ]
}

# What a script needs that talks to the cluster which `make cluster-up` made or adopted.
use_cluster() {
  [ -s "$local_dir/kubeconfig" ] ||
    die "there is no cluster for this clone yet" "start one with: make cluster-up"
  export KUBECONFIG=$local_dir/kubeconfig PATH=$local_dir/bin:$PATH
  kubectl get --raw /readyz >/dev/null 2>&1 ||
    die "the cluster of $KUBECONFIG does not answer" "start it again with: make cluster-up"
}

with_lock() {
  mkdir -p "$run_dir"
  exec 9>"$run_dir.lock"
  if ! flock -n 9; then
    say "  waiting for another cluster-up or cluster-down on this machine to end"
    flock 9
  fi
}
