export type { BackendAddress } from './balancer/health.ts';
export type { LoadBalancer } from './balancer/load-balancer.ts';
export { createLoadBalancer } from './balancer/load-balancer.ts';
export type { RestoredIds } from './balancer/restored-ids.ts';
export type { LoadBalancerErrorCode } from './error.ts';
export { LoadBalancerError } from './error.ts';
export type { HashSeed } from './hash/hash-seed.ts';
export { DEFAULT_HASH_SEED, parseHashSeed } from './hash/hash-seed.ts';
export type { Hash128 } from './hash/murmur3-128.ts';
export { murmur3x128 } from './hash/murmur3-128.ts';
export type { FlowClient, HashedFlow, SocketClient } from './hash/service-hash.ts';
export { runPosition, serviceHash } from './hash/service-hash.ts';
export type { MaglevBackend, MaglevOptions } from './maglev/maglev-table.ts';
export { maglevName, maglevTable } from './maglev/maglev-table.ts';
export { DEFAULT_MAGLEV_TABLE_SIZE, MAGLEV_TABLE_SIZES } from './maglev/table-sizes.ts';
export type { Endpoint, EndpointPort, EndpointSlice, EndpointState } from './model/endpoints.ts';
export type { ServiceIssue, ServiceIssueCode } from './model/issue.ts';
export { formatFieldPath, formatIssue as formatServiceIssue, formatLocation } from '@cilium-ts/manifest';
export type { LabelRequirement, Labels, LabelSelector } from './model/label-selector.ts';
export { matchesSelector } from './model/label-selector.ts';
export type { FieldPath, SourceLocation } from '@cilium-ts/manifest';
export type { Pod, PodPort } from './model/pod.ts';
export type { Protocol } from './model/protocol.ts';
export { protocolNumber, protocolOfNumber, PROTOCOLS } from './model/protocol.ts';
export type { BackendRecord, LoadBalancerRecords, PoolRecord, RecordChanges, Scope, ServiceRecord } from './model/records.ts';
export { SERVICE_FLAGS, WILDCARD_IDS } from './model/records.ts';
export type { LocalRedirect, RedirectFrontend, RedirectPort } from './model/redirect.ts';
export type {
  Algorithm,
  ForwardingMode,
  FrontendKind,
  HealthProbe,
  NodeExposure,
  Service,
  ServiceDefinition,
  ServiceFrontend,
  TrafficDistribution,
  TrafficPolicy,
} from './model/service.ts';
export { defineService, serviceName } from './model/service.ts';
export { formatFrontend } from './plan/frontend-plan.ts';
export type { LoadBalancerLimits, LoadBalancerOptions } from './plan/options.ts';
export { DEFAULT_LIMITS, MOST } from './plan/options.ts';
export type { LoadBalancerProblem, ProblemCode } from './plan/problem.ts';
export { formatProblem } from './plan/problem.ts';
export type { ConsideredBackend, Explanation } from './select/explain.ts';
export type { Flow, Selection } from './select/flow.ts';
export type { ServiceHealthCheck } from './view/health-checks.ts';
export type { BackendView, ServiceSpecView, ServiceView, ServiceViewType } from './view/service-view.ts';
export type { ParsedServices, ParseOptions } from './parse/parse-services.ts';
export { parseServices } from './parse/parse-services.ts';
export { isServiceAddress } from './translate/address.ts';
export type { Keyed } from './translate/context.ts';
