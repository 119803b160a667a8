{{- define "dcac.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "dcac.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "dcac.labels" -}}
{{ include "dcac.selector" . }}
app.kubernetes.io/component: server
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- /* Where the files of secrets appear. */ -}}
{{- define "dcac.tlsFolder" -}}/etc/dcac/tls{{- end -}}
{{- define "dcac.tokenFolder" -}}/etc/dcac/tokens{{- end -}}

{{- /* The socket of the probes, which needs neither certificate nor token. */ -}}
{{- define "dcac.healthSocket" -}}unix:/tmp/dcac.sock{{- end -}}

{{- /* The server refuses to start so; who installs the chart is told at once. */ -}}
{{- define "dcac.checkSecurity" -}}
{{- if and (not .Values.insecure) (not (and .Values.tls.secretName .Values.tokens.secretName)) -}}
{{- fail "tls.secretName and tokens.secretName are needed; insecure=true does without, and lets everybody in" -}}
{{- end -}}
{{- end -}}
