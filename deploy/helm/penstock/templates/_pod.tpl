{{/* What the pods of both tiers have in common: Pod Security `restricted`, probes, drain, environment. */}}

{{/* (list $ component values): of the pod's spec. */}}
{{- define "penstock.podSpec" -}}
{{- $root := index . 0 }}{{ $values := index . 2 -}}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ add $root.Values.drain.deadlineSeconds $root.Values.drain.preStopSeconds 5 }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
# Full names are asked for as they are, and not six times.
dnsConfig:
  options: [{name: ndots, value: "2"}]
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "penstock.selector" (list $root (index . 1)) | nindent 8 }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
{{- with get $values $key }}
{{ dict $key . | toYaml }}
{{- end }}
{{- end }}
{{- end }}

{{/* (list $ values): of the container. */}}
{{- define "penstock.container" -}}
{{- $root := index . 0 -}}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources: {{- toYaml (index . 1).resources | nindent 2 }}
env:
  - {name: MY_POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
  - {name: OTEL_K8S_POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
  - {name: OTEL_K8S_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
  - {name: OTEL_K8S_NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
  {{- with $root.Values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $root.Values.envFrom }}
envFrom: {{- toYaml . | nindent 2 }}
{{- end }}
startupProbe:
  httpGet: {path: /livez, port: admin}
  periodSeconds: 1
  failureThreshold: 60
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 2
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /livez, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
{{- if and $root.Values.drain.preStopSeconds (semverCompare ">=1.30-0" $root.Capabilities.KubeVersion.Version) }}
lifecycle:
  preStop: {sleep: {seconds: {{ $root.Values.drain.preStopSeconds }}}}
{{- end }}
{{- end }}
