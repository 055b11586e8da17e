export type { SourceLocation } from '@cilium-ts/manifest';
export { formatIssue, formatLocation } from '@cilium-ts/manifest';
export type { CompiledDirection, CompiledPolicy } from './compile/compiled-policy.ts';
export { rowForPeer } from './compile/compiled-policy.ts';
export type { CompileRequest } from './compile/compile-policy.ts';
export { compilePolicy } from './compile/compile-policy.ts';
export type { PolicyCompiler, ResolvedPolicy, SubjectDetails } from './compile/policy-compiler.ts';
export type { PolicyRow, RowBoundary, RowVerdict } from './compile/row.ts';
export { MAX_ROW_BOUNDARIES, lookupRow, rowPosition } from './compile/row.ts';
export type {
  DirectoryChange,
  NamedPort,
  PolicyDirectory,
  ServiceDescription,
  ServiceEntry,
} from './directory/directory.ts';
export { createPolicyDirectory } from './directory/directory.ts';
export { checkEnforceable } from './enforceable/check-enforceable.ts';
export type { EnforceableFeatures } from './enforceable/features.ts';
export { DATAPATH_FEATURES } from './enforceable/features.ts';
export type { PolicyModelErrorCode } from './error.ts';
export { PolicyModelError } from './error.ts';
export { describePacket } from './explain/evaluate-rule.ts';
export { describeIdentity, describeLabels } from './explain/describe-identity.ts';
export type { ExplainRequest } from './explain/explain.ts';
export { explain } from './explain/explain.ts';
export type {
  Candidate,
  DecisionReason,
  DefaultDeny,
  DirectionExplanation,
  Explanation,
  L7Finding,
  Packet,
  RedirectExplanation,
  RuleEffect,
  RuleReference,
} from './explain/explanation.ts';
export type { DnsRecord, ResolvedAnswer } from './fqdn/dns-answer.ts';
export { resolveAnswer } from './fqdn/dns-answer.ts';
export { feedIpCache } from './fqdn/feed-ipcache.ts';
export { canonicalFqdn } from './fqdn/fqdn-name.ts';
export { matchesFqdn } from './fqdn/match-fqdn.ts';
export type { NameAnswer, NameCache, NameCacheOptions, NameCollection, NameUpdate } from './fqdn/name-cache.ts';
export { createNameCache } from './fqdn/name-cache.ts';
export type { AddressChange } from './fqdn/name-index.ts';
export type { NameCacheSnapshot } from './fqdn/snapshot.ts';
export type { ExplainedEnd, ExplanationJson } from './explain/explanation-json.ts';
export { explanationJson } from './explain/explanation-json.ts';
export { describeRequest } from './explain/format-explanation.ts';
export type { ExplainAllRequest, Explanations } from './explain/explain-all.ts';
export { explainAll } from './explain/explain-all.ts';
export type { PeerReference, PeerReferenceContext, ResolvedPeer } from './explain/peer-reference.ts';
export { resolvePeerReference } from './explain/peer-reference.ts';
export type { KnownPort, KnownService, PolicySource, SourceDirectory } from './explain/policy-source.ts';
export type { L7Match } from './l7/match-request.ts';
export { matchRequest } from './l7/match-request.ts';
export type { Pattern, PatternError } from './l7/pattern.ts';
export { compilePattern } from './l7/pattern.ts';
export type { DnsRequest, GenericRequest, HttpRequest, KafkaRequest, L7Kind, L7Request } from './l7/request.ts';
export type { Entity } from './model/entity.ts';
export { ENTITIES } from './model/entity.ts';
export { fqdnLabelKey } from './model/fqdn.ts';
export type { PolicyIssue, PolicyIssueCode } from './model/issue.ts';
export type { EnforcementMode, PolicyOptions } from './model/options.ts';
export { DEFAULT_POLICY_OPTIONS } from './model/options.ts';
export { PROTOCOL, parseProtocol, positionMeaning, protocolName } from './model/protocol.ts';
export type { ProviderGroup } from './model/provider-group.ts';
export { providerGroupKey } from './model/provider-group.ts';
export type { PolicyKind, PolicyResource } from './model/resource.ts';
export type { MatchType, RowAction } from './model/verdict.ts';
export { MATCH_TYPE } from './model/verdict.ts';
export { resourceKey } from './model/resource.ts';
export type { ProxyParser, RuleSet } from './model/rule-set.ts';
export type {
  HeaderMatch,
  HttpRule,
  KafkaRule,
  L7Rules,
  ProxyRules,
  SecretReference,
  TlsContext,
} from './model/l7.ts';
export type {
  AuthenticationMode,
  CidrGroupPeer,
  CidrPeer,
  Direction,
  EntityPeer,
  FqdnPeer,
  FqdnSelector,
  GroupPeer,
  LabelsPeer,
  Peer,
  PeerSet,
  PortSet,
  PortTerm,
  Rule,
  RuleAction,
  RuleOrder,
  ServicePeer,
  ServiceReference,
  Tier,
} from './model/rule.ts';
export type { ParseOptions, ParsedPolicies } from './parse/parse-policies.ts';
export { parsePolicies } from './parse/parse-policies.ts';
export type { FlowEnd, FlowRecord, FlowRequest, RecordIssue } from './questions/flow-record.ts';
export type { FlowsOptions, ParsedFlows } from './questions/flows.ts';
export { parseFlows } from './questions/flows.ts';
export type { IdentitiesOptions, KnownIdentity, ParsedIdentities } from './questions/identities.ts';
export { parseIdentities } from './questions/identities.ts';
export type { GenerateNote, GenerateRequest, Generated } from './questions/generate/generate.ts';
export { generate } from './questions/generate/generate.ts';
export type { GeneratedKind } from './questions/generate/workload.ts';
export type { LintService } from './questions/lint/context.ts';
export type { Finding, FindingCode, FindingSeverity } from './questions/lint/finding.ts';
export { formatFinding } from './questions/lint/finding.ts';
export type { LintRequest } from './questions/lint/lint.ts';
export { lint } from './questions/lint/lint.ts';
export type { ReachEnd } from './questions/matrix/ends.ts';
export { identitiesOfRules } from './questions/matrix/ends.ts';
export type { EndGroup, GroupReach, MatrixJson, MatrixSummary } from './questions/matrix/format-matrix.ts';
export { matrixDot, matrixJson, matrixLines, matrixMermaid, summarizeMatrix } from './questions/matrix/format-matrix.ts';
export type { MatrixCell, MatrixRequest, ReachMatrix } from './questions/matrix/matrix.ts';
export { matrix } from './questions/matrix/matrix.ts';
export type { OpenSpan, OpenTraffic } from './questions/matrix/open-traffic.ts';
export type { ChangeGroup, DecisionJson, WhatifCounts, WhatifJson } from './questions/whatif/format-whatif.ts';
export { countChanges, describeFlow, groupChanges, whatifJson } from './questions/whatif/format-whatif.ts';
export type { ChangeKind, FlowChange, ReachChange, Whatif, WhatifRequest } from './questions/whatif/whatif.ts';
export { whatif } from './questions/whatif/whatif.ts';
export type { PolicyRepository, RepositoryChange, RepositoryOptions } from './repository.ts';
export { createPolicyRepository } from './repository.ts';
export type { DirectionDelta, PolicyDelta, SubjectDelta } from './tracker/policy-delta.ts';
export type { PolicyTracker, TrackerDeps, TrackerStats } from './tracker/policy-tracker.ts';
export { createPolicyTracker } from './tracker/policy-tracker.ts';
