{{/* What the names of all objects begin with: with the usual release name `hostler`, that is `hostler`. */}}
{{- define "hostler.fullname" -}}
{{- $chart := .Values.nameOverride | default .Chart.Name -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $chart .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $chart | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* Labels of every object of the release. */}}
{{- define "hostler.labels" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: hostler
{{- end }}

{{/* Labels that select the pods of a component: (dict "root" . "component" "operator"). */}}
{{- define "hostler.selector" -}}
app.kubernetes.io/name: {{ .root.Values.nameOverride | default .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/*
Labels of a component's pods: those of the administrator, below the chart's own, which selectors need.
(dict "root" . "component" "operator" "extra" .Values.operator.podLabels)
*/}}
{{- define "hostler.podLabels" -}}
{{- $own := include "hostler.labels" .root | fromYaml -}}
{{- $own = set $own "app.kubernetes.io/component" .component -}}
{{- toYaml (merge $own (.extra | default dict)) -}}
{{- end }}

{{/*
Annotations of a component's pods: where its metrics are, which the administrator may say otherwise.
(dict "port" 8080 "extra" .Values.operator.podAnnotations)
*/}}
{{- define "hostler.podAnnotations" -}}
{{- $scrape := dict "prometheus.io/scrape" "true" "prometheus.io/port" (toString .port) "prometheus.io/path" "/metrics" -}}
{{- toYaml (merge (deepCopy (.extra | default dict)) $scrape) -}}
{{- end }}

{{/* Full reference of an image: (dict "root" . "key" "operator" "name" "operator"). */}}
{{- define "hostler.image" -}}
{{- $image := index .root.Values.images .key -}}
{{- $repository := $image.repository | default (printf "%s/%s" .root.Values.image.registry .name) -}}
{{- $tag := $image.tag | default .root.Values.image.tag | default .root.Chart.AppVersion -}}
{{- $digest := empty $image.digest | ternary "" (printf "@%s" $image.digest) -}}
{{ printf "%s:%s%s" $repository $tag $digest }}
{{- end }}

{{- define "hostler.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* Environment of a container that speaks to the API server by another way than the cluster's own Service. */}}
{{- define "hostler.apiServerEnv" -}}
{{- with .Values.apiServer.host }}
- name: KUBERNETES_SERVICE_HOST
  value: {{ . | quote }}
{{- end }}
{{- with .Values.apiServer.port }}
- name: KUBERNETES_SERVICE_PORT
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{/* How the operator's replicas spread; what an entry counts is the operator's own pods unless it says otherwise. */}}
{{- define "hostler.operatorSpread" -}}
{{- $selector := dict "matchLabels" (include "hostler.selector" (dict "root" . "component" "operator") | fromYaml) -}}
{{- $apart := dict "maxSkew" 1 "topologyKey" "kubernetes.io/hostname" "whenUnsatisfiable" "ScheduleAnyway" -}}
{{- $wanted := .Values.operator.topologySpreadConstraints -}}
{{- if and (not $wanted) (gt (int .Values.operator.replicas) 1) -}}
{{- $wanted = list $apart -}}
{{- end -}}
{{- with $wanted }}
topologySpreadConstraints:
{{- range . }}
- {{ hasKey . "labelSelector" | ternary . (set (deepCopy .) "labelSelector" $selector) | toYaml | nindent 2 | trim }}
{{- end }}
{{- end }}
{{- end }}

{{/* Container security of everything that needs nothing special: Pod Security restricted. */}}
{{- define "hostler.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
