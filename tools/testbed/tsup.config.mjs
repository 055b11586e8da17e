import { library } from '../../tools/config/tsup.base.mjs';

// The probe's child is started by node itself, from src/ as from dist/, so it is an entry of its own.
export default library({ entry: ['src/index.ts', 'src/main.ts', 'src/probe-child.mjs'], dts: false });
