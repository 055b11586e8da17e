import { LibbpfError } from './error.ts';

/** "no map 'x' in object 'y'; it has a, b, c" */
export const notFound = (kind: string, name: string, where: string, existing: Iterable<string>): LibbpfError =>
  new LibbpfError('NOT_FOUND', `looking for ${kind} '${name}' in '${where}': there is none; it has ${[...existing].join(', ') || `no ${kind} at all`}`);
