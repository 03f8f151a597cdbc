# shellcheck shell=bash disable=SC2154 # names of common.sh
# Undoing everything that start.sh did, also what a killed or half-started cluster left behind.

mounts_below() {
  local path
  awk '{print $5}' /proc/self/mountinfo | while read -r path; do
    path=$(printf '%b' "${path//\\/\\0}") # blanks are written \040
    [[ $path != "$1"/* ]] || printf '%s\n' "${path%//deleted}"
  done | tac
}

unmount_below() {
  local path
  mounts_below "$1" | while read -r path; do
    umount "$path" 2>/dev/null || umount -l "$path" 2>/dev/null || true
  done
}

remove_cgroups() {
  # a cgroup is empty only some moments after its last process
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    find /sys/fs/cgroup -path "*/$cgroup_name*" -depth -type d -exec rmdir {} + 2>/dev/null || true
    [ -n "$(find /sys/fs/cgroup -maxdepth 2 -name "$cgroup_name" 2>/dev/null)" ] || return 0
    sleep 0.1
  done
}

remove_shim_sockets() {
  local file socket
  for file in "$run_dir"/containerd/io.containerd.runtime.v2.task/k8s.io/*/address; do
    [ -e "$file" ] || continue
    socket=$(sed 's|^unix://||' "$file")
    [[ $socket != /run/containerd/s/* ]] || rm -f "$socket"
  done
}

# stop_all CLUSTER_DIR: what it keeps is the data (etcd, images, volumes), so that a start finds it again.
stop_all() {
  local dir=$1 name
  # kubelet first, so that it restarts nothing; containerd after the pods, which it may still reap
  for name in kubelet kube-controller-manager kube-scheduler; do stop_process "$name"; done
  stop_pods
  for name in containerd kube-proxy coredns kube-apiserver etcd; do stop_process "$name"; done
  unmount_below "$run_dir"
  [ -z "$dir" ] || unmount_below "$dir"
  remove_shim_sockets
  remove_cgroups
  network_down
  rm -rf "$run_dir/containerd" "$run_dir/addresses" "$containerd_socket" "$containerd_socket.ttrpc" "$run_dir/pids"
  [ -z "$dir" ] || find /var/log/containers -maxdepth 1 -lname "$dir/*" -delete 2>/dev/null || true
}

remove_data() {
  [ -n "$1" ] && [ -d "$1" ] || return 0
  # never through a mount that did not go away
  [ -z "$(mounts_below "$1")" ] || die "still mounted below $1: $(mounts_below "$1" | head -n 3 | tr '\n' ' ')" \
    "end what uses it, then run make cluster-down again"
  rm -rf --one-file-system "$1"
}
