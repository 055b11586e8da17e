// The traffic end of a probe: plain JavaScript, started by node itself inside a namespace. One JSON request per line on
// stdin, one JSON answer per line on stdout; ends with its stdin. probe.ts has the types of both.
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { createConnection, createServer, isIPv6 } from 'node:net';
import { createInterface } from 'node:readline';

/** Monotonic, the same clock for every process of the machine. */
const now = () => Number(process.hrtime.bigint()) / 1e6;

const OUTCOMES = {
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  ETIMEDOUT: 'timeout',
  ECONNRESET: 'reset',
  EOF: 'reset',
  EPIPE: 'reset',
  EACCES: 'prohibited',
  EPERM: 'prohibited',
  EMSGSIZE: 'too-big',
};
const outcomeOf = (error) => OUTCOMES[error.code] ?? 'failed';

const listeners = new Map();
const flows = new Map();

const echoTcp = (address, port) =>
  new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true }, (socket) => {
      open.add(socket);
      socket.on('data', (data) => socket.write(data));
      socket.on('error', () => socket.destroy());
      socket.on('close', () => open.delete(socket));
    });
    const open = new Set();
    const close = () => new Promise((done) => {
      for (const socket of open) socket.destroy();
      server.close(done);
    });
    server.once('error', reject);
    server.listen({ host: address, port, ipv6Only: isIPv6(address), backlog: 4096 }, () => resolve({ close }));
  });

/** Counts numbered datagrams by the stream they belong to: first, last, how many, and the longest silence. */
const countStream = (streams, data) => {
  const text = data.toString('latin1');
  if (!text.startsWith('seq ')) return false;
  const [, stream, number] = text.split(' ');
  const sequence = Number(number);
  const at = now();
  const seen = streams.get(stream);
  if (!seen) streams.set(stream, { first: sequence, last: sequence, received: 1, missing: 0, longestSilenceMs: 0, lastAt: at });
  else {
    if (sequence > seen.last + 1) seen.missing += sequence - seen.last - 1;
    seen.last = Math.max(seen.last, sequence);
    seen.received++;
    seen.longestSilenceMs = Math.max(seen.longestSilenceMs, at - seen.lastAt);
    seen.lastAt = at;
  }
  return true;
};

const echoUdp = (address, port, streams) =>
  new Promise((resolve, reject) => {
    const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', ipv6Only: isIPv6(address), recvBufferSize: 1 << 20 });
    socket.on('message', (data, from) => {
      // A stream is one-way: its receiver stays silent.
      if (!countStream(streams, data)) socket.send(data, from.port, from.address, () => {});
    });
    socket.once('error', reject);
    socket.bind(port, address, () => resolve({ close: () => new Promise((done) => socket.close(done)) }));
  });

const listen = async ({ protocol, port, addresses }) => {
  const key = `${protocol} ${port}`;
  if (listeners.has(key)) throw new Error(`already listening on ${key}`);
  const streams = new Map();
  const made = [];
  listeners.set(key, { made, streams });
  try {
    for (const address of addresses) made.push(await (protocol === 'tcp' ? echoTcp(address, port) : echoUdp(address, port, streams)));
  } catch (error) {
    await unlisten({ protocol, port });
    throw error;
  }
};

const unlisten = async ({ protocol, port }) => {
  const key = `${protocol} ${port}`;
  const found = listeners.get(key);
  listeners.delete(key);
  for (const one of found?.made ?? []) await one.close();
};

const streams = ({ port }) => Object.fromEntries(listeners.get(`udp ${port}`)?.streams ?? []);

/**
 * Tells how a connection ends, which has to be half-open: `EOF` is a FIN of the other end, a reset is `ECONNRESET`. Where a
 * reset comes while there is something to read, libuv (uv__stream_io) takes the hang-up that poll reports for the end of the
 * stream and does not ask for the error; the kernel keeps it for the next call, and writing nothing is one. It fails after a
 * FIN only with EPIPE, where something was sent since and answered by a reset.
 */
const onEnded = (socket, told) => {
  socket.on('error', (error) => told(error));
  socket.once('end', () => {
    socket.write('', (error) => told(error?.code === 'ECONNRESET' ? error : { code: 'EOF' }));
    socket.end();
  });
};

/** Opens a connection, sends a payload and waits for its echo. */
const connect = ({ address, port, timeoutMs, localPort, localAddress, payload }) =>
  new Promise((resolve) => {
    const begin = now();
    const expected = Buffer.from(payload);
    let received = 0;
    let connected = false;
    const finish = (outcome, code) => {
      clearTimeout(timer);
      const local = socket.localAddress === undefined ? undefined : { address: socket.localAddress, port: socket.localPort };
      resolve({ outcome, code, ms: now() - begin, connected, local });
      // Without TIME_WAIT on the client's port: tests use ports again.
      socket.resetAndDestroy();
    };
    const socket = createConnection({ host: address, port, localPort, localAddress, noDelay: true, allowHalfOpen: true });
    const timer = setTimeout(() => finish('timeout'), timeoutMs);
    socket.once('connect', () => {
      connected = true;
      if (expected.length === 0) finish('ok');
      else socket.write(expected);
    });
    socket.on('data', (data) => {
      received += data.length;
      if (received >= expected.length) finish('ok');
    });
    onEnded(socket, (error) => finish(outcomeOf(error), error.code));
  });

