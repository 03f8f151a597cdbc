# shellcheck shell=bash disable=SC2154 # names of common.sh
# The control plane and the node, in the order in which they need each other.

# configure FILE: from conf/, with this cluster's places and addresses filled in.
configure() {
  sed -e "s|@CLUSTER@|$cluster_dir|g" -e "s|@RUN@|$run_dir|g" -e "s|@SOCKET@|$containerd_socket|g" \
    -e "s|@NODE@|$node_name|g" -e "s|@NODE_IP@|$node_ip|g" -e "s|@DNS_IP@|$dns_ip|g" \
    -e "s|@POD_SUBNET@|$pod_subnet|g" -e "s|@BRIDGE@|$bridge|g" -e "s|@CGROUP@|$cgroup_name|g" \
    "$here/conf/$1" >"$cluster_dir/conf/$1"
}

admin() { "$(program kubectl)" --kubeconfig "$cluster_dir/admin.kubeconfig" "$@"; }

container() { ctr --address "$containerd_socket" --namespace k8s.io "$@"; }

start_etcd_and_apiserver() {
  local pki=$cluster_dir/pki
  # Only this machine can reach it, and it forgets nothing that anybody would miss: no waiting for the disk.
  launch etcd "$(program etcd)" --name local --data-dir "$cluster_dir/etcd" --unsafe-no-fsync \
    --listen-client-urls http://127.0.0.1:23790 --advertise-client-urls http://127.0.0.1:23790 \
    --listen-peer-urls http://127.0.0.1:23800 --initial-advertise-peer-urls http://127.0.0.1:23800 \
    --initial-cluster local=http://127.0.0.1:23800 --quota-backend-bytes 4294967296 \
    --auto-compaction-retention 10m --log-level warn
  launch kube-apiserver "$(program kube-apiserver)" \
    --etcd-servers http://127.0.0.1:23790 \
    --bind-address "$node_ip" --advertise-address "$node_ip" --secure-port 6443 \
    --service-cluster-ip-range "$service_subnet" \
    --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" \
    --client-ca-file "$pki/ca.crt" \
    --service-account-key-file "$pki/service-accounts.key" \
    --service-account-signing-key-file "$pki/service-accounts.key" \
    --service-account-issuer https://kubernetes.default.svc \
    --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --allow-privileged \
    --kubelet-preferred-address-types InternalIP \
    --kubelet-certificate-authority "$pki/ca.crt" \
    --kubelet-client-certificate "$pki/apiserver-to-kubelet.crt" \
    --kubelet-client-key "$pki/apiserver-to-kubelet.key" \
    --max-requests-inflight 1600 --max-mutating-requests-inflight 800 \
    --audit-policy-file "$cluster_dir/conf/audit-policy.yaml" --audit-log-path "$cluster_dir/audit.log" \
    --audit-log-maxsize 200 --audit-log-maxbackup 1 \
    --profiling=false
}

start_controllers() {
  local pki=$cluster_dir/pki
  launch kube-controller-manager "$(program kube-controller-manager)" \
    --kubeconfig "$cluster_dir/controller-manager.kubeconfig" --bind-address 127.0.0.1 \
    --authentication-kubeconfig "$cluster_dir/controller-manager.kubeconfig" \
    --authorization-kubeconfig "$cluster_dir/controller-manager.kubeconfig" \
    --service-account-private-key-file "$pki/service-accounts.key" --root-ca-file "$pki/ca.crt" \
    --cluster-signing-cert-file "$pki/ca.crt" --cluster-signing-key-file "$pki/ca.key" \
    --use-service-account-credentials --leader-elect=false \
    --flex-volume-plugin-dir "$cluster_dir/volume-plugins" \
    --concurrent-job-syncs 20 --concurrent-namespace-syncs 20 --concurrent-gc-syncs 40 \
    --kube-api-qps 300 --kube-api-burst 600
  launch kube-scheduler "$(program kube-scheduler)" \
    --kubeconfig "$cluster_dir/scheduler.kubeconfig" --bind-address 127.0.0.1 \
    --authentication-kubeconfig "$cluster_dir/scheduler.kubeconfig" \
    --authorization-kubeconfig "$cluster_dir/scheduler.kubeconfig" --leader-elect=false \
    --kube-api-qps 300 --kube-api-burst 600
}

