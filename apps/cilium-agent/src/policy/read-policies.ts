import { checkEnforceable, DATAPATH_FEATURES, parsePolicies } from '@cilium-ts/policy-model';
import type { EnforceableFeatures, ParsedPolicies } from '@cilium-ts/policy-model';
import type { Settings } from '../config/options.ts';

/** What this agent enforces: rules by service only where it is told of services. */
export const featuresOf = ({ 'service-dir': services }: Pick<Settings, 'service-dir'>): EnforceableFeatures => ({ ...DATAPATH_FEATURES, services: DATAPATH_FEATURES.services && services !== undefined });

/** Reads policies that are to be put into force: what could not be enforced is an error, and keeps its resource out. */
export const readPolicies = (text: string, { file, features }: { readonly file: string; readonly features: EnforceableFeatures }): ParsedPolicies => {
  const { resources, issues } = parsePolicies(text, { file });
  const refused = checkEnforceable(resources, features);
  const keys = new Set(refused.map(({ resource }) => resource));
  return { resources: resources.filter(({ key }) => !keys.has(key)), issues: [...issues, ...refused] };
};
