import { describePort, type Party, type Verdict } from '../connection.ts';
import { line, paint } from './print.ts';

/** What one cell shows of a connection over one family. */
function symbol({ agrees, observation }: Verdict): string {
  if (!agrees) return paint.bad('!');
  return observation.kind === 'open' ? paint.good('+') : paint.drop('-');
}

/** One table per destination: its ports across, who connects down. Each cell has IPv4 and IPv6. */
export function printMatrix(verdicts: readonly Verdict[], parties: readonly Party[]): void {
  line(`Each cell is IPv4 and IPv6.  ${paint.good('+')} allowed, and an answer came   ${paint.drop('-')} denied, and dropped   ${paint.bad('!')} not as the policies say`);
  for (const to of parties) {
    const rows = verdicts.filter(({ connection }) => connection.to === to);
    if (rows.length > 0) printTable(to, rows, parties);
  }
}

function printTable(to: Party, verdicts: readonly Verdict[], parties: readonly Party[]): void {
  const ports = [...new Set(verdicts.map(({ connection }) => describePort(connection)))];
  const width = Math.max(...parties.map(({ name }) => name.length), to.name.length) + 6;
  line();
  line(`to ${to.name}`.padEnd(width) + ports.map((port) => port.padEnd(11)).join(''));
  for (const from of parties) {
    const own = verdicts.filter(({ connection }) => connection.from === from);
    if (own.length === 0) continue;
    const cells = ports.map((port) => {
      const cell = own.filter(({ connection }) => describePort(connection) === port);
      return `${cell.map(symbol).join(' ')}${' '.repeat(11 - (2 * cell.length - 1))}`;
    });
    line(`   ${from.name}`.padEnd(width) + cells.join(''));
  }
}
