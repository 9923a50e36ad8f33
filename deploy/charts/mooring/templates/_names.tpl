{{- define "mooring.name" -}}
{{- if contains "mooring" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-mooring" (.Release.Name | trunc 32 | trimSuffix "-") }}{{ end -}}
{{- end -}}

{{- /* What is not in a namespace has the release's namespace in its name. */ -}}
{{- define "mooring.clusterwide" -}}
{{ printf "%s-%s" (include "mooring.name" .) .Release.Namespace }}
{{- end -}}

{{- define "mooring.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "mooring.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "mooring.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "mooring.sqlite" -}}
{{- if eq .Values.database.kind "sqlite" }}yes{{ end -}}
{{- end -}}

{{- /* The component whose pods serve pages: in the one pod of SQLite all parts are together. */ -}}
{{- define "mooring.serving" -}}
{{- if include "mooring.sqlite" . }}studio{{ else }}web{{ end -}}
{{- end -}}

{{- define "mooring.host" -}}
{{- regexReplaceAll "^https?://([^:/]+).*$" .Values.url "${1}" -}}
{{- end -}}

{{- define "mooring.https" -}}
{{- if hasPrefix "https://" .Values.url }}yes{{ end -}}
{{- end -}}

{{- define "mooring.podUrl" -}}
{{- $port := int .Values.service.port -}}
{{- .Values.podUrl | default (printf "http://%s.%s.svc%s" (include "mooring.name" .) .Release.Namespace (ternary "" (printf ":%d" $port) (eq $port 80))) -}}
{{- end -}}

{{- define "mooring.claim" -}}
{{- .Values.storage.existingClaim | default (printf "%s-files" (include "mooring.name" .)) -}}
{{- end -}}

{{- define "mooring.keysSecret" -}}
{{- .Values.keys.secret | default (printf "%s-keys" (include "mooring.name" .)) -}}
{{- end -}}

{{- define "mooring.administratorSecret" -}}
{{- .Values.administrator.secret | default (printf "%s-administrator" (include "mooring.name" .)) -}}
{{- end -}}

{{- define "mooring.databaseSecret" -}}
{{- .Values.database.secret.name | default (printf "%s-database" (include "mooring.name" .)) -}}
{{- end -}}

{{- define "mooring.redisSecret" -}}
{{- .Values.redis.secret.name | default (printf "%s-redis" (include "mooring.name" .)) -}}
{{- end -}}

{{- /* A value of a Secret that is there already, else a fresh one, as base64: [root, name of the Secret, key, fresh]. */ -}}
{{- define "mooring.kept" -}}
{{- $found := lookup "v1" "Secret" (index . 0).Release.Namespace (index . 1) -}}
{{- $value := dig "data" (index . 2) "" (default dict $found) -}}
{{- $value | default (index . 3 | b64enc) -}}
{{- end -}}
