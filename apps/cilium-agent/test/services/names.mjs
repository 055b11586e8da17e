// `names.mjs answer ADDRESS…`: opens the ports that are told on stdin, [[protocol, port]…], and answers everybody by the port's number.
// `names.mjs ask`: asks each frontend over and over who it is. A frontend is told on stdin as {frontends: [[address, port, protocol]…]};
// {allow: [[number…]…]} says who may answer each of them from now on, and begins an epoch; {stats: true} prints what was heard.
// One JSON document per line, one line in answer to each.
import { createSocket } from 'node:dgram';
import { createConnection, createServer, isIPv6 } from 'node:net';
import { createInterface } from 'node:readline';

const [role, ...addresses] = process.argv.slice(2);
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const input = createInterface({ input: process.stdin }).on('close', () => process.exit(0));

const answerTcp = (address, port) =>
  new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.end(`${port}\n`);
    });
    server.once('error', reject).listen({ host: address, port, ipv6Only: isIPv6(address), backlog: 1024 }, resolve);
  });
const answerUdp = (address, port) =>
  new Promise((resolve, reject) => {
    const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', ipv6Only: isIPv6(address) });
    socket.on('message', (question, from) => socket.send(`${port} ${question.toString('latin1')}`, from.port, from.address, () => {}));
    socket.once('error', reject).bind(port, address, resolve);
  });

if (role === 'answer') {
  input.on('line', async (line) => {
    for (const [protocol, port] of JSON.parse(line)) for (const address of addresses) await (protocol === 'TCP' ? answerTcp : answerUdp)(address, port);
    print('answering');
  });
}

/** How many connections are being made at a time, and the pause after each and after so many datagrams: machines have other work too. */
const [CONNECTIONS, BURST, PAUSE_MS] = [4, 8, 15];
const PATIENCE_MS = 2000;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What is known of the frontends, and what was heard since the epoch began. */
const book = { frontends: [], names: new Map(), allowed: [], epoch: 0, wrong: [], right: 0, failed: 0, heard: new Set() };

const note = (at, number, begun) => {
  // What was asked before the last change may be answered by who it was then.
  if (begun !== book.epoch) return;
  if (!book.allowed[at].includes(number)) book.wrong.push({ frontend: book.frontends[at], number, allowed: book.allowed[at] });
  else {
    book.right++;
    book.heard.add(at);
  }
};

const connectOnce = (at) =>
  new Promise((resolve) => {
    const begun = book.epoch;
    const [address, port] = book.frontends[at];
    let text = '';
    const socket = createConnection({ host: address, port });
    const finish = (ok) => {
      clearTimeout(timer);
      if (!ok && begun === book.epoch) book.failed++;
      socket.resetAndDestroy();
      resolve();
    };
    const timer = setTimeout(() => finish(false), PATIENCE_MS);
    socket.on('data', (data) => {
      text += data.toString('latin1');
      if (!text.endsWith('\n')) return;
      note(at, Number(text), begun);
      finish(true);
    });
    socket.on('error', () => finish(false)).on('end', () => finish(false));
  });

const connectAll = async (mine, lane) => {
  for (let next = lane; ; next += CONNECTIONS) {
    await connectOnce(mine[next % mine.length]);
    await pause(PAUSE_MS);
  }
};

const onAnswer = (message, from) => {
  const [number, name, begun] = message.toString('latin1').split(' ');
  const at = book.names.get(`${from.address} ${from.port}`);
  // In the name of a frontend that was not asked: wrong, whoever it is. In its own name answers who was asked by the time
  // that the frontend had another backend already: nobody takes it for an answer, but it must be who was to be asked.
  if (at !== undefined && at !== Number(name)) book.wrong.push({ frontend: book.frontends[name], number, from: from.address });
  else note(Number(name), Number(number), Number(begun));
};

/** Always from the same port: what the datapath remembers of it is there when the service is another's. */
const sendAll = async (mine) => {
  const sockets = Object.fromEntries(['udp4', 'udp6'].map((type) => [type, createSocket(type)]));
  for (const socket of Object.values(sockets)) socket.on('error', () => {}).on('message', onAnswer).bind(0);
  for (let next = 0; ; next++) {
    const at = mine[next % mine.length];
    const [address, port] = book.frontends[at];
    sockets[isIPv6(address) ? 'udp6' : 'udp4'].send(`${at} ${book.epoch}`, port, address, () => {});
    if (next % BURST === 0) await pause(PAUSE_MS);
  }
};

if (role === 'ask') {
  input.on('line', (line) => {
    const told = JSON.parse(line);
    if (told.allow) Object.assign(book, { allowed: told.allow, epoch: book.epoch + 1, right: 0, failed: 0, heard: new Set() });
    if (told.frontends) {
      book.frontends = told.frontends;
      book.frontends.forEach(([address, port], at) => book.names.set(`${address} ${port}`, at));
      const of = (protocol) => book.frontends.flatMap((frontend, at) => (frontend[2] === protocol ? [at] : []));
      for (let lane = 0; lane < CONNECTIONS; lane++) void connectAll(of('TCP'), lane);
      void sendAll(of('UDP'));
    }
    const { wrong, right, failed, frontends, heard } = book;
    print(told.stats ? { wrong: wrong.slice(0, 10), right, failed, unheard: frontends.filter((_, at) => !heard.has(at)).length } : 'told');
  });
}
