{{/*
The chart renders the files of manifests/base and manifests/components: `files` has links to both. What is always the same
stands there once; each template here says which file it renders, and its `edit` what the values change in it.

greenroom.objects: root (the top), file (below files/), edit (optional, the name of a template). An edit gets `object` and
`root` and changes the object in place; an object whose kind it empties is left out.
*/}}
{{- define "greenroom.objects" -}}
{{- $root := .root -}}
{{- $edit := .edit -}}
{{- $file := .file -}}
{{- $text := $root.Files.Get (printf "files/%s" $file) -}}
{{- if not $text }}{{ fail (printf "the chart lacks files/%s; was it packaged without its links?" $file) }}{{ end -}}
{{- range $document := regexSplit "(?m)^---[ \\t]*$" $text -1 -}}
{{- $object := fromYaml $document -}}
{{- with $object.Error }}{{ fail (printf "files/%s: %s" $file .) }}{{ end -}}
{{- if $object.kind -}}
{{- include "greenroom.object" (dict "root" $root "object" $object "edit" $edit) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* One object, with Helm's labels: root, object, edit (optional). */}}
{{- define "greenroom.object" -}}
{{- $object := .object -}}
{{- $labels := include "greenroom.labels" .root | fromYaml -}}
{{- $_ := set $object.metadata "labels" (merge (default dict $object.metadata.labels) $labels) -}}
{{- if .edit }}{{ $_ := include .edit (dict "object" $object "root" .root) }}{{ end -}}
{{- if $object.kind }}
---
{{ toYaml $object }}
{{- end -}}
{{- end -}}

{{- define "greenroom.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: greenroom
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{/* root, and image (optional): values of another image whose repository, tag and digest come first. */}}
{{- define "greenroom.image" -}}
{{- $image := .root.Values.image -}}
{{- $other := default dict .image -}}
{{- $repository := default $image.repository $other.repository -}}
{{- /* A tag of its own, without a digest, is not the digest of the other. */ -}}
{{- $digest := ternary $other.digest $image.digest (or (ne (default "" $other.tag) "") (ne (default "" $other.digest) "")) -}}
{{- if $digest -}}
{{ printf "%s@%s" $repository $digest }}
{{- else -}}
{{ printf "%s:%s" $repository (coalesce $other.tag $image.tag .root.Chart.AppVersion) }}
{{- end -}}
{{- end -}}

{{/*
The part that all pods of ours in a template share: template (of a pod), root, and image (optional, as in greenroom.image).
A container whose image is `greenroom` in manifests/ gets ours.
*/}}
{{- define "greenroom.edit.pod" -}}
{{- $values := .root.Values -}}
{{- $spec := .template.spec -}}
{{- $image := .image -}}
{{- $root := .root -}}
{{- range $container := $spec.containers -}}
{{- if hasPrefix "greenroom:" $container.image -}}
{{- $_ := set $container "image" (include "greenroom.image" (dict "root" $root "image" $image)) -}}
{{- $_ := set $container "imagePullPolicy" $values.image.pullPolicy -}}
{{- end -}}
{{- end -}}
{{- with $values.imagePullSecrets }}{{ $_ := set $spec "imagePullSecrets" . }}{{ end -}}
{{- if and (hasKey $spec "priorityClassName") (ne $spec.priorityClassName "system-cluster-critical") -}}
{{- if $values.priorityClass.name }}{{ $_ := set $spec "priorityClassName" $values.priorityClass.name }}
{{- else }}{{ $_ := unset $spec "priorityClassName" }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* Takes the annotations of Prometheus away where the values have none: of (what has annotations), root. */}}
{{- define "greenroom.edit.scraped" -}}
{{- if not .root.Values.monitoring.annotations -}}
  {{- $kept := dict -}}
  {{- range $key, $value := .of.annotations -}}
    {{- if not (hasPrefix "prometheus.io/" $key) }}{{ $_ := set $kept $key $value }}{{ end -}}
  {{- end -}}
  {{- if $kept }}{{ $_ := set .of "annotations" $kept }}{{ else }}{{ $_ := unset .of "annotations" }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* Appends a variable: container, name, value. */}}
{{- define "greenroom.edit.add-variable" -}}
{{- $variable := dict "name" .name "value" .value -}}
{{- $_ := set .container "env" (append (default list .container.env) $variable) -}}
{{- end -}}
