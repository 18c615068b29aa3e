{{/* TLS where our pods speak to each other: the hop, replicas of an exporter, and receivers that hand over. */}}

{{/* Not empty when there is any. */}}
{{- define "penstock.hopTls" -}}
{{- $tls := .Values.hop.tls -}}
{{- $issuer := $tls.certManager.issuerRef -}}
{{- if and $tls.secretName $issuer }}{{ fail "hop.tls: either secretName or certManager.issuerRef" }}{{ end -}}
{{- if and $issuer (not $issuer.name) }}{{ fail "hop.tls.certManager.issuerRef.name is needed" }}{{ end -}}
{{- if and $issuer $tls.clientNames }}{{ fail "hop.tls.clientNames: only with secretName; names of certManager's certificates are known" }}{{ end -}}
{{- if or $tls.secretName $issuer }}yes{{ end -}}
{{- end }}

{{/* (list $ component): the Secret of a workload. */}}
{{- define "penstock.hopSecret" -}}
{{ (index . 0).Values.hop.tls.secretName | default (printf "%s-%s-hop" (include "penstock.fullname" (index . 0)) (index . 1)) }}
{{- end }}

{{- define "penstock.hopFolder" -}}/etc/penstock-hop{{- end }}

{{/* What who connects shows and believes. */}}
{{- define "penstock.hopClient" -}}
{{- $folder := include "penstock.hopFolder" . -}}
ca_file: {{ $folder }}/ca.crt
cert_file: {{ $folder }}/tls.crt
key_file: {{ $folder }}/tls.key
{{- end }}

{{/* (list $ own names...): what who is connected to shows and asks for. Receivers may connect, and who has one of its own names. */}}
{{- define "penstock.hopServer" -}}
{{- $root := first . -}}
{{- $folder := include "penstock.hopFolder" $root -}}
{{- $names := $root.Values.hop.tls.clientNames -}}
{{- if $root.Values.hop.tls.certManager.issuerRef -}}
{{- $names = rest . -}}
{{- range keys (include "penstock.receivers" $root | fromJson) | sortAlpha }}{{ $names = append $names (include "penstock.peersHost" (list $root .)) }}{{ end -}}
{{- end -}}
cert_file: {{ $folder }}/tls.crt
key_file: {{ $folder }}/tls.key
client_ca_file: {{ $folder }}/ca.crt
client_names: {{ toJson $names }}
{{- end }}

{{/* How receivers hand over: `port`, the one that senders use; `peers`, one of their own with TLS; nothing, not at all or as the user says. */}}
{{- define "penstock.handOver" -}}
{{- $user := dig "penstock" "drain" "hand_over" dict (include "penstock.parsed" . | fromJson) -}}
{{- $ports := include "penstock.ports" . | fromJson -}}
{{- if or (eq .Values.receiver.log.storage "volume") $user.endpoint -}}
{{- else if include "penstock.hopTls" . -}}
{{- if has (include "penstock.peersPort" . | int) (values $ports | toJson | fromJsonArray) }}{{ fail (printf "config: port %s is that of receivers that hand over with hop.tls" (include "penstock.peersPort" .)) }}{{ end -}}
peers
{{- else if hasKey $ports "otlp-grpc" -}}
{{- $first := include "penstock.first" . -}}
{{- $grpc := dig $first "protocols" "grpc" dict (include "penstock.otlp" . | fromJson) | default dict -}}
{{- range $key := list "tls" "auth" -}}
{{- if and (get $grpc $key) (not (get $user $key)) }}{{ fail (printf "config.receivers.%s.protocols.grpc.%s: a receiver that stops hands over to others at this port, and needs config.penstock.drain.hand_over.%s for that; or set hop.tls, which gives receivers a port of their own" $first $key $key) }}{{ end -}}
{{- end -}}
port
{{- end -}}
{{- end }}

{{/* (list $ component): where receivers of a workload hand over. */}}
{{- define "penstock.handOverEndpoint" -}}
{{- $root := index . 0 -}}
{{- $port := include "penstock.peersPort" $root -}}
{{- if eq (include "penstock.handOver" $root) "port" }}{{ $port = get (include "penstock.ports" $root | fromJson) "otlp-grpc" }}{{ end -}}
dns:///{{ include "penstock.peersHost" . }}:{{ $port }}
{{- end }}

{{/* The receiver of what is handed over with TLS, which no sender may use. */}}
{{- define "penstock.peers" -}}otlp/penstock-peers{{- end }}
{{- define "penstock.peersPort" -}}4319{{- end }}

{{/* Certificates as pods have them. */}}
{{- define "penstock.hopMount" -}}
{{- if include "penstock.hopTls" . -}}
- {name: hop, mountPath: {{ include "penstock.hopFolder" . }}, readOnly: true}
{{- end }}
{{- end }}

{{/* (list $ component) */}}
{{- define "penstock.hopVolume" -}}
{{- if include "penstock.hopTls" (index . 0) -}}
- name: hop
  secret: {secretName: {{ include "penstock.hopSecret" . }}, defaultMode: 0440}
{{- end }}
{{- end }}
