/** Label keys with a meaning of their own, as Cilium spells them (`pkg/k8s/apis/cilium.io/const.go`). */
export const NAMESPACE_KEY = 'io.kubernetes.pod.namespace';
/** Labels of a pod's namespace are on the pod under this prefix. */
export const NAMESPACE_LABELS_PREFIX = 'io.cilium.k8s.namespace.labels.';
/** Name of the cluster that a pod is in. */
export const CLUSTER_KEY = 'io.cilium.k8s.policy.cluster';
