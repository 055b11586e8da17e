import type { Settings } from './options.ts';

/** Settings that may change while the agent runs. */
export interface Runtime {
  readonly enforcement: Settings['enable-policy'];
  readonly audit: boolean;
  readonly debug: boolean;
  change(fields: { readonly enforcement?: Settings['enable-policy']; readonly audit?: boolean; readonly debug?: boolean }): void;
}

/** Begins with what the settings say. */
export const createRuntime = (values: Settings, onDebug: (on: boolean) => void): Runtime => {
  let current = { enforcement: values['enable-policy'], audit: values['policy-audit-mode'], debug: values.debug };
  return {
    get enforcement() {
      return current.enforcement;
    },
    get audit() {
      return current.audit;
    },
    get debug() {
      return current.debug;
    },
    change(fields) {
      current = { ...current, ...fields };
      onDebug(current.debug);
    },
  };
};
