{{/* `tidings-api` in a release `tidings`, and `shop-tidings-api` in a release `shop`. Takes root and component. */}}
{{- define "tidings.name" -}}
{{- $base := ternary .root.Release.Name (printf "%s-tidings" .root.Release.Name) (contains "tidings" .root.Release.Name) | trunc 44 | trimSuffix "-" -}}
{{- if .component }}{{ printf "%s-%s" $base .component }}{{ else }}{{ $base }}{{ end -}}
{{- end }}

{{/* What a pod is selected by. */}}
{{- define "tidings.selector" -}}
app.kubernetes.io/name: tidings
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "tidings.labels" -}}
{{ include "tidings.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Pods of several components. */}}
{{- define "tidings.selectorOf" -}}
matchLabels:
  {{- include "tidings.selector" (dict "root" .root) | nindent 2 }}
matchExpressions:
  - {key: app.kubernetes.io/component, operator: In, values: {{ toJson .components }}}
{{- end }}

{{- define "tidings.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end }}

{{/* A variable out of `secret`. Takes root and name; optional. */}}
{{- define "tidings.variable" -}}
- {name: {{ .name }}, valueFrom: {secretKeyRef: {name: {{ .from | default .root.Values.secret }}, key: {{ .key | default .name }}{{ if .optional }}, optional: true{{ end }}}}}
{{- end }}

{{/* Postgres's addresses. */}}
{{- define "tidings.postgres" -}}
{{- with .Values.postgres -}}
{{ include "tidings.variable" (dict "root" $ "name" "POSTGRES_URI" "from" .uri.secret "key" .uri.key) }}
{{ include "tidings.variable" (dict "root" $ "name" "POSTGRES_LISTEN_URI" "from" .listenUri.secret "key" .listenUri.key "optional" true) }}
{{- end -}}
{{- end }}

{{- define "tidings.redis" -}}
{{- with .Values.redis -}}
{{- if .password.secret }}
{{ include "tidings.variable" (dict "root" $ "name" "REDIS_PASSWORD" "from" .password.secret "key" .password.key) }}
{{- end }}
{{- if .address }}
- {name: REDIS_URI, value: {{ .address | quote }}}
{{- else }}
{{ include "tidings.variable" (dict "root" $ "name" "REDIS_URI" "from" .uri.secret "key" .uri.key) }}
{{- end }}
{{- end -}}
{{- end }}

{{/* The files of `certificates`, of a pod and of its container; empty where there are none. */}}
{{- define "tidings.volumes" -}}
{{- with .Values.certificates -}}
{{- if or .secret .configMap -}}
volumes:
  - name: certificates
    {{- if .secret }}
    secret: {secretName: {{ .secret }}}
    {{- else }}
    configMap: {name: {{ .configMap }}}
    {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tidings.mounts" -}}
{{- if include "tidings.volumes" . -}}
volumeMounts:
  - {name: certificates, mountPath: /etc/tidings, readOnly: true}
{{- end }}
{{- end }}

{{/* Who a pod runs as. */}}
{{- define "tidings.podSecurity" -}}
automountServiceAccountToken: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "tidings.container" -}}
image: {{ include "tidings.image" . | quote }}
{{- with .Values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/*
Deployment and PodDisruptionBudget of a kind of process. Takes root, component, command, scaled, surge, seconds (to stop),
variables (the optional keys of `secret`), and as text: env, ports, probe (its port), lifecycle.
*/}}
{{- define "tidings.processes" -}}
{{- $values := index .root.Values .component -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "tidings.name" . }}
  labels:
    {{- include "tidings.labels" . | nindent 4 }}
spec:
  {{- if not .scaled }}
  replicas: {{ $values.replicas }}
  {{- end }}
  strategy:
    rollingUpdate: {maxSurge: {{ .surge }}, maxUnavailable: 0}
  selector:
    matchLabels:
      {{- include "tidings.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- with .root.Values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- include "tidings.selector" . | nindent 8 }}
      annotations:
        {{- with .root.Values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        prometheus.io/scrape: "true"
        prometheus.io/port: "9464"
        prometheus.io/path: /metrics
        # A changed setting rolls the processes.
        checksum/settings: {{ include "tidings.settings" .root | sha256sum }}
    spec:
      serviceAccountName: {{ include "tidings.name" (dict "root" .root) }}
      {{- include "tidings.podSecurity" .root | nindent 6 }}
      terminationGracePeriodSeconds: {{ .seconds }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "tidings.selector" . | nindent 14 }}
      {{- with .root.Values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .root.Values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .root.Values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .root.Values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with include "tidings.volumes" .root }}
      {{- . | nindent 6 }}
      {{- end }}
      containers:
        - name: {{ .command }}
          args: [{{ .command }}]
          {{- include "tidings.container" .root | nindent 10 }}
          {{- with include "tidings.mounts" .root }}
          {{- . | nindent 10 }}
          {{- end }}
          envFrom:
            - configMapRef: {name: {{ include "tidings.name" (dict "root" .root) }}}
          env:
            {{- with .env }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- include "tidings.postgres" .root | nindent 12 }}
            {{- include "tidings.redis" .root | trim | nindent 12 }}
            {{- range concat .variables (list "VAULT_ROLE_ID" "VAULT_SECRET_ID") }}
            {{- include "tidings.variable" (dict "root" $.root "name" . "optional" true) | nindent 12 }}
            {{- end }}
          ports:
            {{- .ports | nindent 12 }}
          # It answers once it has found Postgres at the right schema, so a start may take as long as a migration.
          startupProbe:
            httpGet: {path: /health/live, port: {{ .probe }}}
            periodSeconds: 2
            failureThreshold: 150
          # That the process lives, and no more: stores are shared, and one that is away would take every pod out at once.
          readinessProbe:
            httpGet: {path: /health/live, port: {{ .probe }}}
            {{- with .readyEvery }}
            periodSeconds: {{ . }}
            {{- end }}
            timeoutSeconds: 3
          livenessProbe:
            httpGet: {path: /health/live, port: {{ .probe }}}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          {{- with .lifecycle }}
          lifecycle:
            {{- . | nindent 12 }}
          {{- end }}
          resources:
            {{- toYaml $values.resources | nindent 12 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "tidings.name" . }}
  labels:
    {{- include "tidings.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ $values.maxUnavailable }}
  selector:
    matchLabels:
      {{- include "tidings.selector" . | nindent 6 }}
{{- end }}

{{/* The settings of all processes; metrics are where the probes and the policies have them. */}}
{{- define "tidings.settings" -}}
{{- toYaml (merge (dict "METRICS_HOST" "0.0.0.0" "METRICS_PORT" "9464") .Values.settings) -}}
{{- end }}
