# shellcheck shell=bash disable=SC2154 # names of common.sh
# Starting processes so that they can be told apart later from anybody else's, and ending only those.
# A record holds the boot, the pid and the start time: together they never come back for another process.

boot_id=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || true)
cluster_processes=(etcd kube-apiserver kube-controller-manager kube-scheduler containerd kubelet kube-proxy coredns)

start_time() {
  local stat fields
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  read -ra fields <<<"${stat##*) }" # the name before it may hold blanks
  echo "${fields[19]}"
}

# running NAME: its pid, if the recorded process is the one that lives.
running() {
  local boot pid start
  read -r boot pid start 2>/dev/null <"$run_dir/pids/$1" || return 1
  [ "$boot" = "$boot_id" ] && [ "$(start_time "$pid")" = "$start" ] || return 1
  [[ $(<"/proc/$pid/stat") != *") Z "* ]] || return 1
  echo "$pid"
}

# launch NAME COMMAND...: in a session of its own, with nothing of the caller's environment.
launch() {
  local name=$1
  shift
  mkdir -p "$run_dir/pids" "$cluster_dir/logs"
  (
    # The child writes the record, so there is no moment at which it runs unrecorded.
    self=$BASHPID # not within $(...), which is a process of its own
    echo "$boot_id $self $(start_time "$self")" >"$run_dir/pids/$name"
    cd /
    exec setsid env -i HOME="$cluster_dir" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
      "$@" </dev/null >"$cluster_dir/logs/$name.log" 2>&1 9>&-
  ) &
}

all_running() {
  local name
  for name in "${cluster_processes[@]}"; do
    running "$name" >/dev/null || return 1
  done
}

any_running() {
  local name
  for name in "${cluster_processes[@]}"; do
    if running "$name" >/dev/null; then return 0; fi
  done
  return 1
}

gone() { ! running "$1" >/dev/null; }

stop_process() {
  local pid
  if pid=$(running "$1"); then
    kill "$pid" 2>/dev/null || true
    if ! until_true 5 gone "$1"; then
      kill -KILL "$pid" 2>/dev/null || true
      until_true 5 gone "$1" || say "  $1 (pid $pid) does not end"
    fi
  fi
  rm -f "$run_dir/pids/$1"
}

# The shims outlive containerd by design. Ours are those that were told our containerd's address.
shim_pids() {
  local file pid
  for file in $(grep -lzxF -- "$containerd_socket" /proc/[0-9]*/cmdline 2>/dev/null || true); do
    pid=${file#/proc/}
    pid=${pid%/cmdline}
    # not a `ctr --address`, nor anything else that merely names the socket
    [[ $(tr '\0' ' ' <"$file" 2>/dev/null) != *containerd-shim-runc-v2\ * ]] || echo "$pid"
  done
}

# Whatever is in the cluster's own cgroups is a pod's.
pod_pids() {
  find /sys/fs/cgroup -path "*/$cgroup_name*/cgroup.procs" -exec cat {} + 2>/dev/null | sort -un
}

no_pod_left() { [ -z "$(pod_pids)$(shim_pids)" ]; }

stop_pods() {
  local pids round
  for round in TERM KILL KILL; do
    pids=$(pod_pids)
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill -$round $pids 2>/dev/null || true
    [ -z "$pids" ] || until_true 3 no_pod_process_left || true
  done
  pids=$(shim_pids)
  # shellcheck disable=SC2086
  [ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
  until_true 5 no_pod_left || say "  these processes of pods do not end: $(pod_pids | tr '\n' ' ')"
}

no_pod_process_left() { [ -z "$(pod_pids)" ]; }
