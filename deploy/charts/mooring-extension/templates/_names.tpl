{{- define "mooring.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
mooring.dev/studio: {{ .Values.studio | quote }}
{{- end -}}

{{- /* Only the namespaces of computes may have routes, and only HTTP routes. */ -}}
{{- define "mooring.routes" -}}
kinds:
  - kind: HTTPRoute
namespaces:
  from: Selector
  selector:
    matchExpressions:
      - key: mooring.dev/compute
        operator: Exists
{{- end -}}
