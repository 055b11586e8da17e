import { createProgram } from './program.ts';
import { systemIo } from './system-io.ts';
import { reportFailure } from './failure.ts';

const io = systemIo();
try {
  await createProgram(io).parseAsync(process.argv);
} catch (error) {
  process.exitCode = reportFailure(io, error);
}
