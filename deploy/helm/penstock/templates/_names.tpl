{{/* Names and labels. A release called penstock has no name twice; a Service's has at most 63 letters, with an exporter's id in it. */}}
{{- define "penstock.fullname" -}}
{{- $name := replace "." "-" .Release.Name -}}
{{- if not (contains "penstock" $name) }}{{ $name = printf "%s-penstock" $name }}{{ end -}}
{{- $name | trunc 33 | trimSuffix "-" -}}
{{- end }}

{{/* What selects pods: (list $ component), component being `receiver` or an exporter's id as in a name. */}}
{{- define "penstock.selector" -}}
app.kubernetes.io/name: penstock
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "penstock.labels" -}}
{{ include "penstock.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version }}
{{- end }}

{{/* An exporter's id as part of a name: otlp/tempo is otlp-tempo. */}}
{{- define "penstock.slug" -}}
{{ regexReplaceAll "[^a-z0-9]+" (lower .) "-" | trunc 20 | trimSuffix "-" }}
{{- end }}

{{- define "penstock.exporterName" -}}
{{ include "penstock.fullname" (index . 0) }}-exporter-{{ include "penstock.slug" (index . 1) }}
{{- end }}

{{/* Where an exporter's replicas are. */}}
{{- define "penstock.exporterHost" -}}
{{ include "penstock.exporterName" . }}.{{ (index . 0).Release.Namespace }}.svc.cluster.local
{{- end }}

{{/* (list $ component): where the receivers of a workload are. */}}
{{- define "penstock.peersHost" -}}
{{ include "penstock.fullname" (index . 0) }}-{{ index . 1 }}-peers.{{ (index . 0).Release.Namespace }}.svc.cluster.local
{{- end }}

{{- define "penstock.image" -}}
{{ printf "%s/%s:%s" (index . 0).Values.image.repository (index . 1) ((index . 0).Values.image.tag | default (index . 0).Chart.AppVersion) }}
{{- end }}
