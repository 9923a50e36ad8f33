{{- define "mooring.web" -}}
- name: web
  {{- include "mooring.image" . | nindent 2 }}
  command: [python3, -m, studio.web]
  env:
    {{- include "mooring.environment" . | nindent 4 }}
    - {name: MOORING_LISTEN, value: "0.0.0.0:8080"}
  {{- include "mooring.environmentFrom" . | nindent 2 }}
  ports:
    - {name: http, containerPort: 8080}
  startupProbe:
    httpGet: {path: /healthz, port: http, httpHeaders: [{name: Host, value: localhost}]}
    periodSeconds: 2
    timeoutSeconds: 5
    failureThreshold: 90
  livenessProbe:
    # Whether this process answers at all: no database and no Redis can have it started again.
    httpGet: {path: /healthz, port: http, httpHeaders: [{name: Host, value: localhost}]}
    periodSeconds: 10
    timeoutSeconds: 10
    failureThreshold: 6
  readinessProbe:
    httpGet: {path: /readyz, port: http, httpHeaders: [{name: Host, value: localhost}]}
    periodSeconds: 5
    timeoutSeconds: 10
    failureThreshold: 2
  lifecycle:
    preStop:
      # Until everybody in front knows that this pod goes.
      exec:
        command: [sleep, "5"]
  resources:
    {{- toYaml .Values.web.resources | nindent 4 }}
  {{- include "mooring.container" . | nindent 2 }}
  volumeMounts:
    {{- include "mooring.mounts" . | nindent 4 }}
{{- end -}}

{{- define "mooring.worker" -}}
- name: worker
  {{- include "mooring.image" . | nindent 2 }}
  command: [python3, -m, celery, --quiet, -A, studio.celery, worker, --loglevel, INFO, --pool, threads, "--concurrency={{ .Values.worker.threads }}",
    --queues, "kube,stream", --hostname, "worker@%h", --without-gossip, --without-mingle, --without-heartbeat]
  env:
    {{- include "mooring.environment" . | nindent 4 }}
    - {name: MOORING_ALIVE_FILE, value: /tmp/alive}
  {{- include "mooring.environmentFrom" . | nindent 2 }}
  {{- include "mooring.aliveProbes" . | nindent 2 }}
  resources:
    {{- toYaml .Values.worker.resources | nindent 4 }}
  {{- include "mooring.container" . | nindent 2 }}
  volumeMounts:
    {{- include "mooring.mounts" . | nindent 4 }}
{{- end -}}

{{- /* Beat sends names by the schedule: it opens no database, no file and no secret. */ -}}
{{- define "mooring.beat" -}}
- name: beat
  {{- include "mooring.image" . | nindent 2 }}
  command: [python3, -m, studio.beat]
  env:
    - {name: MOORING_DATA, value: /tmp/mooring}
    - {name: HOME, value: /tmp}
    - {name: REDIS_URL_FILE, value: /etc/mooring/redis/url}
    - {name: MOORING_ALIVE_FILE, value: /tmp/alive}
    {{- range $name, $value := pick .Values.settings "MOORING_LOG_JSON" "MOORING_LOG_LEVEL" }}
    - {name: {{ $name }}, value: {{ $value | quote }}}
    {{- end }}
  {{- include "mooring.aliveProbes" . | nindent 2 }}
  resources:
    {{- toYaml .Values.beat.resources | nindent 4 }}
  {{- include "mooring.container" . | nindent 2 }}
  volumeMounts:
    - {name: beat, mountPath: /tmp}
    - {name: redis, mountPath: /etc/mooring/redis, readOnly: true}
{{- end -}}

{{- /* They serve no address: a file is touched every few seconds from when they work until the process stands still. One that an
earlier container of the pod has left counts for nothing. */ -}}
{{- define "mooring.aliveProbes" -}}
{{- $young := list "sh" "-c" "test -n \"$(find /tmp/alive -mmin -2)\"" | toJson -}}
startupProbe:
  exec:
    command: {{ $young }}
  periodSeconds: 2
  timeoutSeconds: 10
  failureThreshold: 300
livenessProbe:
  exec:
    command: {{ $young }}
  periodSeconds: 30
  timeoutSeconds: 10
  failureThreshold: 3
{{- end -}}