/** Sends one datagram and waits for its echo. */
const udp = ({ address, port, timeoutMs, localPort, localAddress, payload }) =>
  new Promise((resolve) => {
    const begin = now();
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    let done = false;
    const finish = (outcome, code) => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      let local;
      try {
        local = { address: socket.address().address, port: socket.address().port };
      } catch {
        local = undefined;
      }
      resolve({ outcome, code, ms: now() - begin, connected: outcome === 'ok', local });
      socket.close();
    };
    const timer = setTimeout(() => finish('timeout'), timeoutMs);
    socket.once('error', (error) => finish(outcomeOf(error), error.code));
    socket.on('message', () => finish('ok'));
    const send = () =>
      // Connected, so that ICMP errors come back as errors.
      socket.connect(port, address, (error) => {
        if (error) finish(outcomeOf(error), error.code);
        else socket.send(payload, (failure) => failure && finish(outcomeOf(failure), failure.code));
      });
    socket.bind(localPort ?? 0, localAddress, send);
  });

const PING_FAILURES = [
  [/time to live exceeded|hop limit/i, 'ttl-exceeded'],
  [/prohibited|packet filtered|administratively/i, 'prohibited'],
  [/frag needed|too big|message too long/i, 'too-big'],
  [/unreachable|no route/i, 'unreachable'],
  [/not permitted|permission denied/i, 'prohibited'],
];

/** One echo request by ping(8). */
const ping = ({ address, timeoutMs, size, ttl, dontFragment, source }) =>
  new Promise((resolve) => {
    const begin = now();
    const args = ['-n', '-c', '1', '-W', String(timeoutMs / 1000), '-s', String(size)];
    if (ttl !== undefined) args.push('-t', String(ttl));
    if (dontFragment) args.push('-M', 'do');
    if (source !== undefined) args.push('-I', source);
    execFile('ping', [...args, address], { env: { ...process.env, LC_ALL: 'C' } }, (error, stdout, stderr) => {
      const text = stdout + stderr;
      const ok = /\b1 received/.test(text);
      const failure = PING_FAILURES.find(([pattern]) => pattern.test(text))?.[1];
      const broken = error && typeof error.code !== 'number' ? 'failed' : undefined;
      resolve({ outcome: ok ? 'ok' : (broken ?? failure ?? 'timeout'), code: broken && error.message, ms: now() - begin, connected: ok });
    });
  });

const newCounts = () => ({ sent: 0, received: 0, missing: 0, longestSilenceMs: 0, broken: undefined, outcomes: {}, lastOkAt: undefined, firstFailureAt: undefined });

const succeeded = (counts, at) => {
  if (counts.lastOkAt !== undefined) counts.longestSilenceMs = Math.max(counts.longestSilenceMs, at - counts.lastOkAt);
  counts.lastOkAt = at;
};

/** One connection, numbered messages there and back, until stopped or broken. */
const tcpFlow = ({ address, port, intervalMs, localPort, localAddress }) => {
  const counts = newCounts();
  let rest = '';
  const socket = createConnection({ host: address, port, localPort, localAddress, noDelay: true, allowHalfOpen: true });
  const broken = (code) => {
    counts.broken ??= { code, at: now() };
    counts.firstFailureAt ??= now();
    clearInterval(timer);
  };
  const timer = setInterval(() => {
    if (!socket.connecting && counts.broken === undefined) socket.write(`${++counts.sent}\n`);
  }, intervalMs);
  socket.on('data', (data) => {
    const lines = (rest + data.toString('latin1')).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      if (Number(line) === counts.received + 1) counts.received++;
      else broken(`expected message ${counts.received + 1}, got ${line}`);
    }
    succeeded(counts, now());
  });
  onEnded(socket, ({ code }) => broken(code));
  return { counts, stop: () => (clearInterval(timer), socket.resetAndDestroy()) };
};

/** Numbered datagrams, one way. */
const udpFlow = ({ address, port, intervalMs, localPort, localAddress, stream }) => {
  const counts = newCounts();
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  // Not connected: an ICMP error must not end the stream.
  socket.on('error', (error) => (counts.broken ??= { code: error.code, at: now() }));
  let timer;
  socket.bind(localPort ?? 0, localAddress, () => {
    timer = setInterval(() => socket.send(`seq ${stream} ${++counts.sent}`, port, address, (error) => error && (counts.outcomes[outcomeOf(error)] = (counts.outcomes[outcomeOf(error)] ?? 0) + 1)), intervalMs);
  });
  return { counts, stop: () => (clearInterval(timer), socket.close()) };
};

/** One new connection, or datagram, after the other, each with its own port. */
const attemptsFlow = (attempt) => ({ address, port, intervalMs, timeoutMs }) => {
  const counts = newCounts();
  const timer = setInterval(async () => {
    counts.sent++;
    const { outcome } = await attempt({ address, port, timeoutMs, payload: 'x' });
    counts.outcomes[outcome] = (counts.outcomes[outcome] ?? 0) + 1;
    if (outcome === 'ok') {
      counts.received++;
      succeeded(counts, now());
    } else {
      counts.missing++;
      counts.firstFailureAt ??= now();
    }
  }, intervalMs);
  return { counts, stop: () => clearInterval(timer) };
};

const FLOWS = { tcp: tcpFlow, udp: udpFlow, connections: attemptsFlow(connect), datagrams: attemptsFlow(udp) };

const statsOf = ({ counts }) => ({ ...counts, at: now() });

const methods = {
  listen,
  unlisten,
  streams,
  connect,
  udp,
  ping,
  startFlow: ({ flow, kind, ...options }) => void flows.set(flow, FLOWS[kind](options)),
  flowStats: ({ flow }) => statsOf(flows.get(flow)),
  stopFlow: ({ flow }) => {
    const found = flows.get(flow);
    flows.delete(flow);
    found.stop();
    return statsOf(found);
  },
};

const answer = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, method, ...options } = JSON.parse(line);
  try {
    answer({ id, result: await methods[method](options) });
  } catch (error) {
    answer({ id, error: error.message });
  }
}).on('close', () => process.exit(0));
answer({ ready: true });
