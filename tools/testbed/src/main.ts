import { listTestbeds, removeAbandoned, removeTestbed } from './cleanup.ts';

const USAGE = `usage: testbed list            testbeds of this machine
       testbed clean           remove what is left of those whose process is dead
       testbed clean --kept    those too that were kept on purpose`;

const list = (): void => {
  for (const { folder, record, abandoned } of listTestbeds()) {
    const state = abandoned ? 'abandoned' : record.kept ? 'kept' : `in use by process ${record.owner.pid}`;
    console.log(`${folder}  ${state}`);
  }
};

const clean = (kept: boolean): void => {
  const removed = removeAbandoned();
  for (const { folder, record } of kept ? listTestbeds() : []) {
    if (!record.kept) continue;
    removeTestbed(folder, record);
    removed.push(folder);
  }
  for (const folder of removed) console.log(`removed ${folder}`);
};

const [command, option, ...rest] = process.argv.slice(2);
if (command === 'list' && option === undefined) list();
else if (command === 'clean' && (option === undefined || option === '--kept') && rest.length === 0) clean(option === '--kept');
else {
  console.error(USAGE);
  process.exitCode = 2;
}
