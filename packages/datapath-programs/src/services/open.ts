import { silentLogger, type Logger } from '@cilium-ts/core';
import { isBackendGone } from './backend-table.ts';
import { dumpServices, type ServiceDumpEntry } from './dump.ts';
import { kernelServiceStore, type ServiceMaps } from './kernel-store.ts';
import { createServiceWriter, type ServiceWriter } from './writer.ts';

/** The services in the kernel. */
export interface Services extends ServiceWriter {
  /** Every frontend with what it leads to, as it is in the kernel. */
  dump(): ServiceDumpEntry[];
  /** Has the backend gone that had this generation? What terminateSockets asks. */
  isGone(index: number, generation: number): boolean;
}

/**
 * Opens the writer of services over the maps of any object that has them. One at a time; the maps must stay open until
 * it is closed, and take its mappings along when they are closed.
 */
export async function openServices(dependencies: { readonly logger?: Logger }, maps: ServiceMaps): Promise<Services> {
  const store = kernelServiceStore(maps);
  const writer = await createServiceWriter({ store, logger: dependencies.logger ?? silentLogger });
  return {
    restored: writer.restored,
    apply: (desired) => writer.apply(desired),
    settled: () => writer.settled(),
    close: () => writer.close(),
    dump: () => dumpServices(store),
    isGone: (index, generation) => isBackendGone(store.backends, index, generation),
  };
}
