# shellcheck shell=bash disable=SC2154 # names of common.sh
# The programs that come from the system's own packages.

existing_way_out="with any cluster of yours instead: CLUSTER=existing make cluster-up  (takes the current context of KUBECONFIG; IMAGE_PREFIX and IMAGE_PUSH name its registry, see local-cluster/README.md)"

require_machine() {
  [ "$(uname -s)" = Linux ] || die "a local cluster needs Linux; this is $(uname -s)" "$existing_way_out"
  [ "$(id -u)" -eq 0 ] ||
    die "a local cluster needs root: it makes network interfaces, mounts and cgroups" \
      "run it again as root, or in a virtual machine" "$existing_way_out"
}

# require_programs PROGRAM=PACKAGE...: install the packages whose program is not there.
require_programs() {
  local pair program missing=()
  for pair in "$@"; do
    program=${pair%%=*}
    if [[ $program == /* ]]; then
      [ -e "$program" ] || missing+=("${pair#*=}")
    else
      PATH=$PATH:/usr/sbin:/sbin type -P "$program" >/dev/null || missing+=("${pair#*=}")
    fi
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  type -P apt-get >/dev/null ||
    die "missing on this machine: ${missing[*]} (names of Debian's packages)" \
      "this is not Debian or Ubuntu, so install them by hand and run this again" "$existing_way_out"
  [ "$(id -u)" -eq 0 ] ||
    die "missing on this machine: ${missing[*]}" "install them with: sudo apt-get install ${missing[*]}"
  say "  missing system packages, to be installed with apt-get: ${missing[*]}"
  step "installing ${missing[*]}" install_packages "${missing[@]}"
}

install_packages() {
  # Debian starts a service when it installs one; the cluster runs its own containerd, on its own paths.
  local policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y --no-install-recommends "$@" ||
    { apt-get update && apt-get install -y --no-install-recommends "$@"; }
}

require_cluster_packages() {
  require_programs containerd=containerd containerd-shim-runc-v2=containerd ctr=containerd runc=runc \
    /usr/lib/cni/bridge=containernetworking-plugins iptables=iptables ip=iproute2 openssl=openssl \
    python3=python3 flock=util-linux mount=mount
}
