import type { Services } from './services.ts';

/** Services as their sources say, of which nothing is in force yet. */
export interface ReadServices extends Services {
  /** Puts everything in force, and follows the sources from then on. */
  start(): Promise<void>;
}

/** The load balancer of the agent: opened when the settings ask for it, or when somebody first does. What nobody uses is not loaded. */
export interface ServiceSlot {
  /** Undefined before it is opened. */
  readonly current: Services | undefined;
  /** Reads the sources, so that policies know the services before anything is in force. One that failed may be tried again. */
  read(): Promise<void>;
  /** Opens it, once; resolves when everything restored is in force. One that failed may be tried again. */
  open(): Promise<Services>;
  close(): Promise<void>;
}

/** A slot that opens by `load`, and then starts what that read. */
export const createServiceSlot = (load: () => Promise<ReadServices>): ServiceSlot => {
  let current: Services | undefined;
  let reading: Promise<ReadServices> | undefined;
  let opening: Promise<Services> | undefined;
  let closing: Promise<void> | undefined;
  const read = (): Promise<ReadServices> => {
    reading ??= load().catch((error: unknown) => {
      reading = undefined;
      throw error;
    });
    return reading;
  };
  const start = async (): Promise<Services> => {
    const services = await read();
    await services.start();
    return (current = services);
  };
  const close = async (): Promise<void> => {
    await opening?.catch(() => undefined);
    await (await reading?.catch(() => undefined))?.close();
  };
  return {
    get current() {
      return current;
    },
    read: async () => void (await read()),
    open() {
      opening ??= start().catch((error: unknown) => {
        opening = undefined;
        throw error;
      });
      return opening;
    },
    close: () => (closing ??= close()),
  };
};
