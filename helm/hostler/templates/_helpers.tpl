{{/* Labels of every object of the release. */}}
{{- define "hostler.labels" -}}
app.kubernetes.io/name: hostler
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: hostler
{{- end }}

{{/* Labels that select the pods of a component: (dict "root" . "component" "operator"). */}}
{{- define "hostler.selector" -}}
app.kubernetes.io/name: hostler
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Full reference of an image: (dict "root" . "key" "operator" "name" "operator"). */}}
{{- define "hostler.image" -}}
{{- $image := index .root.Values.images .key -}}
{{- $repository := $image.repository | default (printf "%s/%s" .root.Values.image.registry .name) -}}
{{- $tag := $image.tag | default .root.Values.image.tag | default .root.Chart.AppVersion -}}
{{ printf "%s:%s" $repository $tag }}
{{- end }}

{{- define "hostler.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
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
