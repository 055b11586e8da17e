/** What `fromGroups` and `toGroups` say of a group of a cloud provider. */
export interface ProviderGroup {
  readonly aws: {
    readonly labels?: Readonly<Record<string, string>> | undefined;
    readonly securityGroupsIds?: readonly string[] | undefined;
    readonly securityGroupsNames?: readonly string[] | undefined;
    readonly region?: string | undefined;
  };
}

/**
 * The text by which the prefixes of a group are fed in: `aws:` and its fields as JSON, names and members sorted, empty
 * ones left out. Groups that say the same have the same text.
 */
export function providerGroupKey({ aws }: ProviderGroup): string {
  const sorted = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.toSorted();
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).filter(([, content]) => content !== undefined && (typeof content !== 'object' || Object.keys(content as object).length > 0));
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, content]) => [name, sorted(content)]));
  };
  return `aws:${JSON.stringify(sorted(aws))}`;
}
