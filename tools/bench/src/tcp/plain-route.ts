import type { Place } from '@cilium-ts/testbed';

/**
 * Connects two namespaces by veth pairs to a third, which forwards between them and does nothing else: no policy, no
 * filter, no connection tracking. They get an `eth1` beside what they have. Returns the second one's address there.
 */
export async function connectByPlainRoute(router: Place, first: Place, second: Place): Promise<string> {
  const ip = (place: Place, command: string): Promise<string> => place.exec('ip', ...command.split(' '));
  await router.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1');
  for (const [index, pod] of [first, second].entries()) {
    await ip(router, `link add to${index} type veth peer name eth1 netns ${pod.netns}`);
    await ip(router, `address add 198.18.${index}.1/24 dev to${index}`);
    await ip(router, `link set to${index} up`);
    await ip(pod, `address add 198.18.${index}.2/24 dev eth1`);
    await ip(pod, 'link set eth1 up');
    await ip(pod, `route add 198.18.${1 - index}.0/24 via 198.18.${index}.1`);
  }
  return '198.18.1.2';
}
