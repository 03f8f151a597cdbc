# shellcheck shell=bash disable=SC2154 # names of common.sh
# The bridge, the firewall rules and the kernel's settings, and how each is undone.

export PATH=$PATH:/usr/sbin:/sbin
firewall_note=dbm-local-cluster

# What the cluster's programs change in the kernel; cluster-down puts the old values back.
settings=(net/ipv4/ip_forward net/bridge/bridge-nf-call-iptables net/bridge/bridge-nf-call-ip6tables
  vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops
  kernel/keys/root_maxkeys kernel/keys/root_maxbytes)

save_settings() {
  local name
  # once per boot: a second time they would be our own
  if grep -qsxF "boot $boot_id" "$run_dir/settings"; then return 0; fi
  for name in "${settings[@]}"; do
    [ ! -r "/proc/sys/$name" ] || echo "$name $(cat "/proc/sys/$name")"
  done >"$run_dir/settings.new"
  echo "boot $boot_id" >>"$run_dir/settings.new"
  mv "$run_dir/settings.new" "$run_dir/settings"
}

restore_settings() {
  local name value
  [ -e "$run_dir/settings" ] || return 0
  if grep -qxF "boot $boot_id" "$run_dir/settings"; then
    while read -r name value; do
      [ "$name" = boot ] || echo "$value" 2>/dev/null >"/proc/sys/$name" || true
    done <"$run_dir/settings"
  fi
  rm -f "$run_dir/settings"
}

no_other_kubernetes() {
  local file name
  for file in /proc/[0-9]*/comm; do
    name=$(cat "$file" 2>/dev/null || true)
    case $name in
      kubelet | kube-proxy | k3s-server | k0s)
        # in a container of kind or the like it has a network of its own, and does not matter
        [ "$(readlink "${file%comm}ns/net")" != "$(readlink /proc/self/ns/net)" ] ||
          die "another Kubernetes node runs on this machine: $name, pid ${file//[!0-9]/}" \
            "two of them would undo each other's firewall rules" "$existing_way_out"
        ;;
    esac
  done
}

network_up() {
  modprobe -a br_netfilter overlay 2>/dev/null || true # built in, or said by the first use
  save_settings
  echo 1 >/proc/sys/net/ipv4/ip_forward
  # else a pod's answer to a pod of the same bridge bypasses the rules that made the Service's address
  [ ! -e /proc/sys/net/bridge ] || echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables

  local taken
  taken=$(ip -4 route show | awk -v ours="$bridge" '/^10\.(244|96)\./ && !index($0, "dev " ours) {print; exit}')
  [ -z "$taken" ] || die "a network of this machine overlaps the cluster's ($pod_subnet, $service_subnet): $taken" \
    "$existing_way_out"
  # A fixed hardware address: a bridge otherwise takes the lowest of its ports', anew with every pod.
  ip link show "$bridge" >/dev/null 2>&1 || ip link add "$bridge" address 0a:58:0a:f4:00:01 type bridge
  ip address replace "$node_ip/${pod_subnet#*/}" dev "$bridge"
  ip link set "$bridge" up
  # Services are reached from this machine even where it has no default route.
  ip route replace "$service_subnet" dev "$bridge" src "$node_ip"

  # Pods reach each other whatever the machine's own forwarding policy, and nothing outside:
  # refused at once, so that a mistake is an error and not a time-out.
  remove_own_rules iptables
  iptables -w -I FORWARD -i "$bridge" ! -o "$bridge" -m comment --comment $firewall_note -j REJECT
  iptables -w -I FORWARD -i "$bridge" -o "$bridge" -m comment --comment $firewall_note -j ACCEPT
}

# The rules with our comment, in the words that delete them.
remove_own_rules() {
  local rule
  "$1"-save -t filter 2>/dev/null | sed -n "s/^-A \(.*--comment $firewall_note .*\)/\1/p" |
    while read -r rule; do
      # shellcheck disable=SC2086
      "$1" -w -D $rule
    done
}

# kube-proxy's chains begin with KUBE-; no_other_kubernetes made sure that they are this cluster's.
remove_kube_chains() {
  local tool=$1 table
  type -P "$tool-save" >/dev/null || return 0
  for table in raw mangle nat filter; do
    "$tool-save" -t $table 2>/dev/null | awk -v table=$table '
      /^:KUBE-/ { chain = substr($1, 2); chains[++n] = chain }
      /^-A / && $2 !~ /^KUBE-/ && / -j KUBE-/ { sub(/^-A/, "-D"); jumps[++m] = $0 }
      END {
        if (!n) exit
        print "*" table
        for (i = 1; i <= n; i++) print ":" chains[i] " - [0:0]"
        for (i = 1; i <= m; i++) print jumps[i]
        for (i = 1; i <= n; i++) print "-X " chains[i]
        print "COMMIT"
      }' >"$run_dir/rules"
    [ ! -s "$run_dir/rules" ] || "$tool-restore" --noflush <"$run_dir/rules" || true
    rm -f "$run_dir/rules"
  done
}

network_down() {
  local port
  if type -P iptables >/dev/null; then
    remove_own_rules iptables
    remove_kube_chains iptables
    remove_kube_chains ip6tables
  fi
  if type -P ip >/dev/null; then
    for port in $(ip -o link show master "$bridge" 2>/dev/null | awk -F'[ @:]+' '{print $2}'); do
      ip link delete "$port" 2>/dev/null || true
    done
    ip link delete "$bridge" 2>/dev/null || true
  fi
  rm -rf /var/lib/cni/results/dbm-pods-* /var/lib/cni/networks/dbm-pods
}
