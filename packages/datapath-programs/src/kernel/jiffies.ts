import { OBJECT_MAPS } from '@cilium-ts/datapath-layout';
import type { BpfObject, Program } from 'libbpf-napi';
import { openObjectFile } from './open-file.ts';
import { explainLoadFailure } from './probe.ts';

const CLOCK = 'cil_clock';
const RATES = [100, 250, 300, 1000] as const;
let measured: Promise<number> | undefined;

/**
 * The kernel's CONFIG_HZ, which it tells nobody: jiffies and nanoseconds of two test runs 100 ms apart. Measured once;
 * a failure is not kept.
 */
export function jiffiesPerSecond(): Promise<number> {
  return (measured ??= measure().catch((error: unknown) => {
    measured = undefined;
    throw error;
  }));
}

async function measure(): Promise<number> {
  const object = openObjectFile('bpf_lxc');
  for (const name of OBJECT_MAPS.bpf_lxc) object.setMapMaxEntries(name, name === 'cilium_events' ? 4096 : 1);
  for (const name of object.programs.keys()) object.setAutoload(name, name === CLOCK);
  let loaded: BpfObject | undefined;
  try {
    loaded = await object.load();
    const clock = loaded.program(CLOCK);
    const first = readClock(clock);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const second = readClock(clock);
    const rate = (Number(second.jiffies - first.jiffies) * 1e9) / Number(second.nanoseconds - first.nanoseconds);
    return RATES.reduce<number>((best, each) => (Math.abs(Math.log(each / rate)) < Math.abs(Math.log(best / rate)) ? each : best), RATES[0]);
  } catch (cause) {
    throw explainLoadFailure(cause);
  } finally {
    loaded?.close();
  }
}

function readClock(program: Program): { jiffies: bigint; nanoseconds: bigint } {
  const { dataOut } = program.testRun({ data: new Uint8Array(64) });
  const view = new DataView(dataOut.buffer, dataOut.byteOffset);
  return { jiffies: view.getBigUint64(0, true), nanoseconds: view.getBigUint64(8, true) };
}
