// A process of its own that opens sockets on demand: one JSON command per line in, one JSON answer per line out.
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

const handles = new Map();
let next = 1;
const keep = (what) => (handles.set(next, what), next++);
const text = ({ address, port }) => `${address}|${port}`;
const peerOf = (socket) => text(socket.remoteAddress instanceof Function ? socket.remoteAddress() : { address: socket.remoteAddress, port: socket.remotePort });
const family = (address) => (address.includes(':') ? 'udp6' : 'udp4');

/** Resolves with the first of the events, or `timeout`. */
const once = (emitter, events, milliseconds = 5000) =>
  new Promise((resolve) => {
    const done = (answer) => {
      clearTimeout(timer);
      for (const [name, listener] of listeners) emitter.off(name, listener);
      resolve(answer);
    };
    const listeners = Object.entries(events).map(([name, answer]) => [name, (...values) => done(answer(...values))]);
    const timer = setTimeout(() => done({ error: 'timeout' }), milliseconds);
    for (const [name, listener] of listeners) emitter.on(name, listener);
  });

/** Every error of a socket is kept: it may come when nobody waits for it. */
const watched = (socket) => {
  socket.failures = [];
  socket.on('error', (error) => socket.failures.push(error.code));
  return socket;
};

const commands = {
  /** A server that answers everything with its own address. */
  async serve({ protocol, address, port }) {
    if (protocol === 'tcp') {
      const server = createServer((socket) => {
        socket.on('error', () => {});
        socket.on('data', () => socket.write(`${address}|${port}`));
      });
      server.listen({ port, host: address });
      return once(server, { listening: () => ({ handle: keep(server) }), error: ({ code }) => ({ error: code }) });
    }
    const socket = createSocket({ type: family(address) });
    socket.on('message', (_, from) => socket.send(`${address}|${port}`, from.port, from.address));
    socket.bind(port, address);
    return once(socket, { listening: () => ({ handle: keep(socket) }), error: ({ code }) => ({ error: code }) });
  },
  /** connect(2) of TCP, a message and its answer. */
  async tcp({ address, port, localAddress }) {
    const socket = watched(connect({ host: address, port, ...(localAddress && { localAddress }) }));
    const connected = await once(socket, { connect: () => ({}), error: ({ code }) => ({ error: code }) });
    if (connected.error) return connected;
    const peer = peerOf(socket);
    socket.write('?');
    const reply = await once(socket, { data: (data) => ({ reply: String(data) }), error: ({ code }) => ({ error: code }) });
    return { ...reply, peer, handle: keep(socket) };
  },
  async udp({ type = 'udp4', v6only = false }) {
    const socket = watched(createSocket({ type, ipv6Only: v6only }));
    socket.bind(0);
    await once(socket, { listening: () => ({}) });
    return { handle: keep(socket) };
  },
  async udpConnect({ handle, address, port }) {
    const socket = handles.get(handle);
    const result = await new Promise((resolve) => socket.connect(port, address, (error) => resolve(error ? { error: error.code } : {})));
    return result.error ? result : { peer: peerOf(socket) };
  },
  udpDisconnect({ handle }) {
    handles.get(handle).disconnect();
    return {};
  },
  /** A datagram and its answer; `from` is what recvmsg says. */
  async udpAsk({ handle, address, port, silent = false }) {
    const socket = handles.get(handle);
    const answered = once(socket, { message: (data, from) => ({ reply: String(data), from: text(from) }), error: ({ code }) => ({ error: code }) });
    const sent = await new Promise((resolve) => {
      const done = (error) => resolve(error ? { error: error.code } : {});
      if (address === undefined) socket.send('?', done);
      else socket.send('?', port, address, done);
    });
    return sent.error ? sent : silent ? {} : answered;
  },
  /** getpeername(2). */
  peer: ({ handle }) => ({ peer: peerOf(handles.get(handle)) }),
  async bind({ protocol, address, port, v6only = false }) {
    const done = { error: ({ code }) => ({ error: code }) };
    if (protocol === 'tcp') {
      const server = createServer();
      server.listen({ port, host: address, ipv6Only: v6only });
      return once(server, { ...done, listening: () => ({ handle: keep(server) }) });
    }
    const socket = createSocket({ type: family(address), ipv6Only: v6only });
    socket.bind(port, address);
    return once(socket, { ...done, listening: () => ({ handle: keep(socket) }) });
  },
  /** Many UDP sockets, each connected to the same address. */
  async many({ count, address, port }) {
    const sockets = Array.from({ length: count }, () => watched(createSocket(family(address))));
    const results = await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.connect(port, address, (error) => resolve(error?.code)))));
    return { handle: keep({ close: () => sockets.forEach((socket) => socket.close()) }), failures: results.filter(Boolean) };
  },
  /** The next error of a socket, one that has already come included. */
  async failure({ handle, milliseconds }) {
    const socket = handles.get(handle);
    if (socket.failures.length > 0) return { error: socket.failures[0] };
    return once(socket, { error: ({ code }) => ({ error: code }), close: () => ({ error: 'closed' }) }, milliseconds);
  },
  close({ handle }) {
    const socket = handles.get(handle);
    handles.delete(handle);
    if (socket.destroy) socket.destroy();
    else socket.close();
    return {};
  },
};

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const { id, command, ...details } = JSON.parse(line);
  Promise.resolve()
    .then(() => commands[command](details))
    .then((answer) => say({ id, answer }), (error) => say({ id, answer: { error: error.code ?? String(error) } }));
});
lines.on('close', () => process.exit(0));
say({ id: 0, answer: {} });
