{{/* What is read from the user's configuration. Nothing in here changes it. */}}

{{/* The configuration as text, as the user gave it. */}}
{{- define "penstock.userConfig" -}}
{{- $config := required "config is needed: the Collector's configuration, as a map or by --set-file config=FILE" .Values.config -}}
{{- if kindIs "string" $config }}{{ $config }}{{ else }}{{ toYaml $config }}{{ end -}}
{{- end }}

{{/* The same, read, as JSON. */}}
{{- define "penstock.parsed" -}}
{{- $config := include "penstock.userConfig" . | fromYaml -}}
{{- if and (hasKey $config "Error") (not (hasKey $config "service")) }}{{ fail (printf "config is no YAML: %s" $config.Error) }}{{ end -}}
{{- if not (dig "service" "pipelines" "" $config) }}{{ fail "config.service.pipelines is needed" }}{{ end -}}
{{- range $id, $pipeline := $config.service.pipelines }}{{ if not (and (kindIs "map" $pipeline) (dig "receivers" "" $pipeline) (dig "exporters" "" $pipeline)) }}{{ fail (printf "config.service.pipelines.%s needs receivers and exporters" $id) }}{{ end }}{{ end -}}
{{- toJson $config -}}
{{- end }}

{{/* The exporters that a pipeline has, as JSON: a list of ids. */}}
{{- define "penstock.exporters" -}}
{{- $ids := list -}}
{{- range (include "penstock.parsed" . | fromJson).service.pipelines }}{{ range .exporters }}{{ $ids = append $ids . }}{{ end }}{{ end -}}
{{- $ids = $ids | uniq | sortAlpha -}}
{{- $slugs := list -}}
{{- range $ids }}{{ $slugs = append $slugs (include "penstock.slug" .) }}{{ end -}}
{{- if ne (len $slugs) (len (uniq $slugs)) }}{{ fail (printf "two of the exporters %s have the same first 20 letters: give one another name" (join ", " $ids)) }}{{ end -}}
{{- range $id := keys .Values.exporters }}{{ if not (has $id $ids) }}{{ fail (printf "exporters.%s: no pipeline of config has it" $id) }}{{ end }}{{ end -}}
{{- toJson $ids -}}
{{- end }}

{{/* The signals that have a pipeline, as JSON. */}}
{{- define "penstock.signals" -}}
{{- $signals := list -}}
{{- range keys (include "penstock.parsed" . | fromJson).service.pipelines }}{{ $signals = append $signals (splitList "/" . | first) }}{{ end -}}
{{- $signals | uniq | sortAlpha | toJson -}}
{{- end }}

{{/* The receivers' workloads, as JSON: component of each, with the signals that it serves (none: all). */}}
{{- define "penstock.receivers" -}}
{{- $receivers := dict -}}
{{- if .Values.receiver.perSignal -}}
{{- range include "penstock.signals" . | fromJsonArray }}{{ $_ := set $receivers (printf "receiver-%s" .) . }}{{ end -}}
{{- else }}{{ $_ := set $receivers "receiver" "" }}{{ end -}}
{{- toJson $receivers -}}
{{- end }}

{{/* The `otlp` receivers that a pipeline has, as JSON: id to settings. */}}
{{- define "penstock.otlp" -}}
{{- $parsed := include "penstock.parsed" . | fromJson -}}
{{- $used := list -}}
{{- range $parsed.service.pipelines }}{{ $used = concat $used (.receivers | default list) }}{{ end -}}
{{- $otlp := dict -}}
{{- range $id, $settings := $parsed.receivers }}{{ if has $id $used }}{{ $_ := set $otlp $id ($settings | default dict) }}{{ end }}{{ end -}}
{{- toJson $otlp -}}
{{- end }}

{{/* The receiver whose ports have the how-to's names: `otlp`, or else the first. */}}
{{- define "penstock.first" -}}
{{- $ids := keys (include "penstock.otlp" . | fromJson) | sortAlpha -}}
{{- if has "otlp" $ids }}otlp{{ else }}{{ first $ids }}{{ end -}}
{{- end }}

