{{- /* What every pod of the chart has: the level restricted, where it runs, and nothing that it was not given. */ -}}
{{- define "mooring.pod" -}}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  {{- if .Values.fixedUser }}
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  # A volume with many files is gone through once and not at every start.
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* [root, component] */ -}}
{{- define "mooring.podMetadata" -}}
{{- $root := index . 0 -}}
# No version among them: a newer chart alone starts no pod anew, least of all a database.
labels:
  {{- include "mooring.selector" $root | nindent 2 }}
  app.kubernetes.io/component: {{ index . 1 }}
  {{- with $root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  # What lies in Secrets of the chart's own is read at a start.
  checksum/urls: {{ printf "%s %s" $root.Values.database.url $root.Values.redis.url | sha256sum }}
  {{- with $root.Values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "mooring.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{- define "mooring.image" -}}
image: {{ .Values.image | quote }}
imagePullPolicy: {{ .Values.imagePullPolicy }}
{{- end -}}

{{- /* Replicas over nodes and zones where they can; with a volume for one node, all on that node. [root, component] */ -}}
{{- define "mooring.places" -}}
{{- $root := index . 0 -}}
{{- if ne $root.Values.storage.accessMode "ReadWriteMany" }}
affinity:
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "mooring.selector" $root | nindent 12 }}
          matchExpressions:
            - {key: app.kubernetes.io/component, operator: In, values: [web, worker]}
{{- else if $root.Values.spread }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "mooring.selector" $root | nindent 8 }}
        app.kubernetes.io/component: {{ index $ 1 }}
    # The pods of an update are spread by themselves.
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end -}}

{{- /* The variables of web, worker and what prepares the database. */ -}}
{{- define "mooring.environment" -}}
- {name: MOORING_DATA, value: /var/lib/mooring}
- {name: HOME, value: /tmp}
- {name: MOORING_SECRET_KEY_FILE, value: /etc/mooring/keys/secret-key}
- {name: MOORING_ENCRYPTION_KEYS_FILE, value: /etc/mooring/keys/encryption-keys}
{{- if not (include "mooring.sqlite" .) }}
- {name: DATABASE_URL_FILE, value: /etc/mooring/database/url}
{{- end }}
- {name: REDIS_URL_FILE, value: /etc/mooring/redis/url}
- {name: MOORING_POD_URL, value: {{ include "mooring.podUrl" . | quote }}}
{{- with .Values.runnerImage }}
- {name: MOORING_RUNNER_IMAGE, value: {{ . | quote }}}
{{- end }}
{{- if .Values.url }}
- {name: MOORING_PUBLIC_URL, value: {{ .Values.url | quote }}}
- {name: MOORING_TRUSTED_ORIGINS, value: {{ .Values.url | quote }}}
{{- end }}
{{- if include "mooring.https" . }}
- {name: MOORING_SECURE_COOKIES, value: "true"}
- {name: MOORING_BEHIND_TLS_PROXY, value: "true"}
{{- end }}
{{- with .Values.web.proxyAddresses }}
- {name: MOORING_PROXY_ADDRESSES, value: {{ join "," . | quote }}}
{{- end }}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end -}}

{{- define "mooring.environmentFrom" -}}
{{- with .Values.settingsSecret }}
envFrom:
  - secretRef:
      name: {{ . }}
{{- end }}
{{- end -}}

{{- define "mooring.mounts" -}}
- {name: files, mountPath: /var/lib/mooring}
- {name: scratch, mountPath: /tmp}
- {name: keys, mountPath: /etc/mooring/keys, readOnly: true}
- {name: redis, mountPath: /etc/mooring/redis, readOnly: true}
{{- if not (include "mooring.sqlite" .) }}
- {name: database, mountPath: /etc/mooring/database, readOnly: true}
{{- end }}
{{- end -}}

{{- define "mooring.volumes" -}}
- name: files
  persistentVolumeClaim:
    claimName: {{ include "mooring.claim" . }}
- name: scratch
  emptyDir:
    sizeLimit: 1Gi
- name: keys
  secret:
    secretName: {{ include "mooring.keysSecret" . }}
    defaultMode: 0440
- name: administrator
  secret:
    secretName: {{ include "mooring.administratorSecret" . }}
    # Once there is an administrator nobody reads it: it may be deleted.
    optional: true
    defaultMode: 0440
{{ include "mooring.redisVolume" . }}
{{- if not (include "mooring.sqlite" .) }}
- name: database
  secret:
    secretName: {{ include "mooring.databaseSecret" . }}
    defaultMode: 0440
    items:
      - {key: {{ ternary .Values.database.secret.key "url" (ne .Values.database.secret.name "") }}, path: url}
{{- end }}
{{- end -}}

{{- define "mooring.redisVolume" -}}
- name: redis
  secret:
    secretName: {{ include "mooring.redisSecret" . }}
    defaultMode: 0440
    items:
      - {key: {{ ternary .Values.redis.secret.key "url" (ne .Values.redis.secret.name "") }}, path: url}
{{- end -}}

{{- /* Brings the database up to date and makes the first administrator. It runs in each pod: whoever comes second waits for the first
and finds nothing to do. */ -}}
{{- define "mooring.prepare" -}}
- name: prepare
  {{- include "mooring.image" . | nindent 2 }}
  command: [python3, manage.py, mooring_first_start, --migrate, --no-token, "--wait={{ .Values.startSeconds }}"]
  env:
    {{- include "mooring.environment" . | nindent 4 }}
    - {name: MOORING_ADMIN_PASSWORD_FILE, value: /etc/mooring/administrator/password}
  {{- include "mooring.environmentFrom" . | nindent 2 }}
  resources:
    {{- toYaml .Values.web.resources | nindent 4 }}
  {{- include "mooring.container" . | nindent 2 }}
  volumeMounts:
    {{- include "mooring.mounts" . | nindent 4 }}
    - {name: administrator, mountPath: /etc/mooring/administrator, readOnly: true}
{{- end -}}
