import type { Link, Route } from '@cilium-ts/netlink';

/** Devices that are never towards the outside: the agent's own. */
export const OWN_DEVICE = /^(lo|lxc.*|cilium_.*)$/;

/** Whether a name is meant by a word of `--devices`: the name itself, or its beginning followed by `+`. */
export const namesDevice = (word: string, name: string): boolean => (word.endsWith('+') ? name.startsWith(word.slice(0, -1)) : word === name);

/**
 * The devices towards the outside: those that are named, or else those that default routes lead over. Sorted by index, so
 * that the same devices make the same list.
 */
export const selectUplinks = (links: readonly Pick<Link, 'name' | 'index'>[], options: { readonly named: readonly string[] | undefined; readonly routes: readonly Pick<Route, 'destination' | 'type' | 'nextHops'>[] }): { readonly name: string; readonly index: number }[] => {
  const { named, routes } = options;
  const byDefault = new Set(routes.filter(({ destination, type }) => type === 'unicast' && destination.prefixLength === 0).flatMap(({ nextHops }) => nextHops.map(({ link }) => link as number | undefined)));
  return links
    .filter(({ name, index }) => !OWN_DEVICE.test(name) && (named === undefined ? byDefault.has(index) : named.some((word) => namesDevice(word, name))))
    .map(({ name, index }) => ({ name, index: index as number }))
    .sort((a, b) => a.index - b.index);
};

/** What an operator should know of the devices found: those that were named and are not there, or that a load balancer has none at all. */
export const uplinkWarnings = (found: readonly string[], options: { readonly named: readonly string[] | undefined; readonly required: boolean }): string[] => {
  const { named = [], required } = options;
  const missing = named.filter((word) => !found.some((name) => namesDevice(word, name)));
  if (missing.length > 0) return missing.map((word) => `--devices: there is no device ${word}; nothing is balanced or masqueraded there until it comes`);
  return required && found.length === 0 ? ['no device has a default route, so that nothing is balanced; name the devices with --devices'] : [];
};
