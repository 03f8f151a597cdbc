# shellcheck shell=bash disable=SC2154 # names of common.sh
# One authority, and a certificate for each program: so that each has its own name in the audit log.

# issue NAME SUBJECT USAGE [SUBJECT-ALTERNATIVE-NAMES]
issue() {
  local out=$cluster_dir/pki/$1
  [ ! -s "$out.crt" ] || return 0
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$out.key" -subj "$2" \
    -out "$out.csr" 2>/dev/null
  {
    echo "basicConstraints=CA:FALSE"
    echo "keyUsage=critical,digitalSignature"
    echo "extendedKeyUsage=$3"
    [ -z "${4:-}" ] || echo "subjectAltName=$4"
  } >"$out.ext"
  openssl x509 -req -in "$out.csr" -CA "$cluster_dir/pki/ca.crt" -CAkey "$cluster_dir/pki/ca.key" \
    -CAcreateserial -days 3650 -extfile "$out.ext" -out "$out.crt.new" 2>/dev/null
  mv "$out.crt.new" "$out.crt"
  rm -f "$out.csr" "$out.ext"
}

# kubeconfig NAME: with everything inside, so that it can be copied.
kubeconfig() {
  local pki=$cluster_dir/pki
  [ ! -s "$cluster_dir/$1.kubeconfig" ] || return 0
  cat >"$cluster_dir/$1.kubeconfig" <<EOF
apiVersion: v1
kind: Config
clusters:
  - name: local-cluster
    cluster:
      server: $api_url
      certificate-authority-data: $(base64 -w0 "$pki/ca.crt")
users:
  - name: $1
    user:
      client-certificate-data: $(base64 -w0 "$pki/$1.crt")
      client-key-data: $(base64 -w0 "$pki/$1.key")
contexts:
  - name: local-cluster
    context: {cluster: local-cluster, user: $1}
current-context: local-cluster
EOF
}

certificates() {
  local pki=$cluster_dir/pki
  (
    umask 077
    mkdir -p "$pki"
    [ -s "$pki/ca.crt" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
      -keyout "$pki/ca.key" -out "$pki/ca.crt" -days 3650 -subj "/CN=local-cluster" 2>/dev/null
    [ -s "$pki/service-accounts.key" ] || openssl genrsa -out "$pki/service-accounts.key" 2048 2>/dev/null
    issue apiserver /CN=kube-apiserver serverAuth \
      "IP:$node_ip,IP:$kubernetes_ip,IP:127.0.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
    issue kubelet-serving "/O=system:nodes/CN=system:node:$node_name" serverAuth "IP:$node_ip,DNS:$node_name"
    issue apiserver-to-kubelet /CN=kube-apiserver-kubelet-client clientAuth
    issue admin /O=system:masters/CN=local-admin clientAuth
    issue controller-manager /CN=system:kube-controller-manager clientAuth
    issue scheduler /CN=system:kube-scheduler clientAuth
    issue kubelet "/O=system:nodes/CN=system:node:$node_name" clientAuth
    issue kube-proxy /CN=system:kube-proxy clientAuth
    issue coredns /CN=coredns clientAuth
    local name
    for name in admin controller-manager scheduler kubelet kube-proxy coredns; do
      kubeconfig $name
    done
  )
}