{{/* Ports of the `otlp` receivers, as JSON: name of the port to number. */}}
{{- define "penstock.ports" -}}
{{- $ports := dict -}}
{{- $usual := dict "grpc" 4317 "http" 4318 -}}
{{- $first := include "penstock.first" . -}}
{{- range $id, $receiver := include "penstock.otlp" . | fromJson -}}
{{- $suffix := ternary "" (trimPrefix "otlp" $id | replace "/" "-" | replace "_" "-") (eq $id $first) -}}
{{- range $protocol, $settings := (default dict $receiver).protocols -}}
{{- $endpoint := (default dict $settings).endpoint | default "" -}}
{{- $port := regexFind "[0-9]+$" $endpoint | default (get $usual $protocol) | int -}}
{{- $_ := set $ports (printf "otlp-%s%s" $protocol $suffix | trunc 15 | trimSuffix "-") $port -}}
{{- end }}{{ end -}}
{{- toJson $ports -}}
{{- end }}

{{/* The kind of an exporter, in the spelling of its binary. */}}
{{- define "penstock.kind" -}}
{{- $kind := splitList "/" . | first -}}
{{- $kinds := dict "otlp" "otlp" "otlp_grpc" "otlp" "otlphttp" "otlp" "otlp_http" "otlp" "debug" "debug" "file" "file" "prometheus" "prometheus" "prometheusremotewrite" "remotewrite" "prometheus_remote_write" "remotewrite" -}}
{{- if not (hasKey $kinds $kind) }}{{ fail (printf "exporter %s: Penstock has no exporter of this type" .) }}{{ end -}}
{{- get $kinds $kind -}}
{{- end }}

{{/* The port that a `prometheus` exporter is scraped at. */}}
{{- define "penstock.scrapePort" -}}
{{- $settings := get (include "penstock.parsed" (index . 0) | fromJson).exporters (index . 1) | default dict -}}
{{- regexFind "[0-9]+$" ($settings.endpoint | default "0.0.0.0:8889") -}}
{{- end }}

{{/* Bytes of a size, as Kubernetes (`3Gi`) or Penstock (`2GiB`) writes it. */}}
{{- define "penstock.bytes" -}}
{{- $units := dict "" 1 "k" 1000 "m" 1000000 "g" 1000000000 "t" 1000000000000 "ki" 1024 "mi" 1048576 "gi" 1073741824 "ti" 1099511627776 -}}
{{- $unit := regexFind "[A-Za-z]*$" (toString .) | lower | trimSuffix "b" -}}
{{- if not (hasKey $units $unit) }}{{ fail (printf "%s is no size: a number with Ki, Mi, Gi or Ti" (toString .)) }}{{ end -}}
{{- mulf (regexFind "^[0-9.]+" (toString .) | float64) (get $units $unit) | int64 -}}
{{- end }}

{{/* A log that is larger than its volume ends in an eviction, and with an emptyDir in a loss. */}}
{{- define "penstock.checkLog" -}}
{{- $log := .Values.receiver.log -}}
{{- $letters := dig "penstock" "dead_letter" "max_bytes" "256MiB" (include "penstock.parsed" . | fromJson) -}}
{{- if lt (include "penstock.bytes" $log.size | int64) (add (include "penstock.bytes" $log.maxBytes | int64) (include "penstock.bytes" $letters | int64)) -}}
{{- fail (printf "receiver.log.size: %s has no room for receiver.log.maxBytes (%s) and dead letters (%s)" $log.size $log.maxBytes $letters) }}{{ end -}}
{{- end }}