start_containerd() {
  launch containerd "$(type -P containerd)" --config "$cluster_dir/conf/containerd.toml"
}

start_node() {
  local controller
  for controller in /sys/fs/cgroup/*/; do # cgroup v1: one tree for each controller
    if [ -e "$controller/cgroup.procs" ]; then mkdir -p "$controller/$cgroup_name"; fi
  done
  [ ! -e /sys/fs/cgroup/cgroup.controllers ] || mkdir -p "/sys/fs/cgroup/$cgroup_name"
  launch kubelet "$(program kubelet)" --config "$cluster_dir/conf/kubelet.yaml" \
    --kubeconfig "$cluster_dir/kubelet.kubeconfig" --root-dir "$cluster_dir/kubelet" \
    --hostname-override "$node_name" --node-ip "$node_ip"
  launch kube-proxy "$(program kube-proxy)" --kubeconfig "$cluster_dir/kube-proxy.kubeconfig" \
    --proxy-mode iptables --cluster-cidr 10.244.0.0/16 --hostname-override "$node_name" \
    --healthz-bind-address 127.0.0.1:10256 --metrics-bind-address 127.0.0.1:10249 \
    --iptables-localhost-nodeports=false --iptables-min-sync-period 100ms \
    --conntrack-max-per-core 0 --conntrack-tcp-timeout-established 0 --conntrack-tcp-timeout-close-wait 0
  launch coredns "$(program coredns)" -conf "$cluster_dir/conf/Corefile"
}

load_pause() {
  local archive=$cache/images/pause-$pause_version.tar
  [ -s "$archive" ] || "$here/oci-image" --name localhost/pause:local --out "$archive" \
    --layer "$(program pause):/pause" --entrypoint '["/pause"]'
  container images ls -q | grep -qxF localhost/pause:local || container images import "$archive"
}

kubelet_answers() { (exec 3<>/dev/tcp/127.0.0.1/10248); }

node_ready() {
  [ "$(admin get node "$node_name" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ]
}

healthy() {
  cluster_dir=$(owner_dir) || return 1
  [ -s "$cluster_dir/admin.kubeconfig" ] || return 1
  [ -d "/sys/class/net/$bridge" ] || return 1
  all_running && admin get --raw /readyz >/dev/null 2>&1 && node_ready 2>/dev/null
}

# Say which program did not come up, and the end of what it said.
explain() {
  local name log
  for name in "${cluster_processes[@]}"; do
    log=$cluster_dir/logs/$name.log
    if ! running "$name" >/dev/null && [ -e "$log" ]; then
      echo "$name has ended; the end of $log:"
      tail -n 5 "$log"
    fi
  done
  echo "$1; the programs' logs are in $cluster_dir/logs"
  return 1
}

start_all() {
  local name
  mkdir -p "$cluster_dir/conf" "$cluster_dir/cni" "$cluster_dir/logs"
  chmod 700 "$cluster_dir"
  network_up
  : >"$cluster_dir/resolv.conf" # pods ask the cluster's name server only
  for name in containerd.toml kubelet.yaml Corefile audit-policy.yaml cni.conflist cluster.yaml; do
    configure $name
  done
  cp "$cluster_dir/conf/cni.conflist" "$cluster_dir/cni/10-pods.conflist"
  certificates
  start_etcd_and_apiserver
  start_containerd
  until_true 60 admin get --raw /readyz || explain "the API server is not ready after 60 s"
  start_controllers
  until_true 30 container version || explain "containerd does not answer after 30 s"
  load_pause
  start_node
  until_true 30 admin apply -f "$cluster_dir/conf/cluster.yaml" || explain "the cluster's own objects are refused"
  # of an earlier run the node may still be said to be Ready
  until_true 60 kubelet_answers || explain "the kubelet does not answer after 60 s"
  until_true 60 node_ready || explain "the node is not Ready after 60 s"
  until_true 30 admin get serviceaccount default -n default || explain "no default service account after 30 s"
  all_running || explain "not every program stayed up"
}
