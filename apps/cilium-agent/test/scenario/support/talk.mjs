// One end of one TCP connection, told what to do: `talk.mjs listen PORT ADDRESS` or `talk.mjs connect PORT ADDRESS [LOCALPORT]`.
// A line on stdin is sent as it is; every line that comes is printed after "got "; the far end's address after "peer ".
import { createConnection, createServer } from 'node:net';
import { createInterface } from 'node:readline';

const [role, port, address, localPort] = process.argv.slice(2);
const print = (text) => process.stdout.write(`${text}\n`);
const input = createInterface({ input: process.stdin });

const talk = (socket) => {
  print(`peer ${socket.remoteAddress} ${socket.remotePort}`);
  createInterface({ input: socket }).on('line', (line) => print(`got ${line}`));
  socket.on('error', (error) => print(`error ${error.code}`));
  socket.on('end', () => print('end'));
  input.on('line', (line) => socket.write(`${line}\n`));
};
input.on('close', () => process.exit(0));

if (role === 'listen') createServer({ noDelay: true }, talk).on('error', (error) => print(`error ${error.code}`)).listen({ port: Number(port), host: address }, () => print('listening'));
else {
  const socket = createConnection({ port: Number(port), host: address, noDelay: true, ...(localPort && { localPort: Number(localPort) }) });
  socket.once('error', (error) => print(`error ${error.code}`));
  socket.once('connect', () => {
    socket.removeAllListeners('error');
    talk(socket);
  });
}
