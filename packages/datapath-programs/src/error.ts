import { CiliumError } from '@cilium-ts/core';

/** What can go wrong with the datapath as a whole; failures of single endpoints are values in the report. */
export type DatapathErrorCode =
  | 'object-missing'
  | 'load-failed'
  | 'not-loaded'
  | 'layout-mismatch'
  | 'feature-missing'
  | 'not-permitted'
  | 'not-bpffs'
  | 'map-failed'
  | 'attach-failed'
  | 'closed';

/** A failure of the datapath. The cause (a libbpf error with its verifier log, for instance) is kept. */
export class DatapathError extends CiliumError<DatapathErrorCode> {}
