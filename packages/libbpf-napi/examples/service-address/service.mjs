// Usage: node service.mjs CGROUP SERVICE:PORT BACKEND:PORT COMMAND…
//   runs COMMAND in a cgroup of its own under CGROUP (a folder of a cgroup2 file system), for which SERVICE is BACKEND
// after: clang -g -O2 -target bpf -c service.bpf.c -o service.bpf.o
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmdirSync } from 'node:fs';
import { attachCgroup, openObject } from 'libbpf-napi';

const [parent, service, backend, ...command] = process.argv.slice(2);
const objectFile = process.env.SERVICE_OBJECT ?? new URL('./service.bpf.o', import.meta.url).pathname;

/** Address and port as the kernel has them: in network order. */
const end = (text) => {
  const [address, port] = text.split(':');
  return { address: new Uint8Array(address.split('.').map(Number)), port: ((port & 0xff) << 8) | (port >> 8) };
};
const word = (bytes) => new Uint32Array(bytes.buffer)[0];

const [from, to] = [end(service), end(backend)];
const object = await openObject(objectFile)
  .setConfig('service_address', word(from.address)).setConfig('service_port', from.port)
  .setConfig('backend_address', word(to.address)).setConfig('backend_port', to.port)
  .load();
const cgroup = `${parent}/service-${process.pid}`;
mkdirSync(cgroup);
try {
  attachCgroup({ cgroup, type: 'connect4', program: object.program('translate') });
  attachCgroup({ cgroup, type: 'getpeername4', program: object.program('translate_back') });
  const { status } = spawnSync('sh', ['-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', cgroup, ...command], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
} finally {
  rmdirSync(cgroup);
  object.close();
}
