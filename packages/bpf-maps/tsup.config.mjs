import { library } from '../../tools/config/tsup.base.mjs';

export default library({ entry: ['src/index.ts', 'src/compliance.ts'] });
