import fc from 'fast-check';

/** Like `fc.assert`, but what is thrown is the shrunk case's own message, which shows policies as people write them. */
export function holds<T>(property: fc.IProperty<T>, parameters: fc.Parameters<T>): void {
  const details = fc.check(property, parameters);
  if (!details.failed) return;
  const { errorInstance, seed, counterexamplePath, numShrinks } = details;
  const message = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  throw new Error(`${message}\n\nseed ${seed}, path ${counterexamplePath}, shrunk ${numShrinks} times`, { cause: errorInstance });
}
