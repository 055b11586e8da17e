import type { Services } from './services.ts';

/** The load balancer of the agent: opened when the settings ask for it, or when somebody first does. What nobody uses is not loaded. */
export interface ServiceSlot {
  /** Undefined before it is opened. */
  readonly current: Services | undefined;
  /** Opens it, once; resolves when everything restored is in force. One that failed may be tried again. */
  open(): Promise<Services>;
  close(): Promise<void>;
}

/** A slot that opens by `load`. */
export const createServiceSlot = (load: () => Promise<Services>): ServiceSlot => {
  let current: Services | undefined;
  let opening: Promise<Services> | undefined;
  return {
    get current() {
      return current;
    },
    open() {
      opening ??= load().then(
        (services) => (current = services),
        (error: unknown) => {
          opening = undefined;
          throw error;
        },
      );
      return opening;
    },
    async close() {
      await (await opening?.catch(() => undefined))?.close();
    },
  };
};
