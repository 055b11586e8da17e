export { createAgentClient, type AgentClient, type AgentClientOptions, type CallOptions, type EndpointRef } from './client.ts';
export { AgentApiError, type AgentApiErrorCode } from './errors.ts';
export { openApiDocument, type OpenApiDocument } from './openapi.ts';
export { operations, type BodyKind, type Operation, type OperationName } from './operations.ts';
export { AddressPair, ApiError, IdentityModel, Issue, Labels, Status } from './schema/common.ts';
export { ControllerStatus, DaemonConfiguration, DaemonConfigurationSpec, Metric, MonitorStatus, NodeAddressing, PolicyEnforcement, StatusResponse } from './schema/daemon.ts';
export {
  Endpoint, EndpointChangeRequest, EndpointConfigurationSpec, EndpointHealth, EndpointHealthStatus, EndpointIdentifiers, EndpointNetworking, EndpointOptions,
  EndpointPatchRequest, EndpointPolicy, EndpointState, EndpointStatus, EndpointStatusChange, LabelConfiguration, LabelConfigurationSpec, LabelConfigurationStatus, PolicyEnabled,
} from './schema/endpoint.ts';
export { BpfAddress, BpfEndpoint, BpfFlow, BpfMap, BpfMapDump, BpfMapEntry, BpfMetric, BpfPolicyEntry, FlowEnd, IpListEntry } from './schema/maps.ts';
export { AgentEvent, DropEvent, LostEvent, MonitorEnd, MonitorEvent, MonitorQuery, MonitorType, PolicyVerdictEvent, StartEvent, TraceEvent } from './schema/monitor.ts';
export {
  Policy, PolicyChange, PolicyFileStatus, PolicyKind, PolicyResourceStatus, PolicyService, SelectorIdentityMapping, TraceCandidate, TraceDirection, TraceL7, TracePeer, TraceRequest, TraceResult, TraceRule,
} from './schema/policy.ts';
export { Prefilter, PrefilterChange, PrefilterSpec } from './schema/prefilter.ts';
export {
  BackendAddress, BackendState, BpfService, FrontendAddress, Service, ServiceExplanation, ServiceFileStatus, ServiceFlags, ServiceFlow, ServiceProtocol, ServiceRequest, ServiceSpec, ServiceType,
} from './schema/service.ts';