{{/* What the chart adds: where the tiers find each other, and what a pod has to offer. Read after the user's file. */}}
{{- define "penstock.ours" -}}
{{- $parsed := include "penstock.parsed" . | fromJson -}}
{{- $user := $parsed.penstock | default dict -}}
{{- if dig "drain" "deadline" "" $user }}{{ fail "config.penstock.drain.deadline: say drain.deadlineSeconds instead, from which the pod's grace period is made" }}{{ end -}}
{{- if dig "log" "max_bytes" "" $user }}{{ fail "config.penstock.log.max_bytes: say receiver.log.maxBytes instead" }}{{ end -}}
{{- range $key := list "directory" "storage" }}{{ if dig "log" $key "" $user }}{{ fail (printf "config.penstock.log.%s: the chart gives the log its volume; say receiver.log instead" $key) }}{{ end }}{{ end -}}
{{- if dig "admin" "endpoint" "" $user }}{{ fail "config.penstock.admin.endpoint: the pod's probes need it to be the chart's" }}{{ end -}}
{{- $exporters := dict -}}
{{- range $id := include "penstock.exporters" . | fromJsonArray -}}
{{- $host := include "penstock.exporterHost" (list $ $id) -}}
{{- $own := dict "replicas" (list (printf "dns:///%s:4400" $host)) "listen" "0.0.0.0:4400" "admin" "0.0.0.0:8888" -}}
{{- if include "penstock.hopTls" $ }}{{ $_ := set $own "tls" (include "penstock.hopServer" (list $ $host) | fromYaml) }}{{ end -}}
{{- $_ := set $exporters $id $own -}}
{{- end -}}
{{- $drain := dict "deadline" (printf "%ds" (int .Values.drain.deadlineSeconds)) -}}
{{- $log := dict "directory" "/var/lib/penstock" "max_bytes" .Values.receiver.log.maxBytes -}}
{{- $ours := dict "admin" (dict "endpoint" "0.0.0.0:8888") "log" $log "drain" $drain "exporters" $exporters -}}
{{- if include "penstock.hopTls" . }}{{ $_ := set $ours "hop" (dict "tls" (include "penstock.hopClient" . | fromYaml)) }}{{ end -}}
{{- $all := dict -}}
{{- $receivers := dict -}}
{{- if include "penstock.handOver" . -}}
{{- $_ := set $drain "hand_over" (dict "endpoint" (include "penstock.handOverEndpoint" (list . (keys (include "penstock.receivers" . | fromJson) | sortAlpha | first)))) -}}
{{- end -}}
{{- if eq (include "penstock.handOver" .) "peers" -}}
{{- $peers := include "penstock.peers" . -}}
{{- $tls := include "penstock.hopServer" (list .) | fromYaml -}}
{{- $_ := set $ours "receivers" (dict $peers (pick $tls "client_names")) -}}
{{- $_ := set $drain.hand_over "tls" (include "penstock.hopClient" . | fromYaml) -}}
{{- $grpc := dict "endpoint" (printf "0.0.0.0:%s" (include "penstock.peersPort" .)) "tls" (omit $tls "client_names") -}}
{{- $_ := set $receivers $peers (dict "protocols" (dict "grpc" $grpc)) -}}
{{- $pipelines := dict -}}
{{- range $id, $pipeline := $parsed.service.pipelines }}{{ $_ := set $pipelines $id (dict "receivers" (append $pipeline.receivers $peers)) }}{{ end -}}
{{- $_ := set $all "service" (dict "pipelines" $pipelines) -}}
{{- end -}}
{{- $_ := set $all "penstock" (mergeOverwrite $ours $user) -}}
{{- range $id, $receiver := $parsed.receivers -}}
{{- range $protocol, $settings := (default dict $receiver).protocols -}}
{{- if not (default dict $settings).endpoint -}}
{{- $port := ternary 4317 4318 (eq $protocol "grpc") -}}
{{- $_ := set $receivers $id (mergeOverwrite (get $receivers $id | default dict) (dict "protocols" (dict $protocol (dict "endpoint" (printf "0.0.0.0:%d" $port))))) -}}
{{- end }}{{ end }}{{ end -}}
{{- if $receivers }}{{ $_ := set $all "receivers" $receivers }}{{ end -}}
{{- toYaml $all -}}
{{- end }}

{{/* The `prometheus` exporter that the how-to's `otel-collector:8889` stands for, if the Service can reach it: a strictly local one reaches
its own node only. */}}
{{- define "penstock.scraped" -}}
{{- $scraped := "" -}}
{{- if not (or .Values.receiver.perSignal (include "penstock.local" .)) -}}
{{- range include "penstock.exporters" . | fromJsonArray }}{{ if and (not $scraped) (eq (include "penstock.kind" .) "prometheus") }}{{ $scraped = . }}{{ end }}{{ end -}}
{{- end -}}
{{- $scraped -}}
{{- end }}

{{/* Not empty when a Service prefers its own node, and when it knows no other. */}}
{{- define "penstock.prefer" -}}
{{- $can := semverCompare ">=1.34-0" .Capabilities.KubeVersion.Version -}}
{{- if or (eq .Values.topology "node-local-prefer") (and (eq .Values.topology "daemonset") $can (not .Values.service.strictlyLocal)) -}}
{{- if not $can }}{{ fail "topology node-local-prefer needs Kubernetes 1.34: before it, trafficDistribution PreferSameNode has no effect" }}{{ end -}}
yes
{{- end }}
{{- end }}
{{- define "penstock.local" -}}
{{- if and (eq .Values.topology "daemonset") (not (include "penstock.prefer" .)) }}yes{{ end -}}
{{- end }}

{{/* The address that sidecars send to: (list $ signal). */}}
{{- define "penstock.address" -}}
{{- $root := index . 0 -}}
{{ $root.Values.service.name }}{{ if $root.Values.receiver.perSignal }}-{{ index . 1 }}{{ end }}.{{ $root.Release.Namespace }}.svc.cluster.local
{{- end }}
