{{/* Where pods may run: template (of a pod), root, and labels (optional) that its other replicas have. */}}
{{- define "greenroom.edit.placement" -}}
{{- $values := .root.Values -}}
{{- $affinity := dict -}}
{{- if and $values.nodeAffinity (not .isWebhook) -}}
  {{- $terms := list (dict "matchExpressions" $values.nodeAffinity) -}}
  {{- $_ := set $affinity "nodeAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" $terms)) -}}
{{- end -}}
{{- if and $values.antiAffinity.enabled .labels -}}
  {{- $selector := dict "matchLabels" .labels -}}
  {{- $node := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" $selector "matchLabelKeys" (list "pod-template-hash") -}}
  {{- $zone := dict "topologyKey" "topology.kubernetes.io/zone" "labelSelector" $selector -}}
  {{- $preferred := list (dict "weight" 100 "podAffinityTerm" $zone) -}}
  {{- $_ := set $affinity "podAntiAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (list $node) "preferredDuringSchedulingIgnoredDuringExecution" $preferred) -}}
{{- end -}}
{{- if $affinity }}{{ $_ := set .template.spec "affinity" $affinity }}{{ end -}}
{{- end -}}
