{{- define "dbm.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The name of what is not in a namespace: two releases of one name may live in two. */}}
{{- define "dbm.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "dbm.fullname" .) -}}
{{- end -}}

{{- define "dbm.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "dbm.labels" -}}
{{ include "dbm.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "dbm.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "dbm.fullname" .) -}}
{{- end -}}

{{- define "dbm.image" -}}
{{- with .Values.image.digest -}}
{{ $.Values.image.repository }}@{{ . }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The namespaces that are watched, as a JSON object with one list. Not asked for when all are. */}}
{{- define "dbm.namespaces" -}}
{{- dict "list" (.Values.watchNamespaces | default (list .Release.Namespace) | sortAlpha) | toJson -}}
{{- end -}}

{{/*
Values that are each right and together wrong, and a cluster that lacks the CEL libraries of the CRD. (Not as kubeVersion in
Chart.yaml: a Helm that was built without version flags takes "no cluster" for v1.20.0, and would render nothing.)
*/}}
{{- define "dbm.check" -}}
{{- if and (semverCompare "<1.31.0-0" .Capabilities.KubeVersion.Version) (ne .Capabilities.KubeVersion.Version "v1.20.0") -}}
{{- fail (printf "Kubernetes 1.31 or newer is needed, this is %s" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- if and .Values.clusterWide .Values.watchNamespaces -}}
{{- fail "clusterWide watches every namespace: leave watchNamespaces empty" -}}
{{- end -}}
{{- if and (not .Values.leaderElection.enabled) (gt (int .Values.replicas) 1) -}}
{{- fail "two replicas without leader election would both migrate: set leaderElection.enabled, or replicas to 1" -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create is false: name the ServiceAccount to use in serviceAccount.name" -}}
{{- end -}}
{{- end -}}
