{{/* What the operator may do in a namespace that it watches. No wildcards; of Secrets it can only read one by name. */}}
{{- define "dbm.rules" -}}
- apiGroups: [dbops.dev]
  resources: [databasemigrations]
  verbs: [get, list, watch, patch, update]
- apiGroups: [dbops.dev]
  resources: [databasemigrations/status]
  verbs: [get, patch, update]
# what people decided; it is they who make them, the operator only answers
- apiGroups: [dbops.dev]
  resources: [migrationactions]
  verbs: [get, list, watch]
- apiGroups: [dbops.dev]
  resources: [migrationactions/status]
  verbs: [get, patch, update]
# to be named as an owner
- apiGroups: [dbops.dev]
  resources: [databasemigrations/finalizers]
  verbs: [update]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
# delete: those in which only a sidecar is left running
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, delete]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
# connection strings, by the names that a resource gives
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
# inventories; certificate authorities
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, create, delete]
# why a Job has no pod stands only in Events
- apiGroups: [""]
  resources: [events]
  verbs: [get, list, create]
{{- end -}}
