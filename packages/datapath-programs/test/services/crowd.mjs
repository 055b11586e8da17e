// One side of test/services/crowd.kernel.test.ts: a server that answers at every address of the namespace with the
// address it was reached at, or clients that connect to services. Prints `ready`, then one line per connection.
/* eslint-disable no-console -- its output is what it is for */
import net from 'node:net';

const [mode, ...args] = process.argv.slice(2);
const now = () => Number(process.hrtime.bigint() / 1000n);

if (mode === 'server') serve();
else connectMany(...args.map(Number));

function serve() {
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(`${socket.localAddress}\n`);
  });
  server.listen({ host: '0.0.0.0', port: 8080, backlog: 4096 }, () => console.log('ready'));
}

/** So many connections a second, for so long: half of them to any service, half to those whose turn it is to change. */
function connectMany(services, rate, seconds, turns) {
  const began = now();
  const lines = [];
  let begun = 0;
  let open = 0;
  let seed = 12345;
  const random = (below) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const one = () => {
    const progress = Math.floor(((now() - began) / (seconds * 1e6)) * turns);
    const id = begun++ % 2 === 0 ? 1 + random(services) : 1 + Math.min(turns - 1, Math.max(0, progress + random(12) - 6));
    const start = now();
    open++;
    const socket = net.connect({ host: `10.96.${id >> 8}.${id & 255}`, port: 80 });
    const done = (result) => {
      if (socket.reported) return;
      socket.reported = true;
      open--;
      lines.push(`${id} ${start} ${result}`);
      socket.resetAndDestroy();
    };
    socket.on('data', (data) => done(data.toString().trim()));
    socket.on('error', (error) => done(error.code));
    socket.on('close', () => done('closed'));
    socket.setTimeout(60_000, () => done('timeout'));
  };
  console.log('ready');
  const timer = setInterval(() => {
    const elapsed = (now() - began) / 1e6;
    if (elapsed < seconds) {
      for (let due = Math.floor(elapsed * rate) - begun; due > 0 && open < 500; due--) one();
      return;
    }
    if (open > 0) return;
    clearInterval(timer);
    process.stdout.write(`${lines.join('\n')}\nend\n`);
  }, 2);
}
