/** Labels of nodes and pods. */
export type Labels = Readonly<Record<string, string>>;

/** One condition of a selector. */
export interface LabelRequirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values: readonly string[];
}

/** Kubernetes' LabelSelector with `matchLabels` written as `In`. All conditions must hold; none: everything matches. */
export type LabelSelector = readonly LabelRequirement[];

/** Whether the labels meet every condition. `NotIn` also holds where the key is absent, as in Kubernetes. */
export function matchesSelector(selector: LabelSelector, labels: Labels): boolean {
  return selector.every(({ key, operator, values }) => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value);
      case 'NotIn':
        return value === undefined || !values.includes(value);
      case 'Exists':
        return value !== undefined;
      case 'DoesNotExist':
        return value === undefined;
    }
  });
}
